import { Emitter } from "../base/event.ts";
import type { EventBatch } from "../protocol/event.ts";
import type { MissionHead } from "../protocol/mission.ts";

export interface Publication {
  batch: EventBatch;
  /** Set when something but the transcript has changed. */
  head?: MissionHead;
}

/** What the leader publishes. Nothing here is published before it is stored, and nothing is kept for anyone. */
export class Hub {
  readonly #published = new Emitter<Publication>();
  readonly #removed = new Emitter<string>();
  readonly onPublished = this.#published.event;
  readonly onRemoved = this.#removed.event;

  publish(publication: Publication): void {
    this.#published.fire(publication);
  }

  remove(missionId: string): void {
    this.#removed.fire(missionId);
  }
}

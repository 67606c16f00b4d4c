import { createHash } from "node:crypto";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Sequence, Timer } from "../base/async.ts";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { privateFolder } from "../base/files.ts";
import { Lifetime, type Disposable } from "../base/lifetime.ts";
import type { Logger } from "../base/log.ts";
import { answers, endDisplay, keepDisplay } from "../desktop/display.ts";
import type { RfbClient } from "../desktop/rfb.ts";
import type { EventBody, MissionEvent, ToolResult } from "../protocol/event.ts";
import type { Store } from "../store/store.ts";
import { removePlace, type Desktops, type FoundDesktop } from "./desktops.ts";

export interface DesktopKeeperOptions {
  desktops: Desktops;
  store: Pick<Store, "head" | "has">;
  /** Stores events of a mission. */
  update: (missionId: string, bodies: EventBody[]) => void;
  /** Whether pictures of what agents do on desktops become part of the missions. */
  records: () => boolean;
  /** Desktops have come, gone or changed. */
  onChange: () => void;
  log: Logger;
}

/** How often it is looked at what there is, and at least every how many times whether it answers. */
const [lookMs, looksPerProbe] = [5_000, 6];
/** Pictures of a mission that are kept, and how long after a call one is still of it. */
const [mostPictures, freshMs] = [1000, 10_000];

/** For the leader: ends desktops that nobody needs any more, tells of those that are gone, and keeps pictures of them. */
export class DesktopKeeper implements Disposable {
  readonly #options: DesktopKeeperOptions;
  readonly #lifetime = new Lifetime();
  readonly #timer = this.#lifetime.add(new Timer());
  readonly #looking = new Sequence();
  readonly #recording = new Sequence();
  /** As they were found last. */
  #known = new Map<string, FoundDesktop>();
  #looks = 0;
  /** Digests of the newest picture of each mission, and how many there are. */
  readonly #pictures = new Map<string, { digest: string; count: number }>();

  constructor(options: DesktopKeeperOptions) {
    this.#options = options;
  }

  start(): void {
    void this.look().finally(() => {
      if (!this.#lifetime.ended) this.#timer.set(lookMs, () => this.start());
    });
  }

  /** Takes in what a mission's events say of desktops. */
  accept(missionId: string, events: readonly MissionEvent[]): void {
    const calls = events.flatMap(({ body }) => (body.type === "tool_result" && body.card.desktop ? [body] : []));
    if (calls.length === 0) return;
    // What is told late, after a time without a leader, is not what is seen now.
    const last = calls.findLast(
      ({ card, attachments, endedAt }) =>
        card.desktop?.action !== "stopped" && !attachments?.length && Date.now() - (endedAt ?? 0) < freshMs,
    );
    if (last && this.#options.records()) void this.#record(missionId, last);
    if (calls.some(({ card }) => card.desktop?.action !== "used")) void this.look();
  }

  /** Looks at what there is, and does what has become due. */
  look(): Promise<void> {
    return this.#looking.run(async () => {
      try {
        await this.#look();
      } catch (error) {
        this.#options.log.warn(`Desktops could not be looked after: ${describeError(error)}`);
      }
    });
  }

  async #look(): Promise<void> {
    const { desktops } = this.#options;
    const probes = this.#looks++ % looksPerProbe === 0;
    const found = new Map<string, FoundDesktop>();
    for (const desktop of desktops.list()) {
      const isDue = this.#isDue(desktop.id);
      if (isDue) await endDisplay(desktop.folder);
      const isGone = (isDue || probes || !this.#known.has(desktop.id)) && !(await answers(desktop.socket));
      if (isGone) removePlace(desktop.folder);
      else found.set(desktop.id, desktop);
    }
    if (probes) desktops.sweep();
    const before = this.#known;
    this.#known = found;
    for (const [id, desktop] of before) if (!found.has(id)) this.#tellEnd(desktop);
    if (facts(before) !== facts(found)) this.#options.onChange();
  }

  /** By what is known now: while others were ended, the user may have said that it is to be kept. */
  #isDue(id: string): boolean {
    const now = this.#options.desktops.list().find((desktop) => desktop.id === id);
    return now !== undefined && (now.isOrphan || (now.closesAt ?? Infinity) <= Date.now());
  }

  /** A mission says itself what its agent has ended. */
  #tellEnd({ id, missionId }: FoundDesktop): void {
    const { store, update } = this.#options;
    if (missionId === undefined || !store.has(missionId)) return;
    const known = store.head(missionId).desktops?.find((desktop) => desktop.id === id);
    if (known && known.endedAt === undefined) update(missionId, [{ type: "desktop_ended", desktopId: id }]);
  }

  /** Throws `desktop_not_found`. */
  find(id: string): FoundDesktop {
    return this.#options.desktops.find(id);
  }

  connect(id: string): Promise<RfbClient> {
    return this.#options.desktops.connect(id);
  }

  /** Keeps a desktop for so long, whether or not its mission rests or its OpenCode ends. Throws `desktop_not_found`. */
  async keep(id: string, seconds: number): Promise<void> {
    const { folder, missionId } = this.find(id);
    if (missionId === undefined)
      throw new OpenAgentError(
        "invalid_input",
        "This desktop belongs to no mission: it lives as long as its OpenCode does.",
      );
    await keepDisplay(folder, seconds);
    const until = Date.now() + 1000 * seconds;
    this.#options.update(missionId, [{ type: "desktop_kept", desktopId: id, until }]);
    await this.look();
  }

  /** Ends a desktop. Throws `desktop_not_found`. */
  async end(id: string): Promise<void> {
    await endDisplay(this.#options.desktops.find(id).folder);
    await this.look();
  }

  /** Ends the desktops of a mission that is deleted, and takes away its agents' screenshots. */
  async endOf(missionId: string): Promise<void> {
    for (const { folder, missionId: owner } of this.#options.desktops.list())
      if (owner === missionId) await endDisplay(folder);
    try {
      this.#options.desktops.dropScreenshots(missionId);
    } catch (error) {
      this.#options.log.warn(`Screenshots of a deleted mission are left: ${describeError(error)}`);
    }
    this.#pictures.delete(missionId);
    await this.look();
  }

  /** Keeps what the desktop looks like after a call, as a part of the mission; not twice the same in a row. */
  #record(missionId: string, call: ToolResult): Promise<void> {
    return this.#recording.run(async () => {
      const { desktops, store, update, log } = this.#options;
      try {
        if (!store.has(missionId)) return;
        const display = call.card.desktop?.display;
        const desktop = desktops.of(missionId).findLast((one) => display === undefined || one.display === display);
        const folder = privateFolder(desktops.picturesOf(missionId));
        const known = this.#pictures.get(missionId) ?? { digest: "", count: readdirSync(folder).length };
        if (!desktop || known.count >= mostPictures) return;
        const png = await desktops.picture(desktop.id);
        const digest = createHash("sha256").update(png).digest("base64");
        if (digest === known.digest || !store.has(missionId)) return;
        this.#pictures.set(missionId, { digest, count: known.count + 1 });
        const { sessionId, messageId, partId } = call;
        const path = join(folder, `${partId.replace(/\W/g, "_")}.png`);
        writeFileSync(path, png, { mode: 0o600 });
        update(missionId, [{ type: "desktop_picture", sessionId, messageId, partId, desktopId: desktop.id, path }]);
      } catch (error) {
        log.warn(`There is no picture of what was done on a desktop: ${describeError(error)}`);
      }
    });
  }

  dispose(): void {
    this.#lifetime.dispose();
  }
}

/** What others draw of them. */
function facts(desktops: ReadonlyMap<string, FoundDesktop>): string {
  return JSON.stringify([...desktops.values()]);
}

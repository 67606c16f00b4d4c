import { Timer } from "../base/async.ts";
import { describeError } from "../base/errors.ts";
import { Lifetime, type Disposable } from "../base/lifetime.ts";
import type { Logger } from "../base/log.ts";
import type { Store } from "../store/store.ts";
import type { Hub } from "./hub.ts";

export interface UpkeepOptions {
  store: Store;
  hub: Hub;
  log: Logger;
  isBusy: () => boolean;
}

/** After news, between two steps, and until a mission at work is looked at again. */
const quietMs = 500;
const betweenMs = 25;
const busyMs = 60_000;

/**
 * The store's housework, in steps between which the process does other things: what is new becomes quick to search, and
 * the space of what was deleted goes back to the disk.
 */
export class Upkeep implements Disposable {
  readonly #options: UpkeepOptions;
  readonly #lifetime = new Lifetime();
  readonly #timer = this.#lifetime.add(new Timer());
  #reclaims = true;
  #complaint = "";

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#lifetime.add(options.hub.onPublished(() => this.#wake(quietMs)));
    this.#lifetime.add(
      options.hub.onRemoved(() => {
        this.#reclaims = true;
        this.#wake(quietMs);
      }),
    );
  }

  /** Takes up what an earlier process left. */
  start(): void {
    this.#wake(quietMs);
  }

  #wake(ms: number): void {
    if (!this.#timer.pending && !this.#lifetime.ended) this.#timer.set(ms, () => this.#step());
  }

  #step(): void {
    const { store, log, isBusy } = this.#options;
    try {
      if (store.indexMore()) this.#wake(betweenMs);
      else if (this.#reclaims) {
        const busy = isBusy();
        if (store.reclaim(!busy)) this.#wake(betweenMs);
        else if (busy) this.#wake(busyMs);
        else this.#reclaims = false;
      }
      this.#complaint = "";
    } catch (error) {
      const complaint = describeError(error);
      if (complaint !== this.#complaint) log.warn(`The search index lags behind: ${complaint}`);
      this.#complaint = complaint;
    }
  }

  dispose(): void {
    this.#lifetime.dispose();
  }
}

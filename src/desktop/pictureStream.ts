import { sleep, Timer } from "../base/async.ts";
import { describeError } from "../base/errors.ts";
import { Lifetime, type Disposable } from "../base/lifetime.ts";
import type { Pixels } from "./png.ts";
import type { RfbClient } from "./rfb.ts";

/** Milliseconds after which a display that could not be looked at is tried again, and those of one wait for a change. */
const [retryMs, waitMs] = [500, 60_000];

export interface PictureStreamOptions {
  /** Connects to the display. The connection is the stream's. */
  connect: () => Promise<RfbClient>;
  /** Whether the display is still there. */
  exists: () => boolean;
  /** The pixels change after the call has returned its promise. */
  encode: (pixels: Pixels, quality: number) => Promise<Uint8Array>;
  /** Resolves when somebody has taken the picture; until then there is no other. */
  deliver: (picture: Uint8Array) => Promise<void>;
  /** The display cannot be looked at. It is tried again as long as it is there. */
  failed: (message: string) => void;
  /** The display is not there any more. Nothing comes after. */
  ended: () => void;
  framesPerSecond: number;
  quality: number;
}

/**
 * Whole pictures of a display: one at first, and another one when something has changed since the last. What changes
 * faster than pictures are made or taken is seen in the next one. Nothing is asked of the display meanwhile, so neither
 * an idle display nor an idle viewer costs anything.
 */
export class PictureStream implements Disposable {
  readonly #options: PictureStreamOptions;
  readonly #lifetime = new Lifetime();
  readonly #timer = this.#lifetime.add(new Timer());
  #gapMs: number;
  #quality: number;
  #isPaused = false;
  /** There is something that has not been shown. */
  #isDue = true;
  #isWatching = false;
  #wake: () => void = () => undefined;

  constructor(options: PictureStreamOptions) {
    this.#options = options;
    this.#gapMs = 1000 / options.framesPerSecond;
    this.#quality = options.quality;
    void this.#run();
  }

  set framesPerSecond(count: number) {
    this.#gapMs = 1000 / count;
    this.#wake();
  }

  /** Shows the display anew, as it is then. */
  set quality(quality: number) {
    if (quality === this.#quality) return;
    this.#quality = quality;
    this.#isDue = true;
    this.#wake();
  }

  /** While it is paused, no picture comes; what has changed by then is seen when it goes on. */
  set isPaused(isPaused: boolean) {
    this.#isPaused = isPaused;
    this.#wake();
  }

  dispose(): void {
    this.#lifetime.dispose();
    this.#wake();
  }

  async #run(): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        if (tries > 0 && !this.#options.exists()) {
          this.dispose();
          this.#options.ended();
          return;
        }
        await this.#show();
      } catch (error) {
        if (!this.#lifetime.ended) this.#options.failed(describeError(error));
      }
      await sleep(retryMs, this.#lifetime.signal).catch(() => undefined);
      if (this.#lifetime.ended) return;
    }
  }

  /** Until the stream or, with an error, the connection ends. */
  async #show(): Promise<void> {
    const client = await this.#options.connect();
    const ending = client.onEnd(() => this.#wake());
    try {
      this.#isDue = true;
      await client.refresh();
      for (let next = 0; !this.#lifetime.ended;) {
        if (client.error) throw client.error;
        const wait = next - performance.now();
        if (this.#isPaused) await this.#woken();
        else if (!this.#isDue) {
          void this.#watch(client);
          await this.#woken();
        } else if (wait > 0) await this.#woken(wait);
        else {
          next = performance.now() + this.#gapMs;
          this.#isDue = false;
          await this.#options.deliver(await this.#options.encode(client.pixels, this.#quality));
        }
      }
    } finally {
      ending.dispose();
      client.dispose();
    }
  }

  /** Waits for a change, which costs nothing, while something else is done. */
  async #watch(client: RfbClient): Promise<void> {
    if (this.#isWatching) return;
    this.#isWatching = true;
    const changed = async () => {
      while (!(await client.changes(waitMs)));
    };
    // Where the connection has ended instead, who shows it sees that.
    await changed().catch(() => undefined);
    this.#isWatching = false;
    this.#isDue = true;
    this.#wake();
  }

  /** Waits until something is to be looked at again, at most for so long. */
  #woken(ms?: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (ms !== undefined) this.#timer.set(Math.ceil(ms), resolve);
    });
  }
}

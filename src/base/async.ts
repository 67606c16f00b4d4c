/** Resolves after `ms` milliseconds; rejects with the signal's reason when it aborts first. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(reasonOf(signal));
      return;
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    const onAbort = () => {
      clearTimeout(timer);
      if (signal) reject(reasonOf(signal));
    };
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error("aborted");
}

/** Asks `condition` again every `everyMs` until it is true or `ms` have passed; says which. */
export async function waitUntil(condition: () => boolean, ms: number, everyMs = 25): Promise<boolean> {
  const end = Date.now() + ms;
  while (!condition()) {
    if (Date.now() >= end) return false;
    await sleep(everyMs);
  }
  return true;
}

/** Delays between attempts: `firstMs` doubling to `maxMs`, each with up to half of it taken away at random. */
export class Backoff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  readonly #random: () => number;
  #attempt = 0;

  constructor(firstMs: number, maxMs: number, random: () => number = Math.random) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
    this.#random = random;
  }

  /** Attempts since the last `reset`. */
  get attempt(): number {
    return this.#attempt;
  }

  next(): number {
    const full = Math.min(this.#firstMs * 2 ** this.#attempt, this.#maxMs);
    this.#attempt++;
    return Math.round(full * (1 - this.#random() / 2));
  }

  reset(): void {
    this.#attempt = 0;
  }
}

/** Runs jobs one after another in the order of their calls. A failed job does not stop the next. */
export class Sequence {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(job, job);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** Resolves when everything asked for so far is over. */
  async settled(): Promise<void> {
    await this.#tail;
  }
}

/** A timer that can be set again and again; only the last setting fires. */
export class Timer {
  #handle: NodeJS.Timeout | undefined;

  get pending(): boolean {
    return this.#handle !== undefined;
  }

  set(ms: number, fire: () => void): void {
    this.dispose();
    this.#handle = setTimeout(() => {
      this.#handle = undefined;
      fire();
    }, ms);
  }

  dispose(): void {
    if (this.#handle !== undefined) clearTimeout(this.#handle);
    this.#handle = undefined;
  }
}

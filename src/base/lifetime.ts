/** Something with an end. Disposing twice is harmless. */
export interface Disposable {
  dispose(): void;
}

/** Makes a disposable out of a function that is called at most once. */
export function toDisposable(end: () => void): Disposable {
  let ended = false;
  return {
    dispose() {
      if (ended) return;
      ended = true;
      end();
    },
  };
}

/** Owns disposables and ends them in reverse order. Whatever is added after the end is ended at once. */
export class Lifetime implements Disposable {
  readonly #owned: Disposable[] = [];
  readonly #abort = new AbortController();

  /** Aborts when this lifetime ends. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get ended(): boolean {
    return this.#abort.signal.aborted;
  }

  add<T extends Disposable>(owned: T): T {
    if (this.ended) owned.dispose();
    else this.#owned.push(owned);
    return owned;
  }

  dispose(): void {
    if (this.ended) return;
    this.#abort.abort(new Error("disposed"));
    for (let owned = this.#owned.pop(); owned; owned = this.#owned.pop()) owned.dispose();
  }
}

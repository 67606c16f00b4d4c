import { existsSync, watch } from "node:fs";
import { Timer } from "./async.ts";
import { Lifetime, type Disposable } from "./lifetime.ts";

/** A folder that is not there, or cannot be watched any more, is looked for so often. */
const retryMs = 3_000;
/** Several files are written together. */
const quietMs = 200;

/** Tells when something in a folder changes, at any depth but for `.git`, and when the folder comes into being. */
export function watchFolder(folder: string, onChange: () => void): Disposable {
  const lifetime = new Lifetime();
  const quiet = lifetime.add(new Timer());
  const retry = lifetime.add(new Timer());
  const tell = () => {
    quiet.set(quietMs, onChange);
  };
  const begin = (isNew: boolean) => {
    const again = () => {
      retry.set(retryMs, () => {
        begin(true);
      });
    };
    if (!existsSync(folder)) {
      again();
      return;
    }
    if (isNew) tell();
    try {
      const watcher = watch(folder, { recursive: true, persistent: false }, (_, path) => {
        if (path === null || !/^\.git(?:[/\\]|$)/.test(path)) tell();
        if (existsSync(folder)) return;
        watcher.close();
        again();
      });
      watcher.on("error", () => {
        watcher.close();
        again();
      });
      lifetime.add({
        dispose: () => {
          watcher.close();
        },
      });
    } catch {
      // The system has no more watches: what changes is found by looking, as if the folder were new each time.
      again();
    }
  };
  begin(false);
  return lifetime;
}

/** Watches folders, which may become others. */
export class WatchedFolders implements Disposable {
  readonly #onChange: () => void;
  readonly #watched = new Map<string, Disposable>();
  #ended = false;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Watches these folders alone. Those that are watched already go on being so. */
  watch(folders: readonly string[]): void {
    if (this.#ended) return;
    for (const folder of folders)
      if (!this.#watched.has(folder)) this.#watched.set(folder, watchFolder(folder, this.#onChange));
    for (const [folder, watcher] of this.#watched) {
      if (folders.includes(folder)) continue;
      watcher.dispose();
      this.#watched.delete(folder);
    }
  }

  dispose(): void {
    this.watch([]);
    this.#ended = true;
  }
}

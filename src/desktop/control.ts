import { rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toDisposable, type Disposable } from "../base/lifetime.ts";

/** One hand at a time: while the user's is on a display, the agent's waits. */
const fileName = "taken";
/** A mark that nobody has renewed for so long is one of somebody who was killed. */
const [renewMs, validMs] = [2000, 6000];

/** Says that the user has a display in hand, until the end of what is returned or of this process. */
export function takeInHand(folder: string): Disposable {
  const path = join(folder, fileName);
  writeFileSync(path, "", { mode: 0o600 });
  const renewal = setInterval(() => {
    try {
      utimesSync(path, new Date(), new Date());
    } catch {
      // The display has ended, and its folder with it.
      clearInterval(renewal);
    }
  }, renewMs);
  renewal.unref();
  return toDisposable(() => {
    clearInterval(renewal);
    rmSync(path, { force: true });
  });
}

/** Whether the user has a display in hand. */
export function isInHand(folder: string): boolean {
  const found = statSync(join(folder, fileName), { throwIfNoEntry: false });
  return found !== undefined && Math.abs(Date.now() - found.mtimeMs) < validMs;
}

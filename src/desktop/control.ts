import { lstatSync, lutimesSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OpenAgentError, systemCode } from "../base/errors.ts";
import { toDisposable, type Disposable } from "../base/lifetime.ts";

/** One hand at a time: while the user's is on a display, the agent's waits, and so does any other of the user's. */
const fileName = "taken";
/** A mark that nobody has renewed for so long is one of somebody who was killed. */
const [renewMs, validMs] = [2000, 6000];

/**
 * Says that the user has a display in hand, until the end of what is returned or of this process.
 * @throws OpenAgentError `desktop_busy` while another window has it
 */
export function takeInHand(folder: string): Disposable {
  const path = join(folder, fileName);
  if (isInHand(folder))
    throw new OpenAgentError("desktop_busy", "Another window has this desktop in hand. Give it back there first.");
  rmSync(path, { force: true });
  try {
    // Nothing but a file that was not there: a container's agent may put a link in its place.
    writeFileSync(path, "", { mode: 0o600, flag: "wx" });
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    throw new OpenAgentError("desktop_failed", "The desktop has ended.", {}, error);
  }
  const renewal = setInterval(() => {
    try {
      lutimesSync(path, new Date(), new Date());
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
  const found = lstatSync(join(folder, fileName), { throwIfNoEntry: false });
  return found !== undefined && Math.abs(Date.now() - found.mtimeMs) < validMs;
}

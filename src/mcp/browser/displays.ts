import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { seenDisplay, type Display } from "../../desktop/display.ts";

export interface Shown {
  /** The display's own. */
  folder: string;
  display: Display;
  /** When it was started, in milliseconds. */
  since: number;
}

/**
 * The displays that a mission has started, the newest first; those of nobody are for calls that name no mission. One that
 * was killed may be among them for a while.
 */
export function displaysOf(base: string, mission: string): Shown[] {
  const folders = existsSync(base) ? readdirSync(base).map((name) => join(base, name)) : [];
  const own = folders.flatMap((folder) => {
    const seen = seenDisplay(folder);
    return seen && (seen.owner ?? "") === mission ? [{ folder, ...seen }] : [];
  });
  return own.sort((one, other) => other.since - one.since);
}

/** Whether it has not ended. */
export function isShown({ folder, since }: Shown): boolean {
  return seenDisplay(folder)?.since === since;
}

import { copyFileSync, lstatSync, mkdirSync, readdirSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { isWithin } from "../base/paths.ts";
import { importLimits } from "./unzip.ts";

const left = [".git", ".DS_Store"];

/**
 * Copies a file or folder without the metadata of git. Links that stay within `bounds` are copied as what they name.
 * Throws with a clause that says why not.
 */
export function copyTree(source: string, target: string, bounds = source): void {
  const real = realpathSync(bounds);
  let [files, bytes] = [0, 0];
  const copy = (from: string, to: string, above: readonly string[]): void => {
    const place = within(real, from);
    if (place === undefined)
      throw new Error(`${relative(bounds, from) || basename(from)} is a link that leads out of it`);
    if (above.includes(place)) throw new Error(`${relative(bounds, from)} is a link to a folder that it is in`);
    const stat = statSync(from);
    if (stat.isDirectory()) {
      mkdirSync(to, { recursive: true });
      for (const name of readdirSync(from))
        if (!left.includes(name)) copy(join(from, name), join(to, name), [...above, place]);
      return;
    }
    if (!stat.isFile()) throw new Error(`${relative(bounds, from)} is neither a file nor a folder`);
    [files, bytes] = [files + 1, bytes + stat.size];
    if (files > importLimits.files) throw new Error("it has more than 2000 files");
    if (bytes > importLimits.bytes) throw new Error("its files have more than 20 MB");
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(from, to);
  };
  copy(source, target, []);
}

/** The real place of a path; undefined when that is elsewhere. */
function within(real: string, path: string): string | undefined {
  if (!lstatSync(path, { throwIfNoEntry: false })) return undefined;
  const place = realpathSync(path);
  return isWithin(real, place) ? place : undefined;
}

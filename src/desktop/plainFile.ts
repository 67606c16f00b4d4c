import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, type Stats } from "node:fs";
import { systemCode } from "../base/errors.ts";

/** Bytes of the small files in a display's folder. */
const longest = 4096;

/** Nothing is there, or what this user may not look at, or no file. */
const isNoFile = ["ENOENT", "ENOTDIR", "ELOOP", "ENXIO", "EACCES"];

/** What lies at a place in a display's folder, links themselves included; undefined where that is nothing for us. */
export function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (isNoFile.includes(systemCode(error) ?? "")) return undefined;
    throw error;
  }
}

/**
 * What a small file in a display's folder holds; undefined where there is none, or something else. In a container's folder
 * its agent may put anything there at any time: no link is followed, and nothing is waited for, as it would be with a pipe.
 */
export function readPlainFile(path: string): Buffer | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isNoFile.includes(systemCode(error) ?? "")) return undefined;
    throw error;
  }
  try {
    const found = fstatSync(file);
    if (!found.isFile() || found.size > longest) return undefined;
    const bytes = Buffer.alloc(longest);
    return bytes.subarray(0, readSync(file, bytes, 0, longest, 0));
  } finally {
    closeSync(file);
  }
}

import { isUtf8 } from "node:buffer";
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { describeError, systemCode } from "../base/errors.ts";

/** What is larger is no text for agents, and is not looked into. */
export const sizeLimit = 2 ** 20;

/** What tells whether a file is another than before. */
export type Stamp = string;

export type FileText =
  { stamp: Stamp; text: string } | { stamp: Stamp; code: "too-large" | "encoding" | "unreadable"; message: string };

/** Reads a file of a Library. Undefined where there is none; `before` where it is still as it was then. */
export function readFileText(path: string, before?: FileText): FileText | undefined {
  let file: number | undefined;
  try {
    // A pipe or a device of that name is neither waited for nor read.
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK || 0));
    const { size, mtimeNs, ino, ctimeNs } = fstatSync(file, { bigint: true });
    // What was written just now may be written again without another time.
    const fresh = BigInt(Date.now()) * 1_000_000n - mtimeNs < 2_000_000_000n;
    const stamp = fresh ? "" : [size, mtimeNs, ctimeNs, ino].join(" ");
    if (before && stamp !== "" && before.stamp === stamp) return before;
    if (size > sizeLimit) return { stamp, code: "too-large", message: "It is larger than 1 MB." };
    const bytes = readFileSync(file);
    if (!isUtf8(bytes)) return { stamp, code: "encoding", message: "It is no text in UTF-8." };
    return { stamp, text: unmarked(bytes.toString("utf8")) };
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemCode(error) ?? "")) return undefined;
    return { stamp: "", code: "unreadable", message: `It cannot be read: ${describeError(error)}.` };
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** A text without the mark of its encoding, which some editors put before it. */
export function unmarked(text: string): string {
  return text.replace(/^\uFEFF/, "");
}

/** Where the first mark of a merge's conflict is in a text that has them. */
export function conflictIn(text: string): { start: number; end: number } | undefined {
  const first = /^<{7} .*$/m.exec(text);
  return first && /^>{7} /m.test(text) ? { start: first.index, end: first.index + first[0].length } : undefined;
}

import { execFile } from "node:child_process";
import { lstatSync, readFileSync, readlinkSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { systemCode } from "../base/errors.ts";
import type { FileText } from "../protocol/changes.ts";

/** Larger files are not read. In bytes; OpenCode's snapshots leave out new ones from 2 MB on. */
const sizeLimit = 20_000_000;

/** The text of a file on disk, in OpenCode's reading: UTF-8 without a byte order mark, the target of a link. */
export function readText(path: string): FileText {
  try {
    const facts = lstatSync(path);
    if (facts.isSymbolicLink()) return { kind: "text", text: readlinkSync(path) };
    if (!facts.isFile() || facts.size > sizeLimit) return { kind: "unknown", why: "binary" };
    const bytes = readFileSync(path);
    if (bytes.includes(0)) return { kind: "unknown", why: "binary" };
    return { kind: "text", text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return { kind: "none" };
    return { kind: "unknown", why: code === "ERR_ENCODING_INVALID_ENCODED_DATA" ? "encoding" : "untold" };
  }
}

/** Whether the file on disk holds this text; unknown where either cannot be known. */
export function compareText(path: string, text: FileText): "same" | "changed" | "unknown" {
  const present = readText(path);
  if (text.kind === "unknown") return "unknown";
  if (present.kind === "unknown") return text.kind === "none" ? "changed" : "unknown";
  if (present.kind === "none" || text.kind === "none") return present.kind === text.kind ? "same" : "changed";
  return present.text === text.text ? "same" : "changed";
}

/** The files of the repository around a folder that were written after a time (epoch milliseconds). */
export async function filesWrittenSince(directory: string, time: number): Promise<string[]> {
  const git = promisify(execFile);
  const options = { cwd: directory, maxBuffer: 500_000_000 };
  const root = (await git("git", ["rev-parse", "--show-toplevel"], options)).stdout.trimEnd();
  const list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const { stdout } = await git("git", list, { ...options, cwd: root });
  const paths = stdout.split("\0").filter((path) => path !== "");
  const written: string[] = [];
  for (const path of paths) {
    const full = join(root, path);
    const facts = await stat(full).catch(() => undefined);
    if (facts && facts.mtimeMs > time) written.push(full);
  }
  return written;
}

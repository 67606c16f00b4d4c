import { chmodSync, createWriteStream, mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fromBufferPromise, type Entry } from "yauzl";
import { describeError, OpenAgentError } from "../base/errors.ts";

/** How much may be taken in at once. */
export const importLimits = { files: 2_000, bytes: 20_000_000 };

const kinds = { mask: 0o170000, link: 0o120000, file: 0o100000, folder: 0o040000 };
/** What other systems put beside files. */
const litter = /(^|\/)(__MACOSX\/|\.DS_Store$)/;

/**
 * Unpacks a zip archive into a folder. What it holds is looked at as a whole before anything of it is written.
 * @throws OpenAgentError `import_unusable`, with the folder in any state
 */
export async function unzip(path: string, folder: string): Promise<void> {
  try {
    if (statSync(path).size > importLimits.bytes) throw new Error("it is larger than 20 MB");
    // Read once: what is unpacked is what was looked at.
    const archive = readFileSync(path);
    check(await entriesOf(archive));
    await extract(archive, folder);
  } catch (error) {
    throw new OpenAgentError(
      "import_unusable",
      `${path} cannot be imported: ${describeError(error)}.`,
      { path },
      error,
    );
  }
}

async function entriesOf(archive: Buffer): Promise<Entry[]> {
  const zip = await fromBufferPromise(archive, { strictFileNames: true });
  const entries: Entry[] = [];
  try {
    for await (const entry of zip.eachEntry()) {
      entries.push(entry);
      if (entries.length > importLimits.files) throw new Error("it has more than 2000 files");
    }
  } finally {
    zip.close();
  }
  return entries;
}

function check(entries: readonly Entry[]): void {
  const seen = new Map<string, "file" | "folder">();
  let bytes = 0;
  for (const entry of entries) {
    const { fileName: name } = entry;
    const wrong = wrongName(name) ?? wrongKind(entry);
    if (wrong !== undefined) throw new Error(`“${printable(name)}” ${wrong}`);
    bytes += entry.uncompressedSize;
    if (bytes > importLimits.bytes) throw new Error("its files have more than 20 MB");
    note(seen, name);
  }
}

const printable = (name: string) => name.replaceAll(/\p{C}/gu, "?").slice(0, 200);

/** Paths that lead upwards or begin at a root are refused by the reader itself. */
function wrongName(name: string): string | undefined {
  if (/[\p{C}:*?"<>|\\]/u.test(name)) return "has signs that no file should have";
  const parts = name.replace(/\/$/, "").split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..")) return "is no plain path";
  if (parts.some((part) => part.toLowerCase() === ".git")) return "would be a part of git";
  return name.length > 400 ? "is too long" : undefined;
}

function wrongKind(entry: Entry): string | undefined {
  if (entry.isEncrypted()) return "is locked with a password";
  const kind = modeOf(entry) & kinds.mask;
  if (kind === kinds.link) return "is a link";
  return [0, kinds.file, kinds.folder].includes(kind) ? undefined : "is no file";
}

/** Of systems that have one. */
function modeOf({ versionMadeBy, externalFileAttributes }: Entry): number {
  return versionMadeBy >> 8 === 3 ? externalFileAttributes >>> 16 : 0;
}

/** On some systems names that differ only in case are one. */
function note(seen: Map<string, "file" | "folder">, name: string): void {
  const parts = name.replace(/\/$/, "").normalize("NFC").toLowerCase().split("/");
  for (let count = 1; count <= parts.length; count++) {
    const path = parts.slice(0, count).join("/");
    const kind = count < parts.length || name.endsWith("/") ? "folder" : "file";
    const before = seen.get(path);
    if (before !== undefined && (before === "file" || kind === "file")) throw new Error(`“${name}” comes twice`);
    seen.set(path, kind);
  }
}

async function extract(archive: Buffer, folder: string): Promise<void> {
  const zip = await fromBufferPromise(archive, { strictFileNames: true });
  try {
    for await (const entry of zip.eachEntry()) {
      if (litter.test(entry.fileName) || entry.fileName.endsWith("/")) continue;
      const target = join(folder, ...entry.fileName.split("/"));
      mkdirSync(dirname(target), { recursive: true });
      // A file with more or less in it than it says is an error.
      await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(target, { flags: "wx" }));
      if ((modeOf(entry) & 0o111) !== 0) chmodSync(target, 0o755);
    }
  } finally {
    zip.close();
  }
}

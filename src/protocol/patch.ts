/**
 * Unified diffs, read and applied to texts in either direction. A line keeps its end (`\n`), and a `\r` before it is
 * part of the line. Nothing is guessed: a patch that does not fit a text gives undefined.
 */

interface PatchLine {
  kind: "same" | "added" | "removed";
  /** With its `\n`, or without where the file ends without one. */
  text: string;
}

export interface Hunk {
  /** Number of the first line on either side, from 1 on; of the line before where a side has none. */
  oldStart: number;
  newStart: number;
  lines: PatchLine[];
}

export interface FilePatch {
  /** As after `---` and `+++`, without a tab and what follows it. */
  oldName: string;
  newName: string;
  hunks: Hunk[];
}

const hunkHead = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/;

/** The files of a patch. Undefined when it is cut off or is none. */
export function parsePatch(patch: string): FilePatch[] | undefined {
  const lines = patch.split("\n");
  const files: FilePatch[] = [];
  for (let at = 0; at < lines.length;) {
    const line = lines[at] ?? "";
    const next = lines[at + 1] ?? "";
    if (line.startsWith("--- ") && next.startsWith("+++ ")) {
      files.push({ oldName: nameIn(line), newName: nameIn(next), hunks: [] });
      at += 2;
      continue;
    }
    if (!hunkHead.test(line)) {
      at++;
      continue;
    }
    const read = readHunk(lines, at);
    const file = files.at(-1);
    if (!read || !file) return undefined;
    file.hunks.push(read.hunk);
    at = read.next;
  }
  return files.length > 0 ? files : undefined;
}

function nameIn(line: string): string {
  return line.slice(4).split("\t")[0]?.trim() ?? "";
}

/** Reads as many lines as the head promises, so that a line of the file may look like anything. */
function readHunk(lines: readonly string[], start: number): { hunk: Hunk; next: number } | undefined {
  const [, oldStart, oldCount = "1", newStart, newCount = "1"] = hunkHead.exec(lines[start] ?? "") ?? [];
  const hunk: Hunk = { oldStart: Number(oldStart), newStart: Number(newStart), lines: [] };
  let [old, fresh] = [Number(oldCount), Number(newCount)];
  let at = start + 1;
  for (; old > 0 || fresh > 0 || lines[at]?.startsWith("\\") === true; at++) {
    const line = lines[at];
    if (line === undefined) return undefined;
    const last = hunk.lines.at(-1);
    if (line.startsWith("\\")) {
      if (!last) return undefined;
      last.text = last.text.slice(0, -1);
      continue;
    }
    const kind = kinds[line.charAt(0)];
    // Some tools strip the space of an empty line.
    if (kind === undefined && line !== "") return undefined;
    if (kind !== "added") old--;
    if (kind !== "removed") fresh--;
    hunk.lines.push({ kind: kind ?? "same", text: `${line.slice(1)}\n` });
  }
  return old === 0 && fresh === 0 ? { hunk, next: at } : undefined;
}

const kinds: Readonly<Record<string, PatchLine["kind"]>> = { " ": "same", "+": "added", "-": "removed" };

/** The text after the change. */
export function applyHunks(hunks: readonly Hunk[], text: string): string | undefined {
  const lines = linesOf(text);
  let result: string[] = [];
  let at = 0;
  for (const hunk of hunks) {
    const old = sideOf(hunk, "added");
    const start = old.length === 0 ? hunk.oldStart : hunk.oldStart - 1;
    if (start < at || start + old.length > lines.length) return undefined;
    if (old.some((line, index) => line !== lines[start + index])) return undefined;
    result = result.concat(lines.slice(at, start), sideOf(hunk, "removed"));
    at = start + old.length;
  }
  result = result.concat(lines.slice(at));
  // Only the last line of a text may lack its end.
  return result.slice(0, -1).every((line) => line.endsWith("\n")) ? result.join("") : undefined;
}

/** The change that takes the change back. */
export function reversed(hunks: readonly Hunk[]): Hunk[] {
  return hunks.map(({ oldStart, newStart, lines }) => ({
    oldStart: newStart,
    newStart: oldStart,
    lines: lines.map(({ kind, text }) => ({
      kind: kind === "added" ? "removed" : kind === "removed" ? "added" : "same",
      text,
    })),
  }));
}

/** Both texts of a change whose one hunk holds the whole file. Undefined where it visibly does not. */
export function wholeTexts(hunks: readonly Hunk[]): { before: string; after: string } | undefined {
  const [hunk, ...others] = hunks;
  if (!hunk || others.length > 0 || hunk.oldStart > 1 || hunk.newStart > 1) return undefined;
  return { before: sideOf(hunk, "added").join(""), after: sideOf(hunk, "removed").join("") };
}

/** The first line that is another one after the change, from 1 on. */
export function firstChangedLine(hunks: readonly Hunk[]): number | undefined {
  const [hunk] = hunks;
  if (!hunk) return undefined;
  const same = hunk.lines.findIndex((line) => line.kind !== "same");
  return Math.max(1, hunk.newStart + Math.max(0, same));
}

export function countLines(hunks: readonly Hunk[]): { additions: number; deletions: number } {
  const lines = hunks.flatMap((hunk) => hunk.lines);
  return {
    additions: lines.filter((line) => line.kind === "added").length,
    deletions: lines.filter((line) => line.kind === "removed").length,
  };
}

/** The lines of one side: all but those of a kind. */
function sideOf(hunk: Hunk, without: PatchLine["kind"]): string[] {
  return hunk.lines.filter((line) => line.kind !== without).map((line) => line.text);
}

function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

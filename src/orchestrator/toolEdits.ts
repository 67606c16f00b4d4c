import type { FileEdit } from "../opencode/fileEdits.ts";
import type { FileDiff, FileText } from "../protocol/changes.ts";
import { applyHunks, countLines, reversed, type Hunk } from "../protocol/patch.ts";

/** An edit and the turn that it belongs to. */
export interface TurnEdit {
  turn: string;
  edit: FileEdit;
}

/**
 * What each turn did to each file, from what tools have reported and the files as they are. A text that does not follow
 * from these is unknown: nothing is guessed.
 *
 * @param edits in the order in which they were made
 * @param present what is on disk
 */
export function diffsOfEdits(
  edits: readonly TurnEdit[],
  present: (path: string) => FileText,
): Map<string, Map<string, FileDiff>> {
  const turns = new Map<string, Map<string, FileDiff>>();
  for (const path of new Set(edits.map(({ edit }) => edit.path))) {
    const own = edits.filter(({ edit }) => edit.path === path);
    const sides = textsAround(
      own.map(({ edit }) => edit),
      present(path),
    );
    own.forEach(({ turn, edit }, index) => {
      const diffs = turns.get(turn) ?? new Map<string, FileDiff>();
      turns.set(turn, diffs);
      const earlier = diffs.get(path);
      const before = earlier?.before ?? sides[index]?.before ?? untold;
      const after = sides[index]?.after ?? untold;
      const { additions, deletions } = linesOf(edit);
      diffs.set(path, {
        path,
        status: before.kind === "none" ? "added" : "modified",
        additions: additions + (earlier?.additions ?? 0),
        deletions: deletions + (earlier?.deletions ?? 0),
        before,
        after,
      });
    });
  }
  return turns;
}

const untold: FileText = { kind: "unknown", why: "untold" };

interface Sides {
  before: FileText;
  after: FileText;
}

/**
 * The texts before and after each edit. Forwards from what was written whole, then backwards from the file on disk: an
 * edit that does not fit shows that something else has changed the file in between.
 */
function textsAround(edits: readonly FileEdit[], present: FileText): Sides[] {
  const sides: Sides[] = [];
  for (const edit of edits) {
    const known = sides.at(-1)?.after ?? untold;
    if (edit.kind === "written") {
      sides.push({ before: edit.created ? { kind: "none" } : known, after: { kind: "text", text: edit.text } });
    } else {
      const after = patched(edit.hunks, known);
      sides.push({ before: after.kind === "unknown" ? untold : known, after });
    }
  }
  for (let index = edits.length - 1; index >= 0; index--) {
    const edit = edits[index];
    if (edit?.kind !== "patched" || sides[index]?.after.kind !== "unknown") continue;
    const after = sides[index + 1]?.before ?? present;
    const before = patched(reversed(edit.hunks), after);
    if (before.kind !== "unknown") sides[index] = { before, after };
  }
  return sides;
}

function patched(hunks: readonly Hunk[], text: FileText | undefined): FileText {
  if (text?.kind !== "text") return untold;
  const result = applyHunks(hunks, text.text) ?? withWindowsLines(hunks, text.text);
  return result === undefined ? untold : { kind: "text", text: result };
}

/** OpenCode compares texts without the `\r` of their line ends. */
function withWindowsLines(hunks: readonly Hunk[], text: string): string | undefined {
  if (!text.includes("\r\n") || /(^|[^\r])\n/.test(text)) return undefined;
  return applyHunks(hunks, text.replaceAll("\r\n", "\n"))?.replaceAll("\n", "\r\n");
}

function linesOf(edit: FileEdit): { additions: number; deletions: number } {
  if (edit.kind === "patched") return countLines(edit.hunks);
  const lines = edit.text.split("\n").length - (edit.text.endsWith("\n") || edit.text === "" ? 1 : 0);
  return { additions: edit.created ? lines : 0, deletions: 0 };
}

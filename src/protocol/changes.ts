/** What turns do to files. Plain data and total functions; shared by host, page and tests. */

export interface FileChange {
  /** Absolute. */
  path: string;
  status: "added" | "modified" | "deleted";
  /** Lines; both 0 where nobody has counted. */
  additions: number;
  deletions: number;
}

/** What is known of a file's text at one moment. */
export type FileText =
  | { kind: "text"; text: string }
  /** There is no such file. */
  | { kind: "none" }
  | { kind: "unknown"; why: UnknownReason };

/**
 * `binary`, `encoding`: it is no text in UTF-8. `mode`: only its mode was changed. `untold`: there is no snapshot of
 * it, and it does not follow from what the tools have reported.
 */
export type UnknownReason = "binary" | "encoding" | "mode" | "untold";

/** A change with its texts. */
export interface FileDiff extends FileChange {
  before: FileText;
  after: FileText;
}

export interface ChangedFile extends FileDiff {
  /** The user's messages whose turns changed it, in order. */
  turns: string[];
  /** Whether the file on disk is still what the last of these turns left. */
  present: "same" | "changed" | "unknown";
  /** There are no snapshots of it, only what tools have reported: a revert of turns leaves it as it is. */
  reported: boolean;
  /** The user has seen the change and keeps it. */
  accepted: boolean;
}

export interface Changes {
  files: ChangedFile[];
  /** OpenCode keeps snapshots of the folder. Where it does not, only what its tools have written is known. */
  snapshots: boolean;
}

/** What a revert or its opposite has done. */
export interface RevertReport {
  /** Files that are as they were before. */
  restored: string[];
  /** Files that should be, and are not. */
  differing: string[];
  /** Without snapshots the conversation is taken back and the files stay as they are. */
  snapshots: boolean;
}

/** Adds what a later turn did with a file to what earlier ones did. */
export function joinDiffs(earlier: FileDiff, later: FileDiff): FileDiff {
  const { before } = earlier;
  const { path, after } = later;
  const additions = earlier.additions + later.additions;
  const deletions = earlier.deletions + later.deletions;
  const status = before.kind === "none" ? "added" : after.kind === "none" ? "deleted" : "modified";
  return { path, status, additions, deletions, before, after };
}

/** Whether nothing is left of a change: the file is what it was. */
export function isNothing({ before, after }: FileDiff): boolean {
  if (before.kind === "text" && after.kind === "text") return before.text === after.text;
  return before.kind === "none" && after.kind === "none";
}

/** "3 files changed +10 −2"; without figures where nobody has counted. */
export function changeWords(files: readonly FileChange[], more = 0): string {
  const number = files.length + more;
  const words = `${number.toLocaleString("en")} ${number === 1 ? "file" : "files"} changed`;
  const figures = lineFigures(sumLines(files));
  return figures === "" ? words : `${words} ${figures}`;
}

export function lineFigures({ additions, deletions }: { additions: number; deletions: number }): string {
  return additions + deletions === 0 ? "" : `+${String(additions)} −${String(deletions)}`;
}

function sumLines(files: readonly FileChange[]): { additions: number; deletions: number } {
  return {
    additions: files.reduce((sum, file) => sum + file.additions, 0),
    deletions: files.reduce((sum, file) => sum + file.deletions, 0),
  };
}

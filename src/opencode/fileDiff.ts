import { join } from "node:path";
import { number, optionalText, text, type Fields } from "../base/fields.ts";
import type { FileChange, FileDiff, FileText } from "../protocol/changes.ts";
import { parsePatch, wholeTexts } from "../protocol/patch.ts";

/**
 * One file of OpenCode's lists of changes: `{file, patch, additions, deletions, status}`. `file` is named from the root
 * of the repository. The patch has unlimited context, so it holds both texts; it is empty for a binary file, and has no
 * hunk where the text stayed the same. Measured with opencode 1.18.33.
 */
export function fileChange(diff: Fields, root: string): FileChange {
  const status = text(diff["status"]);
  return {
    path: join(root, text(diff["file"])),
    status: status === "added" || status === "deleted" ? status : "modified",
    additions: number(diff["additions"]),
    deletions: number(diff["deletions"]),
  };
}

export function fileDiff(diff: Fields, root: string): FileDiff {
  const change = fileChange(diff, root);
  const texts = textsIn(optionalText(diff["patch"]), change.status);
  return {
    ...change,
    before: change.status === "added" ? { kind: "none" } : texts.before,
    after: change.status === "deleted" ? { kind: "none" } : texts.after,
  };
}

function textsIn(patch: string | undefined, status: FileChange["status"]): { before: FileText; after: FileText } {
  if (patch === undefined) return both({ kind: "unknown", why: "binary" });
  const hunks = parsePatch(patch)?.[0]?.hunks;
  if (hunks?.length === 0)
    return both(status === "modified" ? { kind: "unknown", why: "mode" } : { kind: "text", text: "" });
  const texts = hunks && wholeTexts(hunks);
  if (!texts) return both({ kind: "unknown", why: "untold" });
  return { before: decoded(texts.before), after: decoded(texts.after) };
}

function both(text: FileText): { before: FileText; after: FileText } {
  return { before: text, after: text };
}

/** OpenCode reads files as UTF-8, with this sign in place of what is none. */
function decoded(text: string): FileText {
  return text.includes("\uFFFD") ? { kind: "unknown", why: "encoding" } : { kind: "text", text };
}

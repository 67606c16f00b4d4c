import { isAbsolute, join } from "node:path";
import { fields, optionalText } from "../base/fields.ts";
import type { ToolResult } from "../protocol/event.ts";
import { parsePatch, type Hunk } from "../protocol/patch.ts";

/** What one tool call did to one file, as far as the tool has told. */
export type FileEdit =
  | { kind: "patched"; path: string; hunks: Hunk[] }
  /** The whole file was written. `created`: there was none before. */
  | { kind: "written"; path: string; text: string; created: boolean };

/** The edits that OpenCode's own tools report with their results. What a command does to files is not among them. */
export function fileEdits({ state, card, input }: ToolResult, directory: string): FileEdit[] {
  if (state !== "completed") return [];
  const content = fields(input)["content"];
  const path = card.path ?? optionalText(fields(input)["filePath"]);
  if (card.body === "source" && typeof content === "string" && path !== undefined)
    return [{ kind: "written", path: absolute(path, directory), text: content, created: card.created === true }];
  if (card.body !== "diff" || card.diff === undefined) return [];
  return (parsePatch(card.diff) ?? []).map(({ newName, hunks }) => {
    return { kind: "patched", path: absolute(newName, directory), hunks };
  });
}

function absolute(path: string, directory: string): string {
  return isAbsolute(path) ? path : join(directory, path);
}

import { type ItemKind } from "../protocol/library.ts";
import { OpenAgentError } from "../base/errors.ts";
import type { TextEdit } from "./analysis.ts";
import type { Catalogue } from "./catalogue.ts";
import { pathFor } from "./layout.ts";
import { pieceOf } from "./jsonFiles.ts";
import { readJson } from "./tree.ts";

/**
 * The edits that give a file of several items one more, or (undefined) take one out. All else in it stays.
 * @throws OpenAgentError `invalid_input` when the file does not parse
 */
export function editsOfShared(
  catalogue: Catalogue,
  kind: Extract<ItemKind, "mcps" | "plugins">,
  name: string,
  value: unknown,
): TextEdit[] {
  const path = pathFor(catalogue.root, kind, name);
  const text = catalogue.text(path) ?? "";
  const { tree, errors } = readJson(text);
  if (text.trim() !== "" && (tree?.kind !== "map" || errors.length > 0))
    throw new OpenAgentError("invalid_input", `${path} does not parse, so it is not changed. Mend it first.`, { path });
  if (text.trim() === "")
    return [{ path, start: 0, end: text.length, text: `${JSON.stringify({ [name]: value }, null, 2)}\n` }];
  const piece = pieceOf(text, { at: [name], to: value });
  return piece ? [{ path, ...piece }] : [];
}

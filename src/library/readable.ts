import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Part, PartProblem } from "../protocol/configuration.ts";
import { readableText, type Key } from "./sealed.ts";

/** Gives a part the texts in which its secret values stand as they are, with a problem where some cannot be decrypted. */
export function readablePart(part: Part, key: Key | undefined): { part: Part; problem?: PartProblem } {
  const texts: Record<string, string> = { ...part.texts };
  let missing = 0;
  for (const [file, path] of markdownOf(part)) {
    const text = part.texts?.[file] ?? readFileSync(path, "utf8");
    if (!text.includes("</encrypted>")) continue;
    const readable = readableText(text, key);
    missing += readable.missing;
    texts[file] = readable.text;
  }
  const { kind, name, path } = part;
  const given = Object.keys(texts).length === 0 ? part : { ...part, texts };
  if (missing === 0) return { part: given };
  const values = missing === 1 ? "one of its values" : `${String(missing)} of its values`;
  const why = key === undefined ? "encrypted, and there is no key" : "encrypted with another key";
  const message = `it needs your value: ${values} ${missing === 1 ? "is" : "are"} ${why} for it`;
  return { part: given, problem: { kind, name, path, message, given: true } };
}

/** The files of a part in which values can be marked: their names as in `texts`, and their paths. */
function markdownOf({ kind, path }: Part): [string, string][] {
  if (kind === "commands" || kind === "agents" || kind === "rules") return [["", path]];
  if (kind !== "skills") return [];
  const files = readdirSync(path, { recursive: true, encoding: "utf8" });
  return files.filter((file) => file.endsWith(".md")).map((file) => [file, join(path, file)]);
}

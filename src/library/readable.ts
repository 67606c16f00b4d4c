import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Part, PartProblem } from "../protocol/configuration.ts";
import { withoutSealed } from "../protocol/sealed.ts";
import { readFileText } from "./readText.ts";
import { readableText, type Key } from "./sealed.ts";

/** Others' files, of which there may be many. */
const foreign: readonly string[] = ["node_modules", ".git"];

const isMarkdown = (path: string) => path.toLowerCase().endsWith(".md");

/** Gives a part the texts in which its secret values stand as they are, with a problem where some cannot be decrypted. */
export function readablePart(part: Part, key: Key | undefined): { part: Part; problem?: PartProblem } {
  const texts: Record<string, string> = { ...part.texts };
  let missing = 0;
  const closed: string[] = [];
  for (const [file, path] of filesOf(part)) {
    const text = part.texts?.[file] ?? textAt(path);
    if (!text?.includes("</encrypted>")) continue;
    if (isMarkdown(path)) {
      const readable = readableText(text, key);
      missing += readable.missing;
      texts[file] = readable.text;
      continue;
    }
    // How a value is to be written in code or data nobody knows.
    const open = withoutSealed(text);
    if (open === text) continue;
    closed.push(file);
    texts[file] = open;
  }
  const { kind, name, path } = part;
  const given = Object.keys(texts).length === 0 ? part : { ...part, texts };
  if (missing + closed.length === 0) return { part: given };
  const values = missing === 1 ? "one of its values" : `${String(missing)} of its values`;
  const why = key === undefined ? "encrypted, and there is no key" : "encrypted with another key";
  const message = [
    ...(missing > 0 ? [`it needs your value: ${values} ${missing === 1 ? "is" : "are"} ${why} for it`] : []),
    ...closed.map((file) => `${file} needs your value: encrypted ones are opened in Markdown only`),
  ].join("; ");
  return { part: given, problem: { kind, name, path, message, given: true } };
}

/** The files of a part in which agents read texts: their names as in `texts`, and their paths. */
function filesOf({ kind, path }: Part): [string, string][] {
  if (kind === "commands" || kind === "agents" || kind === "rules") return [["", path]];
  return kind === "skills" ? below(path, "") : [];
}

/** Links are followed, as they are when the part is copied. */
function below(root: string, folder: string, above: readonly string[] = []): [string, string][] {
  const real = realpathSync(join(root, folder));
  if (above.includes(real)) return [];
  return readdirSync(join(root, folder))
    .filter((name) => !foreign.includes(name))
    .flatMap((name): [string, string][] => {
      const file = join(folder, name);
      const stat = statSync(join(root, file), { throwIfNoEntry: false });
      if (stat?.isDirectory()) return below(root, file, [...above, real]);
      return stat?.isFile() ? [[file, join(root, file)]] : [];
    });
}

/** The text of a file; undefined of one that is no Markdown, where it is large or no text. */
function textAt(path: string): string | undefined {
  if (isMarkdown(path)) return readFileSync(path, "utf8");
  const read = readFileText(path);
  return read && "text" in read ? read.text : undefined;
}

import type { Findings, Fix } from "./analysis.ts";
import { lineEnd, removal } from "./edits.ts";
import { headPlace } from "./frontMatter.ts";
import { readYaml, type Entry, type Node } from "./tree.ts";

/** The head of a Markdown file, and its body. */
export interface Head {
  /** Undefined where there is no head, or nothing in it. */
  tree?: Node;
  /** Where a line can be added to the head; undefined where there is none. */
  start?: number;
  body: number;
}

/** No head is as long as this. */
const headLimit = 64 * 1024;

/** Reads the head of a Markdown file. Where it cannot be read, that is a problem, and there are no further ones. */
export function readHead(f: Findings): Head | undefined {
  const place = headPlace(f.text);
  if (!place) return { body: 0 };
  if (place === "open") {
    // A rule may begin with a line across the page; nobody reads a head of it.
    if (f.place.kind === "rules") return { body: 0 };
    f.problem({ start: 0, end: 3 }, "error", "head", "Its head has no end: a line of three dashes.");
    return undefined;
  }
  const { start, end, body } = place;
  if (end - start > headLimit) {
    f.problem({ start: 0, end: 3 }, "error", "head", "Its head does not parse: it is longer than 64 KB.");
    return undefined;
  }
  const { tree, errors } = readYaml(f.text, start, end);
  const [error] = errors;
  if (error) {
    const at = { start: Math.min(error.start, end), end: Math.min(error.end, end) };
    f.problem(at, "error", "head", `Its head does not parse: ${error.message.replace(/\.$/, "")}.`);
    return undefined;
  }
  if (tree && tree.kind !== "map" && tree.value !== null) {
    f.problem(tree, "error", "head", "Its head is no list of “name: value”.");
    return undefined;
  }
  if (tree?.kind === "map" && !checkKeys(f, tree)) return undefined;
  return { ...(tree?.kind === "map" && { tree }), start, body };
}

/** OpenCode refuses a head that has a key twice. */
function checkKeys(f: Findings, map: Node): boolean {
  const seen = new Set<string>();
  let fine = true;
  for (const one of map.entries) {
    if (seen.has(one.key)) {
      fine = false;
      const fix = { title: `Remove This “${one.key}”`, edits: [removal(f.path, f.text, map, one)] };
      f.problem(one, "error", "duplicate-key", `Its head does not parse: it has “${one.key}” twice.`, [fix]);
    }
    seen.add(one.key);
    if (one.value.kind === "map") fine = checkKeys(f, one.value) && fine;
  }
  return fine;
}

/** A fix that adds lines to the head, which is made where there is none. */
export function addToHead(f: Findings, head: Head, title: string, lines: readonly string[]): Fix {
  const end = lineEnd(f.text);
  const text = lines.map((line) => line + end).join("");
  if (head.start !== undefined) {
    const at = head.start;
    // In brackets, a line would be none of the map's.
    if (head.tree && !head.tree.block) {
      const first = head.tree.start + 1;
      const [comma, entries] = [head.tree.entries.length > 0 ? ", " : "", lines.join(", ")];
      return { title, edits: [f.edit({ start: first, end: first }, entries + comma)], preferred: true };
    }
    return { title, edits: [f.edit({ start: at, end: at }, text)], preferred: true };
  }
  return { title, edits: [f.edit({ start: 0, end: 0 }, `---${end}${text}---${end}${end}`)], preferred: true };
}

/** Where a problem is shown that is about what is not there. */
export function atHead(f: Findings, head: Head): { start: number; end: number } {
  const end = f.text.indexOf("\n", head.start ?? 0);
  return { start: 0, end: head.start === undefined ? Math.max(0, Math.min(end < 0 ? f.text.length : end, 200)) : 3 };
}

/** `provider/model` is what OpenCode calls a model. */
export function checkModel(f: Findings, one: Entry | undefined): void {
  const { value } = one?.value ?? {};
  if (!one || value === null || (typeof value === "string" && /^[^/\s]+\/\S+$/.test(value))) return;
  f.problem(one.value, "warning", "model", "Its model has another form than “provider/model”.");
}

import { isDeepStrictEqual } from "node:util";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { replaceFile } from "../base/files.ts";
import { edited, lineEnd } from "./edits.ts";
import { requireWithin } from "./items.ts";
import { readFileText } from "./readText.ts";
import { entry, plain, readJson, valueOf, type Entry, type Node } from "./tree.ts";

/**
 * What a file of JSON says, read as it is when its problems are looked for; undefined where there is none.
 * @param parse throws where that is not what it should be
 * @param comments whether it may have some
 * @throws OpenAgentError `invalid_input`, which names the file, when it cannot be read or does not parse
 */
export function readJsonFile<T>(path: string, parse: (value: unknown) => T, comments = false): T | undefined {
  const file = readFileText(path);
  if (!file) return undefined;
  try {
    const { tree, errors } = "text" in file ? readJson(file.text, comments) : { errors: [file] };
    if (!tree || errors[0]) throw new Error(errors[0]?.message ?? "it is empty");
    return parse(plain(tree));
  } catch (error) {
    throw new OpenAgentError("invalid_input", `${path} does not parse: ${describeError(error)}`, { path }, error);
  }
}

/**
 * Writes a file of JSON in a folder. All that stays the same in it stays as it is written, with its order and, where it
 * may have them, its comments.
 * @throws OpenAgentError `invalid_input` when the path leads out of the folder, `item_unreadable` as `jsonOver`
 */
export function writeJson(folder: string, path: string, value: unknown, comments = false): void {
  requireWithin(folder, path);
  replaceFile(path, jsonOver(path, value, comments));
}

/**
 * The text with which a file of JSON says a value, made from what it says now.
 * @throws OpenAgentError `item_unreadable` when that does not parse
 */
export function jsonOver(path: string, value: unknown, comments = false): string {
  const file = readFileText(path);
  if (file && "code" in file) throw unreadable(path, file.message);
  // As JSON has it: what is undefined is not there.
  const wanted = JSON.parse(JSON.stringify(value)) as unknown;
  if (!file || file.text.trim() === "") return `${JSON.stringify(wanted, null, 2)}\n`;
  const { tree, errors } = readJson(file.text, comments);
  if (!tree || errors[0]) throw unreadable(path, `It does not parse: ${errors[0]?.message ?? ""}.`);
  let text = file.text;
  for (const change of changes(plain(tree), wanted)) text = changed(text, change);
  const after = readJson(text, comments).tree;
  // Of a key that comes twice only the last was changed.
  return after && isDeepStrictEqual(plain(after), wanted) ? text : changed(file.text, { at: [], to: wanted });
}

function unreadable(path: string, words: string): OpenAgentError {
  return new OpenAgentError("item_unreadable", `${path} is not overwritten. ${words} Mend it first.`, { path });
}

interface Change {
  at: string[];
  /** Undefined for what goes. */
  to: unknown;
}

/** What makes one value another, as deep down as maps go. */
function changes(before: unknown, after: unknown, at: string[] = []): Change[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (!isMap(before) || !isMap(after)) return [{ at, to: after }];
  const gone = Object.keys(before).filter((key) => !Object.hasOwn(after, key));
  return [
    ...gone.map((key) => ({ at: [...at, key], to: undefined })),
    ...Object.entries(after).flatMap(([key, value]) =>
      Object.hasOwn(before, key) ? changes(before[key], value, [...at, key]) : [{ at: [...at, key], to: value }],
    ),
  ];
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

interface Piece {
  start: number;
  end: number;
  text: string;
}

function changed(text: string, change: Change): string {
  const piece = pieceOf(text, change);
  return piece ? edited(text, [piece]) : text;
}

/** The piece of a text of JSON, which parses, that is to be another one; undefined where there is nothing to change. */
export function pieceOf(text: string, { at, to }: Change): Piece | undefined {
  let { tree: map } = readJson(text, true);
  for (const step of at.slice(0, -1)) map = valueOf(map, step);
  if (!map) return undefined;
  const key = at.at(-1);
  const own = key === undefined ? undefined : entry(map, key);
  if (to === undefined) return own && withoutEntry(text, map, own);
  if (key === undefined || own) {
    const { start, end, kind } = own?.value ?? map;
    const inLine = kind !== "value" && !text.slice(start, end).includes("\n");
    return { start, end, text: printed(to, text, start, inLine) };
  }
  const last = map.entries.at(-1);
  if (!last) return { start: map.start, end: map.end, text: printed({ [key]: to }, text, map.start) };
  const words = `${JSON.stringify(key)}: ${printed(to, text, last.start)}`;
  const start = last.value.end;
  if (!text.slice(map.start, last.start).includes("\n")) return { start, end: start, text: `, ${words}` };
  // A comment behind the last one stays behind it.
  const [tail = "", comma = "", comment = ""] = /^(?:[^\S\n]*(,))?([^\S\n]*\/\/[^\r\n]*)/.exec(text.slice(start)) ?? [];
  const between = lineEnd(text) + indentAt(text, last.start);
  return { start, end: start + tail.length, text: `,${comment}${between}${words}${comma}` };
}

/** What may stand between two signs: white space and comments. */
const gap = String.raw`(?:\s|//[^\n]*(?:\n|$)|/\*(?:[^*]|\*(?!/))*\*/)*`;

function withoutEntry(text: string, map: Node, own: Entry): Piece {
  const { end } = own.value;
  const isOnly = text.slice(map.start + 1, own.start).trim() + text.slice(end, map.end - 1).trim() === "";
  if (isOnly) return { start: map.start, end: map.end, text: "{}" };
  const comma = new RegExp(`^${gap},`).exec(text.slice(end))?.[0];
  const line = text.lastIndexOf("\n", own.start) + 1;
  if (comma !== undefined) {
    // With the line that it has for itself, and a comment behind it.
    const rest = /^[^\S\n]*(?:\/\/[^\n]*)?\n/.exec(text.slice(end + comma.length))?.[0];
    const isAlone = rest !== undefined && text.slice(line, own.start).trim() === "";
    if (isAlone) return { start: line, end: end + comma.length + rest.length, text: "" };
    const spaces = /^[^\S\n]*/.exec(text.slice(end + comma.length))?.[0] ?? "";
    return { start: own.start, end: end + comma.length + spaces.length, text: "" };
  }
  const before = map.entries[map.entries.indexOf(own) - 1];
  if (!before) return { start: own.start, end, text: "" };
  const between = text.slice(before.value.end, own.start).replace(new RegExp(`^(${gap}),`), "$1");
  return { start: before.value.end, end, text: between.trimEnd() };
}

/** A value as the rest of a text is written; on one line where that is asked for. */
function printed(value: unknown, text: string, at: number, inLine = false): string {
  const unit = /^[ \t]+(?=["{[])/m.exec(text)?.[0] ?? "  ";
  const words = JSON.stringify(value, null, unit);
  // A text in quotes has no line of its own.
  if (inLine)
    return words
      .replaceAll(/\[\n\s*/g, "[")
      .replaceAll(/\n\s*\]/g, "]")
      .replaceAll(/\n\s*/g, " ");
  return words.replaceAll("\n", lineEnd(text) + indentAt(text, at));
}

/** The white space that the line of a place begins with. */
function indentAt(text: string, at: number): string {
  return /^[ \t]*/.exec(text.slice(text.lastIndexOf("\n", at - 1) + 1))?.[0] ?? "";
}

import { parseTree, printParseErrorCode, type Node as JsonNode, type ParseError } from "jsonc-parser";
import { isAlias, isMap, isScalar, isSeq, parseDocument, visit, type Document, type Node as YamlNode } from "yaml";
import { describeError } from "../base/errors.ts";

/** What a text of YAML or JSON says, with the places where it says it. */
export interface Node {
  kind: "map" | "list" | "value";
  /** Offsets in the file's text; of a text in quotes, with them. */
  start: number;
  end: number;
  /** Of a value. What is none that JSON knows is undefined. */
  value?: string | number | boolean | null | undefined;
  entries: readonly Entry[];
  items: readonly Node[];
  /** In YAML: whether it stands on lines of its own, and not in brackets. */
  block: boolean;
  /** How a text is written. */
  style: "plain" | "single" | "double" | "folded";
}

export interface Entry {
  key: string;
  start: number;
  end: number;
  value: Node;
}

export interface Parsed {
  tree?: Node;
  errors: readonly { start: number; end: number; message: string }[];
}

/** More than this and the text is there to keep its readers busy. */
const aliasLimit = 100;

/** Reads a part of a text as YAML. Aliases stand for single values only; tags of programming languages mean nothing. */
export function readYaml(text: string, start: number, end: number): Parsed {
  let document: Document.Parsed;
  try {
    // Keys that come twice are looked for by the rules: here that would take time by their number squared.
    document = parseDocument(text.slice(start, end), { uniqueKeys: false, logLevel: "silent", prettyErrors: false });
    let aliases = 0;
    visit(document, { Alias: () => (++aliases > aliasLimit ? visit.BREAK : undefined) });
    if (aliases > aliasLimit) return { errors: [{ start, end, message: "it has too many aliases" }] };
    const errors = document.errors.map(({ message, pos: [from, to] }) => ({
      start: start + from,
      end: start + Math.max(to, from),
      message: message.split("\n")[0] ?? "",
    }));
    if (document.contents === null) return { errors };
    return { tree: fromYaml(document.contents, document, start), errors };
  } catch (error) {
    return { errors: [{ start, end, message: describeError(error) }] };
  }
}

const styles: Partial<Record<string, Node["style"]>> = {
  PLAIN: "plain",
  QUOTE_DOUBLE: "double",
  QUOTE_SINGLE: "single",
};
const empty = { entries: [], items: [], block: false, style: "plain" } as const;

function fromYaml(node: YamlNode, document: Document, shift: number): Node {
  const [from = 0, to = from] = node.range ?? [];
  const place = { ...empty, start: shift + from, end: shift + to };
  if (isMap(node))
    return {
      ...place,
      kind: "map",
      block: node.flow !== true,
      entries: node.items.map(({ key, value }) => entryOf(key as YamlNode, value as YamlNode | null, document, shift)),
    };
  if (isSeq(node)) {
    const items = node.items as YamlNode[];
    return {
      ...place,
      kind: "list",
      block: node.flow !== true,
      items: items.map((item) => fromYaml(item, document, shift)),
    };
  }
  const target = isAlias(node) ? node.resolve(document) : node;
  if (!isScalar(target)) return { ...place, kind: "value" };
  const style = isAlias(node) ? "folded" : (styles[target.type ?? ""] ?? "folded");
  return { ...place, kind: "value", value: plainValue(target.value), style };
}

function entryOf(key: YamlNode | null, value: YamlNode | null, document: Document, shift: number): Entry {
  const named = key ? fromYaml(key, document, shift) : undefined;
  const [start, end] = [named?.start ?? shift, named?.end ?? shift];
  return {
    key: String(named?.value),
    start,
    end,
    value: value ? fromYaml(value, document, shift) : { ...empty, kind: "value", start: end, end, value: null },
  };
}

function plainValue(value: unknown): Node["value"] {
  if (value === null) return null;
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : undefined;
}

/** Reads a whole text as JSON. With `comments` it may have these, and commas before a closing bracket. */
export function readJson(text: string, comments = false): Parsed {
  const found: ParseError[] = [];
  try {
    const options = { disallowComments: !comments, allowTrailingComma: comments };
    const tree = parseTree(text, found, options);
    const errors = found.map(({ error, offset, length }) => ({
      start: offset,
      end: offset + length,
      message: printParseErrorCode(error).replaceAll(/(?<!^)([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`),
    }));
    if (!comments && errors.length === 0) JSON.parse(text);
    return { ...(tree && { tree: fromJson(tree) }), errors };
  } catch (error) {
    return { errors: [{ start: 0, end: text.length, message: describeError(error) }] };
  }
}

function fromJson(node: JsonNode): Node {
  const place = { ...empty, start: node.offset, end: node.offset + node.length };
  const children = node.children ?? [];
  if (node.type === "array") return { ...place, kind: "list", items: children.map(fromJson) };
  if (node.type !== "object")
    return {
      ...place,
      kind: "value",
      value: plainValue(node.value),
      style: node.type === "string" ? "double" : "plain",
    };
  const entries = children.flatMap(({ children: [key, value] = [] }): Entry[] => {
    if (!key) return [];
    const [start, end] = [key.offset, key.offset + key.length];
    const missing: Node = { ...empty, kind: "value", start: end, end };
    return [{ key: String(key.value), start, end, value: value ? fromJson(value) : missing }];
  });
  return { ...place, kind: "map", entries };
}

/** The entry of a map; of one that comes several times the last. */
export function entry(map: Node | undefined, key: string): Entry | undefined {
  return map?.entries.findLast((one) => one.key === key);
}

/** What a map says of a key. */
export function valueOf(map: Node | undefined, key: string): Node | undefined {
  return entry(map, key)?.value;
}

export function textIn(node: Node | undefined): string | undefined {
  return typeof node?.value === "string" ? node.value : undefined;
}

/** The names in a list of texts, or in one text where `single`. */
export function namesIn(node: Node | undefined, single = false): { name: string; node: Node }[] {
  const nodes = node?.kind === "list" ? node.items : node && single ? [node] : [];
  return nodes.flatMap((one) => (typeof one.value === "string" ? [{ name: one.value, node: one }] : []));
}

/** As a plain value, which has no prototype that a key could reach. */
export function plain(node: Node): unknown {
  if (node.kind === "list") return node.items.map(plain);
  if (node.kind === "value") return node.value;
  const all: Record<string, unknown> = {};
  for (const { key, value } of node.entries)
    Object.defineProperty(all, key, { value: plain(value), enumerable: true, configurable: true, writable: true });
  return all;
}

import type { TextEdit } from "./analysis.ts";
import type { Entry, Node } from "./tree.ts";

/** Texts that YAML reads as they are, whatever stands around them. */
const plainYaml = /^(?!(?:true|false|null|yes|no|on|off|y|n|~)$)[A-Za-z_][\w./-]*$/i;

/** A text as a value: as it is where that says the same, or in quotes. */
export function written(value: string, style: Node["style"] = "plain"): string {
  if (style === "single" && !/[\\'\n]/.test(value)) return `'${value}'`;
  return style !== "double" && plainYaml.test(value) ? value : JSON.stringify(value);
}

/** How a name is written that stands in a value. */
export function styleOf({ style }: Node): "plain" | "single" | "double" {
  return style === "folded" ? "plain" : style;
}

/** Puts another text in place of a value or key, in quotes where it was. */
export function replaceText(path: string, node: Pick<Node, "start" | "end"> & { style?: Node["style"] }, text: string) {
  return { path, start: node.start, end: node.end, text: written(text, node.style) };
}

/** A text with pieces of it replaced, which do not overlap. */
export function edited(text: string, edits: readonly Pick<TextEdit, "start" | "end" | "text">[]): string {
  const ordered = [...edits].sort((one, other) => other.start - one.start);
  return ordered.reduce((all, { start, end, text: now }) => all.slice(0, start) + now + all.slice(end), text);
}

/** The start of the line that an offset is in, and the start of the next one. */
function lineAround(text: string, offset: number): { start: number; end: number } {
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  const next = text.indexOf("\n", offset);
  return { start, end: next < 0 ? text.length : next + 1 };
}

/** The characters that end a line of a text. */
export function lineEnd(text: string): string {
  return /\r?\n/.exec(text)?.[0] ?? "\n";
}

/** Takes an item out of a list, or an entry out of a map, with its comma or its lines. */
export function removal(path: string, text: string, holder: Node, one: { start: number; end: number }): TextEdit {
  const siblings: readonly { start: number; end: number }[] =
    holder.kind === "list"
      ? holder.items
      : holder.entries.map(({ start, value }) => ({ start, end: Math.max(value.end, start) }));
  const index = siblings.findIndex(({ start }) => start === one.start);
  const own = siblings[index] ?? one;
  if (holder.block) {
    const { start } = lineAround(text, own.start);
    // What begins in the line of a dash of another list ends what is there without it.
    const last = own.end > start && text[own.end - 1] === "\n" ? own.end - 1 : own.end;
    return { path, start, end: lineAround(text, last).end, text: "" };
  }
  const next = siblings[index + 1];
  if (next) return { path, start: own.start, end: next.start, text: "" };
  const before = siblings[index - 1];
  if (before) return { path, start: before.end, end: own.end, text: "" };
  return { path, start: own.start, end: own.end, text: "" };
}

/** The end of an entry, with its value. */
export function entryEnd({ end, value }: Entry): number {
  return Math.max(end, value.end);
}

import { parseDocument, isMap, type Document } from "yaml";

/** A Markdown file with a head of YAML between two lines of dashes. */
export interface FrontMatter {
  /** Empty where the file has no head. */
  head: Document;
  /** What is in the head, as plain values. */
  fields: Readonly<Record<string, unknown>>;
  body: string;
}

/** Where the head of a text is, without its lines of dashes, and where the body begins. */
export interface HeadPlace {
  start: number;
  end: number;
  body: number;
}

/** Undefined where there is no head; `open` where nothing ends it. */
export function headPlace(text: string): HeadPlace | "open" | undefined {
  const first = /^\uFEFF?---[ \t]*(?:\r?\n|$)/.exec(text);
  if (!first) return undefined;
  const ending = /^---[ \t]*(?:\r?\n|$)/gm;
  ending.lastIndex = first[0].length;
  const last = ending.exec(text);
  return last ? { start: first[0].length, end: last.index, body: last.index + last[0].length } : "open";
}

/** @throws Error when the head is no YAML, or no mapping */
export function parseFrontMatter(text: string): FrontMatter {
  const place = headPlace(text);
  if (place === "open") throw new Error("its head has no end: a line of three dashes");
  const head = parseDocument(place ? text.slice(place.start, place.end) : "", { strict: true, logLevel: "silent" });
  const [error] = head.errors;
  if (error) throw new Error(`its head does not parse: ${error.message.split("\n")[0] ?? ""}`);
  if (head.contents !== null && !isMap(head.contents)) throw new Error("its head is no list of “name: value”");
  return {
    head,
    fields: (head.toJS() ?? {}) as Record<string, unknown>,
    body: place ? text.slice(place.body) : text,
  };
}

/** The file with its head as it is now: comments, order and what is unknown stay. */
export function printFrontMatter({ head, body }: FrontMatter): string {
  return `---\n${head.toString({ lineWidth: 0 })}---\n${body}`;
}

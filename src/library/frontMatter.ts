import { parseDocument, isMap, type Document } from "yaml";

/** A Markdown file with a head of YAML between two lines of dashes. */
export interface FrontMatter {
  /** Empty where the file has no head. */
  head: Document;
  /** What is in the head, as plain values. */
  fields: Readonly<Record<string, unknown>>;
  body: string;
}

/** @throws Error when the head is no YAML, or no mapping */
export function parseFrontMatter(text: string): FrontMatter {
  const found = /^\uFEFF?---[ \t]*\r?\n([\s\S]*?)(?:\r?\n)?---[ \t]*(?:\r?\n|$)/.exec(text);
  const head = parseDocument(found?.[1] ?? "", { strict: true });
  const [error] = head.errors;
  if (error) throw new Error(`its head does not parse: ${error.message.split("\n")[0] ?? ""}`);
  if (head.contents !== null && !isMap(head.contents)) throw new Error("its head is no list of “name: value”");
  return {
    head,
    fields: (head.toJS() ?? {}) as Record<string, unknown>,
    body: found ? text.slice(found[0].length) : text,
  };
}

/** The file with its head as it is now: comments, order and what is unknown stay. */
export function printFrontMatter({ head, body }: FrontMatter): string {
  return `---\n${head.toString({ lineWidth: 0 })}---\n${body}`;
}

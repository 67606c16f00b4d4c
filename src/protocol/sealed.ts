/**
 * How secret values stand in the texts of a Library: `<encrypted>value</encrypted>` is to be encrypted,
 * `<encrypted v="1">…</encrypted>` is.
 */
export interface Mark {
  /** Where it is in the text, with its tags. */
  start: number;
  end: number;
  /** What is between the tags. */
  value: string;
  /** The format of what is encrypted; undefined where it is not. */
  version?: string;
}

/** What agents read in place of a value that cannot be decrypted. */
export const missingValue = "[needs your value]";

/** All marks of a text, in their order. */
export function marksIn(text: string): Mark[] {
  // A mark that is only spoken of has no end, and must not swallow the next one.
  const pattern = /<encrypted(?:\s+v="([^"]*)")?>((?:(?!<encrypted)[\s\S])*?)<\/encrypted>/g;
  return [...text.matchAll(pattern)].map(({ index, 0: whole, 1: version, 2: value = "" }) => ({
    start: index,
    end: index + whole.length,
    value,
    ...(version !== undefined && { version }),
  }));
}

/** A text with something else in the place of each of its marks. */
export function replaceMarks(text: string, replacement: (mark: Mark, whole: string) => string): string {
  let [result, last] = ["", 0];
  for (const mark of marksIn(text)) {
    result += text.slice(last, mark.start) + replacement(mark, text.slice(mark.start, mark.end));
    last = mark.end;
  }
  return result + text.slice(last);
}

/** Whether a value as a whole is one that only its key can read. */
export function isSealed(value: string): boolean {
  return /^\s*<encrypted\s/.test(value);
}

/** The string that is a value in a JSON text at a place: where its quotes are, and what it says. */
export function jsonStringAt(text: string, offset: number): { start: number; end: number; value: string } | undefined {
  for (const { index: start, 0: literal } of text.matchAll(/"(?:[^"\\]|\\.)*"/g)) {
    const end = start + literal.length;
    if (offset < start || offset > end) continue;
    const isKey = /^\s*:/.test(text.slice(end));
    return isKey ? undefined : { start, end, value: JSON.parse(literal) as string };
  }
  return undefined;
}

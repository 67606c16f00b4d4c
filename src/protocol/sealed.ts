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

/** Whether a value holds something that only its key can read, also where that is broken. */
export function isSealed(value: string): boolean {
  return /<encrypted\s+v=/.test(value);
}

/** Where encrypted values are in a text of any kind: in code and JSON the quotes of their tags are escaped. */
export function sealedIn(text: string): { start: number; end: number }[] {
  const found = text.matchAll(/<encrypted\s+v=\\?["'][^"'\\]*\\?["']>[^<]*<\/encrypted>/g);
  return [...found].map(({ index, 0: whole }) => ({ start: index, end: index + whole.length }));
}

/** A text with a sign in the place of each of them, which says that it cannot be decrypted. */
export function withoutSealed(text: string): string {
  return sealedIn(text).reduceRight((all, { start, end }) => all.slice(0, start) + missingValue + all.slice(end), text);
}

/** A text of JSON that is a value: where its quotes are, and what it says. */
export interface JsonString {
  start: number;
  end: number;
  value: string;
}

/** The strings that are values in a JSON text, which may have comments. */
export function jsonStrings(text: string): JsonString[] {
  const found = text.matchAll(/\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"/g);
  return [...found].flatMap(({ index: start, 0: literal }) => {
    const end = start + literal.length;
    const value = literal.startsWith('"') && !/^\s*:/.test(text.slice(end, end + 100)) ? unescaped(literal) : undefined;
    return value === undefined ? [] : [{ start, end, value }];
  });
}

/** What a string of JSON says; undefined where it is none. */
function unescaped(literal: string): string | undefined {
  try {
    return JSON.parse(literal) as string;
  } catch {
    return undefined;
  }
}

/** The string that is a value in a JSON text at a place. */
export function jsonStringAt(text: string, offset: number): JsonString | undefined {
  return jsonStrings(text).find(({ start, end }) => start <= offset && offset <= end);
}

/** A comment of the user on lines that the agent has changed. */
export interface ReviewComment {
  /** As the agent knows the file. */
  path: string;
  /** From 1 on. */
  line: number;
  lastLine: number;
  /** The lines that it is about. */
  quoted: string;
  text: string;
}

/** Quoted lines of one comment; the agent can read the file. */
const mostQuoted = 10;

/** All comments of a review as one message to the agent. */
export function reviewMessage(comments: readonly ReviewComment[]): string {
  const sorted = comments.toSorted((one, other) => compare(one.path, other.path) || one.line - other.line);
  const parts = sorted.map(({ path, line, lastLine, quoted, text }) => {
    const place = line === lastLine ? `${path}:${String(line)}` : `${path}:${String(line)}-${String(lastLine)}`;
    const lines = quoted.split(/\r?\n/);
    const quote = [...lines.slice(0, mostQuoted), ...(lines.length > mostQuoted ? ["…"] : [])];
    return `${place}\n${quote.map((one) => `> ${one}`.trimEnd()).join("\n")}\n\n${text.trim()}`;
  });
  const many = comments.length === 1 ? "a comment" : `${String(comments.length)} comments`;
  return [`I reviewed your changes and have ${many}.`, ...parts].join("\n\n");
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

import assert from "node:assert/strict";
import { reviewMessage } from "../../src/ui/review/reviewMessage.ts";

describe("a review", () => {
  it("is one message, by file and line, with the lines that each comment is about", () => {
    const long = Array.from({ length: 12 }, (_, index) => `line ${String(index)}`).join("\n");
    const message = reviewMessage([
      { path: "src/b.ts", line: 3, lastLine: 3, quoted: "const x = 1;", text: "Why not y?\n" },
      { path: "src/a.ts", line: 20, lastLine: 31, quoted: long, text: "Too long." },
      { path: "src/a.ts", line: 2, lastLine: 3, quoted: "one\r\n", text: "Two\nlines." },
    ]);
    assert.equal(
      message,
      `I reviewed your changes and have 3 comments.

src/a.ts:2-3
> one
>

Two
lines.

src/a.ts:20-31
${long
  .split("\n")
  .slice(0, 10)
  .map((line) => `> ${line}`)
  .join("\n")}
> …

Too long.

src/b.ts:3
> const x = 1;

Why not y?`,
    );
  });
});

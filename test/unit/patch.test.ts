import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { fileDiff } from "../../src/opencode/fileDiff.ts";
import { diffsOfEdits, type TurnEdit } from "../../src/orchestrator/toolEdits.ts";
import type { FileText } from "../../src/protocol/changes.ts";
import {
  applyHunks,
  countLines,
  firstChangedLine,
  parsePatch,
  reversed,
  wholeTexts,
} from "../../src/protocol/patch.ts";

type Kind = "same" | "added" | "removed";
interface Change {
  lines: { kind: Kind; text: string }[];
  /** Whether either side ends with the end of a line. */
  ended: boolean;
}

/** Lines that look like parts of a patch are among them. */
const line = fc.oneof(
  fc.constantFrom(
    "",
    "--- a",
    "+++ b",
    "@@ -1,2 +3,4 @@",
    "\\ No newline at end of file",
    "a\r",
    "a\rb",
    "ä\u2028",
    "-",
    "+",
    " ",
  ),
  fc.string({ unit: "grapheme", maxLength: 6 }).filter((text) => !text.includes("\n")),
);
const change: fc.Arbitrary<Change> = fc
  .record({
    lines: fc.array(fc.record({ kind: fc.constantFrom<Kind>("same", "same", "added", "removed"), text: line })),
    ended: fc.boolean(),
  })
  // A last line without an end cannot be told from none at all when it is empty.
  .filter(
    ({ lines, ended }) => ended || (["added", "removed"] as const).every((kind) => side(lines, kind).at(-1) !== ""),
  );

function side(lines: Change["lines"], without: Kind): string[] {
  return lines.filter(({ kind }) => kind !== without).map(({ text }) => text);
}

function textOf(lines: string[], ended: boolean): string {
  return lines
    .map((text) => `${text}\n`)
    .join("")
    .slice(0, ended ? undefined : -1);
}

const signs: Record<Kind, string> = { same: " ", added: "+", removed: "-" };

/** A patch with so many lines of context, as `diff -U` writes it. */
function patchOf({ lines, ended }: Change, context: number): string {
  const near = lines.map((_, index) =>
    lines.slice(Math.max(0, index - context), index + context + 1).some(({ kind }) => kind !== "same"),
  );
  const last = {
    old: lines.findLastIndex(({ kind }) => kind !== "added"),
    fresh: lines.findLastIndex(({ kind }) => kind !== "removed"),
  };
  const rows = ["--- file\t", "+++ file\t"];
  for (let at = 0, old = 0, fresh = 0; at < lines.length;) {
    if (!near[at]) {
      at++;
      old++;
      fresh++;
      continue;
    }
    const end = !near.includes(false, at) ? lines.length : near.indexOf(false, at);
    const part = lines.slice(at, end);
    const [removed, added] = [side(part, "added").length, side(part, "removed").length];
    const start = (count: number, before: number) => String(count === 0 ? before : before + 1);
    rows.push(`@@ -${start(removed, old)},${String(removed)} +${start(added, fresh)},${String(added)} @@`);
    part.forEach(({ kind, text }, index) => {
      rows.push(`${signs[kind]}${text}`);
      const place = at + index;
      const unended = (kind !== "added" && place === last.old) || (kind !== "removed" && place === last.fresh);
      if (!ended && unended) rows.push("\\ No newline at end of file");
    });
    at = end;
    old += removed;
    fresh += added;
  }
  return `${rows.join("\n")}\n`;
}

/** The last line of a side must be the last line of the change's side alone: an end shared with the other is `same`. */
function consistent({ lines, ended }: Change): boolean {
  if (ended) return true;
  const at = (without: Kind) => lines.findLastIndex(({ kind }) => kind !== without);
  const [old, fresh] = [at("added"), at("removed")];
  const shared = (index: number) => lines[index]?.kind === "same";
  return old === fresh || (!shared(old) && !shared(fresh));
}

describe("a patch", () => {
  it("leads from the text before to the text after and back, whatever the lines look like", () => {
    fc.assert(
      fc.property(change.filter(consistent), fc.nat(4), (made, context) => {
        const [before, after] = [
          textOf(side(made.lines, "added"), made.ended),
          textOf(side(made.lines, "removed"), made.ended),
        ];
        const hunks = parsePatch(patchOf(made, context))?.[0]?.hunks ?? [];
        assert.equal(applyHunks(hunks, before), after);
        assert.equal(applyHunks(reversed(hunks), after), before);
      }),
      { numRuns: 2_000 },
    );
  });

  it("with unlimited context holds both texts", () => {
    fc.assert(
      fc.property(change.filter(consistent), (made) => {
        fc.pre(made.lines.some(({ kind }) => kind !== "same"));
        const hunks = parsePatch(patchOf(made, Infinity))?.[0]?.hunks ?? [];
        assert.deepEqual(wholeTexts(hunks), {
          before: textOf(side(made.lines, "added"), made.ended),
          after: textOf(side(made.lines, "removed"), made.ended),
        });
      }),
    );
  });

  it("does not fit a text in which one of its lines is another one", () => {
    const patch = parsePatch("--- a\n+++ a\n@@ -2,3 +2,3 @@\n b\n-c\n+C\n d\n")?.[0]?.hunks ?? [];
    const fits = ["a\nb\nc\nd\n", "a\nb\nC\nd\n", "b\nc\nd\n", "a\nb\nc\n", "a\nb\r\nc\nd\n"];
    assert.deepEqual(
      fits.map((text) => applyHunks(patch, text)),
      ["a\nb\nC\nd\n", undefined, undefined, undefined, undefined],
    );
  });

  it("that is cut off or is none gives nothing", () => {
    const cut = [
      "",
      "hello",
      "--- a\n+++ a\n@@ -1,3 +1,3 @@\n a\n",
      "@@ -1 +1 @@\n-a\n+b\n",
      "--- a\n+++ a\n@@ -1 +1 @@\n?a\n",
    ];
    assert.deepEqual(cut.map(parsePatch), [undefined, undefined, undefined, undefined, undefined]);
    fc.assert(fc.property(fc.string(), (text) => (parsePatch(text), true)));
  });

  it("of git itself is read the same way", () => {
    const folder = mkdtempSync(join(tmpdir(), "patch-"));
    try {
      const texts: [string, string][] = [
        ["a\nb\nc\n", "a\nB\nc"],
        ["", "x\n"],
        ["x", ""],
        ["--- a\n+++ b\n", "+++ b\n--- a\n\\ c\n"],
        [`${"same\n".repeat(50)}end`, `new\n${"same\n".repeat(50)}end\n`],
      ];
      const results = texts.map(([before, after]) => {
        writeFileSync(join(folder, "a"), before);
        writeFileSync(join(folder, "b"), after);
        let patch = "";
        try {
          execFileSync("git", ["diff", "--no-index", "a", "b"], { cwd: folder });
        } catch (error) {
          patch = String((error as { stdout: Buffer }).stdout);
        }
        const hunks = parsePatch(patch)?.[0]?.hunks ?? [];
        return [applyHunks(reversed(hunks), after), applyHunks(hunks, before)];
      });
      assert.deepEqual(results, texts);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("tells its first changed line and counts", () => {
    const hunks = parsePatch("--- a\n+++ a\n@@ -7,3 +9,4 @@\n b\n-c\n+C\n+D\n d\n")?.[0]?.hunks ?? [];
    assert.deepEqual([firstChangedLine(hunks), countLines(hunks)], [10, { additions: 2, deletions: 1 }]);
  });
});

describe("one file of OpenCode's list of changes", () => {
  const head = "Index: f\n===\n--- f\t\n+++ f\t\n";
  const texts = (status: string, patch: string) => {
    const { before, after } = fileDiff({ file: "a/f", status, patch, additions: 1, deletions: 1 }, "/r");
    return [before, after].map((text) => (text.kind === "text" ? text.text : text.kind === "none" ? null : text.why));
  };
  it("says what is known of its texts and what is not", () => {
    assert.deepEqual(
      [
        texts("modified", `${head}@@ -1,2 +1,2 @@\n a\n-b\n+c\n`),
        texts("added", head),
        texts("deleted", `${head}@@ -1,1 +0,0 @@\n-b\n`),
        texts("modified", head),
        texts("modified", ""),
        texts("added", ""),
        texts("modified", `${head}@@ -1,1 +1,1 @@\n-\uFFFD\n+c\n`),
        texts("modified", `${head}@@ -9,1 +9,1 @@\n-b\n+c\n`),
        texts("modified", "nonsense"),
      ],
      [
        ["a\nb\n", "a\nc\n"],
        [null, ""],
        ["b\n", null],
        ["mode", "mode"],
        ["binary", "binary"],
        [null, "binary"],
        ["encoding", "c\n"],
        ["untold", "untold"],
        ["untold", "untold"],
      ],
    );
  });
});

describe("changes from the reports of tools", () => {
  const patched = (turn: string, from: string, to: string): TurnEdit => ({
    turn,
    edit: {
      kind: "patched",
      path: "/f",
      hunks: parsePatch(`--- f\n+++ f\n@@ -1 +1 @@\n-${from}\n+${to}\n`)?.[0]?.hunks ?? [],
    },
  });
  const written = (turn: string, text: string, created = false): TurnEdit => ({
    turn,
    edit: { kind: "written", path: "/f", text, created },
  });
  const sides = (edits: TurnEdit[], present: FileText) =>
    Object.fromEntries(
      [...diffsOfEdits(edits, () => present)].map(([turn, files]) => {
        const diff = files.get("/f");
        if (!diff) return [turn, []];
        return [turn, [diff.before, diff.after].map((text) => (text.kind === "text" ? text.text : text.kind))];
      }),
    );
  const text = (value: string): FileText => ({ kind: "text", text: value });

  it("follow backwards from the file on disk, forwards from what was written, and from nothing else", () => {
    assert.deepEqual(
      [
        sides([patched("1", "a", "b"), patched("2", "b", "c")], text("c\n")),
        sides([patched("1", "a", "b")], text("changed by hand\n")),
        sides([written("1", "a\n", true), patched("1", "a", "b")], text("changed by hand\n")),
        sides([written("1", "a\n")], text("a\n")),
        sides([patched("1", "a", "b"), written("2", "z\n")], { kind: "none" }),
        sides([written("1", "a\n", true), patched("2", "x", "y")], text("y\n")),
      ],
      [
        { 1: ["a\n", "b\n"], 2: ["b\n", "c\n"] },
        { 1: ["unknown", "unknown"] },
        { 1: ["none", "b\n"] },
        { 1: ["unknown", "a\n"] },
        { 1: ["unknown", "unknown"], 2: ["unknown", "z\n"] },
        { 1: ["none", "a\n"], 2: ["x\n", "y\n"] },
      ],
    );
  });
});

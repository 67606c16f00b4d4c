import assert from "node:assert/strict";
import fc from "fast-check";
import { mimeOf, sizeProblem, type MessageAttachment } from "../../src/protocol/attachment.ts";
import { fenced, parseCommand, replaced, stillMeant, tokenAt, withAttachments } from "../../src/protocol/compose.ts";
import { missionDigest } from "../../src/protocol/digest.ts";
import { fuzzyBest, fuzzyScore } from "../../src/protocol/fuzzy.ts";
import { newHead } from "../../src/protocol/reduce.ts";
import { emptyTranscript } from "../../src/protocol/transcript.ts";
import { parsePageMessage } from "../../src/ui/missions/pageMessages.ts";
import { recall, type Recalled } from "../../webview/history.ts";

const file = (path: string, mention?: string): MessageAttachment => {
  return { kind: "file", path, name: path, mime: mimeOf(path), ...(mention !== undefined && { mention }) };
};

describe("the word at the caret", () => {
  const at = (text: string) => {
    const caret = text.indexOf("|");
    const token = tokenAt(text.replace("|", ""), caret);
    return token && `${token.trigger}${token.query}`;
  };

  it("is a command at the beginning of the message alone, and a mention at the beginning of any word", () => {
    const texts = [
      "/|",
      "/fi|x it",
      "/fix @|",
      "see @src/a|",
      "(@a|",
      "\n@|",
      "a@b|",
      "fix /|",
      "/fix it|",
      "@a b|",
      "|/",
      "@@|",
    ];
    assert.deepEqual(texts.map(at), [
      "/",
      "/fi",
      "@",
      "@src/a",
      "@a",
      "@",
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("gives its place to what is chosen, with a space behind it", () => {
    const put = (text: string, by: string) => {
      const caret = text.indexOf("|");
      const plain = text.replace("|", "");
      const token = tokenAt(plain, caret);
      assert.ok(token);
      const result = replaced(plain, token, by);
      return `${result.text.slice(0, result.caret)}|${result.text.slice(result.caret)}`;
    };
    assert.equal(put("see @a| b", "@src/a.ts"), "see @src/a.ts |b");
    assert.equal(put("see @a|", "@src/a.ts"), "see @src/a.ts |");
    assert.equal(put("see @a|b", "@src/a.ts"), "see @src/a.ts |b");
    assert.equal(put("see @prob|", ""), "see |");
  });

  it("never throws, and ends at the caret", () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(), (text, place) => {
        const caret = place % (text.length + 1);
        const token = tokenAt(text, caret);
        if (!token) return;
        assert.equal(token.end, caret);
        assert.equal(text.slice(token.start, token.end), token.trigger + token.query);
      }),
    );
  });
});

describe("a message that is written", () => {
  it("calls a command by its first word", () => {
    const texts = ["/fix", "/nested/deep  a b\nc ", "/mcp:greet x", " /fix", "/", "fix /x", "/ fix"];
    assert.deepEqual(texts.map(parseCommand), [
      { name: "fix", arguments: "" },
      { name: "nested/deep", arguments: "a b\nc" },
      { name: "mcp:greet", arguments: "x" },
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("means what it still names, and what it never named", () => {
    const attachments = [file("a.ts", "@a.ts"), file("a.tsx", "@a.tsx"), file("p.png"), file("b c", "@b c")];
    const paths = (text: string) => stillMeant(text, attachments).map(({ name }) => name);
    assert.deepEqual(paths("see @a.tsx"), ["a.tsx", "p.png"]);
    assert.deepEqual(paths("see @a.ts, and (@b c)."), ["a.ts", "p.png", "b c"]);
    assert.deepEqual(paths("@a.tsx then @a.ts"), ["a.ts", "a.tsx", "p.png"]);
    assert.deepEqual(paths("@a.ts:1-2"), ["p.png"]);
    assert.deepEqual(paths("is it @a.ts?"), ["a.ts", "p.png"]);
    assert.deepEqual(paths(""), ["p.png"]);
  });

  it("carries each thing once", () => {
    const one = file("a", "@a");
    assert.deepEqual(withAttachments([one], [file("a", "@a"), file("b")]), [one, file("b")]);
  });

  it("holds blocks that their content cannot end", () => {
    assert.equal(fenced("a\n```\nb", "ts"), "````ts\na\n```\nb\n````");
    assert.equal(fenced("a\n"), "```\na\n```");
  });

  it("is told which of its files is too big", () => {
    const mb = 1024 * 1024;
    const problem = (...sizes: number[]) =>
      sizeProblem(sizes.map((size, index) => ({ name: `${String(index)}.png`, size })));
    assert.deepEqual([problem(), problem(10 * mb, 10 * mb)], [undefined, undefined]);
    assert.equal(problem(mb, 10 * mb + 1), "1.png has 10.1 MB; a file may have 10 MB.");
    assert.equal(
      problem(8 * mb, 8 * mb, 8 * mb),
      "0.png, 1.png, 2.png have 24 MB together; the files of one message may have 20 MB.",
    );
  });
});

describe("a match of some letters", () => {
  const best = (query: string, ...texts: string[]) => fuzzyBest(query, texts, (text) => text, 10);

  it("is best in the name of a file, at its beginning, as one piece", () => {
    assert.deepEqual(
      best("rout", "src/outer/rules.ts", "src/my-router.ts", "router/index.ts", "src/router.ts", "x.md"),
      ["src/router.ts", "src/my-router.ts", "router/index.ts", "src/outer/rules.ts"],
    );
    assert.deepEqual(best("mr", "summer.ts", "missionRunner.ts"), ["missionRunner.ts", "summer.ts"]);
  });

  it("keeps the order of what is as good, and everything for no letters", () => {
    assert.deepEqual(best("", "b", "a"), ["b", "a"]);
    assert.equal(fuzzyScore("xyz", "abc"), undefined);
  });

  it("is found whenever the letters stand there in their order", () => {
    const text = fc.string({ maxLength: 30 });
    fc.assert(
      fc.property(text, fc.array(fc.boolean(), { maxLength: 30 }), (whole, keep) => {
        const query = Array.from(whole)
          .filter((_, index) => keep[index])
          .join("");
        fc.pre(query.toLowerCase().length === query.length && whole.toLowerCase().length === whole.length);
        assert.notEqual(fuzzyScore(query, whole), undefined);
      }),
    );
  });
});

describe("earlier messages", () => {
  it("are walked back and forth as long as the composer is empty or unchanged", () => {
    const sent = ["one", "two"];
    const walk = (...steps: (-1 | 1)[]) => {
      let shown: Recalled | undefined;
      for (const step of steps) shown = recall(sent, shown?.text ?? "", shown, step) ?? shown;
      return shown?.text;
    };
    assert.deepEqual(
      [walk(-1), walk(-1, -1), walk(-1, -1, -1), walk(-1, -1, 1), walk(-1, 1), walk(1)],
      ["two", "one", "one", "two", "", undefined],
    );
    assert.equal(recall(sent, "mine", undefined, -1), undefined);
    assert.equal(recall(sent, "two!", { index: 1, text: "two" }, -1), undefined);
  });
});

describe("what the composer asks of the host", () => {
  it("is taken in its shape only", () => {
    const attachments = [
      { kind: "file", path: "/a", name: "a", mime: "image/png" },
      { kind: "file", path: "/b", name: "b", mime: "text/plain", mention: "@b", lines: [1, 2] },
      { kind: "agent", name: "explore", mention: "@explore" },
    ];
    const good = [
      { type: "send", text: "", attachments },
      { type: "suggest", id: 3, trigger: "@", query: "" },
      { type: "insertReference", key: "terminal" },
      { type: "attachFile", name: "a.png", mime: "image/png", bytes: new Uint8Array([1]) },
      { type: "attachUris", uris: ["file:///a"] },
      { type: "picture", path: "/a" },
    ];
    assert.deepEqual(good.map(parsePageMessage), good);
    const bad = [
      { type: "send", text: "", attachments: [{ kind: "file", path: "", name: "a", mime: "b" }, { kind: "x" }, 7] },
      { type: "suggest", id: 3, trigger: "#", query: "" },
      { type: "attachFile", name: "a.png", mime: "image/png", bytes: "AAAA" },
      { type: "picture" },
    ];
    assert.deepEqual(
      bad.map(parsePageMessage),
      bad.map(() => undefined),
    );
  });
});

describe("the digest of a mission", () => {
  it("tells what was said, the end of it when it is long", () => {
    const said = (id: string, role: "user" | "assistant", text: string) => {
      const part = { kind: "text" as const, id, text, done: true, gap: false, startedAt: 0 };
      return { id, sessionId: "s", role, createdAt: 0, parts: [part] };
    };
    const digest = (...messages: ReturnType<typeof said>[]) =>
      missionDigest({
        head: { ...newHead("m", 0), title: "T", directory: "/d" },
        transcript: { ...emptyTranscript, messages },
      });
    assert.equal(
      digest(said("1", "user", "Why?"), said("2", "assistant", ""), said("3", "assistant", "So.")),
      "# Mission: T\n\nFolder: /d\n\n## User\n\nWhy?\n\n## Agent\n\nSo.\n",
    );
    const long = digest(said("1", "user", "x".repeat(70_000)), said("2", "assistant", "The end."));
    assert.ok(long.length < 61_000 && long.endsWith("The end.\n"));
  });
});

import assert from "node:assert/strict";
import { parsePageMessage } from "../../src/ui/missions/pageMessages.ts";
import { splitBlocks } from "../../webview/blocks.ts";

describe("messages of the page", () => {
  it("are taken in their shape only", () => {
    const good = [
      { type: "send", text: "hi" },
      { type: "answerPermission", requestId: "per_1", reply: "reject", reason: "no" },
      { type: "answerPermission", requestId: "per_1", reply: "always", scope: "workspace", patterns: ["git *"] },
      { type: "answerQuestion", requestId: "que_1", answers: [["Blue"], []] },
      { type: "openFile", path: "a.ts", line: 3 },
      { type: "command", id: "showLog" },
      { type: "ack", seq: 4 },
      { type: "around", messageId: "msg_1", sessionId: "ses_1" },
      { type: "later", after: "msg_1" },
    ];
    assert.deepEqual(good.map(parsePageMessage), good);
  });

  it("are ignored in any other", () => {
    const bad = [
      null,
      "send",
      { type: "toString" },
      { type: "send" },
      { type: "send", text: 7 },
      { type: "send", text: "" },
      { type: "answerPermission", requestId: "per_1", reply: "yes" },
      { type: "command", id: "workbench.action.quit" },
      { type: "openFile", path: ["a"] },
      { type: "around", sessionId: "ses_1" },
      { type: "later", after: 4 },
    ];
    assert.deepEqual(
      bad.map(parsePageMessage),
      bad.map(() => undefined),
    );
  });
});

describe("blocks of a text that is still being written", () => {
  it("are cut where a new paragraph begins, and nowhere inside a fence, list, quote or table", () => {
    const text = [
      "# Title",
      "",
      "A paragraph",
      "of two lines.",
      "",
      "- a list",
      "",
      "- goes on",
      "  ",
      "  with a paragraph",
      "",
      "Then:",
      "",
      "```ts",
      "const a = 1;",
      "",
      "const b = 2;",
      "```",
      "",
      "The end",
    ].join("\n");
    const blocks = splitBlocks(text);
    assert.equal(blocks.join(""), text);
    assert.deepEqual(
      blocks.map((block) => block.split("\n")[0]),
      ["# Title", "A paragraph", "Then:", "```ts", "The end"],
    );
  });

  it("stay the same when more is written", () => {
    const whole = "One.\n\nTwo.\n\n```\nthree\n\nfour\n```\n\nFive.\n\n- six\n\n- seven\n";
    for (let length = 1; length <= whole.length; length++) {
      const blocks = splitBlocks(whole.slice(0, length));
      assert.deepEqual(blocks.slice(0, -1), splitBlocks(whole).slice(0, blocks.length - 1), whole.slice(0, length));
    }
  });
});

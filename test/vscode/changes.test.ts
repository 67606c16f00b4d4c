import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import { bash } from "../fake/scenarios.ts";
import { lineScript } from "../fake/script.ts";
import { driver } from "../host/driver.ts";
import { eventually } from "../host/eventually.ts";
import {
  closeTabs,
  inPanel,
  launch,
  page,
  panelShows,
  showMissions,
  tabs,
  turnsEnd,
  workspaceFolder,
} from "./steps.ts";

const old = Array.from({ length: 40 }, (_, index) => `line ${String(index)}\n`).join("");
const changed = old.replace("line 30\n", "LINE 30\n");
const edit = (name: string) => ({
  tool: "edit",
  args: { filePath: `$CWD/${name}`, oldString: "line 30", newString: "LINE 30" },
});

describe("the changes of a mission", () => {
  before(showMissions);
  beforeEach(closeTabs);

  const file = (name: string) => join(workspaceFolder(), name);
  const read = (name: string) => readFileSync(file(name), "utf8");
  /** Runs a mission that edits one file and writes another. */
  async function run(name: string): Promise<void> {
    writeFileSync(file(`${name}.txt`), old);
    const fresh = { tool: "write", args: { filePath: `$CWD/${name}-fresh.txt`, content: "fresh\n" } };
    await launch(lineScript(`Change ${name}`, edit(`${name}.txt`), fresh, bash("echo done"), { text: "Changed." }));
    await turnsEnd(1);
    await panelShows(".turn-changes", "2 files changed +2 −1");
  }
  const documentOf = (name: string, side: string) =>
    vscode.workspace.textDocuments.find(
      ({ uri }) => uri.path.endsWith(`/${name}`) && uri.query.includes(`side=${side}`),
    );
  const click = (words: string) => driver.clickInWebview(page, `.turn-changes button >> text=${words}`);

  it("are shown in one diff of all files, from the header", async () => {
    await run("multi");
    assert.deepEqual(
      (await inPanel("header button >> text=Changes")).map((label) => label.trim()),
      ["Changes 2"],
    );
    await driver.clickInWebview(page, "header button >> text=Changes");
    await eventually(tabs, (titles) => titles.some((title) => /^Changes: Change multi.*… \(2 files\)$/.test(title)));
    await eventually(
      () => documentOf("multi.txt", "before")?.getText(),
      (text) => text === old,
    );
    await driver.screenshot("changes-multi-diff");
  });

  it("are shown from a tool call at the line that it changed", async () => {
    await run("card");
    await driver.clickInWebview(page, ".fold.steps > .line");
    await driver.clickInWebview(page, '.aside[aria-label="Open diff of card.txt"]');
    await eventually(tabs, (titles) => titles.includes("card.txt (Turn)"));
    const editor = await eventually(
      () => vscode.window.activeTextEditor,
      (shown) => shown?.document.uri.fsPath === file("card.txt"),
    );
    assert.deepEqual(
      [editor?.selection.active.line, editor?.document.getText(), documentOf("card.txt", "before")?.getText()],
      [30, changed, old],
    );
  });

  it("are put back file by file, which can be undone", async () => {
    await run("single");
    await click("Show");
    await eventually(tabs, (titles) => titles.some((title) => title.startsWith("Changes of a Turn")));
    const uri = vscode.Uri.file(file("single.txt"));
    await vscode.commands.executeCommand("openAgent.revertFile", uri);
    assert.equal(read("single.txt"), old);
    await vscode.window.showTextDocument(uri);
    await vscode.commands.executeCommand("undo");
    assert.equal(vscode.window.activeTextEditor?.document.getText(), changed);
    await vscode.workspace.saveAll();
  });

  it("are commented on in the diff, and the comments sent as one message", async () => {
    await run("review");
    await click("Show");
    await eventually(tabs, (titles) => titles.some((title) => title.startsWith("Changes of a Turn")));
    const editor = await vscode.window.showTextDocument(vscode.Uri.file(file("review.txt")));
    editor.selection = new vscode.Selection(30, 0, 30, 7);
    await driver.runCommand("Comments: Add Comment on Current Selection");
    await eventually(
      () => driver.texts(".review-widget .monaco-editor"),
      (texts) => texts.length > 0,
    );
    for (const key of "Why?") await driver.press(key);
    await driver.click('.review-widget .monaco-button:has-text("Add Comment")');
    await eventually(
      () => driver.texts(".review-widget .comment-body"),
      (texts) => texts.some((text) => text.includes("Why?")),
    );
    await driver.screenshot("changes-comment");
    await vscode.commands.executeCommand("openAgent.sendReview");
    const sent = "I reviewed your changes and have a comment.\n\nreview.txt:31\n> LINE 30\n\nWhy?";
    await panelShows(".user-text", sent);
    await turnsEnd(2);
  });
});

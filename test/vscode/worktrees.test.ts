import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import { lineScript } from "../fake/script.ts";
import { driver } from "../host/driver.ts";
import { eventually } from "../host/eventually.ts";
import { chooseInContextMenu, closeTabs, quickInputTitled, turnsEnd, workspaceFolder } from "./steps.ts";

const row = '.pane:has(.pane-header[aria-label^="Workspaces"]) .monaco-list-row:has-text("Branch off")';
const dialog = ".monaco-dialog-box";

const shows = (selector: string, fits: (texts: string[]) => boolean) =>
  eventually(() => driver.texts(selector), fits, 30_000);
const press = (label: string) => driver.click(`${dialog} .monaco-button:has-text("${label}")`);

/** What the question says that is asked by a command of the worktree's context menu. */
async function asked(command: string): Promise<string> {
  await chooseInContextMenu(row, command);
  const [detail = ""] = await shows(`${dialog} .dialog-message-detail`, (texts) => texts.length === 1);
  return detail;
}

describe("a git worktree", () => {
  const made = () => join(workspaceFolder(), "branched.txt");
  before(closeTabs);
  after(async () => {
    await vscode.commands.executeCommand("openAgent.missions.focus");
  });

  it("is made for a mission that is launched in one", async () => {
    await driver.runCommand("Open Agent: New Mission…");
    await quickInputTitled("New Mission (1 of 2)");
    const write = { tool: "write", args: { filePath: "branched.txt", content: "from the branch\n" } };
    await driver.answerQuickInput(lineScript("Branch off", write, { text: "Branched." }));
    await quickInputTitled("New Mission (2 of 2)");
    await driver.pickQuickItem("project · new worktree");
    await driver.pickQuickItem("Start");
    await turnsEnd(1);
    assert.ok(!existsSync(made()));
    await vscode.commands.executeCommand("openAgent.workspaces.focus");
    await shows(row, ([text = ""]) => /^Branch off.*worktree$/s.test(text));
    await driver.screenshot("worktree");
  });

  it("shows its changes as a patch, and is merged after a question that names them", async () => {
    await chooseInContextMenu(row, "Show Changes of Worktree as Patch");
    const patch = await eventually(
      () => Promise.resolve(vscode.window.activeTextEditor?.document),
      (document) => document?.languageId === "diff",
    );
    assert.match(patch?.getText() ?? "", /^\+from the branch$/m);
    await closeTabs();
    assert.match(await asked("Merge Worktree Back…"), /committed first:\s*branched\.txt/);
    await press("Merge");
    await quickInputTitled("Commit");
    await driver.press("Enter");
    await eventually(
      () => Promise.resolve(existsSync(made())),
      (there) => there,
      30_000,
    );
    assert.equal(readFileSync(made(), "utf8"), "from the branch\n");
  });

  it("is deleted, with nothing lost", async () => {
    assert.match(await asked("Delete Workspace…"), /elsewhere as well/);
    await press("Delete");
    await shows(row, (texts) => texts.length === 0);
  });
});

/** After all others: a workspace stays that cannot be deleted here, since tests are shown no dialogs. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as vscode from "vscode";
import { writeFiles } from "../fake/library.ts";
import { driver } from "../host/driver.ts";
import { eventually } from "../host/eventually.ts";
import { askTool, chooseInContextMenu, closeTabs, launchUnseen, quickInputTitled, renameSymbol } from "./steps.ts";

const shelf = '.pane:has(.pane-header[aria-label^="Workspaces"]) .monaco-list-row:has-text("shelf")';

describe("a rename in the Library", () => {
  let root: string;
  /** The settings of the workspace. */
  let settings: vscode.Uri;
  const shelfSettings = async () => new TextDecoder().decode(await vscode.workspace.fs.readFile(settings));
  const open = async (path: string) =>
    vscode.window.showTextDocument(await vscode.workspace.openTextDocument(vscode.Uri.file(join(root, path))));
  const setLibrary = (path: string | undefined) =>
    vscode.workspace.getConfiguration("openAgent").update("library.path", path, vscode.ConfigurationTarget.Global);

  before(async () => {
    root = mkdtempSync(join(tmpdir(), "editor-library-"));
    writeFiles(root, {
      "agent/reviewer.md": "---\ndescription: Reviews.\nrules:\n  - style\n---\nYou review.\n",
      "rule/style.md": "---\ndescription: Small letters.\n---\nWrite in small letters.\n",
    });
    await closeTabs();
    await setLibrary(root);
  });
  after(async () => {
    await closeTabs();
    await setLibrary(undefined);
    rmSync(root, { recursive: true, force: true });
    await vscode.commands.executeCommand("openAgent.missions.focus");
  });

  it("is offered for the workspaces that name the item, which are not in the Library", async () => {
    await vscode.commands.executeCommand("openAgent.workspaces.focus");
    await driver.runCommand("Open Agent: New Workspace…");
    await quickInputTitled(/^New Workspace \(1 of \d\)$/);
    await driver.pickQuickItem("Host");
    await quickInputTitled("New Workspace (2 of 3)");
    await driver.answerQuickInput("shelf");
    await quickInputTitled("New Workspace (3 of 3)");
    await driver.pickQuickItem("A New, Empty Folder");
    await eventually(
      () => driver.texts(shelf),
      (texts) => texts.length === 1,
    );
    await chooseInContextMenu(shelf, "Edit Workspace Settings");
    const editor = await eventually(
      () => vscode.window.activeTextEditor,
      (shown) => shown?.document.uri.path.endsWith("shelf.workspace.json") === true,
    );
    assert.ok(editor);
    const { document } = editor;
    const whole = new vscode.WorkspaceEdit();
    whole.replace(document.uri, new vscode.Range(0, 0, document.lineCount, 0), '{ "rules": ["style", "other"] }');
    await vscode.workspace.applyEdit(whole);
    await document.save();
    await renameSymbol(await open("agent/reviewer.md"), "style", "house-style");
    const asked = '.notification-list-item:has-text("1 workspace still names the rule “style”")';
    await eventually(
      () => driver.texts(asked),
      (texts) => texts.length > 0,
    );
    await driver.click(`${asked} .monaco-button:has-text("Change to “house-style”")`);
    assert.ok(existsSync(join(root, "rule/house-style.md")));
    await vscode.commands.executeCommand("workbench.action.closeActiveEditor");
    settings = document.uri;
    await eventually(shelfSettings, (text) => /"rules": \[\s*"house-style",\s*"other"\s*\]/.test(text));
    const rule = await open("rule/house-style.md");
    const titles = async () =>
      (
        await vscode.commands.executeCommand<vscode.CodeLens[]>("vscode.executeCodeLensProvider", rule.document.uri, 10)
      ).map(({ command }) => command?.title);
    await eventually(titles, (found) => found.join() === "1 reference,Used in 1 workspace");
    await driver.screenshot("library-lens");
  });

  it("leaves an item that its user then takes from a workspace, and gives back", async () => {
    const tick = async () => {
      void vscode.commands.executeCommand("openAgent.useLibraryItem");
      await quickInputTitled("Use Which Item in Workspaces?");
      await driver.pickQuickItem("house-style");
      await quickInputTitled("Use “house-style” in Workspaces");
      await driver.pickQuickItem("shelf");
      await driver.press("Enter");
    };
    await tick();
    await eventually(shelfSettings, (text) => /"rules": \[\s*"other"\s*\]/.test(text));
    await tick();
    await eventually(shelfSettings, (text) => /"rules": \[\s*"other",\s*"house-style"\s*\]/.test(text));
  });

  it("is offered for the missions whose agent it is, and the other way round once it is undone", async () => {
    const missionId = await launchUnseen("[[hello]]", "reviewed");
    await eventually(
      () => askTool("openagent_missionStatus", { missionId }),
      (words) => words.includes("state: finished"),
    );
    await vscode.commands.executeCommand("notifications.clearAll");
    void vscode.commands.executeCommand("openAgent.chooseAgent", { missionId });
    await quickInputTitled("Choose Agent");
    await driver.pickQuickItem("reviewer");
    const rename = async (name: string, newName: string) => {
      void vscode.commands.executeCommand("openAgent.renameLibraryItem");
      await quickInputTitled("Rename Which Item?");
      await driver.pickQuickItem(name);
      await quickInputTitled(`Rename the agent “${name}”`);
      await driver.answerQuickInput(newName);
      const asked = `.notification-list-item:has-text("1 mission still names the agent “${name}”")`;
      await eventually(
        () => driver.texts(asked),
        (texts) => texts.length > 0,
      );
      await driver.click(`${asked} .monaco-button:has-text("Change to “${newName}”")`);
    };
    await rename("reviewer", "critic");
    await rename("critic", "reviewer");
  });
});

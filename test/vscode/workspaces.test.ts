import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import { bash } from "../fake/scenarios.ts";
import { lineScript } from "../fake/script.ts";
import { driver } from "../host/driver.ts";
import { eventually } from "../host/eventually.ts";
import {
  answerLaunch,
  chooseInContextMenu,
  closeTabs,
  panelShows,
  quickInputTitled,
  turnsEnd,
  workspaceFolder,
} from "./steps.ts";

const tree = '.pane:has(.pane-header[aria-label^="Workspaces"])';
const rows = `${tree} .monaco-list-row`;
const row = (text: string) => `${rows}:has-text("${text}")`;

const shows = (selector: string, fits: (texts: string[]) => boolean) =>
  eventually(() => driver.texts(selector), fits, 30_000);

const quickRows = ".quick-input-list .monaco-list-row";

/** Opens the second step of a mission that is never begun. */
async function secondStep(): Promise<void> {
  await driver.runCommand("Open Agent: New Mission…");
  await quickInputTitled("New Mission (1 of 2)");
  await driver.answerQuickInput("Never sent");
  await quickInputTitled("New Mission (2 of 2)");
}

const folderSettings = () => vscode.workspace.getConfiguration("openAgent", vscode.Uri.file(workspaceFolder()));
const defaultSetting = () => ({ ...folderSettings().inspect<string>("defaultWorkspace") });
const setDefault = (name: string | undefined) =>
  folderSettings().update("defaultWorkspace", name, vscode.ConfigurationTarget.WorkspaceFolder);

/** Answers the steps for a workspace on the host. */
async function create(name: string, folder: string): Promise<void> {
  await driver.runCommand("Open Agent: New Workspace…");
  await quickInputTitled(/^New Workspace \(1 of \d\)$/);
  await driver.pickQuickItem("Host");
  await quickInputTitled("New Workspace (2 of 3)");
  await driver.answerQuickInput(name);
  await quickInputTitled("New Workspace (3 of 3)");
  await driver.pickQuickItem(folder);
  await shows(row(name), (texts) => texts.length === 1);
}

describe("workspaces on the host", () => {
  before(async () => {
    await closeTabs();
    await vscode.commands.executeCommand("openAgent.workspaces.focus");
  });
  after(async () => {
    await setDefault(undefined);
    await vscode.commands.executeCommand("openAgent.missions.focus");
  });

  it("are created in steps, of which one can go back, and names are checked", async () => {
    await driver.runCommand("Open Agent: New Workspace…");
    await quickInputTitled(/^New Workspace \(1 of \d\)$/);
    await driver.pickQuickItem("Host");
    await quickInputTitled("New Workspace (2 of 3)");
    await driver.answerQuickInput("../up");
    await shows(".quick-input-widget:visible .quick-input-message", ([text = ""]) => text.includes("no slashes"));
    await driver.click('.quick-input-widget [aria-label^="Back"]');
    await quickInputTitled("New Workspace (1 of 3)");
    await driver.press("Escape");
    await create("desk", "A New, Empty Folder");
    assert.match((await driver.texts(row("desk")))[0] ?? "", /^desk\s*host$/);
    await create("home", "project");
    await driver.screenshot("workspaces-tree");
  });

  it("have missions in them, which stand below them, and are what the next mission begins with", async () => {
    await driver.hover(row("home"));
    await driver.click(`${row("home")} [aria-label^="New Mission"]`);
    await answerLaunch(lineScript("At home", bash("echo made >at-home.txt"), { text: "Home." }));
    await turnsEnd(1);
    await panelShows("header .facts", "home · host");
    assert.ok(existsSync(join(workspaceFolder(), "at-home.txt")));
    await driver.click(`${row("home")} .monaco-tl-twistie`);
    await shows(row("At home"), (texts) => texts.length === 1);
    await secondStep();
    const [start = ""] = await shows(quickRows, (texts) => texts.length > 4);
    assert.match(start, /home · host/);
    await driver.screenshot("quick-pick-workspace");
    await driver.press("Escape");
  });

  it("run commands, whose output is shown in a channel", async () => {
    await chooseInContextMenu(row("home"), "Run Command in Workspace…");
    await quickInputTitled("Run in home");
    await driver.answerQuickInput("pwd >ran.txt; exit 3");
    await eventually(
      () => Promise.resolve(existsSync(join(workspaceFolder(), "ran.txt"))),
      (made) => made,
    );
    // The editor of the tests writes no log files, so what a channel holds is not seen in it.
    await shows('.part.panel select[aria-label="Output Channel"], .part.panel .monaco-select-box', (texts) =>
      texts.join("").includes("Open Agent Commands"),
    );
    await vscode.commands.executeCommand("workbench.action.closePanel");
  });

  it("have settings that are edited as JSON, and keep what they were when that cannot be", async () => {
    await chooseInContextMenu(row("home"), "Edit Workspace Settings");
    const editor = await eventually(
      () => vscode.window.activeTextEditor,
      (shown) => shown?.document.uri.path.endsWith("home.workspace.json") === true,
    );
    assert.ok(editor);
    const { document } = editor;
    assert.deepEqual(JSON.parse(document.getText()), { environment: {} });
    const write = async (text: string) => {
      const whole = new vscode.Range(0, 0, document.lineCount, 0);
      await editor.edit((edit) => {
        edit.replace(whole, text);
      });
      return document.save();
    };
    assert.equal(await write('{ "environment": { "COLOUR": "green" } }'), true);
    assert.equal(await write('{ "environment": { "not a name": "x" } }'), false);
    await shows(".notification-list-item", (texts) => texts.join("").includes("not a name"));
    await vscode.commands.executeCommand("workbench.action.revertAndCloseActiveEditor");
    await chooseInContextMenu(row("home"), "Run Command in Workspace…");
    await quickInputTitled("Run in home");
    await driver.answerQuickInput("echo $COLOUR >colour.txt");
    const path = join(workspaceFolder(), "colour.txt");
    await eventually(
      () => existsSync(path) && readFileSync(path, "utf8"),
      (text) => text === "green\n",
    );
    await vscode.commands.executeCommand("workbench.action.closePanel");
  });

  it("are the default of a folder, where new missions begin whatever was used last", async () => {
    await chooseInContextMenu(row("desk"), "Use as Default for This Folder");
    await shows(row("desk"), ([text = ""]) => text.includes("default · host"));
    assert.equal(defaultSetting().workspaceFolderValue, "desk");
    await driver.screenshot("workspaces-default");
    await secondStep();
    const [start = "", first = "", second = ""] = await shows(quickRows, (texts) => texts.length > 4);
    assert.match(start, /desk · host/);
    assert.match(first, /desk\s*default · host/);
    assert.doesNotMatch(second, /default/);
    await driver.screenshot("quick-pick-default");
    await driver.press("Escape");
  });

  it("are not replaced by another when the default of a folder is not there", async () => {
    await setDefault("gone");
    await shows(row("project"), ([text = ""]) => text.includes("default “gone” is missing"));
    await secondStep();
    const offered = await shows(quickRows, (texts) => texts.length > 4);
    assert.match(offered[0] ?? "", /The default workspace “gone” is not there/);
    assert.deepEqual(
      offered.filter((text) => text.trim().startsWith("Start")),
      [],
    );
    await driver.screenshot("quick-pick-default-lost");
    // The first line starts nothing.
    await driver.press("Enter");
    await quickInputTitled("New Mission (2 of 2)");
    await driver.pickQuickItem("home");
    await shows(quickRows, ([start = ""]) => /Start.*home · host/.test(start));
    await driver.press("Escape");
    await setDefault("desk");
    await shows(row("desk"), ([text = ""]) => text.includes("default · host"));
  });

  it("are renamed, and stay the default", async () => {
    await chooseInContextMenu(row("desk"), "Rename Workspace…");
    await quickInputTitled("Rename Workspace");
    await driver.answerQuickInput("bench");
    await shows(row("bench"), ([text = ""]) => text.includes("default · host"));
    assert.equal(defaultSetting().workspaceFolderValue, "bench");
  });

  it("are the default no more when the user says so", async () => {
    await chooseInContextMenu(row("bench"), "Do Not Use as Default for This Folder");
    await shows(row("bench"), ([text = ""]) => !text.includes("default"));
    assert.equal(defaultSetting().workspaceFolderValue, undefined);
  });
});

/** What a user does and sees in the window, for the tests inside its extension host. */
import assert from "node:assert/strict";
import * as vscode from "vscode";
import { driver } from "../host/driver.ts";
import { eventually } from "../host/eventually.ts";

/** The page of a mission panel. */
export const page = "main[aria-label=Transcript]";

export function workspaceFolder(): string {
  const [folder] = vscode.workspace.workspaceFolders ?? [];
  assert.ok(folder);
  return folder.uri.fsPath;
}

/** Launches a mission as a user does: palette, prompt, Start. */
export async function launch(prompt: string, command = "Open Agent: New Mission…"): Promise<void> {
  await driver.runCommand(command);
  await answerLaunch(prompt);
}

/** Answers the two steps of a launch. */
export async function answerLaunch(prompt: string): Promise<void> {
  await quickInputTitled("New Mission (1 of 2)");
  await driver.answerQuickInput(prompt);
  await quickInputTitled("New Mission (2 of 2)");
  await driver.pickQuickItem("Start");
  await eventually(quickInputTitle, (title) => title !== "New Mission (2 of 2)");
}

async function quickInputTitle(): Promise<string> {
  return (await driver.texts(".quick-input-widget:visible .quick-input-title"))[0] ?? "";
}

export async function quickInputTitled(title: string | RegExp): Promise<void> {
  await eventually(quickInputTitle, (shown) => (typeof title === "string" ? shown === title : title.test(shown)));
}

/** Calls a tool as another agent in the editor does. */
export async function askTool(name: string, input: object): Promise<string> {
  const { content } = await vscode.lm.invokeTool(name, { input, toolInvocationToken: undefined });
  return content.map((part) => (part instanceof vscode.LanguageModelTextPart ? part.value : "")).join("");
}

/** Launches a mission that no panel shows; gives its id. */
export async function launchUnseen(prompt: string, title: string): Promise<string> {
  const words = await askTool("openagent_launchMission", { prompt, title });
  return /^mission: (\S+)$/m.exec(words)?.[1] ?? "";
}

/** The texts of elements in the panel that is shown. */
export function inPanel(selector: string): Promise<string[]> {
  return driver.textsInWebview(page, selector);
}

export async function panelShows(selector: string, text: string | RegExp, ms?: number): Promise<string[]> {
  const fits = (shown: string) => (typeof text === "string" ? shown.includes(text) : text.test(shown));
  return eventually(
    () => inPanel(selector),
    (texts) => texts.some(fits),
    ms,
  );
}

/** Waits for the end of so many turns in the panel that is shown. */
export async function turnsEnd(count: number): Promise<string[]> {
  return eventually(
    () => inPanel(".end, .failure"),
    (ends) => ends.length >= count,
  );
}

/** The rows of the missions tree, top down. */
export async function missionRows(): Promise<string[]> {
  const rows = await driver.texts(`${missionTree} .monaco-list-row .label-name`);
  return rows.map((row) => row.trim());
}

export const missionTree = '.pane:has(.pane-header[aria-label^="Missions"])';

/** By pointer and Enter: a menu ignores clicks for a moment after it has opened. */
export async function chooseInContextMenu(selector: string, label: string): Promise<void> {
  const item = `.context-view .action-item:has-text("${label}")`;
  await driver.rightClick(selector);
  await driver.hover(item);
  await eventually(
    () => driver.attributes(item, "class"),
    (names) => names[0]?.split(" ").includes("focused") === true,
  );
  await driver.press("Enter");
}

/** Waits for a notification. A toast goes after ten seconds, and is in the centre then. */
export async function noticed(words: string): Promise<void> {
  const isShown = () =>
    eventually(
      () => driver.texts(".notification-list-item"),
      (texts) => texts.join("").includes(words),
      5000,
    );
  for (let tries = 1; tries < 6; tries++)
    try {
      await isShown();
      return;
    } catch {
      await driver.runCommand("Notifications: Show Notifications");
    }
  await isShown();
}

/** Opens the view and waits until it stands. */
export async function showMissions(): Promise<void> {
  await driver.runCommand("Open Agent: Show Missions");
  await eventually(
    () => driver.texts(`${missionTree} .monaco-list-row, .welcome-view-content`),
    (texts) => texts.length > 0,
  );
}

/** The titles of all open tabs. */
export function tabs(): string[] {
  return vscode.window.tabGroups.all.flatMap((group) => group.tabs.map((tab) => tab.label));
}

export async function closeTabs(): Promise<void> {
  await vscode.commands.executeCommand("workbench.action.closeAllEditors");
}

/** Renames what stands in an editor by the editor's own means. */
export async function renameSymbol(editor: vscode.TextEditor, name: string, newName: string): Promise<void> {
  const { document } = editor;
  const place = document.positionAt(document.getText().indexOf(name) + 1);
  editor.selection = new vscode.Selection(place, place);
  void vscode.commands.executeCommand("editor.action.rename");
  await eventually(
    () => driver.texts(".rename-box input:focus"),
    (boxes) => boxes.length > 0,
  );
  for (const key of newName) await driver.press(key);
  await driver.press("Enter");
}

import * as vscode from "vscode";
import { OpenAgentError } from "../base/errors.ts";
import type { Core } from "../orchestrator/index.ts";
import type { MissionHead } from "../protocol/mission.ts";
import type { App } from "./app.ts";
import { askLaunch } from "./choices.ts";
import { connectProvider } from "./connectProvider.ts";
import type { MissionPanels } from "./panels.ts";
import { report } from "./problems.ts";
import { settings } from "./settings.ts";
import { folderPaths } from "./workspacesView.ts";

export interface NewMissionOptions {
  /** Where to run; asked for, or the only one, when absent. */
  directory?: string;
  /** Put below the user's words. */
  context?: string;
}

/** Asks for a prompt, then for what is left to choose, and launches. */
export async function newMission(app: App, panels: MissionPanels, options: NewMissionOptions = {}): Promise<void> {
  if (!vscode.workspace.isTrusted)
    throw new OpenAgentError("untrusted", "This workspace is not trusted, so Open Agent runs nothing in it.");
  const folders = options.directory === undefined ? folderPaths() : [options.directory];
  const first = lastFolder(app, folders) ?? (await askFolder());
  if (first === undefined) return;
  const words = await vscode.window.showInputBox({
    title: "New Mission (1 of 2)",
    prompt:
      options.context === undefined ? "What should the agent do?" : "What should the agent do with the selection?",
    placeHolder: "Find out why the login test is flaky and fix it",
    ignoreFocusOut: true,
  });
  if (words === undefined || words.trim() === "") return;
  const launch = await askLaunch(app, folders.length > 0 ? folders : [first], first);
  if (!launch) return;
  await app.context.workspaceState.update(lastFolderKey, launch.directory);
  const text = options.context === undefined ? words : `${words}\n\n${options.context}`;
  const head = await app.run("createMission", { text, directory: launch.directory, ...launch.choice });
  connectWhenNeeded(app, await app.core(), head.id, launch.directory);
  await panels.open(head.id, { preview: false });
  void tellOnce(app);
}

/** That missions outlive the window is told with the first one. */
async function tellOnce(app: App): Promise<void> {
  const { globalState } = app.context;
  if (!settings().keepRunning || globalState.get("toldKeepRunning") === true) return;
  await globalState.update("toldKeepRunning", true);
  const words = "Missions go on when this window is closed, and the next window catches up.";
  if ((await vscode.window.showInformationMessage(words, "Change")) === "Change")
    await vscode.commands.executeCommand("workbench.action.openSettings", "openAgent.keepRunning");
}

const lastFolderKey = "lastFolder";

function lastFolder(app: App, folders: readonly string[]): string | undefined {
  const last = app.context.workspaceState.get<string>(lastFolderKey);
  return folders.find((folder) => folder === last) ?? folders[0];
}

async function askFolder(): Promise<string | undefined> {
  const chosen = await vscode.window.showOpenDialog({
    title: "Where shall the agent work?",
    openLabel: "Work Here",
    canSelectFolders: true,
    canSelectFiles: false,
  });
  return chosen?.[0]?.fsPath;
}

/** A mission that could not begin because nobody is logged in leads to the login, and goes on after it. */
function connectWhenNeeded(app: App, core: Core, missionId: string, directory: string): void {
  const look = (head: MissionHead) => {
    if (head.id !== missionId || (head.sessionId === undefined && !head.failure)) return;
    listening.dispose();
    if (head.failure?.name !== "no_provider") return;
    connectProvider(app, directory)
      .then(async (connected) => {
        if (connected) await app.run("resumeMission", { missionId });
      })
      .catch(report);
  };
  const listening = core.onHead(look);
  look(core.store.head(missionId));
}

/** The selected lines of an editor, as the agent is to read them. */
export function selectionContext(editor: vscode.TextEditor): string {
  const { document, selection } = editor;
  const path = vscode.workspace.asRelativePath(document.uri);
  const end = selection.end.character === 0 && !selection.isSingleLine ? selection.end.line : selection.end.line + 1;
  const lines = end === selection.start.line + 1 ? String(end) : `${String(selection.start.line + 1)}-${String(end)}`;
  const text = document.getText(selection);
  const fence = "`".repeat(Math.max(3, ...[...text.matchAll(/`+/g)].map(([run]) => run.length + 1)));
  return `From ${path}:${lines}\n${fence}${document.languageId}\n${text}\n${fence}`;
}

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import type { Core } from "../../orchestrator/index.ts";
import type { MissionHead } from "../../protocol/mission.ts";
import { worktreeName } from "../../protocol/workspace.ts";
import type { App } from "../app.ts";
import { askLaunch, type Place } from "./choices.ts";
import { connectProvider } from "../connectProvider.ts";
import { defaultWorkspaceOf } from "../workspaces/defaultWorkspace.ts";
import type { MissionPanels } from "./panels.ts";
import { report } from "../library/problems.ts";
import { settings } from "../settings.ts";
import { folderPaths } from "../folders.ts";

export interface NewMissionOptions {
  /** Where to run; asked for, or the only one, when absent. A workspace goes before a folder. */
  directory?: string;
  workspaceId?: string;
  /** In the directory itself, although there may be workspaces for it. */
  onHost?: boolean;
  /** Put below the user's words. */
  context?: string;
}

/** Asks for a prompt, then for what is left to choose, and launches. */
export async function newMission(app: App, panels: MissionPanels, options: NewMissionOptions = {}): Promise<void> {
  if (!vscode.workspace.isTrusted)
    throw new OpenAgentError("untrusted", "This workspace is not trusted, so Open Agent runs nothing in it.");
  const { folder, places, first, lostDefault } = await placesFor(app, options);
  if (!first) return;
  const words = await vscode.window.showInputBox({
    title: "New Mission (1 of 2)",
    prompt:
      options.context === undefined ? "What should the agent do?" : "What should the agent do with the selection?",
    placeHolder: "Find out why the login test is flaky and fix it",
    ignoreFocusOut: true,
  });
  if (words === undefined || words.trim() === "") return;
  const launch = await askLaunch(app, places, first, lostDefault);
  if (!launch) return;
  const { directory, workspace } = launch.place;
  await rememberPlace(app, launch.place, folder ?? first.directory);
  const text = options.context === undefined ? words : `${words}\n\n${options.context}`;
  const where = launch.place.newWorktree
    ? await inNewWorktree(app, directory, words)
    : workspace
      ? { workspaceId: workspace.id }
      : { directory };
  const head = await app.run("createMission", { text, ...where, ...launch.choice });
  connectWhenNeeded(app, await app.core(), head.id, directory);
  await panels.open(head.id, { preview: false });
  void tellOnce(app);
}

async function inNewWorktree(app: App, folder: string, words: string) {
  const made = await app.run("createWorktree", { folder, name: worktreeName(words) });
  return { directory: made.folder, workspaceId: made.workspace.id };
}

interface Places {
  /** The folder that they are those of, where there is one. */
  folder?: string | undefined;
  places: Place[];
  /** Where the mission would work if the user chose nothing: undefined when he gave up. */
  first: Place | undefined;
  /** The folder's default that is not there: nothing is to take its place unless the user says so. */
  lostDefault?: string | undefined;
}

async function placesFor(app: App, options: NewMissionOptions): Promise<Places> {
  const { workspaces } = (await app.core()).workspaces();
  const inWorkspaces = workspaces.map((workspace): Place => ({ directory: workspace.directory, workspace }));
  if (options.workspaceId !== undefined) {
    const places = inWorkspaces.filter(({ workspace }) => workspace?.id === options.workspaceId);
    return { places, first: places[0] };
  }
  if (options.directory !== undefined && options.onHost) {
    const place = { directory: options.directory };
    return { places: [place], first: place };
  }
  const folders = options.directory === undefined ? folderPaths() : [options.directory];
  const directory = lastFolder(app, folders) ?? (workspaces.length === 0 ? await askFolder() : undefined);
  const all = folders.length === 0 && directory !== undefined ? [directory] : folders;
  // A folder within one of the window is asked for itself.
  const hasDefault = directory !== undefined && folderPaths().includes(directory);
  const named = hasDefault ? defaultWorkspaceOf(directory, workspaces) : undefined;
  const isDefault = ({ workspace }: Place) => workspace !== undefined && workspace.id === named?.workspace?.id;
  const byDefault = inWorkspaces.filter(isDefault).map((place): Place => ({ ...place, isDefault: true }));
  const offered = inWorkspaces.filter(
    (place) => !isDefault(place) && (options.directory === undefined || place.directory === directory),
  );
  const places = [
    ...byDefault,
    ...all.map((folder): Place => ({ directory: folder })),
    ...all.filter(isInRepository).map((folder): Place => ({ directory: folder, newWorktree: true })),
    ...offered,
  ];
  const last = directory === undefined ? undefined : app.context.workspaceState.get<string>(placeKey(directory));
  const first =
    byDefault[0] ??
    places.find((place) => keyOf(place) !== undefined && keyOf(place) === last) ??
    places.find((place) => place.directory === directory);
  const lostDefault = named && !named.workspace ? named.named : undefined;
  return { folder: directory, places, first: first ?? places[0], lostDefault };
}

/** A folder's missions begin in the workspace that they were launched in last. */
async function rememberPlace(app: App, place: Place, first: string): Promise<void> {
  const { directory, workspace } = place;
  const folder = workspace && !folderPaths().includes(directory) ? first : directory;
  const state = app.context.workspaceState;
  await state.update(lastFolderKey, folder);
  await state.update(placeKey(folder), keyOf(place));
}

/** How a place of a folder is remembered; undefined: the folder itself. */
function keyOf({ workspace, newWorktree }: Place): string | undefined {
  return newWorktree ? "new worktree" : workspace?.id;
}

function isInRepository(folder: string): boolean {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, ".git"))) return true;
    if (dirname(at) === at) return false;
  }
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

function placeKey(folder: string): string {
  return `workspace:${folder}`;
}

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

import { basename } from "node:path";
import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import type { Workspace } from "../../protocol/workspace.ts";
import type { App } from "../app.ts";
import { folderPaths } from "../folders.ts";

/** The whole name of the setting. */
export const defaultWorkspaceSetting = "openAgent.defaultWorkspace";

/** What the setting of a folder says: a workspace by its name or id, and which one that is, if any. */
export interface DefaultWorkspace {
  named: string;
  workspace: Workspace | undefined;
}

/** The default of a folder of this window; undefined where none is set. */
export function defaultWorkspaceOf(folder: string, workspaces: readonly Workspace[]): DefaultWorkspace | undefined {
  const named = settingOf(folder).get<string>("defaultWorkspace")?.trim() ?? "";
  if (named === "") return undefined;
  const workspace = workspaces.find(({ name }) => name === named) ?? workspaces.find(({ id }) => id === named);
  return { named, workspace };
}

/** Where a mission of a folder works when nobody chooses. Throws `workspace_not_found` when its default is not there. */
export async function placeOf(
  app: App,
  directory: string,
): Promise<{ place: { directory: string } | { workspaceId: string }; words: string }> {
  const { workspaces } = (await app.core()).workspaces();
  const byDefault = folderPaths().includes(directory) ? defaultWorkspaceOf(directory, workspaces) : undefined;
  if (!byDefault) return { place: { directory }, words: `the folder ${directory}` };
  const { named, workspace } = byDefault;
  if (workspace)
    return { place: { workspaceId: workspace.id }, words: `the workspace ${named}, in ${workspace.directory}` };
  throw new OpenAgentError(
    "workspace_not_found",
    `The default workspace “${named}” of ${basename(directory)} is not there. Change ${defaultWorkspaceSetting} in the settings.`,
  );
}

/** Those folders of this window whose default is a workspace. */
export function withDefault(
  folders: readonly string[],
  { id }: Workspace,
  workspaces: readonly Workspace[],
): readonly string[] {
  return folders.filter((folder) => defaultWorkspaceOf(folder, workspaces)?.workspace?.id === id);
}

/** Makes a workspace the default of one of these folders. */
export async function useAsDefault({ name }: Workspace, folders: readonly string[]): Promise<void> {
  const folder = await pickFolder(folders, `Begin new missions of which folder in ${name}?`);
  if (folder === undefined) return;
  await setDefault(folder, name);
  void vscode.window.showInformationMessage(`New missions of ${basename(folder)} begin in ${name}.`);
}

/** Takes that back; `folders` are those that have it. */
export async function clearDefault({ name }: Workspace, folders: readonly string[]): Promise<void> {
  if (folders.length === 0)
    throw new OpenAgentError("invalid_input", `${name} is the default of no folder of this window.`);
  const folder = await pickFolder(folders, `Begin new missions of which folder elsewhere than in ${name}?`);
  if (folder === undefined) return;
  await setDefault(folder, undefined);
  if (settingOf(folder).get("defaultWorkspace") === "") return;
  const open = "Open Settings";
  const words = `${basename(folder)} has a default still, by settings that are not its own.`;
  if ((await vscode.window.showInformationMessage(words, open)) === open)
    await vscode.commands.executeCommand("workbench.action.openSettings", defaultWorkspaceSetting);
}

/** Has folders follow a new name of their default, those that say it themselves. */
export async function renameDefault(folders: readonly string[], name: string): Promise<void> {
  for (const folder of folders)
    if (settingOf(folder).inspect("defaultWorkspace")?.workspaceFolderValue !== undefined)
      await setDefault(folder, name);
}

async function setDefault(folder: string, name: string | undefined): Promise<void> {
  await settingOf(folder).update("defaultWorkspace", name, vscode.ConfigurationTarget.WorkspaceFolder);
}

function settingOf(folder: string): vscode.WorkspaceConfiguration {
  return vscode.workspace.getConfiguration("openAgent", vscode.Uri.file(folder));
}

async function pickFolder(folders: readonly string[], question: string): Promise<string | undefined> {
  const [first] = folders;
  if (first === undefined)
    throw new OpenAgentError("invalid_input", "Open a folder first: the default is that of one.");
  if (folders.length === 1) return first;
  const items = folders.map((folder) => ({ label: basename(folder), description: folder, folder }));
  return (await vscode.window.showQuickPick(items, { title: question }))?.folder;
}

import { statSync } from "node:fs";
import { dirname, posix } from "node:path";
import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import { isContainer, type Workspace } from "../../protocol/workspace.ts";
import type { App } from "../app.ts";
import { readyWorkspace } from "../workspaces/building.ts";
import { containerUri, unopenable } from "../workspaces/containerFiles.ts";

/** Shows the files of a workspace: its folder in the Explorer or, when the user likes, a file that only a container has. */
export async function openFiles(app: App, workspace: Workspace): Promise<void> {
  if (!isContainer(workspace.kind)) {
    await openFolder(workspace.directory);
    return;
  }
  const folder = { label: "$(folder-opened) Its Folder", description: workspace.directory };
  const own = {
    label: "$(package) The Container’s Files",
    description: "its own file system, such as /etc and /root, read-only",
  };
  const chosen = await vscode.window.showQuickPick([folder, own], { title: `Files of ${workspace.name}` });
  if (chosen === folder) await openFolder(workspace.directory);
  if (chosen !== own) return;
  const ready = await readyWorkspace(app, workspace);
  if (ready) await browse(ready);
}

/** Shows a folder in the Explorer: where it is open already, else in a window that the user chooses. */
export async function openFolder(directory: string): Promise<void> {
  const uri = vscode.Uri.file(directory);
  if (vscode.workspace.getWorkspaceFolder(uri)) {
    await vscode.commands.executeCommand("revealInExplorer", uri);
    return;
  }
  const [newWindow, add] = ["$(empty-window) Open in New Window", "$(add) Add to This Window"];
  const items = [{ label: newWindow }, { label: add }];
  const chosen = await vscode.window.showQuickPick(items, { title: "Open Files", placeHolder: directory });
  if (chosen?.label === newWindow)
    await vscode.commands.executeCommand("vscode.openFolder", uri, { forceNewWindow: true });
  if (chosen?.label === add)
    vscode.workspace.updateWorkspaceFolders(vscode.workspace.workspaceFolders?.length ?? 0, 0, { uri });
}

/** Shows where a file or folder lies: in the system's file manager, or where the window has none for it, in the Explorer. */
export async function reveal(path: string): Promise<void> {
  const uri = vscode.Uri.file(path);
  if (vscode.env.uiKind === vscode.UIKind.Desktop && vscode.env.remoteName === undefined)
    await vscode.commands.executeCommand("revealFileInOS", uri);
  else if (vscode.workspace.getWorkspaceFolder(uri)) await vscode.commands.executeCommand("revealInExplorer", uri);
  else await openFolder(statSync(path).isDirectory() ? path : dirname(path));
}

/** From folder to folder of a container, to a file that is opened. */
async function browse(workspace: Workspace): Promise<void> {
  for (let path = "/"; ;) {
    const listing = vscode.workspace.fs.readDirectory(containerUri(workspace, path));
    const chosen = await vscode.window.showQuickPick<Item>(
      listing.then((entries) => itemsFor(path, entries)),
      { title: `Files of ${workspace.name}`, placeHolder: path, ignoreFocusOut: true },
    );
    if (!chosen) return;
    path = chosen.path;
    if (chosen.isFolder) continue;
    const uri = containerUri(workspace, path);
    // The editor itself would only say that there was an error.
    const why = await unopenable(uri);
    if (why !== undefined) throw new OpenAgentError("invalid_input", why);
    await vscode.commands.executeCommand("vscode.open", uri);
    return;
  }
}

type Item = vscode.QuickPickItem & { path: string; isFolder: boolean };

/** The way up, folders, files. */
function itemsFor(folder: string, entries: readonly [string, vscode.FileType][]): Item[] {
  const items = entries.map(([name, type]): Item => {
    const isFolder = (type & vscode.FileType.Directory) !== 0;
    const isLink = (type & vscode.FileType.SymbolicLink) !== 0;
    const icon = isFolder ? (isLink ? "file-symlink-directory" : "folder") : isLink ? "file-symlink-file" : "file";
    return { label: `$(${icon}) ${name.replaceAll("\n", "␊")}`, path: posix.join(folder, name), isFolder };
  });
  const byName = (one: Item, other: Item) =>
    Number(other.isFolder) - Number(one.isFolder) || one.path.localeCompare(other.path);
  const up: Item = { label: "$(arrow-up) ..", path: posix.dirname(folder), isFolder: true };
  return [...(folder === "/" ? [] : [up]), ...items.sort(byName)];
}

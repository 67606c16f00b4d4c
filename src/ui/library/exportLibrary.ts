import { nounOf } from "../../protocol/library.ts";
import { homedir } from "node:os";
import { extname, join } from "node:path";
import * as vscode from "vscode";
import { folderPaths } from "../folders.ts";
import type { Library } from "./library.ts";
import { itemOf } from "./libraryItems.ts";
import { isFolderItem, libraryWords } from "./libraryNodes.ts";
import { reveal } from "../missions/openFiles.ts";
import { report } from "./problems.ts";

/** Asks for a place, and writes an item of the Library there for others, without its secrets. */
export async function shareLibraryItem(library: Library, argument: unknown): Promise<void> {
  const item = await itemOf(library, argument, "Export Which Item?");
  if (!item) return;
  const { itemKind: kind, name, path } = item;
  const shared = { kind, name, path };
  const title = `Export the ${nounOf[kind]} “${name}”`;
  const { shareFolder, sharedName, shareItem } = await import("../../orchestrator/index.ts");
  const form = isFolderItem(item) ? await askForm(title) : "file";
  if (form === undefined) return;
  if (form === "folder") {
    const options = { title, openLabel: "Export Here", canSelectFolders: true, canSelectFiles: false };
    const [folder] = (await vscode.window.showOpenDialog(options)) ?? [];
    if (folder) tell(shareFolder(library.folder, shared, folder.fsPath));
    return;
  }
  const file = sharedName(shared);
  const uri = await vscode.window.showSaveDialog({
    title,
    saveLabel: "Export",
    defaultUri: vscode.Uri.file(join(folderPaths()[0] ?? homedir(), file)),
    filters: { [libraryWords[kind].title]: [extname(file).slice(1)] },
  });
  if (!uri) return;
  shareItem(library.folder, shared, uri.fsPath);
  tell(uri.fsPath);
}

async function askForm(title: string): Promise<"zip" | "folder" | undefined> {
  const items = [
    {
      label: "$(file-zip) Zip Archive…",
      detail: "One file, which “Import into the Library” takes",
      form: "zip" as const,
    },
    { label: "$(folder) Folder…", detail: "A copy of its files", form: "folder" as const },
  ];
  return (await vscode.window.showQuickPick(items, { title }))?.form;
}

function tell(path: string): void {
  const show = "Show";
  void vscode.window.showInformationMessage(`Exported to ${path}.`, show).then((chosen) => {
    if (chosen === show) reveal(path).catch(report);
  });
}

import { basename, dirname } from "node:path";
import * as vscode from "vscode";
import { lineFigures, type ChangedFile } from "../../protocol/changes.ts";
import type { App } from "../app.ts";
import type { ChangeDocuments, ChangeSource } from "./changeDocuments.ts";
import { report } from "../library/problems.ts";
import { revertFile } from "./revert.ts";
import { openFileDiff, showChanges } from "./showChanges.ts";

interface Item extends vscode.QuickPickItem {
  file?: ChangedFile;
}

const openButton = { iconPath: new vscode.ThemeIcon("diff"), tooltip: "Open Diff" };
const revertButton = { iconPath: new vscode.ThemeIcon("discard"), tooltip: "Revert File" };
const acceptButton = { iconPath: new vscode.ThemeIcon("check"), tooltip: "Accept" };
const showAll = { iconPath: new vscode.ThemeIcon("diff-multiple"), tooltip: "Show All Changes" };
const acceptAll = { iconPath: new vscode.ThemeIcon("check-all"), tooltip: "Accept All" };

/** The changed files of a mission one by one: open the diff, accept, revert. Accepted ones are listed last. */
export async function reviewChanges(app: App, documents: ChangeDocuments, missionId: string): Promise<void> {
  const source: ChangeSource = { missionId };
  const pick = vscode.window.createQuickPick<Item>();
  pick.ignoreFocusOut = true;
  pick.matchOnDescription = true;
  pick.placeholder = "Enter opens the diff";
  pick.buttons = [acceptAll, showAll];
  let files: ChangedFile[] = [];
  const draw = async () => {
    pick.busy = true;
    ({ files } = await documents.load(source));
    const open = files.filter((file) => !file.accepted);
    pick.title = `Review Changes: ${String(open.length)} of ${String(files.length)} to review`;
    pick.items = itemsOf(files);
    pick.busy = false;
  };
  const attempt = (act: () => Promise<unknown>) => {
    act()
      .then(draw)
      .catch((error: unknown) => {
        pick.hide();
        void report(error);
      });
  };
  const accept = (paths: string[]) => app.run("acceptChanges", { missionId, paths });
  pick.onDidTriggerItemButton(({ item: { file }, button }) => {
    if (!file) return;
    if (button === acceptButton) attempt(() => accept([file.path]));
    else if (button === revertButton) attempt(() => revertFile(documents, source, file.path));
    else attempt(() => openFileDiff(documents, source, file, { preserveFocus: true }));
  });
  pick.onDidAccept(() => {
    const file = pick.selectedItems[0]?.file;
    if (file) attempt(() => openFileDiff(documents, source, file, { preserveFocus: true }));
  });
  pick.onDidTriggerButton((button) => {
    const open = files.filter((file) => !file.accepted).map((file) => file.path);
    if (button === showAll) {
      pick.hide();
      showChanges(app, documents, source).catch(report);
    } else if (open.length > 0) {
      attempt(() => accept(open));
    }
  });
  pick.onDidHide(() => {
    pick.dispose();
  });
  pick.show();
  try {
    await draw();
    if (files.length > 0) return;
    pick.hide();
    void vscode.window.showInformationMessage("This mission has changed no files.");
  } catch (error) {
    pick.hide();
    throw error;
  }
}

function itemsOf(files: readonly ChangedFile[]): Item[] {
  const item = (file: ChangedFile): Item => ({
    file,
    label: `$(${icons[file.status]}) ${basename(file.path)}`,
    description: [folderOf(file.path), lineFigures(file)].filter((part) => part !== "").join("  "),
    ...(file.present === "changed" && { detail: "Changed since by somebody else" }),
    buttons: file.accepted ? [openButton, revertButton] : [openButton, revertButton, acceptButton],
  });
  const [open, accepted] = [files.filter((file) => !file.accepted), files.filter((file) => file.accepted)];
  if (accepted.length === 0) return open.map(item);
  return [...open.map(item), { label: "Accepted", kind: vscode.QuickPickItemKind.Separator }, ...accepted.map(item)];
}

/** As seen from the folder of the window; nothing for what is directly in it. */
function folderOf(path: string): string {
  const folder = dirname(vscode.workspace.asRelativePath(path));
  return folder === "." ? "" : folder;
}

const icons: Readonly<Record<ChangedFile["status"], string>> = {
  added: "diff-added",
  modified: "diff-modified",
  deleted: "diff-removed",
};

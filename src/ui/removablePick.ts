import * as vscode from "vscode";
import { report } from "./library/problems.ts";

export interface RemovablePick {
  title: string;
  placeholder: string;
  names: readonly string[];
  /** The codicon of each. */
  icon: string;
  /** What the bin at each name says. */
  removeLabel: string;
  /** Deletes a name; gives those that are left. */
  remove: (name: string) => Promise<readonly string[]>;
  /** A last line that is no name. */
  last?: vscode.QuickPickItem;
}

/** Lets the user choose one of several names, each of which can be deleted there. Undefined when he thinks better of it. */
export async function pickRemovable(options: RemovablePick): Promise<string | undefined> {
  const { title, placeholder, names, icon, removeLabel, remove, last } = options;
  const iconPath = new vscode.ThemeIcon(icon);
  const buttons = [{ iconPath: new vscode.ThemeIcon("trash"), tooltip: removeLabel }];
  const pick = vscode.window.createQuickPick();
  const draw = (shown: readonly string[]) => {
    pick.items = [...shown.map((label) => ({ label, iconPath, buttons })), ...(last ? [last] : [])];
  };
  const removing = async (name: string) => {
    pick.busy = true;
    try {
      draw(await remove(name));
    } finally {
      pick.busy = false;
    }
  };
  pick.title = title;
  pick.placeholder = placeholder;
  draw(names);
  pick.onDidTriggerItemButton(({ item }) => void removing(item.label).catch(report));
  const chosen = new Promise<string | undefined>((resolve) => {
    pick.onDidAccept(() => {
      resolve(pick.selectedItems[0]?.label);
    });
    pick.onDidHide(() => {
      resolve(undefined);
    });
  });
  pick.show();
  return chosen.finally(() => {
    pick.dispose();
  });
}

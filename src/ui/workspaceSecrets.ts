import * as vscode from "vscode";
import type { Workspace } from "../protocol/workspace.ts";
import type { App } from "./app.ts";
import { workspaceWith } from "./workspaceNodes.ts";

const forget: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon("trash"), tooltip: "Delete Secret" };
const add = "$(add) Add Secret…";

/** Shows the names of a workspace's secrets, which can be set anew, added and deleted. No value is ever shown. */
export async function workspaceSecrets(app: App, { id: workspaceId, name: of }: Workspace): Promise<void> {
  const core = await app.core();
  const items = (): vscode.QuickPickItem[] => [
    ...(workspaceWith(core, workspaceId)?.secrets ?? []).map((label) => ({ label, buttons: [forget] })),
    { label: add, alwaysShow: true },
  ];
  const pick = vscode.window.createQuickPick();
  pick.title = `Secrets of ${of}`;
  pick.placeholder = "Environment variables that are kept in the editor’s secret storage; choose one to set it";
  pick.items = items();
  const chosen = new Promise<string | undefined>((resolve) => {
    pick.onDidAccept(() => {
      resolve(pick.selectedItems[0]?.label);
    });
    pick.onDidHide(() => {
      resolve(undefined);
    });
  });
  pick.onDidTriggerItemButton(({ item }) => {
    void app.run("setWorkspaceSecret", { workspaceId, name: item.label }).then(() => (pick.items = items()));
  });
  pick.show();
  const label = await chosen;
  pick.dispose();
  const name = label === add ? await askName(of) : label;
  if (name === undefined) return;
  const value = await vscode.window.showInputBox({
    title: `Secret ${name} of ${of}`,
    prompt: "It is in the environment of whatever runs in the workspace, and is taken out of what missions show.",
    password: true,
    ignoreFocusOut: true,
    validateInput: (text) => (text === "" ? "A secret has a value." : undefined),
  });
  if (value === undefined) return;
  await app.run("setWorkspaceSecret", { workspaceId, name, value });
  void vscode.window.showInformationMessage(`The secret ${name} of ${of} is set.`);
}

function askName(of: string): Thenable<string | undefined> {
  return vscode.window.showInputBox({
    title: `New Secret of ${of}`,
    prompt: "The name of the environment variable",
    placeHolder: "DEPLOY_TOKEN",
    ignoreFocusOut: true,
    validateInput: (text) =>
      /^[A-Za-z_][A-Za-z0-9_]*$/.test(text)
        ? undefined
        : "A name has letters, digits and “_”, and does not begin with a digit.",
  });
}

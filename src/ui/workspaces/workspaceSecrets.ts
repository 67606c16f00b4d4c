import * as vscode from "vscode";
import { variableName, type Workspace } from "../../protocol/workspace.ts";
import type { App } from "../app.ts";
import { pickRemovable } from "../removablePick.ts";
import { workspaceWith } from "./workspaceNodes.ts";

const add = "$(add) Add Secret…";

/** Shows the names of a workspace's secrets, which can be set anew, added and deleted. No value is ever shown. */
export async function workspaceSecrets(app: App, { id: workspaceId, name: of }: Workspace): Promise<void> {
  const core = await app.core();
  const names = () => workspaceWith(core, workspaceId)?.secrets ?? [];
  const label = await pickRemovable({
    title: `Secrets of ${of}`,
    placeholder: "Environment variables that are kept in the editor’s secret storage; choose one to set it",
    names: names(),
    icon: "key",
    removeLabel: "Delete Secret",
    remove: async (name) => {
      await app.run("setWorkspaceSecret", { workspaceId, name });
      return names();
    },
    last: { label: add, alwaysShow: true },
  });
  const name = label === add ? await askName(of) : label;
  if (name === undefined) return;
  const value = await vscode.window.showInputBox({
    title: `Secret ${name} of ${of}`,
    prompt: "It is in the environment of whatever runs in the workspace, and is taken out of what missions show.",
    placeHolder: "Value",
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
      variableName.test(text) ? undefined : "A name has letters, digits and “_”, and does not begin with a digit.",
  });
}

import * as vscode from "vscode";
import { snapshotName, type Workspace } from "../../protocol/workspace.ts";
import type { App } from "../app.ts";
import { pickRemovable } from "../removablePick.ts";
import { wrongName } from "../workspaces/workspaceWords.ts";

/** Keeps what was installed or changed in a container, to go back to it. */
export async function snapshotWorkspace(app: App, workspace: Workspace): Promise<void> {
  const { id: workspaceId, name: of } = workspace;
  const known = await snapshots(app, workspace);
  const name = await vscode.window.showInputBox({
    title: `Snapshot of ${of}`,
    prompt: "What is installed or changed in its file system is kept under this name. Its folder is not part of it.",
    value: new Date().toISOString().slice(0, 10),
    validateInput: (text) => wrongSnapshot(text, known),
  });
  if (name === undefined) return;
  await working(`Keeping a snapshot of ${of}`, () => app.run("snapshotWorkspace", { workspaceId, name }));
  void vscode.window.showInformationMessage(`The snapshot “${name}” of ${of} is kept.`);
}

function wrongSnapshot(name: string, known: readonly string[]): vscode.InputBoxValidationMessage | undefined {
  const { Error, Warning } = vscode.InputBoxValidationSeverity;
  if (!snapshotName.test(name))
    return {
      message: "A snapshot’s name has letters, digits, “-”, “_” and “.”, and begins with one of the first two.",
      severity: Error,
    };
  if (known.includes(name))
    return { message: `There is a snapshot “${name}”; it will be replaced.`, severity: Warning };
  return undefined;
}

/** Goes back to a snapshot, or deletes some. */
export async function restoreWorkspace(app: App, workspace: Workspace): Promise<void> {
  const { id: workspaceId, name: of } = workspace;
  const name = await pickSnapshot(app, workspace);
  if (name === undefined) return;
  const detail =
    "What was installed or changed in its file system since is gone. The folder that missions work in stays as it is.";
  const question = `Restore “${of}” to the snapshot “${name}”?`;
  if ((await vscode.window.showWarningMessage(question, { modal: true, detail }, "Restore")) !== "Restore") return;
  await working(`Restoring ${of}`, () => app.run("restoreWorkspace", { workspaceId, name }));
  void vscode.window.showInformationMessage(`${of} is as it was in the snapshot “${name}”.`);
}

async function pickSnapshot(app: App, workspace: Workspace): Promise<string | undefined> {
  const { id: workspaceId, name: of } = workspace;
  const names = await snapshots(app, workspace);
  if (names.length === 0) {
    const take = "Snapshot…";
    const chosen = await vscode.window.showInformationMessage(`${of} has no snapshots yet.`, take);
    if (chosen === take) await snapshotWorkspace(app, workspace);
    return undefined;
  }
  return pickRemovable({
    title: `Snapshots of ${of}`,
    placeholder: "Restore which one?",
    names,
    icon: "history",
    removeLabel: "Delete Snapshot",
    remove: async (name) => {
      await app.run("deleteSnapshot", { workspaceId, name });
      return snapshots(app, workspace);
    },
  });
}

function snapshots(app: App, { id }: Workspace): Promise<string[]> {
  return app.run("workspaceSnapshots", { workspaceId: id });
}

/** Takes a container back to what was built. */
export async function resetWorkspace(app: App, { id: workspaceId, name }: Workspace): Promise<void> {
  const detail =
    "What was installed or changed in its file system since it was built is gone. Its snapshots and the folder that missions work in stay as they are.";
  const sure = await vscode.window.showWarningMessage(`Reset “${name}”?`, { modal: true, detail }, "Reset");
  if (sure !== "Reset") return;
  await working(`Resetting ${name}`, () => app.run("resetWorkspace", { workspaceId }));
  void vscode.window.showInformationMessage(`${name} is as it was built.`);
}

/** Makes another container that begins as this one is now. */
export async function forkWorkspace(app: App, { id: workspaceId, name: of }: Workspace): Promise<void> {
  const others = (await app.core()).workspaces().workspaces.map(({ name }) => name);
  const name = await vscode.window.showInputBox({
    title: `Fork ${of}`,
    prompt: "Another workspace that begins with all that is installed and changed in this one, and with its secrets",
    value: `${of} 2`,
    validateInput: (text) => wrongName(text, others),
  });
  if (name === undefined) return;
  const trimmed = name.trim();
  await working(`Forking ${of}`, () => app.run("forkWorkspace", { workspaceId, name: trimmed }));
  void vscode.window.showInformationMessage(`${trimmed} is ready, a fork of ${of}.`);
}

function working<T>(title: string, work: () => Promise<T>): Promise<T> {
  return Promise.resolve(vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title }, work));
}

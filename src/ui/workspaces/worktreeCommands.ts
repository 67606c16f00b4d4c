import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import type { Workspace, WorktreeState } from "../../protocol/workspace.ts";
import type { App } from "../app.ts";

/** How many files or commits a question names. */
const named = 12;

/** Merges a worktree's branch into what is checked out in its repository, after what is in no commit is in one. */
export async function mergeWorktree(app: App, workspace: Workspace): Promise<void> {
  const state = await stateOf(app, workspace);
  if (state.commits.length === 0 && state.uncommitted.length === 0) {
    void vscode.window.showInformationMessage(`“${workspace.name}” has changed nothing that could be merged.`);
    return;
  }
  const detail = [
    listed("Not committed yet, and committed first:", state.uncommitted),
    listed("Commits:", state.commits),
  ];
  const question = `Merge “${workspace.name}” into ${state.target === "" ? "the checkout" : state.target}?`;
  if (!(await sure(question, detail, "Merge"))) return;
  if (!(await committed(app, workspace, state))) return;
  const target = await app.run("mergeWorktree", { workspaceId: workspace.id });
  void vscode.window.showInformationMessage(`“${workspace.name}” was merged into ${target}.`);
}

/** Pushes a worktree's branch, to be opened as a pull request. */
export async function pushWorktree(app: App, workspace: Workspace): Promise<void> {
  const state = await stateOf(app, workspace);
  const detail = [
    `The branch ${state.branch} goes to the repository's remote.`,
    listed("Not committed yet, and committed first:", state.uncommitted),
    listed("Commits:", state.commits),
  ];
  if (!(await sure(`Push “${workspace.name}”?`, detail, "Push"))) return;
  if (!(await committed(app, workspace, state))) return;
  const { remote, printed } = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: `Pushing ${state.branch}…` },
    () => app.run("pushWorktree", { workspaceId: workspace.id }),
  );
  // Hosts of repositories answer a push of a branch with the address at which a pull request is opened.
  const address = /https?:\/\/\S+/.exec(printed)?.[0];
  const message = `${state.branch} was pushed to ${remote}.`;
  if (address === undefined) void vscode.window.showInformationMessage(message);
  else if (await vscode.window.showInformationMessage(message, "Open Pull Request"))
    await vscode.env.openExternal(vscode.Uri.parse(address));
}

/** Applies all that a worktree has changed to the files of its repository's checkout, without a commit. */
export async function applyWorktree(app: App, workspace: Workspace): Promise<void> {
  const state = await stateOf(app, workspace);
  const detail = [
    `The files of ${workspace.repository ?? ""} are changed, nothing is committed. Where a change does not fit, none is made.`,
    listed("Not committed:", state.uncommitted),
    listed("Commits:", state.commits),
  ];
  if (!(await sure(`Apply the changes of “${workspace.name}”?`, detail, "Apply"))) return;
  await app.run("applyWorktree", { workspaceId: workspace.id });
  void vscode.window.showInformationMessage(`The changes of “${workspace.name}” were applied.`);
}

/** Shows the same as a patch. */
export async function showWorktreePatch(app: App, { id }: Workspace): Promise<void> {
  const content = await app.run("worktreePatch", { workspaceId: id });
  const document = await vscode.workspace.openTextDocument({ language: "diff", content });
  await vscode.window.showTextDocument(document, { preview: true });
}

/** Deletes a worktree and its branch, after a question that names what is nowhere else. */
export async function deleteWorktree(app: App, workspace: Workspace): Promise<void> {
  const state = await stateOf(app, workspace).catch((error: unknown) => {
    if (error instanceof OpenAgentError) return error;
    throw error;
  });
  const lost = state instanceof OpenAgentError ? [] : state.unsaved;
  const goes = `The folder ${workspace.directory}`;
  const detail =
    state instanceof OpenAgentError
      ? [state.message, "Nothing is deleted with it that is nowhere else."]
      : lost.length === 0
        ? [`${goes} goes. All that was changed in it is elsewhere as well.`]
        : [`${goes} and the branch that was made with it go.`, listed("This is nowhere else and is lost:", lost)];
  const button = lost.length === 0 ? "Delete" : "Delete and Lose It";
  if (!(await sure(`Delete “${workspace.name}”?`, detail, button))) return;
  await app.run("deleteWorkspace", { workspaceId: workspace.id, discard: lost.length > 0 });
}

function stateOf(app: App, { id }: Workspace): Promise<WorktreeState> {
  return app.run("worktreeState", { workspaceId: id });
}

/** Puts what is in no commit into one; false when the user thinks better of it. */
async function committed(app: App, { id, name }: Workspace, state: WorktreeState): Promise<boolean> {
  if (state.uncommitted.length === 0) return true;
  const message = await vscode.window.showInputBox({
    title: "Commit",
    prompt: `The message of the commit with ${String(state.uncommitted.length)} changed files`,
    value: name,
    ignoreFocusOut: true,
  });
  if (message === undefined || message.trim() === "") return false;
  await app.run("commitWorktree", { workspaceId: id, message });
  return true;
}

async function sure(question: string, detail: readonly string[], button: string): Promise<boolean> {
  const text = detail.filter((part) => part !== "").join("\n\n");
  return (await vscode.window.showWarningMessage(question, { modal: true, detail: text }, button)) === button;
}

function listed(title: string, lines: readonly string[]): string {
  if (lines.length === 0) return "";
  const rest = lines.length - named;
  return [title, ...lines.slice(0, named), ...(rest > 0 ? [`and ${String(rest)} more`] : [])].join("\n");
}

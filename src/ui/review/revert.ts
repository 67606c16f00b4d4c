import { basename } from "node:path";
import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import type { ChangedFile, RevertReport } from "../../protocol/changes.ts";
import type { App } from "../app.ts";
import { whyUnknown, type ChangeDocuments, type ChangeSource } from "./changeDocuments.ts";

/** Files named in a question; the rest is counted. */
const mostNames = 15;

/** Asks, naming the files, and takes back a turn and all after it. */
export async function revertTurn(app: App, missionId: string, messageId: string): Promise<void> {
  const { files, snapshots } = await app.run("changes", { missionId, messageId, following: true });
  const [taken, left] = [files.filter(({ reported }) => !reported), files.filter(({ reported }) => reported)];
  const touched = taken.filter(({ present }) => present === "changed");
  const detail = snapshots
    ? [
        taken.length === 0 ? "No files are affected." : `These files become what they were before:\n${names(taken)}`,
        ...(left.length > 0 ? [`Without a snapshot, so these stay as they are:\n${names(left)}`] : []),
        ...(touched.length > 0 ? [`Changed since by somebody else, which will be lost:\n${names(touched)}`] : []),
        "The messages stay until you send the next one; until then you can unrevert.",
      ]
    : [
        "The messages are taken back. The files stay as they are: OpenCode keeps snapshots in git repositories only. " +
          "Review Changes… can put back single files.",
      ];
  const sure = await ask("Revert to before this turn?", detail.join("\n\n"), "Revert");
  if (!sure) return;
  const force = snapshots && touched.length > 0;
  await overwriting("Revert", (forced) => app.run("revertTurn", { missionId, messageId, force: force || forced }));
}

/** Brings back what was taken back. */
export async function unrevert(app: App, missionId: string): Promise<void> {
  await overwriting("Unrevert", (force) => app.run("unrevert", { missionId, force }));
}

/** Does it; where that would overwrite what others have changed, asks first. */
async function overwriting(verb: string, act: (force: boolean) => Promise<RevertReport>): Promise<void> {
  let report: RevertReport;
  try {
    report = await act(false);
  } catch (error) {
    if (!(error instanceof OpenAgentError) || error.code !== "files_changed") throw error;
    const paths = (error.detail["paths"] ?? "").split("\n");
    const detail = `OpenCode writes every file of the repository as it was then. Changed in the meantime, which will be lost:\n${names(paths.map((path) => ({ path })))}`;
    if (!(await ask(`${verb} and overwrite what was changed?`, detail, "Overwrite"))) return;
    report = await act(true);
  }
  if (report.differing.length > 0)
    void vscode.window.showWarningMessage(
      `Not all files are as they should be now: ${names(report.differing.map((path) => ({ path }))).replaceAll("\n", ", ")}.`,
    );
}

async function ask(question: string, detail: string, yes: string): Promise<boolean> {
  return (await vscode.window.showWarningMessage(question, { modal: true, detail }, yes)) === yes;
}

function names(files: readonly { path: string }[]): string {
  const shown = files.slice(0, mostNames).map(({ path }) => vscode.workspace.asRelativePath(path));
  const more = files.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${String(more)} more`] : [])].join("\n");
}

/** Puts one file back to before the mission or the turn, as an edit that can be undone. Says whether it did. */
export async function revertFile(documents: ChangeDocuments, source: ChangeSource, path: string): Promise<boolean> {
  const file = (await documents.load(source)).files.find((changed) => changed.path === path);
  if (!file) throw new OpenAgentError("invalid_input", `${basename(path)} is not changed.`);
  if (file.before.kind === "unknown")
    throw new OpenAgentError("invalid_input", `It cannot be put back: ${whyUnknown(file)}.`);
  const uri = vscode.Uri.file(path);
  const document = await openDocument(uri);
  if (isTouched(file, document)) {
    const question = `${basename(path)} was changed since by somebody else. Revert it nevertheless?`;
    if (!(await ask(question, "What was changed will be lost, unless you undo.", "Revert"))) return false;
  }
  const edit = new vscode.WorkspaceEdit();
  if (file.before.kind === "none") edit.deleteFile(uri, { ignoreIfNotExists: true });
  else if (document) edit.set(uri, restoring(document, file.before.text));
  else edit.createFile(uri, { contents: Buffer.from(file.before.text) });
  if (!(await vscode.workspace.applyEdit(edit)))
    throw new OpenAgentError("invalid_input", `The editor could not change ${basename(path)}.`);
  if (document && file.before.kind === "text") await document.save();
  return true;
}

function restoring(document: vscode.TextDocument, text: string): vscode.TextEdit[] {
  const whole = document.validateRange(new vscode.Range(0, 0, document.lineCount, 0));
  const end = text.includes("\r\n") ? vscode.EndOfLine.CRLF : vscode.EndOfLine.LF;
  return [vscode.TextEdit.setEndOfLine(end), vscode.TextEdit.replace(whole, text)];
}

/** Undefined where there is no such file. */
async function openDocument(uri: vscode.Uri): Promise<vscode.TextDocument | undefined> {
  try {
    await vscode.workspace.fs.stat(uri);
  } catch {
    return undefined;
  }
  return vscode.workspace.openTextDocument(uri);
}

/** Whether the file is another one than the agent left it, on disk or in an editor. */
function isTouched(file: ChangedFile, document: vscode.TextDocument | undefined): boolean {
  if (!document) return file.after.kind !== "none";
  if (file.after.kind !== "text") return true;
  const lines = (text: string) => text.replaceAll("\r\n", "\n");
  return lines(document.getText()) !== lines(file.after.text);
}

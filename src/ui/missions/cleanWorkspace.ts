import * as vscode from "vscode";
import type { CommandResult } from "../../orchestrator/index.ts";
import type { App } from "../app.ts";

/** How many files a question names. */
const namedFiles = 15;

/** Shows what is not committed where a mission works; with the user's yes that is stashed, and the mission goes on. */
export async function resumeInCleanWorkspace(app: App, missionId: string): Promise<void> {
  const head = (await app.core()).store.head(missionId);
  const unclean = await app.run("uncleanFiles", { missionId });
  if (unclean.files.length === 0) {
    await app.run("resumeInCleanWorkspace", { missionId });
    const kept = unclean.kept.length === 0 ? "" : ` Repositories of their own stay: ${unclean.kept.join(", ")}.`;
    void vscode.window.showInformationMessage(
      `The workspace was clean already; “${head.title}” goes on.${kept} Files that git ignores stay as they are.`,
    );
    return;
  }
  const count = unclean.files.length === 1 ? "1 uncommitted file" : `${String(unclean.files.length)} uncommitted files`;
  const chosen = await vscode.window.showWarningMessage(
    `Put away ${count} and resume “${head.title}”?`,
    { modal: true, detail: detailOf(head.directory, unclean) },
    "Stash and Resume",
  );
  if (chosen === undefined) return;
  const { stash } = await app.run("resumeInCleanWorkspace", { missionId });
  const where = stash === undefined ? "" : ` They are in the git stash ${stash.slice(0, 10)}.`;
  void vscode.window.showInformationMessage(`The workspace is clean and “${head.title}” goes on.${where}`);
}

function detailOf(directory: string, { branch, files, kept }: CommandResult<"uncleanFiles">): string {
  const named = files.slice(0, namedFiles).map(({ path, change }) => `${path} (${change})`);
  const rest = files.length - named.length;
  return [
    `These files in ${directory} go back to the last commit of ${branch}. This concerns all that is not committed there, whoever wrote it:`,
    [...named, ...(rest > 0 ? [`and ${String(rest)} more`] : [])].join("\n"),
    "Nothing is lost: they are kept in a git stash with the mission's name, which Source Control can apply again. Files that git ignores stay as they are.",
    kept.length === 0 ? "" : `Repositories of their own stay as they are: ${kept.join(", ")}`,
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

import { join } from "node:path";
import * as vscode from "vscode";
import type { JoinOutcome, PullOutcome } from "../../orchestrator/index.ts";
import { counted } from "../../base/counted.ts";
import type { App } from "../app.ts";
import { openConflict, openInGit, wantsLogin, type GitRepository } from "./gitExtension.ts";
import { withProgress, type LibraryGit } from "./libraryGit.ts";

type Diverged = Extract<PullOutcome, { kind: "diverged" }>;

/** Fetches and takes over what is new. Where both sides have gone on, the user says what becomes of it. */
export async function syncLibrary(app: App, library: LibraryGit): Promise<void> {
  await library.watch();
  const begun = library.status()?.inProgress;
  if (begun !== undefined) {
    await finishOperation(app, library, library.status()?.conflicted ?? [], begun);
    return;
  }
  const title = "Syncing the Library";
  const pull = (fetched: boolean) =>
    library.run(title, (repository, options) => repository.pull({ ...options, fetched }));
  const outcome = await pull(false).catch(async (error: unknown) => {
    const inGit = await withLogin(app, library, error, "Fetch with VS Code’s Login");
    await withProgress(title, () => inGit.fetch());
    return pull(true);
  });
  if (!outcome) return;
  void openInGit(library.folder, app.log);
  switch (outcome.kind) {
    case "updated":
      void vscode.window.showInformationMessage(
        `The Library is up to date; ${counted(outcome.commits, "commit")} came in.`,
      );
      return;
    case "up_to_date":
      if (outcome.ahead === 0) void vscode.window.showInformationMessage("The Library is up to date.");
      else
        await offer(
          `Nothing new at the remote; ${counted(outcome.ahead, "commit")} here to push.`,
          "Push",
          "pushLibrary",
        );
      return;
    case "no_upstream":
      if (outcome.remote === undefined)
        await offer("The Library has no remote to sync with.", "Change Remote…", "changeLibraryRemote");
      else await offer("The Library’s branch is not at the remote yet.", "Push", "pushLibrary");
      return;
    case "diverged":
      await joinBoth(app, library, outcome);
  }
}

async function offer(message: string, label: string, command: string): Promise<void> {
  if (await vscode.window.showInformationMessage(message, label))
    await vscode.commands.executeCommand(`openAgent.${command}`);
}

/** Asks what becomes of two sides that have gone on, and does it. */
async function joinBoth(app: App, library: LibraryGit, outcome: Diverged): Promise<void> {
  const { ahead, behind, upstream, unrelated } = outcome;
  const [mine, theirs] = [counted(ahead, "commit"), counted(behind, "commit")];
  const items = [
    {
      label: "$(git-merge) Merge",
      detail: `Joins both in a new commit. ${unrelated ? "They have none in common, so files of one name conflict." : "Nothing is rewritten."}`,
      how: "merge" as const,
    },
    {
      label: "$(git-pull-request) Rebase",
      detail: `Puts your ${mine} on top of theirs. A backup branch keeps what was before.`,
      how: "rebase" as const,
    },
    {
      label: "$(cloud-download) Take Theirs",
      detail: `A backup branch keeps your ${mine} and what is in no commit.`,
      how: "takeTheirs" as const,
    },
    {
      label: "$(cloud-upload) Keep Mine",
      detail: `Overwrites ${upstream} for all. A backup branch here keeps its ${theirs}.`,
      how: "keepMine" as const,
    },
  ];
  const chosen = await vscode.window.showQuickPick(
    items.filter(({ how }) => !unrelated || how !== "rebase"),
    {
      title: "Sync Library",
      placeHolder: `Both sides have gone on: ${mine} only here, ${theirs} only at ${upstream}`,
      ignoreFocusOut: true,
    },
  );
  if (!chosen) return;
  if (chosen.how === "keepMine" && !(await sure(`Overwrite ${upstream}?`, chosen.detail, "Keep Mine"))) return;
  const done = await library.run("Syncing the Library", async (repository, options): Promise<JoinOutcome> => {
    if (chosen.how === "merge") return repository.merge({ ...options, unrelated });
    if (chosen.how === "rebase") return repository.rebase(options);
    return { kind: "done", ...(await repository[chosen.how](options)) };
  });
  if (!done) return;
  const kept = done.backup === undefined ? "" : ` What was before is kept in the branch ${done.backup}.`;
  if (done.kind === "conflicts") {
    await finishOperation(app, library, done.files, chosen.how === "merge" ? "merge" : "rebase", kept);
    return;
  }
  const isThere = chosen.how === "takeTheirs" || chosen.how === "keepMine";
  if (isThere) void vscode.window.showInformationMessage(`The Library and its remote are the same now.${kept}`);
  else await offer(`Both sides are together now.${kept}`, "Push", "pushLibrary");
}

async function sure(question: string, detail: string, button: string): Promise<boolean> {
  return (await vscode.window.showWarningMessage(question, { modal: true, detail }, button)) === button;
}

/** Opens the files with conflicts, and goes on or back when the user says so. */
async function finishOperation(
  app: App,
  library: LibraryGit,
  files: readonly string[],
  operation: string,
  kept = "",
  again = false,
): Promise<void> {
  const folder = library.folder;
  const inGit = await openInGit(folder, app.log);
  await inGit?.status();
  for (const file of files) await openConflict(inGit, vscode.Uri.file(join(folder, file)), app.log);
  const [go, back] = ["Continue", "Abort"];
  const names = files.join(", ");
  const said =
    files.length === 0
      ? `A ${operation} is under way in the Library, and nothing conflicts any more.`
      : again
        ? `${names} still conflicts. When it is right as it is, stage it in Source Control, then continue.`
        : `The same lines were changed on both sides in ${names}. Resolve and save, then continue.`;
  const chosen = await vscode.window.showWarningMessage(`${said}${kept} “Sync Library” comes back to this.`, go, back);
  if (chosen === back) {
    await library.run(`Aborting the ${operation}`, (repository, options) => repository.abort(options));
    void vscode.window.showInformationMessage("The Library is as it was before.");
  }
  if (chosen !== go) return;
  await vscode.workspace.saveAll(false);
  const outcome = await library.run(`Continuing the ${operation}`, (repository, options) =>
    repository.continue(options),
  );
  if (outcome?.kind === "conflicts") await finishOperation(app, library, outcome.files, operation, kept, true);
  if (outcome?.kind === "done") await offer(`Both sides are together now.${kept}`, "Push", "pushLibrary");
}

/**
 * The repository as VS Code's own Git has it, where git has no login for the remote and the user wants that one's. All
 * other problems are thrown on.
 */
export async function withLogin(app: App, library: LibraryGit, error: unknown, use: string): Promise<GitRepository> {
  const inGit = (await wantsLogin(error, use)) ? await openInGit(library.folder, app.log) : undefined;
  if (!inGit) throw error;
  return inGit;
}

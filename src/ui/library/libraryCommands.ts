import { join, relative } from "node:path";
import * as vscode from "vscode";
import type { RepositoryStatus } from "../../orchestrator/index.ts";
import { counted } from "../../base/counted.ts";
import { OpenAgentError } from "../../base/errors.ts";
import { isWithin } from "../../base/paths.ts";
import type { App } from "../app.ts";
import type { Handler } from "../commands.ts";
import { openInGit } from "./gitExtension.ts";
import type { Library } from "./library.ts";
import { withProgress, type LibraryGit } from "./libraryGit.ts";
import { openFolder } from "../missions/openFiles.ts";
import { setUpLibrary } from "./setUpLibrary.ts";
import { syncLibrary, withLogin } from "./syncLibrary.ts";
import { plainLabel } from "../words.ts";

const scheme = "open-agent-library";

/** The commands of the Library's repository, by the part of their id after `openAgent.`. */
export function libraryCommands(items: Library, library: LibraryGit): Readonly<Record<string, Handler>> {
  return {
    setUpLibrary: ({ app }) => setUpLibrary(app, items, library),
    openLibrary: async () => {
      await library.repository();
      await openFolder(library.folder);
    },
    syncLibrary: ({ app }) => syncLibrary(app, library),
    commitLibrary: ({ app }) => commitLibrary(app, items, library),
    pushLibrary: ({ app }) => pushLibrary(app, library),
    switchLibraryBranch: () => switchBranch(library),
    changeLibraryRemote: () => changeRemote(library),
    showLibraryChanges: ({ app }) => showChanges(app, library),
  };
}

async function statusOf(library: LibraryGit): Promise<RepositoryStatus> {
  void library.watch();
  return (await library.repository()).status();
}

const stateWords = { modified: "changed", untracked: "new", conflict: "with conflicts" } as const;

async function commitLibrary(app: App, items: Library, library: LibraryGit): Promise<void> {
  if (!(await mayCommit(library.folder))) return;
  const { files, branch } = await statusOf(library);
  void openInGit(library.folder, app.log);
  if (files.length === 0) {
    void vscode.window.showInformationMessage("Nothing in the Library is changed.");
    return;
  }
  const changes = files.map(({ path, state }) => ({
    label: plainLabel(path),
    description: stateWords[state],
    path,
    picked: true,
  }));
  const picked = await vscode.window.showQuickPick(changes, {
    title: `Commit Library (${branch})`,
    placeHolder: "What the commit holds",
    canPickMany: true,
    matchOnDescription: true,
    ignoreFocusOut: true,
  });
  if (!picked || picked.length === 0) return;
  const wrong = (await items.catalogue()).problems().filter(({ severity }) => severity !== "information");
  const warning =
    wrong.length === 0
      ? ""
      : ` There ${wrong.length === 1 ? "is" : "are"} ${counted(wrong.length, "problem")} in the Library: ${wrong[0]?.message ?? ""}`;
  const message = await vscode.window.showInputBox({
    title: `Commit Library (${branch})`,
    prompt: `The message of the commit with ${counted(picked.length, "file")}.${warning}`,
    ignoreFocusOut: true,
    validateInput: (text) => (text.trim() === "" ? "A commit needs a message." : undefined),
  });
  if (message === undefined) return;
  const paths = picked.length === files.length ? {} : { paths: picked.map(({ path }) => path) };
  const outcome = await library.run("Committing the Library", (repository, options) =>
    repository.commit(message, { ...options, ...paths }),
  );
  if (outcome?.kind !== "committed") return;
  const said = `${counted(outcome.files, "file")} of the Library ${outcome.files === 1 ? "is" : "are"} in the commit ${outcome.commit}.`;
  if (await vscode.window.showInformationMessage(said, "Push"))
    await vscode.commands.executeCommand("openAgent.pushLibrary");
}

/** Offers to save what editors hold of the Library, which git does not see. False when the user wants no commit then. */
async function mayCommit(folder: string): Promise<boolean> {
  const unsaved = vscode.workspace.textDocuments.filter(
    ({ isDirty, uri }) => isDirty && uri.scheme === "file" && isWithin(folder, uri.fsPath),
  );
  if (unsaved.length === 0) return true;
  const names = unsaved.map(({ uri }) => relative(folder, uri.fsPath));
  const [save, without] = ["Save and Commit", "Commit What Is Saved"];
  const question = `Save ${names.length === 1 ? (names[0] ?? "") : counted(names.length, "file")} of the Library first?`;
  const detail = `A commit holds only what is saved. ${names.length === 1 ? "" : names.slice(0, 10).join(", ")}`.trim();
  const chosen = await vscode.window.showWarningMessage(question, { modal: true, detail }, save, without);
  if (chosen !== save) return chosen === without;
  for (const document of unsaved)
    if (!(await document.save()))
      throw new OpenAgentError("invalid_input", `${document.uri.fsPath} could not be saved, so nothing is committed.`);
  return true;
}

async function pushLibrary(app: App, library: LibraryGit): Promise<void> {
  const title = "Pushing the Library";
  try {
    const outcome = await library.run(title, (repository, options) => repository.push(options));
    if (!outcome) return;
    const { kind, branch, remote } = outcome;
    const said = kind === "pushed" ? `was pushed to ${remote}.` : `is at ${remote} already.`;
    void vscode.window.showInformationMessage(`The Library’s branch ${branch} ${said}`);
  } catch (error) {
    const inGit = await withLogin(app, library, error, "Push with VS Code’s Login");
    const { branch, upstream } = await statusOf(library);
    await withProgress(title, () => (upstream === undefined ? inGit.push("origin", branch, true) : inGit.push()));
    void vscode.window.showInformationMessage(`The Library’s branch ${branch} was pushed.`);
  }
}

async function switchBranch(library: LibraryGit): Promise<void> {
  const branches = await (await library.repository()).branches();
  const create = { label: "$(add) New Branch…", description: "from where the Library is now", name: undefined };
  const items = branches.map(({ name, current, remoteOnly }) => ({
    label: `$(git-branch) ${plainLabel(name)}`,
    description: current ? "current" : remoteOnly ? "at the remote" : "",
    name,
  }));
  const chosen = await vscode.window.showQuickPick([create, ...items], {
    title: "Switch Library Branch",
    placeHolder: "What is in no commit comes along, or nothing is switched",
  });
  if (!chosen) return;
  const name =
    chosen.name ??
    (await vscode.window.showInputBox({
      title: "New Branch of the Library",
      prompt: "What the branch is called",
      validateInput: (text) =>
        /^$|[\s~^:?*[\\]|\.\.|^[-/.]|[/.]$/.test(text) ? "That is no name of a branch." : undefined,
    }));
  if (name === undefined) return;
  const done = await library.run(`Switching the Library to ${name}`, (repository, options) =>
    repository.switchBranch(name, { ...options, create: chosen === create }),
  );
  if (done?.backup !== undefined)
    void vscode.window.showInformationMessage(`Commits that were on no branch are kept in ${done.backup}.`);
}

async function changeRemote(library: LibraryGit): Promise<void> {
  const { wrongUrl } = await import("../../orchestrator/index.ts");
  const { remote } = await statusOf(library);
  const url = await vscode.window.showInputBox({
    title: "Change Library Remote",
    prompt: "The address of a git repository. All commits that are here stay.",
    value: remote?.includes("***@") ? "" : (remote ?? ""),
    placeHolder: "git@github.com:name/library.git",
    ignoreFocusOut: true,
    validateInput: wrongUrl,
  });
  if (url === undefined || url === remote) return;
  const changed = await library.run("Changing the Library’s remote", (repository, options) =>
    repository.setRemote(url, options),
  );
  if (!changed) return;
  const { branches, backups } = changed;
  const kept = backups.length === 0 ? "" : ` What only the one before had is kept in ${backups.join(", ")}.`;
  const [said, next] =
    branches.length === 0
      ? ["The new remote is empty.", "Push"]
      : [`The new remote has ${counted(branches.length, "branch").replace("branchs", "branches")}.`, "Sync"];
  if (await vscode.window.showInformationMessage(`${said}${kept}`, next))
    await vscode.commands.executeCommand(`openAgent.${next === "Push" ? "pushLibrary" : "syncLibrary"}`);
}

/** In Source Control; one by one where VS Code's own Git is missing. */
async function showChanges(app: App, library: LibraryGit): Promise<void> {
  const { files, path: folder } = await statusOf(library);
  if (await openInGit(folder, app.log)) {
    await vscode.commands.executeCommand("workbench.view.scm");
    return;
  }
  if (files.length === 0) {
    void vscode.window.showInformationMessage("Nothing in the Library is changed.");
    return;
  }
  const items = files.map(({ path, state }) => ({ label: plainLabel(path), description: stateWords[state], path }));
  const chosen = await vscode.window.showQuickPick(items, { title: "Changes in the Library" });
  if (!chosen) return;
  const before = vscode.Uri.from({ scheme, path: `/${chosen.path}` });
  const title = `${chosen.path} (committed ↔ now)`;
  await vscode.commands.executeCommand("vscode.diff", before, vscode.Uri.file(join(folder, chosen.path)), title);
}

/** Files of the Library as its last commit has them. */
export function provideCommitted(library: LibraryGit): vscode.Disposable {
  return vscode.workspace.registerTextDocumentContentProvider(scheme, {
    provideTextDocumentContent: async ({ path }) => (await library.repository()).committedText(path.slice(1)),
  });
}

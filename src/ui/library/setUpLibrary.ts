import { existsSync, readdirSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import type { ItemKind } from "../../protocol/library.ts";
import { counted } from "../../base/counted.ts";
import type { App } from "../app.ts";
import { openInGit, wantsLogin } from "./gitExtension.ts";
import { usualLibraryFolder, type Library } from "./library.ts";
import { withProgress, type LibraryGit } from "./libraryGit.ts";
import { plainLabel } from "../words.ts";

const title = "Set Up Library";

/** The folders by which a Library is known. */
const known = ["skill", "skills", "command", "commands", "agent", "agents", "rule", "rules", "tool", "tools", "mcp"];

/** Clones a Library, opens a repository as one, or begins one. What is there already is never overwritten. */
export async function setUpLibrary(app: App, items: Library, library: LibraryGit): Promise<void> {
  const folder = library.folder;
  const { isFree } = await import("../../orchestrator/index.ts");
  const isThere = !isFree(folder);
  const underGit = existsSync(join(folder, ".git"));
  const ways = [
    {
      label: "$(repo-clone) Clone…",
      detail: "A Library that lies at a remote, by HTTPS or SSH, with your own git and login",
      run: clone,
    },
    { label: "$(repo) Open a Local Repository…", detail: "A folder of this machine", run: openLocal },
    {
      label: "$(sparkle) Create from Starter",
      detail: "A few good skills, commands and agents, usable at once, without a network",
      run: create,
    },
  ];
  const own = {
    label: "$(git-commit) Put It under Git",
    detail: `The files in ${folder} stay as they are. Commit them when you like.`,
    run: () => underGitNow(folder),
  };
  const chosen = await vscode.window.showQuickPick(isThere && !underGit ? [own, ...ways] : ways, {
    title,
    placeHolder: isThere ? `There is a Library in ${folder}. It stays as it is.` : `The Library will be in ${folder}`,
    ignoreFocusOut: true,
  });
  const made = await chosen?.run(app, library);
  if (made === undefined) return;
  await use(library, made);
  await items.refresh();
  await library.restart();
  void openInGit(made, app.log);
  const chosenNext = await vscode.window.showInformationMessage(await ready(made), "Open Library", "New Mission…");
  if (chosenNext === "Open Library") await vscode.commands.executeCommand("openAgent.openLibrary");
  if (chosenNext === "New Mission…") await vscode.commands.executeCommand("openAgent.newMission");
}

/** Names the folder in the settings, where they would name another. */
async function use(library: LibraryGit, folder: string): Promise<void> {
  if (folder === library.folder) return;
  const value = folder === usualLibraryFolder() ? undefined : folder;
  await vscode.workspace.getConfiguration("openAgent").update("library.path", value, vscode.ConfigurationTarget.Global);
}

async function ready(folder: string): Promise<string> {
  const { Catalogue } = await import("../../orchestrator/index.ts");
  const catalogue = new Catalogue(folder);
  await catalogue.open();
  const count = (kind: ItemKind, one: string) => {
    const found = catalogue.items(kind).length;
    return found === 0 ? [] : [counted(found, one)];
  };
  const has = [...count("skills", "skill"), ...count("commands", "command"), ...count("agents", "agent")];
  const wrong = catalogue.problems().filter(({ severity }) => severity === "error").length;
  const words = wrong === 0 ? "" : ` ${counted(wrong, "thing")} in it cannot be used.`;
  return `The Library is set up${has.length === 0 ? "" : ` with ${has.join(", ")}`}.${words}`;
}

async function clone(app: App, library: LibraryGit): Promise<string | undefined> {
  const { cloneLibrary, remoteBranches, wrongUrl } = await import("../../orchestrator/index.ts");
  const typed = await vscode.window.showInputBox({
    title: "Clone Library",
    prompt: "The address of a git repository. Your own git logs in, with its credential helper or your SSH key.",
    placeHolder: "git@github.com:name/library.git",
    ignoreFocusOut: true,
    validateInput: wrongUrl,
  });
  if (typed === undefined) return undefined;
  const url = typed.trim();
  const answered = withProgress(`Asking ${url}`, (options) => remoteBranches(url, options));
  const found = await answered.catch(async (error: unknown) => {
    if (!(await wantsLogin(error, "Clone with VS Code’s Login"))) throw error;
    return "by VS Code" as const;
  });
  if (!found) return undefined;
  if (found === "by VS Code") return cloneByEditor(app, library, url);
  const branch = found.branches.length < 2 ? found.usual : await pickBranch(found.branches, found.usual);
  if (branch === undefined && found.branches.length > 0) return undefined;
  const folder = await freeFolder(library, nameIn(url));
  if (folder === undefined) return undefined;
  const done = await withProgress(`Cloning ${url}`, (options) =>
    cloneLibrary(url, folder, { ...options, ...(branch !== undefined && { branch }) }),
  );
  if (!done) return undefined;
  if (done.empty) {
    const fill = "Fill with Starter";
    const asked = await vscode.window.showInformationMessage(`The repository at ${url} is empty.`, fill, "Leave Empty");
    if (asked === fill) await start(app, folder);
  }
  return folder;
}

/** What the last part of an address calls the repository. */
function nameIn(url: string): string {
  return basename(url)
    .replace(/\.git$/, "")
    .replace(/^.*:/, "");
}

/** With the login that VS Code's own Git has: that fetches into a repository which has nothing but the address. */
async function cloneByEditor(app: App, library: LibraryGit, url: string): Promise<string | undefined> {
  const { initLibrary, Repository } = await import("../../orchestrator/index.ts");
  const folder = await freeFolder(library, nameIn(url));
  if (folder === undefined) return undefined;
  await initLibrary(folder);
  const repository = new Repository(folder);
  try {
    await repository.setRemote(url, { unasked: true });
    const inGit = await openInGit(folder, app.log);
    if (!inGit) throw new OpenAgentError("git_failed", "VS Code’s own Git extension is switched off.");
    await withProgress(`Fetching ${url}`, () => inGit.fetch());
    const names = (await repository.branches()).filter(({ remoteOnly }) => remoteOnly).map(({ name }) => name);
    const usual = ["main", "master"].find((name) => names.includes(name));
    const branch = names.length < 2 ? names[0] : await pickBranch(names, usual);
    if (branch !== undefined) await repository.switchBranch(branch);
    else if (names.length > 0) throw new vscode.CancellationError();
    return folder;
  } catch (error) {
    // There was nothing here before.
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

async function pickBranch(branches: readonly string[], usual: string | undefined): Promise<string | undefined> {
  const sorted = [...branches].sort((one, other) => Number(other === usual) - Number(one === usual));
  const items = sorted.map((name) => ({
    label: `$(git-branch) ${plainLabel(name)}`,
    description: name === usual ? "default" : "",
    name,
  }));
  const options = {
    title: "Clone Library",
    placeHolder: "Which branch? It can be switched later.",
    ignoreFocusOut: true,
  };
  return (await vscode.window.showQuickPick(items, options))?.name;
}

async function openLocal(): Promise<string | undefined> {
  const options = { title: "Folder of the Library", canSelectFolders: true, canSelectFiles: false, openLabel: "Use" };
  const folder = (await vscode.window.showOpenDialog(options))?.[0]?.fsPath;
  if (folder === undefined) return undefined;
  const entries = readdirSync(folder);
  if (!entries.some((name) => known.includes(name)) && entries.some((name) => !name.startsWith("."))) {
    const detail = `${folder} has none of the folders of a Library, such as skill, command or agent. Use it all the same?`;
    if (!(await sure("This does not look like a Library.", detail, "Use It"))) return undefined;
  }
  if (entries.includes(".git")) return folder;
  const detail = `Its files stay as they are. Commit them when you like.`;
  return (await sure(`Make ${folder} a git repository?`, detail, "Make It One")) ? underGitNow(folder) : undefined;
}

async function sure(question: string, detail: string, button: string): Promise<boolean> {
  return (await vscode.window.showWarningMessage(question, { modal: true, detail }, button)) === button;
}

async function underGitNow(folder: string): Promise<string> {
  const { initLibrary } = await import("../../orchestrator/index.ts");
  await initLibrary(folder);
  return folder;
}

async function create(app: App, library: LibraryGit): Promise<string | undefined> {
  const folder = await freeFolder(library, "library");
  return folder === undefined ? undefined : start(app, folder);
}

async function start(app: App, folder: string): Promise<string> {
  const { createFromStarter } = await import("../../orchestrator/index.ts");
  const { problem } = await createFromStarter(join(app.context.extensionPath, "media", "starter"), folder);
  if (problem !== undefined)
    void vscode.window.showWarningMessage(`The Library can be used, but nothing of it is committed yet. ${problem}`);
  return folder;
}

/** Where a new Library can be: where it is looked for, or where the user says when that is taken. */
async function freeFolder(library: LibraryGit, name: string): Promise<string | undefined> {
  const { isFree } = await import("../../orchestrator/index.ts");
  const usual = library.folder;
  if (isFree(usual)) return usual;
  const choose = "Choose Folder…";
  const detail = `${usual} holds a Library already. It stays there as it is; the new one needs a folder of its own, which the settings then name.`;
  if (!(await sure("Where is the new Library to be?", detail, choose))) return undefined;
  const options = {
    title: `The new Library becomes a folder in this one`,
    canSelectFolders: true,
    canSelectFiles: false,
    openLabel: "Put It Here",
    defaultUri: vscode.Uri.file(homedir()),
  };
  const parent = (await vscode.window.showOpenDialog(options))?.[0]?.fsPath;
  if (parent === undefined) return undefined;
  const own = isFree(parent) ? parent : join(parent, name === "" ? "library" : name);
  for (let folder = own, count = 2; ; folder = `${own}-${String(count++)}`) if (isFree(folder)) return folder;
}

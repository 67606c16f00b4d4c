import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import type { Candidate, Gathered, ImportSource } from "../../orchestrator/index.ts";
import { type ItemKind, nounOf } from "../../protocol/library.ts";
import type { Handler } from "../commands.ts";
import { shareLibraryItem } from "./exportLibrary.ts";
import type { Library } from "./library.ts";
import { isLibraryNode, libraryWords } from "./libraryNodes.ts";

/** The commands that take items into the Library and give them to others, by the part of their id after `openAgent.`. */
export function librarySharingCommands(library: Library): Readonly<Record<string, Handler>> {
  return {
    importIntoLibrary: (_, argument) => importIntoLibrary(library, argument),
    exportFromLibrary: (_, argument) => shareLibraryItem(library, argument),
  };
}

const title = "Import into the Library";

/** Asks where from, unless it is called on a file, shows what there is and what of it runs, and takes in what the user then wants. */
async function importIntoLibrary(library: Library, argument: unknown): Promise<void> {
  if (!vscode.workspace.isTrusted)
    throw new OpenAgentError("untrusted", "This workspace is not trusted, so Open Agent imports nothing in it.");
  const wanted = isLibraryNode(argument) && argument.kind === "group" ? argument.itemKind : undefined;
  const source = argument instanceof vscode.Uri ? await sourceAt(argument.fsPath, wanted) : await askSource(wanted);
  if (!source) return;
  const { gather } = await import("../../orchestrator/index.ts");
  const gathered = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title, cancellable: true },
    (_, token) => {
      const ending = new AbortController();
      token.onCancellationRequested(() => ending.abort());
      return gather(library.folder, source, { signal: ending.signal });
    },
  );
  try {
    await takeIn(library, gathered);
  } finally {
    await closeDrafts(gathered);
    gathered.discard();
    await library.refresh();
  }
}

// --- where from ----------------------------------------------------------------------------------------------------

async function askSource(as: ItemKind | undefined): Promise<ImportSource | undefined> {
  const git = { label: "$(repo-clone) Git Repository…", detail: "A URL, also that of a folder on GitHub or GitLab" };
  const file = { label: "$(file-zip) File…", detail: "A .zip archive with skills, or one file of Markdown" };
  const folder = { label: "$(folder) Folder…", detail: "One skill, or a folder with several" };
  const project = {
    label: "$(folder-active) This Project",
    detail: "What it tells other agents: .claude, .opencode, AGENTS.md and the like",
  };
  const folders = vscode.workspace.workspaceFolders ?? [];
  const items = [git, file, folder, ...(folders.length > 0 ? [project] : [])];
  const chosen = await vscode.window.showQuickPick(items, { title, placeHolder: "Where from?", matchOnDetail: true });
  if (chosen === git) return askRepository();
  if (chosen === file) return askFile(as);
  if (chosen === folder) {
    const [uri] =
      (await vscode.window.showOpenDialog({
        title,
        openLabel: "Import",
        canSelectFolders: true,
        canSelectFiles: false,
      })) ?? [];
    return uri && { kind: "path", path: uri.fsPath };
  }
  if (chosen !== project) return undefined;
  const one = folders.length > 1 ? await vscode.window.showWorkspaceFolderPick() : folders[0];
  return one && { kind: "project", path: one.uri.fsPath };
}

async function askRepository(): Promise<ImportSource | undefined> {
  const { gitSource } = await import("../../orchestrator/index.ts");
  const text = await vscode.window.showInputBox({
    title,
    prompt: "The URL of a repository or of a folder in it; “#folder” behind a URL names one too",
    placeHolder: "https://github.com/owner/repository/tree/main/skills/name",
    ignoreFocusOut: true,
    validateInput: (value) => {
      try {
        gitSource(value);
        return undefined;
      } catch (error) {
        return value === "" ? undefined : error instanceof Error ? error.message : String(error);
      }
    },
  });
  if (text === undefined || text.trim() === "") return undefined;
  return { kind: "git", source: gitSource(text), environment: process.env };
}

async function askFile(wanted: ItemKind | undefined): Promise<ImportSource | undefined> {
  const filters = { "Skills and Markdown": ["zip", "skill", "md"] };
  const [uri] = (await vscode.window.showOpenDialog({ title, openLabel: "Import", filters })) ?? [];
  return uri && sourceAt(uri.fsPath, wanted);
}

/** One Markdown file can be anything. */
async function sourceAt(path: string, wanted: ItemKind | undefined): Promise<ImportSource | undefined> {
  if (!path.toLowerCase().endsWith(".md") || basename(path) === "SKILL.md") return { kind: "path", path };
  const kinds: ItemKind[] = ["skills", "commands", "agents", "rules"];
  if (wanted && kinds.includes(wanted)) return { kind: "path", path, as: wanted };
  const items = kinds.map((as) => ({
    label: `$(${libraryWords[as].icon}) As a ${nounOf[as]}`.replace("a agent", "an agent"),
    as,
  }));
  const chosen = await vscode.window.showQuickPick(items, { title, placeHolder: `What ${basename(path)} is` });
  return chosen && { kind: "path", path, as: chosen.as };
}

// --- what there is -------------------------------------------------------------------------------------------------

async function takeIn(library: Library, { candidates, problems }: Gathered): Promise<void> {
  if (problems.length > 0) void vscode.window.showWarningMessage(problems.slice(0, 5).join(" "));
  if (candidates.length === 0) {
    if (problems.length > 0) return;
    throw new OpenAgentError("import_unusable", "There is nothing in it that the Library could take in.");
  }
  const wanted = candidates.length === 1 ? candidates : await choose(candidates);
  if (!wanted || wanted.length === 0 || !(await review(wanted))) return;
  const { land } = await import("../../orchestrator/index.ts");
  const [landed, kept]: [string[], string[]] = [[], []];
  for (const one of wanted) {
    const replace = one.exists && (await mayReplace(library, one));
    if (one.exists && !replace) continue;
    await closeDrafts({ candidates: [one] });
    const backup = one.replaces === undefined ? undefined : await keep(library, one.replaces);
    if (backup !== undefined) kept.push(backup);
    land(library.folder, one, replace);
    landed.push(one.name);
  }
  if (landed.length === 0) return;
  const words = landed.length === 1 ? `${landed[0] ?? ""} is` : `${landed.slice(0, 10).join(", ")} are`;
  const said = kept.length === 0 ? "" : ` What was in no commit is kept in ${kept.join(", ")}.`;
  void vscode.window.showInformationMessage(`${words} in the Library. The next mission has it.${said}`);
}

/** Keeps what is in no commit of an item that is to be replaced; gives the branch that has it. */
async function keep(library: Library, path: string): Promise<string | undefined> {
  if (!isRepository(library)) return undefined;
  const { Repository } = await import("../../orchestrator/index.ts");
  return (await new Repository(library.folder).keep(path)).backup;
}

function isRepository({ folder }: Library): boolean {
  return existsSync(join(folder, ".git"));
}

function choose(candidates: readonly Candidate[]): Promise<Candidate[] | undefined> {
  const items = candidates.map((one) => ({
    label: `$(${libraryWords[one.kind].icon}) ${one.name}`,
    description: [nounOf[one.kind], one.exists ? "there is one of this name" : ""].filter(Boolean).join(" · "),
    detail: one.notes.join(" "),
    picked: !one.exists,
    one,
  }));
  const options = { title, placeHolder: "What to import; you see its files next", canPickMany: true } as const;
  return Promise.resolve(vscode.window.showQuickPick(items, options)).then((chosen) => chosen?.map(({ one }) => one));
}

interface ReviewItem extends vscode.QuickPickItem {
  path?: string;
  accept?: true;
}

/** Shows all files of what is to be imported, each of which can be opened. True when the user then wants it. */
function review(candidates: readonly Candidate[]): Promise<boolean> {
  const running = candidates.flatMap(({ files }) => files).filter(({ runs }) => runs).length;
  const pick = vscode.window.createQuickPick<ReviewItem>();
  pick.title = `${title}: Review`;
  pick.placeholder = "Choose a file to look at it; what runs can do all that you can";
  pick.ignoreFocusOut = true;
  const what = candidates.length === 1 ? (candidates[0]?.name ?? "") : `${String(candidates.length)} items`;
  const warning =
    running === 0 ? "Nothing in it runs by itself" : `$(warning) ${countOf(running)} can be run by agents`;
  pick.items = [
    { label: `$(check) Import ${what}`, description: warning, alwaysShow: true, accept: true },
    ...candidates.flatMap(reviewItems),
  ];
  return new Promise((resolve) => {
    pick.onDidAccept(() => {
      const [chosen] = pick.selectedItems;
      if (chosen?.accept) {
        resolve(true);
        pick.dispose();
      } else if (chosen?.path !== undefined)
        void vscode.commands.executeCommand("vscode.open", vscode.Uri.file(chosen.path), {
          preview: true,
          preserveFocus: true,
        });
    });
    pick.onDidHide(() => {
      resolve(false);
      pick.dispose();
    });
    pick.show();
  });
}

function countOf(files: number): string {
  return files === 1 ? "1 file" : `${String(files)} files`;
}

function reviewItems({ kind, name, files, notes }: Candidate): ReviewItem[] {
  const heading = { label: `${nounOf[kind]} ${name}`, kind: vscode.QuickPickItemKind.Separator };
  const said = notes.map((note) => ({ label: `$(info) ${note}` }));
  const shown = [...files].sort((one, other) => Number(other.runs) - Number(one.runs));
  const lines = shown.map((file) => ({
    label: `${file.runs ? "$(warning)" : "$(file)"} ${file.name}`,
    description: `${file.runs ? "runs · " : ""}${sizeOf(file.bytes)}`,
    path: file.path,
  }));
  return [heading, ...said, ...lines];
}

function sizeOf(bytes: number): string {
  return bytes < 1000 ? `${String(bytes)} bytes` : `${String(Math.round(bytes / 1000))} kB`;
}

async function mayReplace(library: Library, { kind, name }: Candidate): Promise<boolean> {
  const words = `Replace the ${nounOf[kind]} “${name}”?`;
  const detail = `All that the Library has of it goes.${isRepository(library) ? " What is in no commit is kept in a backup branch." : ""}`;
  const chosen = await vscode.window.showWarningMessage(words, { modal: true, detail }, "Replace");
  return chosen === "Replace";
}

/** Editors of drafts would show files that are not there any more. */
async function closeDrafts({ candidates }: Pick<Gathered, "candidates">): Promise<void> {
  const paths = new Set(candidates.flatMap(({ files }) => files.map(({ path }) => vscode.Uri.file(path).fsPath)));
  const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs);
  const drafts = tabs.filter(({ input }) => input instanceof vscode.TabInputText && paths.has(input.uri.fsPath));
  if (drafts.length > 0) await vscode.window.tabGroups.close(drafts);
}

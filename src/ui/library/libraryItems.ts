import { basename, dirname, isAbsolute, join, relative } from "node:path";
import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import type { Catalogue, CreatableKind } from "../../orchestrator/index.ts";
import { type ItemKind, nounOf } from "../../protocol/library.ts";
import type { Handler } from "../commands.ts";
import type { Library } from "./library.ts";
import {
  isFolderItem,
  isLibraryNode,
  libraryWords,
  fileOf,
  sharesFile,
  type ItemNode,
  type LibraryNode,
} from "./libraryNodes.ts";
import { saveEdits, workspaceEditOf } from "./libraryEdits.ts";
import { reveal } from "../missions/openFiles.ts";
import type { LibraryRenames } from "./libraryRenames.ts";
import type { LibraryView } from "./libraryView.ts";
import { useInWorkspaces } from "./useInWorkspaces.ts";

/** The commands on the items of the Library, by the part of their ids after `openAgent.`. */
export function libraryItemCommands(
  library: Library,
  renames: LibraryRenames,
  view: LibraryView,
): Readonly<Record<string, Handler>> {
  // A key is pressed for what is selected.
  const meant = (argument: unknown) => (argument === "selected" ? view.selection[0] : argument);
  return {
    newLibraryItem: (_, argument) => newItem(library, view, argument),
    newLibraryFile: (_, argument) => newFile(library, argument),
    openLibraryItem: async (_, argument) => {
      const item = await itemOf(library, argument, "Open Which Item?");
      if (item) await openItem(library, item);
    },
    renameLibraryItem: async (_, argument) => {
      const node = meant(argument);
      if (isLibraryNode(node) && node.kind === "file") return renameFile(node.path);
      const item = await itemOf(library, node, "Rename Which Item?");
      if (item) await renames.rename(item.itemKind, item.name);
    },
    duplicateLibraryItem: async (_, argument) => {
      const item = await itemOf(library, argument, "Duplicate Which Item?", (one) => !sharesFile(one));
      if (item) await duplicate(library, item);
    },
    deleteLibraryItem: (_, argument, selected) =>
      deleteNodes(library, meant(argument), argument === "selected" ? view.selection : selected),
    revealLibraryItem: async (_, argument) => {
      const path = isLibraryNode(argument) && argument.kind !== "group" ? argument.path : library.folder;
      await reveal(path);
    },
    useLibraryItem: async ({ app }, argument) => {
      const item = await itemOf(library, argument, "Use Which Item in Workspaces?", isChosen);
      if (item) await useInWorkspaces(app, item);
    },
    filterLibrary: async () => {
      const words = await vscode.window.showInputBox({
        title: "Filter the Library",
        prompt: "Words in the name or description of what is shown",
        value: view.filter,
      });
      if (words !== undefined) view.setFilter(words);
    },
    clearLibraryFilter: () => {
      view.setFilter("");
      return Promise.resolve();
    },
    refreshLibrary: () => library.refresh(),
  };
}

/** Kinds that a workspace chooses from. */
function isChosen({ itemKind }: ItemNode): boolean {
  return !["templates", "scripts", "settings"].includes(itemKind);
}

/** The item that a command is called on, else one that is asked for. */
export async function itemOf(
  library: Library,
  argument: unknown,
  title: string,
  fits: (item: ItemNode) => boolean = () => true,
): Promise<ItemNode | undefined> {
  if (isLibraryNode(argument)) return argument.kind === "item" ? argument : undefined;
  const items = (await library.catalogue()).items().map(({ kind, ...item }): ItemNode => {
    return { kind: "item", itemKind: kind, ...item };
  });
  const choices = items.filter(fits).map((item) => ({
    label: `$(${libraryWords[item.itemKind].icon}) ${item.name}`,
    description: nounOf[item.itemKind],
    ...(item.description !== undefined && { detail: item.description }),
    item,
  }));
  if (choices.length === 0) throw new OpenAgentError("invalid_input", "The Library has nothing of that kind yet.");
  return (await vscode.window.showQuickPick(choices, { title, matchOnDetail: true }))?.item;
}

/** Opens an item's file; in a file that holds several, at the item. */
async function openItem(library: Library, item: ItemNode): Promise<void> {
  const uri = fileOf(item);
  if (!sharesFile(item)) {
    await vscode.commands.executeCommand("vscode.open", uri, { preview: true });
    return;
  }
  const own = (await library.catalogue()).references(item.itemKind, item.name);
  const place = own.find((one) => one.own);
  const document = await vscode.workspace.openTextDocument(uri);
  const selection = place && new vscode.Range(document.positionAt(place.start), document.positionAt(place.end));
  await vscode.window.showTextDocument(document, { preview: true, ...(selection && { selection }) });
}

async function newItem(library: Library, view: LibraryView, argument: unknown): Promise<void> {
  const core = await import("../../orchestrator/index.ts");
  const catalogue = await library.catalogue();
  const kind = await kindOf(argument, [...core.creatableKinds, "mcps", "plugins"]);
  if (kind === undefined || kind === "settings") return;
  const one = nounOf[kind];
  const name = await askName(`New ${one}`, "", (text) => core.nameProblem(kind, text) ?? taken(catalogue, kind, text));
  if (name === undefined) return;
  const edit = await creation(catalogue, kind, name);
  if (!(await vscode.workspace.applyEdit(edit)))
    throw new OpenAgentError("invalid_input", `The ${one} “${name}” could not be made.`, { name });
  await library.refresh();
  const item = (await library.catalogue()).item(kind, name);
  if (item) await openItem(library, { ...item, kind: "item", itemKind: kind });
  await view.reveal(kind, name);
}

/** What makes a new item: a file of its own, or an entry in the one of its kind. */
async function creation(catalogue: Catalogue, kind: ItemKind, name: string): Promise<vscode.WorkspaceEdit> {
  const core = await import("../../orchestrator/index.ts");
  const edit = new vscode.WorkspaceEdit();
  if (kind !== "mcps" && kind !== "plugins") {
    const { path, text } = core.newItem(catalogue.root, kind as CreatableKind, name);
    core.requireWithin(catalogue.root, path);
    edit.createFile(vscode.Uri.file(path), { overwrite: false, contents: Buffer.from(text) });
    return edit;
  }
  core.requireWithin(catalogue.root, catalogue.pathFor(kind, ""));
  const value =
    kind === "mcps" ? { type: "local", command: [""], env: {}, enabled: false } : { package: "", enabled: false };
  if (catalogue.text(catalogue.pathFor(kind, "")) !== undefined)
    return workspaceEditOf(catalogue, core.editsOfShared(catalogue, kind, name, value));
  const text = `${JSON.stringify({ [name]: value }, null, 2)}\n`;
  edit.createFile(vscode.Uri.file(catalogue.pathFor(kind, "")), { overwrite: false, contents: Buffer.from(text) });
  return edit;
}

async function kindOf(argument: unknown, kinds: readonly ItemKind[]): Promise<ItemKind | undefined> {
  if (isLibraryNode(argument) && argument.kind !== "file") return argument.itemKind;
  const items = kinds.map((itemKind) => ({
    label: `$(${libraryWords[itemKind].icon}) ${nounOf[itemKind].replace(/^\w/, (letter) => letter.toUpperCase())}`,
    itemKind,
  }));
  return (await vscode.window.showQuickPick(items, { title: "New in the Library" }))?.itemKind;
}

function taken(catalogue: Catalogue, kind: ItemKind, text: string): string | undefined {
  const same = catalogue.items(kind).find(({ name }) => name.toLowerCase() === text.toLowerCase());
  return same && `There is a ${nounOf[kind]} “${same.name}” already.`;
}

async function askName(
  title: string,
  value: string,
  check: (text: string) => string | undefined,
): Promise<string | undefined> {
  const prompt = "Its name";
  const validateInput = (text: string) => check(text.trim());
  const name = await vscode.window.showInputBox({ title, prompt, value, validateInput, ignoreFocusOut: true });
  return name?.trim();
}

/** A new file beside the others of a skill or init script. */
async function newFile(library: Library, argument: unknown): Promise<void> {
  if (!isLibraryNode(argument) || argument.kind === "group") return;
  const folder = argument.kind === "item" || argument.isFolder ? argument.path : dirname(argument.path);
  const check = (text: string) => {
    if (text === "") return "It needs a name.";
    const way = relative(folder, join(folder, text));
    return way.startsWith("..") || isAbsolute(text) || text.includes("\\") ? "It must stay in the folder." : undefined;
  };
  const name = await askName("New File", "references/notes.md", check);
  if (name === undefined) return;
  const uri = vscode.Uri.file(join(folder, name));
  const { requireWithin } = await import("../../orchestrator/index.ts");
  requireWithin(library.folder, uri.fsPath);
  const edit = new vscode.WorkspaceEdit();
  edit.createFile(uri, { overwrite: false, ignoreIfExists: false });
  if (!(await vscode.workspace.applyEdit(edit)))
    throw new OpenAgentError("invalid_input", `${uri.fsPath} could not be made: there may be one already.`);
  await vscode.window.showTextDocument(uri, { preview: false });
}

async function renameFile(path: string): Promise<void> {
  const check = (text: string) =>
    text === "" || /[/\\]/.test(text) || text.startsWith(".")
      ? "A name has no slashes and begins with no dot."
      : undefined;
  const name = await askName(`Rename ${basename(path)}`, basename(path), check);
  if (name === undefined || name === basename(path)) return;
  const edit = new vscode.WorkspaceEdit();
  edit.renameFile(vscode.Uri.file(path), vscode.Uri.file(join(dirname(path), name)), { overwrite: false });
  if (!(await vscode.workspace.applyEdit(edit)))
    throw new OpenAgentError(
      "invalid_input",
      `${basename(path)} could not be renamed: there may be a “${name}” already.`,
    );
}

async function duplicate(library: Library, item: ItemNode): Promise<void> {
  const core = await import("../../orchestrator/index.ts");
  const catalogue = await library.catalogue();
  const { itemKind } = item;
  const check = (text: string) => core.nameProblem(itemKind, text) ?? taken(catalogue, itemKind, text);
  const name = await askName(`Duplicate ${item.name}`, `${item.name}-copy`, check);
  if (name === undefined) return;
  const made = catalogue.pathFor(itemKind, name);
  core.requireWithin(catalogue.root, made);
  const target = vscode.Uri.file(isFolderItem(item) ? dirname(made) : made);
  await vscode.workspace.fs.copy(vscode.Uri.file(item.path), target, { overwrite: false });
  await library.refresh();
  await saveEdits(catalogue, made, core.ownNameEdits(catalogue, made));
  await vscode.window.showTextDocument(vscode.Uri.file(made), { preview: false });
}

async function deleteNodes(library: Library, argument: unknown, selected: unknown): Promise<void> {
  const chosen = Array.isArray(selected) && selected.includes(argument) ? (selected as unknown[]) : [argument];
  const nodes = chosen.filter(isLibraryNode).filter((node) => node.kind !== "group");
  if (nodes.length === 0) return;
  const root = library.folder;
  const { editsOfShared, requireWithin } = await import("../../orchestrator/index.ts");
  // A link in the way could lead out of it.
  for (const { path } of nodes) requireWithin(root, dirname(path));
  if (!(await isSure(library, nodes))) return;
  for (const node of nodes)
    if (node.kind === "item" && (node.itemKind === "mcps" || node.itemKind === "plugins")) {
      const catalogue = await library.catalogue();
      const edits = editsOfShared(catalogue, node.itemKind, node.name, undefined);
      await saveEdits(catalogue, node.path, edits);
    } else await vscode.workspace.fs.delete(vscode.Uri.file(node.path), { recursive: true, useTrash: hasTrash });
  await library.refresh();
}

async function isSure(library: Library, nodes: readonly LibraryNode[]): Promise<boolean> {
  const catalogue = await library.catalogue();
  const names = nodes.map((node) =>
    node.kind === "item" ? node.name : node.kind === "file" ? basename(node.path) : "",
  );
  const users = nodes.flatMap((node) => (node.kind === "item" ? catalogue.references(node.itemKind, node.name) : []));
  const files = [...new Set(users.filter(({ own }) => !own).map(({ path }) => relative(catalogue.root, path)))];
  const question = names.length === 1 ? `Delete “${names[0] ?? ""}”?` : `Delete ${String(names.length)} things?`;
  const detail = [
    names.length > 1 ? names.join(", ") : "",
    files.length > 0 ? `It is named in ${files.slice(0, 8).join(", ")}${files.length > 8 ? " and others" : ""}.` : "",
    "Missions that begin later do not have it any more.",
    hasTrash ? "" : "This machine has no trash; what is in a commit can be taken back from git.",
  ];
  const button = hasTrash ? "Delete" : "Delete for Good";
  const options = { modal: true, detail: detail.filter((line) => line !== "").join("\n\n") };
  return (await vscode.window.showWarningMessage(question, options, button)) === button;
}

/** Only an editor on the machine itself has a trash. */
const hasTrash = vscode.env.uiKind === vscode.UIKind.Desktop && vscode.env.remoteName === undefined;

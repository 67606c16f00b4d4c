import { existsSync } from "node:fs";
import { basename } from "node:path";
import * as vscode from "vscode";
import { describeError } from "../../base/errors.ts";
import type { Item, Problem } from "../../orchestrator/index.ts";
import type { ItemKind } from "../../protocol/library.ts";
import type { Library } from "./library.ts";
import { LibraryDrops } from "./libraryDrops.ts";
import type { LibraryGit } from "./libraryGit.ts";
import {
  isFolderItem,
  libraryWords,
  fileOf,
  sharesFile,
  type FileNode,
  type GroupNode,
  type ItemNode,
  type LibraryNode,
} from "./libraryNodes.ts";
import { plainLabel } from "../words.ts";

/** What agents know: the items of the Library by their kinds, with their problems and what git says of them. */
export class LibraryView implements vscode.TreeDataProvider<LibraryNode>, vscode.Disposable {
  readonly #library: Library;
  readonly #git: LibraryGit;
  readonly #view: vscode.TreeView<LibraryNode>;
  readonly #changed = new vscode.EventEmitter<LibraryNode | undefined>();
  readonly onDidChangeTreeData = this.#changed.event;
  readonly #listening: vscode.Disposable;
  /** The tree is given the same objects each time. */
  readonly #nodes = new Map<string, LibraryNode>();
  #problems: ReadonlyMap<string, readonly Problem[]> = new Map();
  #filter = "";

  constructor(library: Library, git: LibraryGit) {
    this.#library = library;
    this.#git = git;
    this.#view = vscode.window.createTreeView<LibraryNode>("openAgent.library", {
      treeDataProvider: this,
      dragAndDropController: new LibraryDrops(library),
      canSelectMany: true,
      showCollapseAll: true,
    });
    const redraw = () => {
      this.#changed.fire(undefined);
    };
    this.#listening = vscode.Disposable.from(
      library.onDidChange(redraw),
      library.onDidMove(redraw),
      git.onDidChange(() => {
        this.#describe();
      }),
    );
  }

  get filter(): string {
    return this.#filter;
  }

  /** Shows the items alone whose name or description has these words; all for an empty text. */
  setFilter(words: string): void {
    this.#filter = words.trim().toLowerCase();
    this.#say();
    void vscode.commands.executeCommand("setContext", "openAgent.libraryFiltered", this.#filter !== "");
    this.#changed.fire(undefined);
  }

  #say(): void {
    this.#view.message =
      this.#filter === "" ? undefined : `Only what has “${this.#filter}” in its name or description.`;
  }

  get selection(): readonly LibraryNode[] {
    return this.#view.selection;
  }

  /** Shows an item in the tree; the keyboard stays where it is. */
  async reveal(itemKind: ItemKind, name: string): Promise<void> {
    await this.#library.catalogue();
    const group = this.#group(itemKind);
    const item = (await this.getChildren(group)).find((node) => node.kind === "item" && node.name === name);
    if (item) await this.#view.reveal(item, { focus: false, select: true });
  }

  #describe(): void {
    const status = this.#git.status();
    if (!status) {
      this.#view.description = undefined;
      return;
    }
    const { branch, ahead, behind, modifiedFiles } = status;
    const count = modifiedFiles.length;
    this.#view.description = [
      branch,
      ahead > 0 ? `↑${String(ahead)}` : "",
      behind > 0 ? `↓${String(behind)}` : "",
      count > 0 ? `· ${String(count)} changed` : "",
    ]
      .filter((word) => word !== "")
      .join(" ");
  }

  async getChildren(element?: LibraryNode): Promise<LibraryNode[]> {
    if (element?.kind === "file") return element.isFolder ? this.#filesIn(element.path, element.item) : [];
    if (element?.kind === "item") return isFolderItem(element) ? this.#filesIn(element.path, element) : [];
    const isThere = existsSync(this.#library.folder);
    void vscode.commands.executeCommand("setContext", "openAgent.hasLibrary", isThere);
    if (!isThere) return [];
    try {
      this.#git.show();
      this.#say();
      const catalogue = await this.#library.catalogue();
      if (element) return this.#itemsOf(element, await this.#shown());
      this.#problems = catalogue.problemFiles();
      const shown = await this.#shown();
      const groups = (Object.keys(libraryWords) as ItemKind[]).filter(
        (kind) => this.#filter === "" || shown.some((item) => item.kind === kind),
      );
      return groups.map((kind) => this.#group(kind));
    } catch (error) {
      this.#view.message = describeError(error);
      return [];
    }
  }

  async #shown(): Promise<Item[]> {
    const words = this.#filter.split(/\s+/);
    const fits = (text: string) => words.every((word) => text.includes(word));
    const items = (await this.#library.catalogue()).items();
    return items.filter(({ name, description = "" }) => fits(`${name} ${description}`.toLowerCase()));
  }

  #itemsOf({ itemKind }: GroupNode, shown: readonly Item[]): LibraryNode[] {
    return shown
      .filter(({ kind }) => kind === itemKind)
      .map(({ kind: _, ...item }) => {
        const node = this.#node<ItemNode>(`item:${itemKind}:${item.name}`, { kind: "item", itemKind, ...item });
        return Object.assign(node, { description: undefined }, item);
      })
      .sort((one, other) => one.name.localeCompare(other.name));
  }

  async #filesIn(folder: string, item: ItemNode): Promise<LibraryNode[]> {
    const uri = vscode.Uri.file(folder);
    const entries = (await vscode.workspace.fs.readDirectory(uri)).filter(([name]) => !name.startsWith("."));
    const isFolder = (type: vscode.FileType) => (type & vscode.FileType.Directory) !== 0;
    entries.sort(([one, ofOne], [other, ofOther]) =>
      isFolder(ofOne) === isFolder(ofOther) ? one.localeCompare(other) : isFolder(ofOne) ? -1 : 1,
    );
    return entries.map(([name, type]) => {
      const path = vscode.Uri.joinPath(uri, name).fsPath;
      // A link could lead anywhere, and in circles.
      const isLink = (type & vscode.FileType.SymbolicLink) !== 0;
      return this.#node<FileNode>(`file:${path}`, { kind: "file", path, isFolder: isFolder(type) && !isLink, item });
    });
  }

  #group(itemKind: ItemKind): GroupNode {
    return this.#node<GroupNode>(`group:${itemKind}`, { kind: "group", itemKind });
  }

  #node<Node extends LibraryNode>(key: string, made: Node): Node {
    const known = (this.#nodes.get(key) ?? made) as Node;
    this.#nodes.set(key, known);
    return known;
  }

  getParent(element: LibraryNode): LibraryNode | undefined {
    if (element.kind === "group") return undefined;
    return element.kind === "item" ? this.#group(element.itemKind) : element.item;
  }

  getTreeItem(element: LibraryNode): vscode.TreeItem {
    if (element.kind === "group") return this.#groupItem(element);
    return element.kind === "item" ? this.#itemItem(element) : fileItem(element);
  }

  #groupItem({ itemKind }: GroupNode): vscode.TreeItem {
    const { title, icon } = libraryWords[itemKind];
    const state = this.#filter === "" ? "Collapsed" : "Expanded";
    const item = new vscode.TreeItem(title, vscode.TreeItemCollapsibleState[state]);
    // What was folded by the user stays so; a filter unfolds what it leaves.
    item.id = `${itemKind}${this.#filter}`;
    item.iconPath = new vscode.ThemeIcon(icon);
    item.contextValue = `libraryGroup ${itemKind}`;
    return item;
  }

  #itemItem(node: ItemNode): vscode.TreeItem {
    const { itemKind, name, path, description = "" } = node;
    const collapsed = vscode.TreeItemCollapsibleState[isFolderItem(node) ? "Collapsed" : "None"];
    const item = new vscode.TreeItem(plainLabel(name), collapsed);
    const problems = this.#problemsOf(node);
    const count =
      problems.length === 0 ? "" : problems.length === 1 ? "1 problem" : `${String(problems.length)} problems`;
    const joined = (...words: string[]) => words.filter((word) => word !== "").join(" · ");
    // Git and the problems decorate what has a file of its own; of the others, and to the ear, words tell.
    const words = description.replaceAll(/\s+/g, " ");
    item.description = joined(sharesFile(node) ? count : "", words);
    item.accessibilityInformation = { label: joined(name, count, words) };
    item.iconPath = new vscode.ThemeIcon(libraryWords[itemKind].icon);
    if (!sharesFile(node)) item.resourceUri = vscode.Uri.file(path);
    item.tooltip = itemTooltip(node, problems);
    item.contextValue = `libraryItem ${itemKind}${isFolderItem(node) ? " folder" : ""}${sharesFile(node) ? " shared" : ""}`;
    item.command = { command: "openAgent.openLibraryItem", title: "Open", arguments: [node] };
    return item;
  }

  #problemsOf(node: ItemNode): readonly Problem[] {
    if (sharesFile(node)) return (this.#problems.get(node.path) ?? []).filter(({ item }) => item === node.name);
    if (!isFolderItem(node)) return this.#problems.get(node.path) ?? [];
    const below = `${node.path}/`.replaceAll("\\", "/");
    return [...this.#problems].flatMap(([path, all]) => (path.replaceAll("\\", "/").startsWith(below) ? all : []));
  }

  dispose(): void {
    this.#listening.dispose();
    this.#changed.dispose();
    this.#view.dispose();
  }
}

function fileItem({ path, isFolder }: FileNode): vscode.TreeItem {
  const uri = vscode.Uri.file(path);
  const item = new vscode.TreeItem(uri, vscode.TreeItemCollapsibleState[isFolder ? "Collapsed" : "None"]);
  item.id = path;
  item.contextValue = `libraryFile${isFolder ? " folder" : ""}${/^(SKILL\.md|SCRIPT\.sh)$/.test(basename(path)) ? " main" : ""}`;
  if (!isFolder) item.command = { command: "vscode.open", title: "Open", arguments: [uri] };
  return item;
}

function itemTooltip(node: ItemNode, problems: readonly Problem[]): vscode.MarkdownString {
  const text = new vscode.MarkdownString("", true);
  text.appendMarkdown("**").appendText(node.name).appendMarkdown("**");
  if (node.description !== undefined) text.appendMarkdown("\n\n").appendText(node.description);
  for (const { severity, message } of problems.slice(0, 5))
    text.appendMarkdown(`\n\n$(${severity === "information" ? "info" : severity}) `).appendText(message);
  text.appendMarkdown("\n\n").appendText(fileOf(node).fsPath);
  return text;
}

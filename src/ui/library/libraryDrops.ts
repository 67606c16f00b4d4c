import { basename, dirname } from "node:path";
import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import { nounOf } from "../../protocol/library.ts";
import type { Library } from "./library.ts";
import { isFolderItem, fileOf, sharesFile, type ItemNode, type LibraryNode } from "./libraryNodes.ts";
import { report } from "./problems.ts";

const ownType = "application/vnd.code.tree.openagent.library";
const filesType = "text/uri-list";
/** Kinds whose items are Markdown files of a like form, so that one can become another. */
const alike = ["commands", "agents", "rules"];

/** What can be dragged in, out of and within the tree of the Library. All that it does can be undone in the editor. */
export class LibraryDrops implements vscode.TreeDragAndDropController<LibraryNode> {
  readonly dragMimeTypes = [filesType];
  readonly dropMimeTypes = [ownType, filesType];
  readonly #library: Library;

  constructor(library: Library) {
    this.#library = library;
  }

  handleDrag(nodes: readonly LibraryNode[], transfer: vscode.DataTransfer): void {
    const uris = nodes.flatMap((node) => {
      if (node.kind === "group") return [];
      return [node.kind === "item" ? fileOf(node) : vscode.Uri.file(node.path)];
    });
    transfer.set(filesType, new vscode.DataTransferItem(uris.map(String).join("\r\n")));
    transfer.set(ownType, new vscode.DataTransferItem(nodes));
  }

  async handleDrop(target: LibraryNode | undefined, transfer: vscode.DataTransfer): Promise<void> {
    try {
      if (!target) return;
      const own = transfer.get(ownType)?.value as LibraryNode[] | undefined;
      if (own) await this.#move(own, target);
      else await this.#take((await transfer.get(filesType)?.asString()) ?? "", target);
    } catch (error) {
      await report(error);
    }
  }

  async #move(nodes: readonly LibraryNode[], target: LibraryNode): Promise<void> {
    const edit = new vscode.WorkspaceEdit();
    const moved: string[] = [];
    for (const node of nodes) {
      const folder = await this.#folderFor(node, target);
      if (folder === undefined || node.kind === "group") continue;
      if (dirname(node.path) === folder.fsPath) continue;
      edit.renameFile(vscode.Uri.file(node.path), vscode.Uri.joinPath(folder, basename(node.path)), {
        overwrite: false,
      });
      moved.push(basename(node.path));
    }
    if (moved.length > 0 && !(await vscode.workspace.applyEdit(edit)))
      throw new OpenAgentError(
        "invalid_input",
        `${moved.join(", ")} could not be moved: there may be one of that name.`,
      );
  }

  /** Where a node goes that is dropped on another; undefined where it cannot. */
  async #folderFor(node: LibraryNode, target: LibraryNode): Promise<vscode.Uri | undefined> {
    if (node.kind === "file") return folderOf(target);
    if (node.kind === "group" || target.kind === "file" || node.itemKind === target.itemKind) return undefined;
    if (!alike.includes(node.itemKind) || !alike.includes(target.itemKind)) {
      const words = `A ${nounOf[node.itemKind]} cannot become a ${nounOf[target.itemKind]}.`;
      throw new OpenAgentError("invalid_input", words);
    }
    return await this.#agreed(node, target.itemKind);
  }

  async #agreed(node: ItemNode, itemKind: ItemNode["itemKind"]): Promise<vscode.Uri | undefined> {
    const question = `Make the ${nounOf[node.itemKind]} “${node.name}” a ${nounOf[itemKind]}?`;
    const detail = "Its file is moved as it is. What names it under its old kind becomes a problem that is shown.";
    if ((await vscode.window.showWarningMessage(question, { modal: true, detail }, "Move")) !== "Move")
      return undefined;
    const folder = dirname((await this.#library.catalogue()).pathFor(itemKind, "x"));
    const { requireWithin } = await import("../../orchestrator/index.ts");
    requireWithin(this.#library.folder, folder);
    return vscode.Uri.file(folder);
  }

  /** Files from elsewhere are copied into a skill, or imported. */
  async #take(list: string, target: LibraryNode): Promise<void> {
    const uris = list
      .split(/\r?\n/)
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => vscode.Uri.parse(line, true));
    const folder = target.kind === "group" || sharesFileOf(target) ? undefined : folderOf(target);
    for (const uri of uris)
      if (folder) await vscode.workspace.fs.copy(uri, vscode.Uri.joinPath(folder, basename(uri.fsPath)));
      else await vscode.commands.executeCommand("openAgent.importIntoLibrary", uri);
  }
}

function sharesFileOf(node: LibraryNode): boolean {
  return node.kind === "item" && sharesFile(node);
}

/** The folder that is meant by a place in a skill or an init script. */
function folderOf(target: LibraryNode): vscode.Uri | undefined {
  if (target.kind === "item") return isFolderItem(target) ? vscode.Uri.file(target.path) : undefined;
  if (target.kind === "group") return undefined;
  return vscode.Uri.file(target.isFolder ? target.path : dirname(target.path));
}

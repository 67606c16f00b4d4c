import * as vscode from "vscode";
import type { Item } from "../../orchestrator/index.ts";
import type { ItemKind } from "../../protocol/library.ts";
import { mainFile } from "./library.ts";

/** A place in the tree of the Library. */
export type LibraryNode = GroupNode | ItemNode | FileNode;

export interface GroupNode {
  kind: "group";
  itemKind: ItemKind;
}

export interface ItemNode extends Omit<Item, "kind"> {
  kind: "item";
  itemKind: ItemKind;
}

/** A file or folder in an item that is a folder. */
export interface FileNode {
  kind: "file";
  path: string;
  isFolder: boolean;
  /** The item that it belongs to. */
  item: ItemNode;
}

interface KindWords {
  /** The group's heading. */
  title: string;
  icon: string;
}

export const libraryWords: Readonly<Record<ItemKind, KindWords>> = {
  skills: { title: "Skills", icon: "mortar-board" },
  commands: { title: "Commands", icon: "terminal" },
  agents: { title: "Agents", icon: "robot" },
  tools: { title: "Tools", icon: "tools" },
  rules: { title: "Rules", icon: "law" },
  mcps: { title: "MCP Servers", icon: "server" },
  plugins: { title: "Plugins", icon: "plug" },
  templates: { title: "Workspace Templates", icon: "layout" },
  scripts: { title: "Init Scripts", icon: "file-code" },
  settings: { title: "Settings", icon: "settings-gear" },
};

export function isLibraryNode(argument: unknown): argument is LibraryNode {
  const kind = (argument as { kind?: unknown } | undefined)?.kind;
  return (kind === "group" || kind === "item" || kind === "file") && argument !== undefined;
}

/** Items of these kinds share a file with the others of the kind. */
export function sharesFile({ itemKind }: Pick<ItemNode, "itemKind">): boolean {
  return itemKind === "mcps" || itemKind === "plugins";
}

/** Items of these kinds are folders with a main file. */
export function isFolderItem({ itemKind }: Pick<ItemNode, "itemKind">): boolean {
  return itemKind === "skills" || itemKind === "scripts";
}

/** The file that opens for an item. */
export function fileOf({ itemKind, path }: Pick<ItemNode, "itemKind" | "path">): vscode.Uri {
  return vscode.Uri.file(mainFile({ kind: itemKind, path }));
}

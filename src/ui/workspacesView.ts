import { basename } from "node:path";
import * as vscode from "vscode";
import type { Core } from "../orchestrator/index.ts";
import { isRunning } from "../protocol/mission.ts";
import type { App } from "./app.ts";

export interface WorkspaceNode {
  kind: "workspace";
  directory: string;
}

/** Where missions can run: the folders of this window. */
export class WorkspacesView implements vscode.TreeDataProvider<WorkspaceNode>, vscode.Disposable {
  readonly #app: App;
  readonly #view: vscode.TreeView<WorkspaceNode>;
  readonly #changed = new vscode.EventEmitter<WorkspaceNode | undefined>();
  readonly onDidChangeTreeData = this.#changed.event;
  readonly #folders: vscode.Disposable;

  constructor(app: App) {
    this.#app = app;
    this.#view = vscode.window.createTreeView("openAgent.workspaces", { treeDataProvider: this });
    this.#folders = vscode.workspace.onDidChangeWorkspaceFolders(() => {
      this.#changed.fire(undefined);
    });
    app.onCore((core) => {
      this.#listen(core);
    });
  }

  #listen(core: Core): void {
    let running = "";
    const update = () => {
      const now = JSON.stringify(core.store.listRunning().map((head) => head.directory));
      if (now !== running) this.#changed.fire(undefined);
      running = now;
    };
    core.onHead(update);
    core.onReloaded(update);
  }

  getChildren(element?: WorkspaceNode): WorkspaceNode[] {
    return element ? [] : folderPaths().map((directory) => ({ kind: "workspace", directory }));
  }

  async getTreeItem(element: WorkspaceNode): Promise<vscode.TreeItem> {
    const item = new vscode.TreeItem(basename(element.directory));
    item.id = element.directory;
    item.iconPath = new vscode.ThemeIcon("vm");
    item.tooltip = element.directory;
    item.contextValue = "workspace";
    item.description = await this.#description(element.directory);
    return item;
  }

  async #description(directory: string): Promise<string> {
    const core = await this.#app.core().catch(() => undefined);
    const heads = core?.store.listRunning().filter((head) => head.directory === directory && isRunning(head)) ?? [];
    return heads.length === 0 ? "host" : `host · ${String(heads.length)} running`;
  }

  dispose(): void {
    this.#folders.dispose();
    this.#changed.dispose();
    this.#view.dispose();
  }
}

/** The folders of this window that are on disk. */
export function folderPaths(): string[] {
  return (vscode.workspace.workspaceFolders ?? [])
    .filter(({ uri }) => uri.scheme === "file")
    .map(({ uri }) => uri.fsPath);
}

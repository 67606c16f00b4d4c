import { basename } from "node:path";
import * as vscode from "vscode";
import { describeError } from "../../base/errors.ts";
import type { Core } from "../../orchestrator/index.ts";
import { isRunning, type MissionHead } from "../../protocol/mission.ts";
import { isContainer, type Workspace } from "../../protocol/workspace.ts";
import type { App } from "../app.ts";
import { defaultWorkspaceOf, defaultWorkspaceSetting, withDefault } from "./defaultWorkspace.ts";
import type { DiskUse } from "./diskUse.ts";
import { folderPaths } from "../folders.ts";
import { missionItem, missionTooltip, type MissionNode } from "../missions/missionsView.ts";
import { plainLabel } from "../words.ts";
import { missionsByWorkspace, type WorkspaceNode } from "./workspaceNodes.ts";
import { kindWords, workspaceDescription, workspaceFacts } from "./workspaceWords.ts";

type Node = WorkspaceNode | MissionNode;

/** Missions shown below a workspace. */
const shownMissions = 20;
/** How often it is told anew how long ago something was. */
const clockMs = 60_000;

/** Where missions can run: the folders of this window, and the workspaces on record with their missions. */
export class WorkspacesView implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  readonly #app: App;
  readonly #view: vscode.TreeView<Node>;
  readonly #changed = new vscode.EventEmitter<Node | undefined>();
  readonly onDidChangeTreeData = this.#changed.event;
  readonly #usage: DiskUse;
  readonly #listening: vscode.Disposable[];
  readonly #clock: NodeJS.Timeout;
  /** The tree is given the same objects each time. */
  readonly #nodes = new Map<string, Node>();
  /** The missions in workspaces, newest first, by the workspace's id. */
  #missions = new Map<string, MissionHead[]>();
  #core: Core | undefined;

  constructor(app: App, usage: DiskUse) {
    this.#app = app;
    this.#usage = usage;
    this.#view = vscode.window.createTreeView<Node>("openAgent.workspaces", { treeDataProvider: this });
    this.#listening = [
      vscode.workspace.onDidChangeWorkspaceFolders(() => {
        this.#changed.fire(undefined);
      }),
      vscode.workspace.onDidChangeConfiguration((change) => {
        if (change.affectsConfiguration(defaultWorkspaceSetting)) this.#changed.fire(undefined);
      }),
      usage.onDidChange((workspaceId) => {
        this.#redraw(workspaceId);
      }),
    ];
    this.#clock = setInterval(() => {
      if (this.#view.visible) this.#changed.fire(undefined);
    }, clockMs);
    app.onCore((core) => {
      this.#listen(core);
    });
  }

  #listen(core: Core): void {
    let shown = new Map<string, string | undefined>();
    const update = () => {
      const running = new Map(core.store.listRunning().map(({ id, workspaceId }) => [id, workspaceId]));
      const ended = [...shown].filter(([id]) => !running.has(id));
      if (ended.length > 0 || running.size !== shown.size) this.#changed.fire(undefined);
      for (const [, workspaceId] of ended) if (workspaceId !== undefined) this.#usage.outdate(workspaceId);
      shown = running;
    };
    core.onHead((head) => {
      update();
      if (head.workspaceId === undefined) return;
      const isKnown = this.#missions.get(head.workspaceId)?.some(({ id }) => id === head.id);
      if (!isKnown) this.#changed.fire(undefined);
      else this.#redraw(head.id);
    });
    core.onRemoved((missionId) => {
      this.#nodes.delete(missionId);
      this.#changed.fire(undefined);
    });
    core.onReloaded(() => this.#changed.fire(undefined));
    core.onWorkspaces(() => this.#changed.fire(undefined));
  }

  #redraw(key: string): void {
    const node = this.#nodes.get(key);
    if (node) this.#changed.fire(node);
  }

  async getChildren(element?: Node): Promise<Node[]> {
    if (element) return element.kind === "workspace" ? this.#missionsOf(element) : [];
    const folders = folderPaths().map((directory) => this.#node(directory, { kind: "workspace", directory }));
    try {
      this.#core = await this.#app.core();
      this.#missions = missionsByWorkspace(this.#core);
      const { workspaces, problems } = this.#core.workspaces();
      this.#view.message = problems.length === 0 ? undefined : problems.join("\n");
      const nodes = workspaces.map(({ id, directory }) =>
        this.#node(id, { kind: "workspace", directory, workspaceId: id }),
      );
      return [...folders, ...nodes];
    } catch (error) {
      this.#view.message = describeError(error);
      return folders;
    }
  }

  #missionsOf({ workspaceId = "" }: WorkspaceNode): Node[] {
    const heads = this.#missions.get(workspaceId) ?? [];
    return heads.slice(0, shownMissions).map(({ id }) => this.#node(id, { kind: "mission", missionId: id }));
  }

  #node(key: string, made: Node): Node {
    const known = this.#nodes.get(key) ?? made;
    this.#nodes.set(key, known);
    return known;
  }

  getTreeItem(element: Node): vscode.TreeItem {
    const running = this.#core?.store.listRunning().filter(isRunning) ?? [];
    if (element.kind === "mission") return this.#missionItem(element.missionId);
    const { workspaceId } = element;
    const workspaces = this.#core?.workspaces().workspaces ?? [];
    if (workspaceId === undefined) return folderItem(element.directory, running, workspaces);
    const workspace = workspaces.find(({ id }) => id === workspaceId);
    const here = running.filter((head) => head.workspaceId === workspaceId).length;
    const item = workspace
      ? workspaceItem(
          workspace,
          workspaceDescription(workspace, Date.now(), here, this.#usage.of(workspace)),
          withDefault(folderPaths(), workspace, workspaces).length > 0,
        )
      : new vscode.TreeItem("…");
    item.collapsibleState = vscode.TreeItemCollapsibleState[this.#missions.has(workspaceId) ? "Collapsed" : "None"];
    return item;
  }

  #missionItem(missionId: string): vscode.TreeItem {
    if (!this.#core?.store.has(missionId)) return new vscode.TreeItem("…");
    const item = missionItem(this.#core.store.head(missionId), "");
    // Their sub-agents are in the view of missions.
    item.collapsibleState = vscode.TreeItemCollapsibleState.None;
    return item;
  }

  #workspace(workspaceId: string): Workspace | undefined {
    return this.#core?.workspaces().workspaces.find(({ id }) => id === workspaceId);
  }

  getParent(element: Node): Node | undefined {
    if (element.kind === "workspace" || !this.#core?.store.has(element.missionId)) return undefined;
    return this.#nodes.get(this.#core.store.head(element.missionId).workspaceId ?? "");
  }

  async resolveTreeItem(item: vscode.TreeItem, element: Node): Promise<vscode.TreeItem> {
    if (element.kind === "mission") {
      if (this.#core?.store.has(element.missionId))
        item.tooltip = missionTooltip(this.#core.store.head(element.missionId));
      return item;
    }
    const workspace = element.workspaceId === undefined ? undefined : this.#workspace(element.workspaceId);
    if (!workspace) return item;
    item.tooltip = workspaceTooltip(workspace, await this.#usage.measure(workspace));
    return item;
  }

  dispose(): void {
    clearInterval(this.#clock);
    for (const one of this.#listening) one.dispose();
    this.#changed.dispose();
    this.#view.dispose();
  }
}

function folderItem(
  directory: string,
  running: readonly MissionHead[],
  workspaces: readonly Workspace[],
): vscode.TreeItem {
  const item = new vscode.TreeItem(basename(directory));
  const here = running.filter((head) => head.workspaceId === undefined && head.directory === directory).length;
  item.id = directory;
  item.iconPath = new vscode.ThemeIcon(kindWords.host.icon);
  item.tooltip = directory;
  item.contextValue = "workspace";
  const byDefault = defaultWorkspaceOf(directory, workspaces);
  const lost = byDefault && !byDefault.workspace ? `default “${byDefault.named}” is missing` : "";
  item.description = ["host", here === 0 ? "" : `${String(here)} running`, lost]
    .filter((word) => word !== "")
    .join(" · ");
  return item;
}

function workspaceItem(workspace: Workspace, facts: string, isDefault: boolean): vscode.TreeItem {
  const item = new vscode.TreeItem(plainLabel(workspace.name));
  item.id = workspace.id;
  item.iconPath = workspaceIcon(workspace);
  const description = isDefault ? `default · ${facts}` : facts;
  item.description = description;
  item.accessibilityInformation = { label: `${workspace.name}, ${description}` };
  const built = isContainer(workspace.kind) ? " container" : workspace.kind === "worktree" ? " worktree" : "";
  const more = `${workspace.initScript ? " scripted" : ""}${isDefault ? " default" : ""}`;
  item.contextValue = `workspace record${built} ${workspace.status}${more}`;
  return item;
}

function workspaceIcon({ kind, status }: Workspace): vscode.ThemeIcon {
  if (status === "building") return new vscode.ThemeIcon("loading~spin");
  if (status === "error")
    return new vscode.ThemeIcon("error", new vscode.ThemeColor("notificationsErrorIcon.foreground"));
  return new vscode.ThemeIcon(
    kindWords[kind].icon,
    status === "pending" ? new vscode.ThemeColor("disabledForeground") : undefined,
  );
}

function workspaceTooltip(workspace: Workspace, usage: number): vscode.MarkdownString {
  const text = new vscode.MarkdownString("", true);
  text.appendMarkdown("**").appendText(workspace.name).appendMarkdown("** · ");
  text.appendText(kindWords[workspace.kind].label);
  for (const [name, value] of workspaceFacts(workspace, Date.now(), usage))
    text.appendMarkdown(`\n\n${name}: `).appendText(value);
  if (workspace.error !== undefined) text.appendMarkdown("\n\n$(error) ").appendText(workspace.error);
  return text;
}

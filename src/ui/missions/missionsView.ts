import { basename } from "node:path";
import * as vscode from "vscode";
import { describeError } from "../../base/errors.ts";
import type { Core } from "../../orchestrator/index.ts";
import { isOpen, isRunning, libraryWord, type MissionHead } from "../../protocol/mission.ts";
import type { App } from "../app.ts";
import { filterWords, fits, type MissionFilter } from "./missionFilter.ts";
import { collapsible, subAgentItem, subAgentNodes, subAgentsDrawn, type SubAgentNode } from "./subAgents.ts";
import { ago, costOf, duration, plainLabel, stateWord, usedModel } from "../words.ts";

type GroupId = "waiting" | "running" | "pinned" | "today" | "earlier" | "archived";

interface GroupNode {
  kind: "group";
  id: GroupId;
}
export interface MissionNode {
  kind: "mission";
  missionId: string;
}
interface MoreNode {
  kind: "more";
  archived: boolean;
}
type Node = GroupNode | MissionNode | SubAgentNode | MoreNode;

const groupLabels: Readonly<Record<GroupId, string>> = {
  waiting: "Waiting for You",
  running: "Running",
  pinned: "Pinned",
  today: "Today",
  earlier: "Earlier",
  archived: "Archived",
};
const groupOrder: readonly GroupId[] = ["waiting", "running", "pinned", "today", "earlier", "archived"];

/** Missions read from the store at a time. */
const pageSize = 200;
/** Times in descriptions go on while missions run. */
const clockMs = 10_000;

/** The tree of missions, newest first, in groups; all of them, or those that fit a filter. */
export class MissionsView implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  readonly #app: App;
  readonly #view: vscode.TreeView<Node>;
  readonly #changed = new vscode.EventEmitter<Node | undefined>();
  readonly onDidChangeTreeData = this.#changed.event;
  readonly #heads = new Map<string, MissionHead>();
  readonly #nodes = new Map<string, MissionNode>();
  readonly #groups = new Map(groupOrder.map((id): [GroupId, GroupNode] => [id, { kind: "group", id }]));
  readonly #clock: NodeJS.Timeout;
  /** Those that wait for the user, whether or not they are shown. */
  readonly #waiting = new Set<string>();
  /** Names of the workspaces on record, by id. */
  readonly #workspaces = new Map<string, string>();
  #loaded: Promise<void> | undefined;
  #filter: MissionFilter = {};
  #limit = pageSize;
  #hasMore = false;
  #hasMoreArchived = false;
  #archivedLimit = 0;

  constructor(app: App) {
    this.#app = app;
    this.#view = vscode.window.createTreeView("openAgent.missions", { treeDataProvider: this, showCollapseAll: false });
    this.#view.onDidExpandElement(({ element }) => {
      if (element.kind === "group" && element.id === "archived" && this.#archivedLimit === 0) this.#loadArchived();
    });
    this.#clock = setInterval(() => {
      for (const head of this.#heads.values()) if (isRunning(head)) this.#changed.fire(this.#node(head.id));
    }, clockMs);
    app.onCore((core) => {
      this.#listen(core);
    });
  }

  /** What the view shows of a mission. */
  head(missionId: string): MissionHead | undefined {
    return this.#heads.get(missionId);
  }

  get heads(): MissionHead[] {
    return [...this.#heads.values()];
  }

  /** The missions that the user has selected in the tree. */
  get selection(): MissionNode[] {
    return this.#view.selection.filter((node) => node.kind === "mission");
  }

  get filter(): MissionFilter {
    return this.#filter;
  }

  /** Shows only the missions that fit, from the newest on. */
  async narrow(filter: MissionFilter): Promise<void> {
    this.#filter = filter;
    this.#limit = pageSize;
    this.#archivedLimit = Math.min(this.#archivedLimit, pageSize);
    const words = filterWords(filter);
    this.#view.description = words;
    await vscode.commands.executeCommand("setContext", "openAgent.missionsFiltered", words !== "");
    await this.#reload();
  }

  #listen(core: Core): void {
    core.onHead((head) => {
      this.#update(head);
    });
    core.onRemoved((missionId) => {
      this.#heads.delete(missionId);
      this.#nodes.delete(missionId);
      this.#waiting.delete(missionId);
      this.#changed.fire(undefined);
      this.#showBadge();
    });
    core.onReloaded(() => {
      this.#read(core);
      this.#changed.fire(undefined);
    });
    core.onWorkspaces(() => {
      const before = JSON.stringify([...this.#workspaces]);
      this.#readWorkspaces(core);
      if (JSON.stringify([...this.#workspaces]) !== before) this.#changed.fire(undefined);
    });
  }

  #read(core: Core): void {
    const { store } = core;
    this.#readWorkspaces(core);
    const filter = this.#filter;
    const running = store.listRunning();
    const recent = store.list({ ...filter, limit: this.#limit });
    const archived =
      this.#archivedLimit === 0 ? [] : store.list({ ...filter, archived: true, limit: this.#archivedLimit });
    this.#hasMore = recent.length === this.#limit;
    this.#hasMoreArchived = archived.length > 0 && archived.length === this.#archivedLimit;
    this.#heads.clear();
    // What runs or waits is shown however long ago it began to.
    for (const head of [...running.filter((one) => fits(one, filter)), ...recent, ...archived])
      this.#heads.set(head.id, head);
    this.#waiting.clear();
    for (const head of running) this.#noteWaiting(head);
    this.#showBadge();
  }

  #loadArchived(): void {
    this.#archivedLimit = pageSize;
    void this.#reload();
  }

  async loadMore(archived: boolean): Promise<void> {
    if (archived) this.#archivedLimit += pageSize;
    else this.#limit += pageSize;
    await this.#reload();
  }

  async #reload(): Promise<void> {
    this.#read(await this.#app.core());
    this.#changed.fire(undefined);
  }

  #update(head: MissionHead): void {
    const before = this.#heads.get(head.id);
    this.#noteWaiting(head);
    if (fits(head, this.#filter)) this.#heads.set(head.id, head);
    else if (!this.#heads.delete(head.id)) {
      this.#showBadge();
      return;
    }
    // Only what changed is drawn again; the whole tree only when a mission moves.
    const stays = before && this.#heads.has(head.id) && before.pinned === head.pinned;
    const moved = !stays || groupOf(before) !== groupOf(head) || orderOf(before) !== orderOf(head);
    if (moved) this.#changed.fire(undefined);
    else if (drawn(before) !== drawn(head)) this.#changed.fire(this.#node(head.id));
    this.#showBadge();
  }

  #noteWaiting(head: MissionHead): void {
    if (groupOf(head) === "waiting") this.#waiting.add(head.id);
    else this.#waiting.delete(head.id);
  }

  #showBadge(): void {
    const waiting = this.#waiting.size;
    const tooltip = waiting === 1 ? "1 mission waits for you" : `${String(waiting)} missions wait for you`;
    this.#view.badge = waiting === 0 ? undefined : { value: waiting, tooltip };
  }

  async getChildren(element?: Node): Promise<Node[]> {
    if (element?.kind === "group") return this.#missionsOf(element.id);
    if (element) return this.#subAgentsOf(element);
    try {
      await (this.#loaded ??= this.#app.core().then((core) => {
        this.#read(core);
      }));
      this.#view.message = undefined;
    } catch (error) {
      this.#loaded = undefined;
      this.#view.message = describeError(error);
      return [];
    }
    const core = await this.#app.core();
    const archive = core.store.list({ ...this.#filter, archived: true, limit: 1 }).length > 0;
    const filled = groupOrder.filter((id) =>
      id === "archived" ? archive : this.heads.some((head) => groupOf(head) === id),
    );
    // A list of one sort needs no headings.
    if (filled.length === 1 && (filled[0] === "running" || filled[0] === "today" || filled[0] === "earlier"))
      return this.#missionsOf(filled[0]);
    return filled.flatMap((id) => this.#groups.get(id) ?? []);
  }

  #subAgentsOf(element: Node): Node[] {
    if (element.kind !== "mission" && element.kind !== "subAgent") return [];
    const head = this.#heads.get(element.missionId);
    return head ? subAgentNodes(this, head, "sessionId" in element ? element.sessionId : head.sessionId) : [];
  }

  #missionsOf(group: GroupId): Node[] {
    const heads = this.heads
      .filter((head) => groupOf(head) === group)
      .sort((one, other) => Number(other.pinned) - Number(one.pinned) || orderOf(other) - orderOf(one));
    const nodes: Node[] = heads.map((head) => this.#node(head.id));
    if (group === "archived" && this.#hasMoreArchived) nodes.push({ kind: "more", archived: true });
    if (group === this.#lastGroup && this.#hasMore) nodes.push({ kind: "more", archived: false });
    return nodes;
  }

  /** The group that goes on with what is not loaded. */
  get #lastGroup(): GroupId | undefined {
    const groups = new Set(this.heads.map(groupOf));
    return groupOrder.findLast((id) => id !== "archived" && groups.has(id));
  }

  #node(missionId: string): MissionNode {
    const known = this.#nodes.get(missionId);
    if (known) return known;
    const node: MissionNode = { kind: "mission", missionId };
    this.#nodes.set(missionId, node);
    return node;
  }

  getParent(element: Node): Node | undefined {
    if (element.kind === "subAgent") return this.#parentOf(element);
    if (element.kind !== "mission") return undefined;
    const head = this.#heads.get(element.missionId);
    return head && this.#groups.get(groupOf(head));
  }

  #parentOf({ missionId, sessionId }: SubAgentNode): Node | undefined {
    const head = this.#heads.get(missionId);
    const parentId = head?.children[sessionId]?.parentId;
    if (!head || parentId === undefined || parentId === head.sessionId) return this.#node(missionId);
    const siblings = subAgentNodes(this, head, head.children[parentId]?.parentId);
    return siblings.find((node) => node.sessionId === parentId);
  }

  getTreeItem(element: Node): vscode.TreeItem {
    if (element.kind === "group") {
      const isFiltered = filterWords(this.#filter) !== "";
      const collapsed = element.id === "archived" || (element.id === "earlier" && !isFiltered);
      const state = vscode.TreeItemCollapsibleState;
      const item = new vscode.TreeItem(groupLabels[element.id], collapsed ? state.Collapsed : state.Expanded);
      // The editor remembers by the id what the user has folded.
      item.id = isFiltered ? `group:filtered:${element.id}` : `group:${element.id}`;
      item.contextValue = "group";
      return item;
    }
    if (element.kind === "more") {
      const item = new vscode.TreeItem("Show More…");
      item.command = { command: "openAgent.showMoreMissions", title: "Show More", arguments: [element.archived] };
      return item;
    }
    const head = this.#heads.get(element.missionId);
    if (!head) return new vscode.TreeItem("…");
    return element.kind === "subAgent" ? subAgentItem(head, element) : missionItem(head, this.#placeOf(head));
  }

  resolveTreeItem(item: vscode.TreeItem, element: Node): vscode.TreeItem {
    const head = element.kind === "mission" ? this.#heads.get(element.missionId) : undefined;
    if (head) item.tooltip = missionTooltip(head);
    return item;
  }

  /** The workspace that a mission works in, by its name, else its folder. */
  #placeOf({ workspaceId, directory }: MissionHead): string {
    const name = workspaceId === undefined ? undefined : this.#workspaces.get(workspaceId);
    return name === undefined ? basename(directory) : plainLabel(name);
  }

  #readWorkspaces(core: Core): void {
    this.#workspaces.clear();
    for (const { id, name } of core.workspaces().workspaces) this.#workspaces.set(id, name);
  }

  dispose(): void {
    clearInterval(this.#clock);
    this.#changed.dispose();
    this.#view.dispose();
  }
}

export function groupOf(head: MissionHead): GroupId {
  if (head.archivedAt !== undefined) return "archived";
  if (head.runState === "waiting_for_you") return "waiting";
  if (isRunning(head) || head.waitingSince !== undefined) return "running";
  if (head.pinned) return "pinned";
  return head.updatedAt >= new Date().setHours(0, 0, 0, 0) ? "today" : "earlier";
}

/** Running missions keep their place while they work. */
function orderOf(head: MissionHead): number {
  return isRunning(head) ? head.createdAt : head.updatedAt;
}

/** What a change of makes the item look different. */
function drawn(head: MissionHead): string {
  return JSON.stringify([
    head.title,
    head.status,
    head.runState,
    head.retry,
    head.pending.length,
    head.waitingSince,
    head.failure,
    subAgentsDrawn(head),
    head.revertedFrom,
    head.desktops?.some(({ endedAt }) => endedAt === undefined),
  ]);
}

/** @param place where it works, in a word; empty to leave it out */
export function missionItem(head: MissionHead, place: string): vscode.TreeItem {
  const item = new vscode.TreeItem(head.title, collapsible(head, head.sessionId));
  item.id = head.id;
  item.iconPath = missionIcon(head);
  item.description = [place, timeOf(head), queueWord(head)].filter((part) => part !== "").join(" · ");
  const spoken = [head.title, stateWord(head), head.pinned ? "pinned" : "", item.description];
  item.accessibilityInformation = { label: spoken.filter((word) => word !== "").join(", ") };
  const running = head.runState === "waiting_for_you" ? "running waiting" : "running";
  const state = isRunning(head) ? running : head.status;
  const reverted = head.revertedFrom === undefined ? "" : " reverted";
  const pinned = head.pinned ? " pinned" : "";
  const desktop = head.desktops?.some(({ endedAt }) => endedAt === undefined) ? " desktop" : "";
  item.contextValue = `mission ${state}${reverted}${pinned}${head.archivedAt === undefined ? "" : " archived"}${desktop}`;
  item.command = {
    command: "openAgent.openMission",
    title: "Open Mission",
    arguments: [{ kind: "mission", missionId: head.id }],
  };
  return item;
}

/** How many messages wait behind the one that is worked on, or that begins the mission. */
function queueWord(head: MissionHead): string {
  if (head.waitingSince !== undefined) return "waits in line";
  const waiting = head.pending.filter(({ state }) => state !== "sending").length;
  const behind = isRunning(head) || !isOpen(head) ? waiting : waiting - 1;
  return behind > 0 ? `${String(behind)} queued` : "";
}

function timeOf(head: MissionHead): string {
  const now = Date.now();
  if (isRunning(head) && head.turnStartedAt !== undefined) return duration(now - head.turnStartedAt);
  return ago(head.updatedAt, now);
}

function missionIcon(head: MissionHead): vscode.ThemeIcon {
  const icon = (id: string, color?: string) =>
    new vscode.ThemeIcon(id, color === undefined ? undefined : new vscode.ThemeColor(color));
  if (head.runState === "waiting_for_you") return icon("bell-dot", "notificationsWarningIcon.foreground");
  if (head.retry) return icon("history");
  if (head.waitingSince !== undefined) return icon("clock");
  if (isRunning(head)) return icon("loading~spin");
  switch (head.status) {
    case "pending":
      return icon(head.pending.length > 0 ? "loading~spin" : "circle-large-outline");
    case "active":
      return icon(head.turnEndedAt === undefined ? "circle-large-outline" : "pass");
    case "completed":
      return icon("pass-filled");
    case "failed":
      return icon("error", "notificationsErrorIcon.foreground");
    case "interrupted":
      return icon("debug-pause");
    case "blocked":
    case "not_feasible":
      return icon("circle-slash");
  }
}

/** What is to be known of a mission at a glance. */
export function missionTooltip(head: MissionHead): vscode.MarkdownString {
  const text = new vscode.MarkdownString();
  text.appendMarkdown("**").appendText(head.title).appendMarkdown("**\n\n");
  text.appendText(`${stateWord(head)} · ${head.directory}`).appendMarkdown("\n\n");
  const facts = [head.usedAgent ?? head.agent ?? "", usedModel(head), costOf(head)].filter((fact) => fact !== "");
  if (facts.length > 0) text.appendText(facts.join(" · ")).appendMarkdown("\n\n");
  if (head.failure) text.appendText(head.failure.message).appendMarkdown("\n\n");
  else if (head.lastLine !== undefined) text.appendText(head.lastLine).appendMarkdown("\n\n");
  const library = head.library ? ` · Library ${libraryWord(head.library)}` : "";
  text.appendText(`Started ${new Date(head.createdAt).toLocaleString()}${library}`);
  return text;
}

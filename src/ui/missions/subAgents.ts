import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import { childrenOf, childState, costWithChildren, type ChildState } from "../../protocol/children.ts";
import type { MissionHead } from "../../protocol/mission.ts";
import { money } from "../words.ts";

/** A sub-agent's session in the tree of missions, below the one that started it. */
export interface SubAgentNode {
  kind: "subAgent";
  missionId: string;
  sessionId: string;
}

const nodes = new WeakMap<object, Map<string, SubAgentNode>>();

/** The nodes below a mission or a sub-agent. The tree is given the same objects each time. */
export function subAgentNodes(owner: object, head: MissionHead, sessionId: string | undefined): SubAgentNode[] {
  const known = nodes.get(owner) ?? new Map<string, SubAgentNode>();
  nodes.set(owner, known);
  return childrenOf(head, sessionId).map((id) => {
    const node = known.get(id) ?? { kind: "subAgent", missionId: head.id, sessionId: id };
    known.set(id, node);
    return node;
  });
}

const icons: Readonly<Record<ChildState, () => vscode.ThemeIcon>> = {
  waiting_for_you: () => new vscode.ThemeIcon("bell-dot", new vscode.ThemeColor("notificationsWarningIcon.foreground")),
  running: () => new vscode.ThemeIcon("loading~spin"),
  failed: () => new vscode.ThemeIcon("error", new vscode.ThemeColor("notificationsErrorIcon.foreground")),
  idle: () => new vscode.ThemeIcon("pass"),
};

const childWords: Readonly<Record<ChildState, string>> = {
  waiting_for_you: "waiting for you",
  running: "running",
  failed: "failed",
  idle: "finished",
};

export function subAgentItem(head: MissionHead, node: SubAgentNode): vscode.TreeItem {
  const { sessionId } = node;
  const child = head.children[sessionId];
  const state = childState(head, sessionId);
  const item = new vscode.TreeItem(child?.title ?? "Sub-agent", collapsible(head, sessionId));
  item.id = `${head.id}/${sessionId}`;
  item.iconPath = icons[state]();
  item.description = [child?.agent ?? "", state === "running" ? (child?.activity ?? "") : childWords[state]]
    .filter((part) => part !== "")
    .join(" · ");
  item.tooltip = [
    child?.title ?? "",
    childWords[state],
    money(costWithChildren(head, sessionId)),
    child?.failure?.message,
  ]
    .filter((part) => part !== undefined && part !== "")
    .join("\n");
  item.accessibilityInformation = { label: `Sub-agent ${item.label as string}, ${childWords[state]}` };
  item.contextValue = state === "waiting_for_you" ? "subAgent waiting" : "subAgent";
  item.command = { command: "openAgent.openSubAgent", title: "Open Sub-Agent", arguments: [node] };
  return item;
}

export function collapsible(head: MissionHead, sessionId: string | undefined): vscode.TreeItemCollapsibleState {
  const { None, Collapsed } = vscode.TreeItemCollapsibleState;
  return childrenOf(head, sessionId).length > 0 ? Collapsed : None;
}

/** What a change of makes the items of the sub-agents look different. */
export function subAgentsDrawn(head: MissionHead): unknown {
  return Object.entries(head.children).map(([id, child]) => [id, child.title, childState(head, id), child.activity]);
}

export function isSubAgentNode(argument: unknown): argument is SubAgentNode {
  return (
    typeof argument === "object" &&
    argument !== null &&
    "sessionId" in argument &&
    typeof argument.sessionId === "string" &&
    "missionId" in argument &&
    typeof argument.missionId === "string"
  );
}

/** Which of a mission's sub-agents, as the user picks it; undefined when the user thinks better of it. */
export async function pickSubAgent(head: MissionHead): Promise<string | undefined> {
  const items = Object.entries(head.children).map(([sessionId, child]) => ({
    label: child.title,
    description: [child.agent ?? "", childWords[childState(head, sessionId)]].filter((part) => part !== "").join(" · "),
    sessionId,
  }));
  if (items.length === 0) throw new OpenAgentError("invalid_input", "This mission has no sub-agents.");
  return (await vscode.window.showQuickPick(items, { title: "Open which sub-agent?" }))?.sessionId;
}

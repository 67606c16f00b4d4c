import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import type { Core } from "../../orchestrator/index.ts";
import type { MissionHead } from "../../protocol/mission.ts";
import type { Workspace } from "../../protocol/workspace.ts";
import type { App } from "../app.ts";
import { workspaceDescription } from "./workspaceWords.ts";

/** A place in the tree of workspaces: a folder of this window, or a workspace on record. */
export interface WorkspaceNode {
  kind: "workspace";
  directory: string;
  workspaceId?: string;
}

/** What a command for a workspace is called with. */
export function nodeOf(workspaceId: string): WorkspaceNode {
  return { kind: "workspace", directory: "", workspaceId };
}

/** How many of the newest missions are looked through for those of a workspace. */
const missionsLookedAt = 1_000;

/** The missions in workspaces, by the workspace's id: those at work first, then the newest. */
export function missionsByWorkspace(core: Core): Map<string, MissionHead[]> {
  const heads = [...core.store.listRunning(), ...core.store.list({ limit: missionsLookedAt })];
  const missions = new Map(heads.map((head) => [head.id, head]));
  const found = new Map<string, MissionHead[]>();
  for (const head of missions.values())
    if (head.workspaceId !== undefined) found.set(head.workspaceId, [...(found.get(head.workspaceId) ?? []), head]);
  return found;
}

/** The workspace as it is on record now. */
export function workspaceWith(core: Core, workspaceId: string): Workspace | undefined {
  return core.workspaces().workspaces.find(({ id }) => id === workspaceId);
}

export function isWorkspaceNode(argument: unknown): argument is WorkspaceNode {
  return (argument as Partial<WorkspaceNode> | undefined)?.kind === "workspace";
}

/**
 * The workspace that a command is about: the one that it was called on, or that of the mission that it was called on, else one
 * that is asked for. Undefined when the user thinks better of it.
 */
export async function workspaceOf(
  app: App,
  argument: unknown,
  question: string,
  fits: (workspace: Workspace) => boolean = () => true,
): Promise<Workspace | undefined> {
  const core = await app.core();
  const named = namedBy(core, argument);
  if (named !== undefined) {
    const workspace = workspaceWith(core, named);
    if (workspace) return workspace;
    throw new OpenAgentError("workspace_not_found", "This workspace is not there any more.", { workspaceId: named });
  }
  const workspaces = core.workspaces().workspaces.filter(fits);
  if (workspaces.length === 0) {
    const create = "New Workspace…";
    const chosen = await vscode.window.showInformationMessage("There is no such workspace.", create);
    if (chosen === create) await vscode.commands.executeCommand("openAgent.newWorkspace");
    return undefined;
  }
  const items = workspaces.map((workspace) => ({
    label: workspace.name,
    description: workspaceDescription(workspace, Date.now()),
    detail: workspace.directory,
    workspace,
  }));
  return (await vscode.window.showQuickPick(items, { title: question, matchOnDetail: true }))?.workspace;
}

function namedBy(core: Core, argument: unknown): string | undefined {
  const { workspaceId, missionId } = (argument ?? {}) as { workspaceId?: unknown; missionId?: unknown };
  if (typeof workspaceId === "string") return workspaceId;
  return typeof missionId === "string" ? core.store.head(missionId).workspaceId : undefined;
}

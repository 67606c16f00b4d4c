import type { Choices } from "../opencode/engine.ts";
import { isSelected } from "../protocol/configuration.ts";
import { serverInside } from "../protocol/mission.ts";
import { hasOwnServer, type Workspace } from "../protocol/workspace.ts";
import type { Leader } from "./leader.ts";
import { asOffered } from "./models.ts";

interface Where {
  directory: string;
  workspaceId?: string | undefined;
  missionId?: string | undefined;
}

/**
 * Agents and models for a mission, as the Library's settings want them offered. A workspace's own server is asked when
 * it runs; to start a container for a list would take too long, so else the main one is asked, which knows all agents
 * of the Library, and those that the workspace does not select are left out.
 */
export async function offeredChoices(leader: Leader, { directory, ...where }: Where): Promise<Choices> {
  const workspace = workspaceOf(leader, where);
  const inside = workspace && leader.engines.connected(serverInside(workspace.id));
  const choices = await leader.choices(inside ?? (await leader.engines.main.ensure()), directory);
  const known = workspace && !inside ? await selectedOf(leader, workspace, choices) : choices;
  return asOffered(known, leader.configurations.agentSettings);
}

/** The workspace, if it has a server of its own. */
function workspaceOf(leader: Leader, { workspaceId, missionId }: Omit<Where, "directory">): Workspace | undefined {
  const id = missionId === undefined ? workspaceId : leader.store.head(missionId).workspaceId;
  return leader.workspaces.list().find((workspace) => workspace.id === id && hasOwnServer(workspace));
}

async function selectedOf(leader: Leader, { selection }: Workspace, choices: Choices): Promise<Choices> {
  const { parts } = await leader.configurations.all();
  const left = parts.filter((part) => part.kind === "agents" && !isSelected(part, selection)).map(({ name }) => name);
  const isThere = ({ name }: { name: string }) => !left.includes(name);
  return { ...choices, agents: choices.agents.filter(isThere), subagents: choices.subagents.filter(isThere) };
}

import { basename } from "node:path";
import type { MissionHead, MissionStatus } from "../../protocol/mission.ts";
import { fold, type MissionQuery } from "../../protocol/search.ts";

/** Which missions the tree shows. Fields that are absent do not narrow. */
export type MissionFilter = Pick<MissionQuery, "status" | "directory" | "agent" | "text">;

export const statusLabels: Readonly<Record<MissionStatus, string>> = {
  pending: "Not started",
  active: "Open",
  completed: "Completed",
  failed: "Failed",
  interrupted: "Interrupted",
  blocked: "Blocked",
  not_feasible: "Not feasible",
};

/** The agent that a mission is found by: the one that was chosen, else the one that answered last. */
export function agentOf(head: MissionHead): string | undefined {
  return head.agent ?? head.usedAgent;
}

/** Whether the store would list the mission for this filter. */
export function fits(head: MissionHead, { status, directory, agent, text }: MissionFilter): boolean {
  return (
    (status === undefined || status.includes(head.status)) &&
    (directory === undefined || directory === head.directory) &&
    (agent === undefined || agent === agentOf(head)) &&
    (text === undefined || fold(head.title).includes(fold(text).trim()))
  );
}

/** What the tree is narrowed to, in few words; empty when it shows all. */
export function filterWords({ status = [], directory, agent, text }: MissionFilter): string {
  const words = [
    text === undefined ? "" : `“${text}”`,
    status.map((one) => statusLabels[one].toLowerCase()).join(" or "),
    directory === undefined ? "" : basename(directory),
    agent === undefined ? "" : `agent ${agent}`,
  ];
  return words.filter((word) => word !== "").join(" · ");
}

/** The filter with a status taken in, or out again. */
export function withStatus({ status = [], ...others }: MissionFilter, toggled: MissionStatus): MissionFilter {
  const next = status.includes(toggled) ? status.filter((one) => one !== toggled) : [...status, toggled];
  return next.length === 0 ? others : { ...others, status: next };
}

/** The filter with another value for a field, or without that field where it has this value already. */
export function withValue(filter: MissionFilter, field: "directory" | "agent" | "text", value: string): MissionFilter {
  const { [field]: before, ...others } = filter;
  return before === value || value === "" ? others : { ...others, [field]: value };
}

import type { EngineState } from "../protocol/engineState.ts";
import { formatModel, totalCost, type MissionHead, type Verdict } from "../protocol/mission.ts";

/** What a mission does, in a word or two. */
export function stateWord(head: MissionHead): string {
  if (head.runState === "waiting_for_you") return "waiting for you";
  if (head.retry) return "retrying";
  if (head.waitingSince !== undefined) return "waiting in line";
  if (head.runState !== "idle") return "running";
  if (head.pending.length > 0 && head.status !== "failed" && head.status !== "interrupted") return "starting";
  switch (head.status) {
    case "pending":
      return "not started";
    case "active":
      return head.turnEndedAt === undefined ? "ready" : "finished";
    case "failed":
    case "interrupted":
      return head.status;
    case "completed":
    case "blocked":
    case "not_feasible":
      return verdictWords[head.status].toLowerCase();
  }
}

export const verdictWords: Readonly<Record<Verdict, string>> = {
  completed: "Completed",
  blocked: "Blocked",
  not_feasible: "Not feasible",
};

/** "4 m 12 s": two units at most. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${String(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${String(minutes)} m ${String(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${String(hours)} h ${String(minutes % 60)} m`;
  return `${String(Math.floor(hours / 24))} d ${String(hours % 24)} h`;
}

/** How long ago, in one unit. */
export function ago(time: number, now: number): string {
  const minutes = Math.floor((now - time) / 60_000);
  if (minutes < 1) return "now";
  if (minutes < 60) return `${String(minutes)} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${String(hours)} h`;
  return `${String(Math.floor(hours / 24))} d`;
}

/** A text for a label in which the editor would take `$(name)` for an icon. */
export function plainLabel(text: string): string {
  return text.replaceAll("$(", "$\u2060(");
}

export function money(dollars: number): string {
  if (dollars === 0) return "";
  return dollars < 0.01 ? "<$0.01" : `$${dollars.toFixed(2)}`;
}

export function usedModel(head: MissionHead): string {
  const model = head.usedModel ?? head.model;
  return model ? formatModel(model) : "";
}

export function costOf(head: MissionHead): string {
  return money(totalCost(head));
}

export function engineWord(state: EngineState): string {
  switch (state.kind) {
    case "stopped":
      return "OpenCode is not running; it starts with the next mission.";
    case "starting":
      return "OpenCode is starting.";
    case "connecting":
      return "Connecting to OpenCode.";
    case "connected":
      return `OpenCode ${state.version} is running.`;
    case "lost":
      return `The connection to OpenCode is lost (${state.reason}).`;
    case "failed":
      return state.message;
  }
}

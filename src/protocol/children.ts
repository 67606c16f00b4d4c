/** What is known of a mission's sub-agents, from the events of their sessions. Total and without effects. */
import type { EventBody, ToolCard } from "./event.ts";
import type { ChildSession, MissionHead } from "./mission.ts";
import { openRequests } from "./permission.ts";

export type ChildState = "waiting_for_you" | "running" | "failed" | "idle";

export function childState(head: MissionHead, sessionId: string): ChildState {
  const child = head.children[sessionId];
  if (head.busy && openRequests(head).some((request) => request.sessionId === sessionId)) return "waiting_for_you";
  if (child?.busy) return "running";
  return child?.failure ? "failed" : "idle";
}

/** The sub-agents that a session has started, oldest first. */
export function childrenOf(head: MissionHead, sessionId: string | undefined): string[] {
  return Object.keys(head.children).filter((id) => head.children[id]?.parentId === sessionId);
}

/** The cost of a session and of all that it has started. */
export function costWithChildren(head: MissionHead, sessionId: string): number {
  const family = new Set([sessionId]);
  // The set grows while it is walked, and takes nobody twice.
  for (const id of family) for (const child of childrenOf(head, id)) family.add(child);
  return [...family].reduce((sum, id) => sum + (head.costs[id] ?? 0), 0);
}

/** What an event of a sub-agent's session changes in the head; undefined where it changes nothing. */
export function childChange(head: MissionHead, body: EventBody): Pick<MissionHead, "children"> | undefined {
  if (!("sessionId" in body) || body.sessionId === undefined) return undefined;
  const child = head.children[body.sessionId];
  if (!child) return undefined;
  const change = changeOf(child, body);
  return change && { children: { ...head.children, [body.sessionId]: { ...child, ...change } } };
}

function changeOf(child: ChildSession, body: EventBody): Partial<ChildSession> | undefined {
  switch (body.type) {
    case "session_state": {
      const busy = body.state === "busy";
      if (busy === (child.busy ?? false)) return undefined;
      return { busy, ...(busy && { failure: undefined }) };
    }
    case "tool_call":
      return body.state === "running" ? doing(child, `${body.card.doing} ${objectOf(body.card)}`) : undefined;
    case "tool_result":
      return doing(child, `${body.card.done} ${objectOf(body.card)}`);
    case "error":
      return body.error.name === "MessageAbortedError" ? undefined : { failure: body.error };
    default:
      return undefined;
  }
}

function doing(child: ChildSession, activity: string): Partial<ChildSession> | undefined {
  return child.activity === activity ? undefined : { activity };
}

function objectOf(card: ToolCard): string {
  return card.object.length > 120 ? `${card.object.slice(0, 120)}…` : card.object;
}

/** With the mission's turn, whatever its sub-agents did has ended. */
export function restingChildren(children: MissionHead["children"]): MissionHead["children"] {
  if (!Object.values(children).some((child) => child.busy)) return children;
  return Object.fromEntries(Object.entries(children).map(([id, child]) => [id, { ...child, busy: false }]));
}

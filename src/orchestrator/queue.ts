import { OpenAgentError } from "../base/errors.ts";
import type { CommandCall } from "../protocol/attachment.ts";
import { stillMeant } from "../protocol/compose.ts";
import type { EventBody, MessageQueued } from "../protocol/event.ts";
import { rankOf, type MissionHead, type PendingMessage } from "../protocol/mission.ts";

/** What the user's wishes about a queue are as events. Nothing here stores or sends anything. */

/** The event that puts a message as it stands into another state. */
export function inState(message: PendingMessage, state: MessageQueued["state"]): MessageQueued {
  return { type: "message_queued", ...message, rank: rankOf(message), state };
}

/** A message behind all that wait, also when the clock has been put back since they came. */
export function added(
  head: MissionHead,
  message: Omit<PendingMessage, "state" | "queuedAt">,
  now: number,
): MessageQueued {
  const rank = Math.max(now, ...head.pending.map((other) => rankOf(other) + 1));
  return { type: "message_queued", ...message, rank, state: "queued" };
}

export function edited(head: MissionHead, queueId: string, text: string, command?: CommandCall): EventBody[] {
  const { command: _, ...message } = waiting(head, queueId);
  const attachments = message.attachments && { attachments: stillMeant(text, message.attachments) };
  return [inState({ ...message, text, ...attachments, ...(command && { command }) }, message.state)];
}

export function removed(head: MissionHead, queueId: string): EventBody[] {
  return [inState(waiting(head, queueId), "removed")];
}

/** Puts a message before another one, or at the end. */
export function moved(head: MissionHead, queueId: string, before: string | undefined): EventBody[] {
  const message = waiting(head, queueId);
  const others = head.pending.filter((other) => other !== message && other.state !== "sending");
  const place = before === undefined ? others.length : others.findIndex((other) => other.queueId === before);
  if (place < 0) throw gone(before ?? "");
  const [previous, next] = [others[place - 1], others[place]];
  const rank = between(previous && rankOf(previous), next && rankOf(next));
  if (rank !== undefined) return [inState({ ...message, rank }, message.state)];
  // There is no number left between the two: all get new ones.
  return others.toSpliced(place, 0, message).map((other, index) => inState({ ...other, rank: index + 1 }, other.state));
}

/** Puts a message first and lets it go although the others may be held. */
export function urged(head: MissionHead, queueId: string): EventBody[] {
  const message = waiting(head, queueId);
  const first = Math.min(...head.pending.map(rankOf));
  return [inState({ ...message, rank: first - 1, urgent: true }, "queued")];
}

/** A message that is sent before all that waits. */
export function first(head: MissionHead, queueId: string, text: string): MessageQueued {
  const rank = Math.min(...head.pending.map(rankOf)) - 1;
  return { type: "message_queued", queueId, text, rank, state: "queued" };
}

/** The user stopped the mission: what waits stays, and is not sent by itself. */
export function held(head: MissionHead): EventBody[] {
  return head.pending
    .filter((message) => message.state === "queued")
    .map(({ urgent: _, ...message }) => inState(message, "held"));
}

export function released(head: MissionHead): EventBody[] {
  return head.pending.filter((message) => message.state === "held").map((message) => inState(message, "queued"));
}

function waiting(head: MissionHead, queueId: string): PendingMessage {
  const message = head.pending.find((other) => other.queueId === queueId);
  if (!message) throw gone(queueId);
  if (message.state === "sending")
    throw new OpenAgentError("request_gone", "That message is on its way to the agent already.", { queueId });
  return message;
}

function gone(queueId: string): OpenAgentError {
  return new OpenAgentError("request_gone", "That message waits no more: it was sent or removed.", { queueId });
}

/** A number between two, of which either may be missing; undefined when there is none left. */
function between(low: number | undefined, high: number | undefined): number | undefined {
  if (low === undefined) return high === undefined ? 0 : high - 1;
  if (high === undefined) return low + 1;
  const middle = (low + high) / 2;
  return middle > low && middle < high ? middle : undefined;
}

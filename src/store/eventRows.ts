import type { EventBody, MissionEvent } from "../protocol/event.ts";

/** A row of the table `events`. */
export interface EventRow {
  seq: number;
  time: number;
  data: string;
}

export function toEvent(missionId: string, row: EventRow): MissionEvent {
  return { seq: row.seq, missionId, time: row.time, body: JSON.parse(row.data) as EventBody };
}

/** The message of the transcript that an event belongs to. */
export function messageOf(body: EventBody): string | undefined {
  if (body.type === "request_answered") return body.call?.messageId;
  return "messageId" in body && body.type !== "message_queued" ? body.messageId : undefined;
}

/** The beginning of something whose end is stored already: a stream's echo of the past. */
export function isStale(body: EventBody, stored: string): boolean {
  const old = JSON.parse(stored) as EventBody;
  if ((body.type === "assistant_message" || body.type === "thinking") && body.type === old.type)
    return old.done && !body.done;
  if (body.type === "message" && old.type === "message")
    return old.completedAt !== undefined && body.completedAt === undefined;
  // OpenCode tells of our own answers without what we know of them.
  if (body.type === "request_answered" && old.type === "request_answered")
    return old.allowedBy !== undefined && body.allowedBy === undefined;
  if (body.type === "tool_call" && old.type === "tool_call") return old.state === "running" && body.state === "pending";
  return false;
}

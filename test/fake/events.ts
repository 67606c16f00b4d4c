import type { EventBody, MissionEvent } from "../../src/protocol/event.ts";

/** Small pieces of missions for tests. */
export const session = "ses_root";

export function part(messageId: string, partId: string) {
  return { sessionId: session, messageId, partId };
}

/** A message of the user. */
export function user(messageId: string, text: string): EventBody[] {
  return [
    { type: "message", sessionId: session, messageId, role: "user", createdAt: 1 },
    { type: "user_message", ...part(messageId, `prt_${messageId}`), text },
  ];
}

export function answer(messageId: string, parentId: string, text: string): EventBody[] {
  return [
    { type: "message", sessionId: session, messageId, role: "assistant", parentId, createdAt: 2 },
    { type: "assistant_message", ...part(messageId, `prt_${messageId}`), text, done: true, startedAt: 2, endedAt: 3 },
  ];
}

export function missionEvents(bodies: readonly EventBody[]): MissionEvent[] {
  return bodies.map((body, index) => ({ seq: index + 1, missionId: "m", time: index + 1, body }));
}

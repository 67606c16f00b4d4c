import type { Engine, SessionRef, Snapshot } from "../opencode/engine.ts";
import { keyOf, type EngineEvent, type EventBody } from "../protocol/event.ts";
import type { MissionHead } from "../protocol/mission.ts";
import type { Store } from "../store/store.ts";

export interface Resync {
  snapshot: Snapshot;
  /** The snapshot's events, translated. */
  translated: readonly EngineEvent[];
  /** Keys of the live events that came since the snapshot was asked for: what it says of those is older. */
  touched: ReadonlySet<string>;
  head: MissionHead;
  /** Messages of the mission's own session that are stored and should be in the snapshot. */
  stored: readonly string[];
}

/** What the server holds of a mission from its last turn on, and of the same messages those that are stored. */
export async function fetchSnapshot(
  engine: Engine,
  session: SessionRef,
  head: MissionHead,
  store: Store,
): Promise<{ snapshot: Snapshot; stored: () => string[] }> {
  let since = head.turnMessageId ?? store.lastMessageId(head.id, session.sessionId);
  let snapshot = await engine.snapshot(session, since);
  if (since !== undefined && head.turnMessageId === undefined && !snapshot.messageIds.includes(since)) {
    // The newest message that we know was taken back; others before it may have been as well.
    since = undefined;
    snapshot = await engine.snapshot(session, since);
  }
  return { snapshot, stored: () => store.messageIds(head.id, session.sessionId, since) };
}

/** What is missing in the store, or is no more, by what the server holds. */
export function missedEvents({ snapshot, translated, touched, head, stored }: Resync): EventBody[] {
  const news = translated.filter((event) => {
    const key = keyOf(event);
    if (key !== undefined && touched.has(key)) return false;
    if ("messageId" in event && touched.has(`removed:${event.messageId}`)) return false;
    // A request outlives the turn that made it in the server's list, though nobody waits for the answer.
    return snapshot.busy || (event.type !== "permission_asked" && event.type !== "question_asked");
  });
  const held = new Set(translated.flatMap((event) => (event.type === "message" ? [event.messageId] : [])));
  const onTheWay = new Set(head.pending.map((message) => message.messageId));
  const removed = stored
    .filter((id) => !held.has(id) && !touched.has(`message:${id}`) && !onTheWay.has(id))
    .map((messageId): EventBody => ({ type: "message_removed", sessionId: head.sessionId ?? "", messageId }));
  const gone = head.requests
    .filter(({ id }) => !snapshot.openRequests.includes(id) && !touched.has(`request:${id}`))
    .map(({ id, sessionId }): EventBody => ({ type: "request_answered", sessionId, requestId: id, answer: "gone" }));
  return [...news, ...removed, ...gone];
}

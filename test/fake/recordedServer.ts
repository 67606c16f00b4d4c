import { fields, text, type Fields } from "../../src/base/fields.ts";
import type { Engine, Snapshot } from "../../src/opencode/engine.ts";
import { sessionOf, type RawEvent } from "../../src/opencode/normalise.ts";

/**
 * What a server holds that has sent these events, told as its REST API tells it: durable state only. The text of a part
 * that is being streamed is empty there (measured with opencode 1.18.33).
 */
export function heldAfter(events: readonly RawEvent[], root: string): Snapshot {
  const infos = new Map<string, RawEvent>();
  const messages = new Map<string, { info: RawEvent; parts: Map<string, RawEvent> }>();
  const statuses = new Map<string, RawEvent>();
  const requests = new Map<string, RawEvent>();
  let todos: RawEvent | undefined;
  for (const event of events) {
    const { properties } = event;
    const sessionId = sessionOf(event) ?? "";
    switch (event.type) {
      case "session.created":
      case "session.updated":
        infos.set(sessionId, { ...event, type: "session.updated" });
        break;
      case "session.status":
        statuses.set(sessionId, event);
        break;
      case "message.updated": {
        const id = text(fields(properties["info"])["id"]);
        messages.set(id, { info: event, parts: messages.get(id)?.parts ?? new Map<string, RawEvent>() });
        break;
      }
      case "message.removed":
        messages.delete(text(properties["messageID"]));
        break;
      case "message.part.updated": {
        const part = fields(properties["part"]);
        messages.get(text(part["messageID"]))?.parts.set(text(part["id"]), asHeld(event, part));
        break;
      }
      case "todo.updated":
        if (sessionId === root) todos = event;
        break;
      case "permission.asked":
      case "question.asked":
        requests.set(text(properties["id"]), event);
        break;
      case "permission.replied":
      case "question.replied":
      case "question.rejected":
        requests.delete(text(properties["requestID"]));
        break;
      default:
    }
  }
  const sorted = [...messages.entries()].sort(([one], [other]) => one.localeCompare(other));
  const held = sorted.flatMap(([, { info, parts }]) => [info, ...parts.values()]);
  const status = fields(statuses.get(root)?.properties["status"]);
  const idle: RawEvent = { id: "", type: "session.status", properties: { sessionID: root, status: { type: "idle" } } };
  return {
    events: [
      ...infos.values(),
      ...held,
      ...(todos ? [todos] : []),
      ...(statuses.size > 0 ? statuses.values() : [idle]),
      ...requests.values(),
    ],
    messageIds: sorted.flatMap(([id, { info }]) => (sessionOf(info) === root ? [id] : [])),
    busy: statuses.has(root) && status["type"] !== "idle",
    openRequests: [...requests.keys()],
  };
}

function asHeld(event: RawEvent, part: Fields): RawEvent {
  const time = fields(part["time"]);
  const streaming =
    (part["type"] === "text" || part["type"] === "reasoning") &&
    time["start"] !== undefined &&
    time["end"] === undefined;
  return streaming ? { ...event, properties: { ...event.properties, part: { ...part, text: "" } } } : event;
}

/** An engine of which only `snapshot` is asked. */
export function snapshotEngine(snapshot: Engine["snapshot"]): Engine {
  const unused = () => {
    throw new Error("not asked in this test");
  };
  const engine = new Proxy(
    { id: "own", snapshot },
    { get: (target, name) => (Reflect.get(target, name) as unknown) ?? unused },
  );
  return engine as unknown as Engine;
}

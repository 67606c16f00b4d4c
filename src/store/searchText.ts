import type { EventBody, EventType } from "../protocol/event.ts";

/** The types of events that hold something a user would look for. */
export const searchedTypes = [
  "user_message",
  "attachment",
  "assistant_message",
  "thinking",
  "tool_call",
  "tool_result",
  "turn_changes",
  "question_asked",
  "message_queued",
  "launch_failed",
  "turn_ended",
] as const satisfies EventType[];

/** Of one event, in UTF-16 units; what is beyond is not found. */
const textLimit = 32_768;

/** What of an event a search finds; empty for nothing. */
export function searchText(body: EventBody): string {
  switch (body.type) {
    case "user_message":
      return body.synthetic ? "" : cut([body.text]);
    case "assistant_message":
    case "thinking":
      return cut([body.text]);
    case "attachment":
      return cut([body.name]);
    case "tool_call":
      return cut([body.card.object, ...strings(body.input)]);
    case "tool_result":
      return cut([body.card.object, ...strings(body.input), body.output]);
    case "turn_changes":
      return cut(body.files.map(({ path }) => path));
    case "question_asked":
      return body.request.kind === "question" ? cut(strings(body.request.questions)) : "";
    case "message_queued":
      // Once it is sent, it is found as the user's message.
      return body.state === "queued" || body.state === "held" ? cut([body.text]) : "";
    case "launch_failed":
    case "turn_ended":
      return cut([body.failure?.message ?? ""]);
    default:
      return "";
  }
}

/** A line for each text that is not said already. */
function cut(texts: readonly string[]): string {
  return [...new Set(texts)]
    .filter((text) => text !== "")
    .join("\n")
    .slice(0, textLimit);
}

/** All texts in a value, however deep. */
function strings(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(strings);
}

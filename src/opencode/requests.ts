/** What the agent asks of the user, and what it plans, in our words. Total, as `normalise` is. */
import { fields, list, optional, optionalText, text, texts, type Fields } from "../base/fields.ts";
import type { CallRef, PermissionReply, QuestionRequest, Todo } from "../protocol/mission.ts";
import { editedPaths } from "./edits.ts";

export function permission(sessionId: string, facts: Fields, now: number) {
  const metadata = fields(facts["metadata"]);
  const patterns = texts(facts["patterns"]);
  const detail =
    optionalText(metadata["command"]) ??
    optionalText(metadata["filepath"]) ??
    optionalText(metadata["url"]) ??
    patterns.join("\n");
  return {
    kind: "permission" as const,
    id: text(facts["id"]),
    sessionId,
    permission: text(facts["permission"]),
    patterns,
    always: texts(facts["always"]),
    detail,
    ...optional("diff", optionalText(metadata["diff"])),
    ...optional("paths", text(facts["permission"]) === "edit" ? editedPaths(metadata) : undefined),
    ...optional("call", callRef(fields(facts["tool"]))),
    askedAt: askedAt(text(facts["id"]), now),
  };
}

function callRef(facts: Fields): CallRef | undefined {
  const messageId = optionalText(facts["messageID"]);
  const callId = optionalText(facts["callID"]);
  return messageId === undefined || callId === undefined ? undefined : { messageId, callId };
}

export function question(sessionId: string, facts: Fields, now: number): QuestionRequest {
  const questions = list(facts["questions"]).map((item) => {
    const one = fields(item);
    return {
      header: text(one["header"]),
      question: text(one["question"]),
      options: list(one["options"]).map((option) => {
        const choice = fields(option);
        return { label: text(choice["label"]), description: text(choice["description"]) };
      }),
      multiple: one["multiple"] === true,
      custom: one["custom"] !== false,
    };
  });
  return { kind: "question", id: text(facts["id"]), sessionId, questions, askedAt: askedAt(text(facts["id"]), now) };
}

/**
 * When a request was made, read from its id, so that the live event and the REST answer say the same. The id holds the
 * lower 36 bits of the milliseconds; `now` supplies the rest.
 */
function askedAt(id: string, now: number): number {
  const digits = /^[a-z]+_([0-9a-f]{12})/.exec(id)?.[1];
  if (digits === undefined) return 0;
  const span = 2 ** 36;
  const low = Math.floor(parseInt(digits, 16) / 4096);
  const guess = Math.floor(now / span) * span + low;
  return guess > now + span / 2 ? guess - span : guess;
}

export function reply(value: unknown): PermissionReply {
  return value === "always" || value === "reject" ? value : "once";
}

export function todo(value: unknown): Todo {
  const facts = fields(value);
  return { content: text(facts["content"]), status: text(facts["status"]), priority: text(facts["priority"]) };
}

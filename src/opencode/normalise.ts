/**
 * OpenCode's events in our words. Total: whatever comes in, nothing is thrown, and what is not understood is kept as
 * `raw`. The same function serves the live stream and the answers of the REST API (see `asEvents`).
 * Event names and shapes: opencode 1.18.33, protocol V1.
 */
import type { EngineEvent, SessionInfo, ToolCall, ToolResult } from "../protocol/event.ts";
import type { Failure, ModelRef, Tokens } from "../protocol/mission.ts";
import {
  fields,
  list,
  number,
  optional,
  optionalNumber,
  optionalText,
  text,
  texts,
  type Fields,
} from "../base/fields.ts";
import { fileChange } from "./fileDiff.ts";
import { permission, question, reply, todo } from "./requests.ts";
import { toolCard } from "./toolCard.ts";

/** More files of one turn than these are only counted. */
const mostFiles = 500;

/** An event as OpenCode sends it, without the envelope of the stream it came on. */
export interface RawEvent {
  id: string;
  type: string;
  properties: Fields;
}

/** What must be remembered of one mission's events to understand the next. */
export interface NormaliserMemory {
  /** Where the agent works; for showing paths. */
  readonly directory: string;
  readonly roles: Map<string, "user" | "assistant">;
  /** Texts that are being streamed: how much has arrived. */
  readonly open: Map<string, { of: "assistant_message" | "thinking"; length: number; gap: boolean }>;
  /** Texts that are complete, and calls that have a result. */
  readonly ended: Set<string>;
  /** The root of the repository that the folder is in: OpenCode names changed files from there. */
  readonly root: string;
  /** The user's messages whose turns have changed files. */
  readonly changed: Set<string>;
  /** The output of running calls as last seen. */
  readonly outputs: Map<string, string>;
}

export function newMemory(directory: string, root = directory): NormaliserMemory {
  return {
    directory,
    root,
    roles: new Map(),
    open: new Map(),
    ended: new Set(),
    changed: new Set(),
    outputs: new Map(),
  };
}

/** The stream broke: from here on, open texts may have a hole until their whole arrives. */
export function rememberGap(memory: NormaliserMemory): void {
  for (const streamed of memory.open.values()) streamed.gap = true;
}

export interface Normalised {
  events: EngineEvent[];
  /** A part came whose message is not known: what is held by REST must be fetched. */
  incomplete: boolean;
}

/** The session that an event belongs to, if any. */
export function sessionOf(event: RawEvent): string | undefined {
  const { properties } = event;
  const info = fields(properties["info"]);
  const named = optionalText(properties["sessionID"]) ?? optionalText(info["sessionID"]);
  return named ?? optionalText(fields(properties["part"])["sessionID"]) ?? sessionInfoId(event.type, info);
}

function sessionInfoId(type: string, info: Fields): string | undefined {
  return type.startsWith("session.") ? optionalText(info["id"]) : undefined;
}

/** The session that the session of this event was started by: only `session.created` and `.updated` tell. */
export function parentOf(event: RawEvent): string | undefined {
  if (event.type !== "session.created" && event.type !== "session.updated") return undefined;
  return optionalText(fields(event.properties["info"])["parentID"]);
}

/**
 * @param now epoch milliseconds
 * @param source `rest`: a text that is not done was streamed before anyone listened, so it may have a hole
 */
export function normalise(
  memory: NormaliserMemory,
  event: RawEvent,
  now: number,
  source: "live" | "rest" = "live",
): Normalised {
  const sessionId = sessionOf(event);
  if (sessionId === undefined) return nothing;
  const { properties } = event;
  switch (event.type) {
    case "session.created":
    case "session.updated":
      return only({ ...sessionInfo(fields(properties["info"])), sessionId });
    case "session.status":
      return only(...status(sessionId, fields(properties["status"])));
    case "session.idle":
      return only({ type: "session_state", sessionId, state: "idle" });
    case "session.error":
      return only({ type: "error", id: event.id, sessionId, error: failure(properties["error"]) });
    case "message.updated":
      return only(...message(memory, sessionId, fields(properties["info"])));
    case "message.removed":
      return only({ type: "message_removed", sessionId, messageId: text(properties["messageID"]) });
    case "message.part.updated":
      return part(memory, sessionId, fields(properties["part"]), now, source);
    case "message.part.delta":
      return delta(memory, sessionId, properties);
    case "message.part.removed": {
      const partId = text(properties["partID"]);
      return only({ type: "part_removed", sessionId, messageId: text(properties["messageID"]), partId });
    }
    case "permission.asked":
      return only({ type: "permission_asked", sessionId, request: permission(sessionId, properties, now) });
    case "permission.replied":
      return only({
        type: "request_answered",
        sessionId,
        requestId: text(properties["requestID"]),
        answer: reply(properties["reply"]),
      });
    case "question.asked":
      return only({ type: "question_asked", sessionId, request: question(sessionId, properties, now) });
    case "question.replied":
      return only({
        type: "request_answered",
        sessionId,
        requestId: text(properties["requestID"]),
        answer: "answered",
      });
    case "question.rejected":
      return only({
        type: "request_answered",
        sessionId,
        requestId: text(properties["requestID"]),
        answer: "rejected",
      });
    case "todo.updated":
      return only({ type: "todos", sessionId, todos: list(properties["todos"]).map(todo) });
    // The user's message holds the same, and whose turn it is.
    case "session.diff":
      return nothing;
    default:
      return only(raw(event.id, event.type, sessionId, properties));
  }
}

const nothing: Normalised = { events: [], incomplete: false };

function only(...events: EngineEvent[]): Normalised {
  return { events, incomplete: false };
}

function raw(id: string, name: string, sessionId: string, data: unknown): EngineEvent {
  return { type: "raw", id, name, sessionId, data };
}

/** A session as OpenCode shows it. */
export function sessionInfo(info: Fields): SessionInfo {
  const sessionId = text(info["id"]);
  const parentId = optionalText(info["parentID"]);
  const agent = optionalText(info["agent"]);
  return {
    type: "session",
    sessionId,
    ...(parentId !== undefined && { parentId }),
    title: parentId === undefined ? text(info["title"]) : childTitle(text(info["title"])),
    ...(agent !== undefined && { agent }),
    cost: number(info["cost"]),
    ...optional("revertedFrom", optionalText(fields(info["revert"])["messageID"])),
  };
}

/** OpenCode adds the agent to a sub-agent's title, which is said beside it anyway. */
function childTitle(title: string): string {
  return title.replace(/ \(@[^()]+ subagent\)$/, "");
}

function status(sessionId: string, facts: Fields): EngineEvent[] {
  const state = text(facts["type"]);
  if (state !== "retry") return [{ type: "session_state", sessionId, state: state === "idle" ? "idle" : "busy" }];
  return [
    {
      type: "retry",
      sessionId,
      attempt: number(facts["attempt"]),
      message: text(facts["message"]),
      nextAt: number(facts["next"]),
    },
  ];
}

function message(memory: NormaliserMemory, sessionId: string, info: Fields): EngineEvent[] {
  const messageId = text(info["id"]);
  const role = info["role"] === "user" ? "user" : "assistant";
  memory.roles.set(messageId, role);
  const time = fields(info["time"]);
  const model = role === "user" ? modelRef(fields(info["model"])) : modelRef(info);
  const event: EngineEvent = {
    type: "message",
    sessionId,
    messageId,
    role,
    ...optional("parentId", optionalText(info["parentID"])),
    createdAt: number(time["created"]),
    ...optional("completedAt", optionalNumber(time["completed"])),
    ...optional("agent", optionalText(info["agent"])),
    ...optional("model", model),
    ...(role === "assistant" && { cost: number(info["cost"]), tokens: tokens(fields(info["tokens"])) }),
    ...optional("finish", optionalText(info["finish"])),
    ...optional("error", info["error"] === undefined ? undefined : failure(info["error"])),
  };
  return role === "user" ? [event, ...turnChanges(memory, sessionId, messageId, info)] : [event];
}

/** OpenCode repeats the list with every step of the turn, and tells of turns that changed nothing too. */
function turnChanges(memory: NormaliserMemory, sessionId: string, messageId: string, info: Fields): EngineEvent[] {
  const diffs = list(fields(info["summary"])["diffs"]);
  if (diffs.length === 0 && !memory.changed.has(messageId)) return [];
  memory.changed.add(messageId);
  const files = diffs.slice(0, mostFiles).map((diff) => fileChange(fields(diff), memory.root));
  const more = diffs.length - files.length;
  return [{ type: "turn_changes", sessionId, messageId, files, ...(more > 0 && { more }) }];
}

function modelRef(facts: Fields): ModelRef | undefined {
  const providerId = optionalText(facts["providerID"]);
  const modelId = optionalText(facts["modelID"]) ?? optionalText(facts["id"]);
  return providerId === undefined || modelId === undefined ? undefined : { providerId, modelId };
}

function tokens(facts: Fields): Tokens {
  const cache = fields(facts["cache"]);
  return {
    input: number(facts["input"]),
    output: number(facts["output"]),
    reasoning: number(facts["reasoning"]),
    cacheRead: number(cache["read"]),
    cacheWrite: number(cache["write"]),
  };
}

/** Reads OpenCode's `{name, data: {message, statusCode}}`. A stack in the message is cut off. */
function failure(error: unknown): Failure {
  const facts = fields(error);
  const data = fields(facts["data"]);
  const name = text(facts["name"], "UnknownError");
  const message = text(data["message"], text(facts["message"], typeof error === "string" ? error : name));
  return {
    name,
    message: message.replace(/\n\s+at [\s\S]*$/, ""),
    ...optional("statusCode", optionalNumber(data["statusCode"])),
  };
}

function part(
  memory: NormaliserMemory,
  sessionId: string,
  facts: Fields,
  now: number,
  source: "live" | "rest",
): Normalised {
  const messageId = text(facts["messageID"]);
  const partId = text(facts["id"]);
  const role = memory.roles.get(messageId);
  if (role === undefined) return { events: [], incomplete: true };
  const place = { sessionId, messageId, partId };
  switch (text(facts["type"])) {
    case "text":
      if (role === "user")
        return only({
          type: "user_message",
          ...place,
          text: text(facts["text"]),
          ...(facts["synthetic"] === true && { synthetic: true }),
        });
      return only(...agentText(memory, "assistant_message", place, facts, now, source));
    case "reasoning":
      return only(...agentText(memory, "thinking", place, facts, now, source));
    case "tool":
      return only(...tool(memory, place, facts));
    case "file":
      return only({
        type: "attachment",
        ...place,
        name: text(facts["filename"], text(facts["url"]).slice(0, 200)),
        mime: text(facts["mime"]),
        url: text(facts["url"]),
      });
    case "step-finish":
      return only({
        type: "step_finished",
        ...place,
        reason: text(facts["reason"]),
        cost: number(facts["cost"]),
        tokens: tokens(fields(facts["tokens"])),
        ...(optionalText(facts["snapshot"]) !== undefined && { snapshot: true }),
      });
    case "patch":
      return only({ type: "files_changed", ...place, files: texts(facts["files"]) });
    case "compaction":
      return only({ type: "compaction", ...place, automatic: facts["auto"] === true });
    case "step-start":
      return nothing;
    default:
      return only(raw(partId, `part.${text(facts["type"])}`, sessionId, facts));
  }
}

interface Place {
  sessionId: string;
  messageId: string;
  partId: string;
}

function agentText(
  memory: NormaliserMemory,
  type: "assistant_message" | "thinking",
  place: Place,
  facts: Fields,
  now: number,
  source: "live" | "rest",
): EngineEvent[] {
  const time = fields(facts["time"]);
  const endedAt = optionalNumber(time["end"]);
  const done = endedAt !== undefined;
  if (memory.ended.has(place.partId) && !done) return [];
  const whole = text(facts["text"]);
  if (done) {
    memory.open.delete(place.partId);
    memory.ended.add(place.partId);
  } else if (whole.length >= (memory.open.get(place.partId)?.length ?? -1)) {
    memory.open.set(place.partId, { of: type, length: whole.length, gap: source === "rest" });
  }
  return [
    { type, ...place, text: whole, done, startedAt: number(time["start"], now), ...optional("endedAt", endedAt) },
  ];
}

function delta(memory: NormaliserMemory, sessionId: string, properties: Fields): Normalised {
  const partId = text(properties["partID"]);
  const added = text(properties["delta"]);
  if (memory.ended.has(partId) || added === "" || properties["field"] !== "text") return nothing;
  const streamed = memory.open.get(partId);
  // Without its beginning, nobody knows where a delta belongs or what it is part of; the whole text will tell.
  if (!streamed) return { events: [], incomplete: !memory.roles.has(text(properties["messageID"])) };
  const offset = streamed.length;
  const gap = streamed.gap;
  streamed.length += added.length;
  streamed.gap = false;
  const place = { sessionId, messageId: text(properties["messageID"]), partId };
  return only({ type: "text_delta", ...place, of: streamed.of, offset, text: added, ...(gap && { gap }) });
}

function tool(memory: NormaliserMemory, place: Place, facts: Fields): EngineEvent[] {
  const name = text(facts["tool"]);
  const callId = text(facts["callID"]);
  const state = fields(facts["state"]);
  const condition = text(state["status"]);
  const metadata = fields(state["metadata"]);
  const input = fields(state["input"]);
  const finished = condition === "completed" || condition === "error";
  const output = condition === "error" ? text(state["error"]) : text(state["output"]);
  const card = toolCard({ tool: name, input, metadata, finished: condition === "completed", output }, memory.directory);
  const time = fields(state["time"]);
  const startedAt = optional("startedAt", optionalNumber(time["start"]));
  if (finished) {
    memory.ended.add(place.partId);
    memory.outputs.delete(place.partId);
    const result: ToolResult = {
      type: "tool_result",
      ...place,
      callId,
      tool: name,
      state: condition === "error" ? "error" : "completed",
      card,
      input,
      output,
      ...optional("outputPath", optionalText(metadata["outputPath"])),
      ...optional("attachments", attachments(state["attachments"])),
      ...startedAt,
      ...optional("endedAt", optionalNumber(time["end"])),
    };
    return [result];
  }
  if (memory.ended.has(place.partId)) return [];
  const running = condition === "running" ? "running" : "pending";
  const call: ToolCall = { type: "tool_call", ...place, callId, tool: name, state: running, card, input, ...startedAt };
  return [call, ...outputChange(memory, place, text(metadata["output"]))];
}

function attachments(value: unknown): { name: string; mime: string; url: string }[] | undefined {
  const found = list(value).map((item) => {
    const facts = fields(item);
    return { name: text(facts["filename"]), mime: text(facts["mime"]), url: text(facts["url"]) };
  });
  return found.length > 0 ? found : undefined;
}

/** Each update of a running call carries the last 30,000 characters of its output again; only the news goes on. */
function outputChange(memory: NormaliserMemory, place: Place, output: string): EngineEvent[] {
  const before = memory.outputs.get(place.partId) ?? "";
  if (output === before) return [];
  memory.outputs.set(place.partId, output);
  const kept = overlap(before, output);
  const reset = kept === 0 && before !== "";
  return [{ type: "tool_output", ...place, text: output.slice(kept), ...(reset && { reset: true }) }];
}

/** How many characters at the start of `next` stand at the end of `before` (a window that moves along a stream). */
function overlap(before: string, next: string): number {
  if (next.startsWith(before)) return before.length;
  const probe = before.slice(-256);
  const at = next.lastIndexOf(probe);
  if (at < 0) return 0;
  const length = at + probe.length;
  return before.endsWith(next.slice(0, length)) ? length : 0;
}

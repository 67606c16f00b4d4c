/**
 * What a mission's events make of its view. Total and without effects: unknown or stale events change nothing.
 * Host and page use the same functions, so a snapshot and the events after it give what all events give.
 */
import type {
  AgentText,
  EventBody,
  MessageInfo,
  MessageQueued,
  MissionEvent,
  TextDelta,
  ToolCall,
  ToolResult,
} from "./event.ts";
import { contextTokens, ownServer, type MissionHead, type PendingMessage, type RunState } from "./mission.ts";
import {
  runningOutputLimit,
  type Message,
  type Part,
  type TextPart,
  type ToolPart,
  type Transcript,
  type TurnEnd,
} from "./transcript.ts";

/** The view of a mission: its head and the newest part of its transcript. */
export interface MissionView {
  head: MissionHead;
  transcript: Transcript;
}

export function reduce(view: MissionView, event: MissionEvent): MissionView {
  const head = reduceHead(view.head, event);
  const transcript = reduceTranscript(view.transcript, event, head.sessionId);
  return head === view.head && transcript === view.transcript ? view : { head, transcript };
}

export function newHead(missionId: string, at: number): MissionHead {
  return {
    id: missionId,
    title: "Untitled mission",
    status: "pending",
    runState: "idle",
    directory: "",
    server: ownServer,
    createdAt: at,
    updatedAt: at,
    requests: [],
    pending: [],
    todos: [],
    children: {},
    costs: {},
    contextTokens: 0,
    busy: false,
    runningTools: [],
  };
}

export function reduceHead(head: MissionHead, event: MissionEvent): MissionHead {
  const change = headChange(head, event.body, event.time);
  if (!change) return head;
  const next = { ...head, ...change, updatedAt: Math.max(head.updatedAt, event.time) };
  next.runState = runStateOf(next);
  return next;
}

function runStateOf(head: MissionHead): RunState {
  if (!head.busy) return "idle";
  if (head.requests.length > 0) return "waiting_for_you";
  return head.runningTools.length > 0 ? "waiting_for_tool" : "running";
}

function headChange(head: MissionHead, body: EventBody, time: number): Partial<MissionHead> | undefined {
  switch (body.type) {
    case "mission_created":
      return {
        title: body.title,
        directory: body.directory,
        server: body.server,
        agent: body.agent,
        model: body.model,
        createdAt: time,
        updatedAt: time,
      };
    case "mission_updated":
      return {
        title: body.title ?? head.title,
        sessionId: body.sessionId ?? head.sessionId,
        archivedAt: changed(body.archivedAt, head.archivedAt),
        agent: changed(body.agent, head.agent),
        model: changed(body.model, head.model),
      };
    case "mission_status_changed":
      return { status: body.status, failure: body.status === "failed" ? head.failure : undefined };
    case "message_queued":
      return queueChange(head, body, time);
    case "launch_failed":
      return { busy: false, turnMessageId: undefined, failure: body.failure };
    case "turn_ended":
      return {
        busy: false,
        turnMessageId: undefined,
        runningTools: [],
        requests: [],
        retry: undefined,
        turnEndedAt: time,
        failure: body.failure,
      };
    case "session_state":
      if (body.sessionId !== head.sessionId) return undefined;
      // While a turn of ours runs, only its end makes the mission idle: OpenCode reports idle too early.
      return { busy: body.state === "busy" || head.turnMessageId !== undefined, retry: undefined };
    case "retry":
      if (body.sessionId !== head.sessionId) return undefined;
      return { busy: true, retry: { attempt: body.attempt, message: body.message, nextAt: body.nextAt } };
    case "permission_asked":
    case "question_asked":
      return { requests: [...head.requests.filter((request) => request.id !== body.request.id), body.request] };
    case "request_answered":
      if (!head.requests.some((request) => request.id === body.requestId)) return undefined;
      return { requests: head.requests.filter((request) => request.id !== body.requestId) };
    case "todos":
      return body.sessionId === head.sessionId ? { todos: body.todos } : undefined;
    case "session": {
      const costs =
        body.cost === (head.costs[body.sessionId] ?? 0) ? head.costs : { ...head.costs, [body.sessionId]: body.cost };
      if (body.parentId === undefined) return costs === head.costs ? undefined : { costs };
      const child = { parentId: body.parentId, title: body.title, agent: body.agent };
      return { costs, children: { ...head.children, [body.sessionId]: child } };
    }
    case "message":
      if (body.sessionId !== head.sessionId || body.role !== "assistant") return undefined;
      return { usedAgent: body.agent ?? head.usedAgent, usedModel: body.model ?? head.usedModel };
    case "step_finished":
      return body.sessionId === head.sessionId ? { contextTokens: contextTokens(body.tokens) } : undefined;
    case "tool_call":
      if (body.state !== "running" || head.runningTools.includes(body.partId)) return undefined;
      return { runningTools: [...head.runningTools, body.partId] };
    case "tool_result":
      if (!head.runningTools.includes(body.partId)) return undefined;
      return { runningTools: head.runningTools.filter((partId) => partId !== body.partId) };
    case "assistant_message": {
      if (!body.done || body.sessionId !== head.sessionId) return undefined;
      const lastLine = body.text
        .split("\n")
        .find((line) => line.trim() !== "")
        ?.trim()
        .slice(0, 200);
      return lastLine === undefined || lastLine === head.lastLine ? undefined : { lastLine };
    }
    case "user_message":
    case "attachment":
    case "thinking":
    case "text_delta":
    case "tool_output":
    case "files_changed":
    case "compaction":
    case "error":
    case "message_removed":
    case "part_removed":
    case "raw":
      return undefined;
  }
}

function queueChange(head: MissionHead, body: MessageQueued, time: number): Partial<MissionHead> {
  const known = head.pending.find((message) => message.queueId === body.queueId);
  if (body.state === "sent" || body.state === "removed")
    return { pending: head.pending.filter((message) => message !== known) };
  const { type: _, ...facts } = body;
  const message: PendingMessage = { ...facts, state: body.state, queuedAt: known?.queuedAt ?? time };
  const pending = known ? head.pending.map((other) => (other === known ? message : other)) : [...head.pending, message];
  if (body.state === "queued") return { pending };
  return { pending, busy: true, turnMessageId: body.messageId, turnStartedAt: time, failure: undefined };
}

/** undefined keeps the old value, null takes it away. */
function changed<T>(next: T | null | undefined, old: T | undefined): T | undefined {
  return next === undefined ? old : (next ?? undefined);
}

/** `sessionId` is the session whose transcript this is; events of other sessions leave it alone. */
export function reduceTranscript(
  transcript: Transcript,
  event: MissionEvent,
  sessionId: string | undefined,
): Transcript {
  const own = transcript.sessionId === sessionId ? transcript : { ...transcript, sessionId };
  const { body } = event;
  if (body.type === "turn_ended")
    return endTurn(own, body.messageId, { outcome: body.outcome, failure: body.failure, at: event.time });
  if (!("messageId" in body) || body.type === "message_queued" || body.sessionId !== sessionId) return own;
  const { messageId } = body;
  const first = own.messages[0];
  if (first && messageId < first.id && own.hasEarlier) return own;
  switch (body.type) {
    case "message_removed": {
      const messages = own.messages.filter((message) => message.id !== messageId);
      return messages.length === own.messages.length ? own : { ...own, messages };
    }
    case "message":
      return withMessage(own, body, (message) => withInfo(message, body));
    case "user_message":
      if (body.synthetic) return own;
      return withPart(own, body, (): TextPart => {
        return { kind: "text", id: body.partId, text: body.text, done: true, gap: false, startedAt: 0 };
      });
    case "attachment":
      return withPart(own, body, () => ({
        kind: "attachment",
        id: body.partId,
        name: body.name,
        mime: body.mime,
        url: body.url,
      }));
    case "files_changed":
      return withPart(own, body, () => ({ kind: "files", id: body.partId, files: body.files }));
    case "compaction":
      return withPart(own, body, () => ({ kind: "compaction", id: body.partId, automatic: body.automatic }));
    case "assistant_message":
    case "thinking":
      return withPart(own, body, (old) => textPart(old, body));
    case "text_delta":
      return withPart(own, body, (old) => withDelta(old, body, event.time));
    case "tool_call":
      return withPart(own, body, (old) => calledTool(old, body));
    case "tool_output":
      return withPart(own, body, (old) => {
        if (old?.kind !== "tool" || old.state === "completed" || old.state === "error") return old;
        const output = body.reset ? body.text : (old.output ?? "") + body.text;
        return { ...old, output: output.slice(-runningOutputLimit) };
      });
    case "tool_result":
      return withPart(own, body, () => finishedTool(body));
    case "part_removed":
      return withMessage(own, body, (message) => ({
        ...message,
        parts: message.parts.filter((part) => part.id !== body.partId),
      }));
    case "step_finished":
      return own;
  }
}

/** Whatever still ran when its turn ended was cut off. */
function endTurn(transcript: Transcript, messageId: string, end: TurnEnd): Transcript {
  const messages = transcript.messages.map((message) => {
    if (!message.parts.some(isOpen)) return message;
    return { ...message, parts: message.parts.map((part) => (isOpen(part) ? closed(part, end.at) : part)) };
  });
  return { ...transcript, messages, ends: { ...transcript.ends, [messageId]: end } };
}

function isOpen(part: Part): part is TextPart | ToolPart {
  if (part.kind === "tool") return part.state === "pending" || part.state === "running";
  return (part.kind === "text" || part.kind === "thinking") && !part.done;
}

function closed(part: TextPart | ToolPart, at: number): Part {
  const endedAt = part.endedAt ?? at;
  return part.kind === "tool" ? { ...part, state: "interrupted", endedAt } : { ...part, done: true, endedAt };
}

function withInfo(message: Message, info: MessageInfo): Message {
  return {
    ...message,
    role: info.role,
    parentId: info.parentId,
    createdAt: info.createdAt,
    completedAt: info.completedAt,
    agent: info.agent,
    model: info.model,
    cost: info.cost,
    tokens: info.tokens,
    error: info.error,
  };
}

function textPart(old: Part | undefined, body: AgentText): Part {
  const streamed = old && (old.kind === "text" || old.kind === "thinking") ? old : undefined;
  // A stale or empty beginning must not take away what was streamed already.
  if (streamed && !body.done && (streamed.done || streamed.text.length >= body.text.length)) return streamed;
  return {
    kind: body.type === "thinking" ? "thinking" : "text",
    id: body.partId,
    text: body.text,
    done: body.done,
    gap: false,
    startedAt: body.startedAt,
    ...(body.endedAt !== undefined && { endedAt: body.endedAt }),
  };
}

function withDelta(old: Part | undefined, body: TextDelta, time: number): Part | undefined {
  const kind = body.of === "thinking" ? "thinking" : "text";
  const part: TextPart =
    old && (old.kind === "text" || old.kind === "thinking")
      ? old
      : { kind, id: body.partId, text: "", done: false, gap: body.offset > 0, startedAt: time };
  if (part.done) return part;
  const hole = body.gap === true || body.offset > part.text.length;
  return { ...part, text: part.text.slice(0, body.offset) + body.text, gap: part.gap || hole };
}

function calledTool(old: Part | undefined, body: ToolCall): Part {
  const known = old?.kind === "tool" ? old : undefined;
  if (known && (known.state === "completed" || known.state === "error")) return known;
  if (known?.state === "interrupted" || (known?.state === "running" && body.state === "pending")) return known;
  return {
    kind: "tool",
    id: body.partId,
    tool: body.tool,
    state: body.state,
    card: body.card,
    input: body.input,
    output: known?.output,
    attachments: [],
    ...(body.startedAt !== undefined && { startedAt: body.startedAt }),
  };
}

function finishedTool(body: ToolResult): ToolPart {
  return {
    kind: "tool",
    id: body.partId,
    tool: body.tool,
    state: body.state,
    card: body.card,
    input: body.input,
    output: body.output,
    attachments: body.attachments ?? [],
    ...(body.outputPath !== undefined && { outputPath: body.outputPath }),
    ...(body.startedAt !== undefined && { startedAt: body.startedAt }),
    ...(body.endedAt !== undefined && { endedAt: body.endedAt }),
  };
}

interface InMessage {
  sessionId: string;
  messageId: string;
}

/** Replaces one message, or puts a new one where its id belongs. Everything else keeps its identity. */
function withMessage(transcript: Transcript, at: InMessage, change: (message: Message) => Message): Transcript {
  const index = positionOf(transcript.messages, at.messageId);
  const found = transcript.messages[index];
  if (found?.id === at.messageId) {
    const next = change(found);
    return next === found ? transcript : { ...transcript, messages: transcript.messages.with(index, next) };
  }
  const fresh: Message = { id: at.messageId, sessionId: at.sessionId, role: "assistant", createdAt: 0, parts: [] };
  return { ...transcript, messages: transcript.messages.toSpliced(index, 0, change(fresh)) };
}

function withPart(
  transcript: Transcript,
  at: InMessage & { partId: string },
  change: (old: Part | undefined) => Part | undefined,
): Transcript {
  return withMessage(transcript, at, (message) => {
    const index = positionOf(message.parts, at.partId);
    const found = message.parts[index]?.id === at.partId ? message.parts[index] : undefined;
    const next = change(found);
    if (next === found || next === undefined) return message;
    const parts = found ? message.parts.with(index, next) : message.parts.toSpliced(index, 0, next);
    return { ...message, parts };
  });
}

/** Where an id stands, or would stand, in a list that is sorted by id. Looks from the end, where most changes are. */
function positionOf(sorted: readonly { id: string }[], id: string): number {
  let index = sorted.length;
  for (let before = sorted[index - 1]; before && before.id >= id; before = sorted[index - 1]) index--;
  return index;
}

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
  RequestAnswered,
  TextDelta,
  ToolCall,
  ToolResult,
  TurnChanges,
  TurnReverted,
} from "./event.ts";
import { childChange, restingChildren } from "./children.ts";
import { desktopChange, toolEnded } from "./desktop.ts";
import {
  contextTokens,
  isVerdict,
  ownServer,
  rankOf,
  type MissionHead,
  type PendingMessage,
  type RunState,
} from "./mission.ts";
import { openRequests } from "./permission.ts";
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
    pinned: false,
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
  const children = childChange(head, event.body);
  const change = headChange(head, event.body, event.time);
  if (!change && !children) return head;
  const isPin = event.body.type === "mission_updated" && event.body.pinned !== undefined;
  const updatedAt = isPin ? head.updatedAt : Math.max(head.updatedAt, event.time);
  const next = { ...head, ...children, ...change, updatedAt };
  next.runState = runStateOf(next);
  return next;
}

function runStateOf(head: MissionHead): RunState {
  if (!head.busy) return "idle";
  if (openRequests(head).length > 0) return "waiting_for_you";
  return head.runningTools.length > 0 ? "waiting_for_tool" : "running";
}

function headChange(head: MissionHead, body: EventBody, time: number): Partial<MissionHead> | undefined {
  switch (body.type) {
    case "mission_created":
      return {
        title: body.title,
        directory: body.directory,
        server: body.server,
        workspaceId: body.workspaceId,
        agent: body.agent,
        model: body.model,
        library: body.library,
        createdAt: time,
        updatedAt: time,
      };
    case "mission_updated":
      return {
        title: body.title ?? head.title,
        sessionId: body.sessionId ?? head.sessionId,
        archivedAt: changed(body.archivedAt, head.archivedAt),
        pinned: body.pinned ?? head.pinned,
        agent: changed(body.agent, head.agent),
        model: changed(body.model, head.model),
        permissions: changed(body.permissions, head.permissions),
        waitingSince: changed(body.waitingSince, head.waitingSince),
        contextLimit: body.contextLimit ?? head.contextLimit,
      };
    case "mission_status_changed":
      // The user's verdict is on work that has ended.
      if (head.busy && isVerdict(body.status)) return undefined;
      return { status: body.status, failure: body.status === "failed" ? head.failure : undefined };
    case "message_queued":
      return queueChange(head, body, time);
    case "launch_failed":
      return { busy: false, turnMessageId: undefined, turnEndedAt: time, failure: body.failure };
    case "turn_ended":
      return {
        busy: false,
        turnMessageId: undefined,
        runningTools: [],
        requests: [],
        retry: undefined,
        summary: restingSummary(head),
        children: restingChildren(head.children),
        turnEndedAt: body.at ?? time,
        failure: body.failure,
      };
    case "session_state":
      if (body.sessionId !== head.sessionId) return undefined;
      // While a turn of ours runs, only its end makes the mission idle: OpenCode reports idle too early.
      return {
        busy: body.state === "busy" || head.turnMessageId !== undefined,
        retry: undefined,
        summary: body.state === "idle" ? restingSummary(head) : head.summary,
      };
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
      if (body.parentId === undefined) {
        const revertedFrom = body.sessionId === head.sessionId ? body.revertedFrom : head.revertedFrom;
        return costs === head.costs && revertedFrom === head.revertedFrom ? undefined : { costs, revertedFrom };
      }
      const known = head.children[body.sessionId];
      const child = { ...known, parentId: body.parentId, title: body.title, agent: body.agent };
      return { costs, children: { ...head.children, [body.sessionId]: child } };
    }
    case "message":
      if (body.sessionId !== head.sessionId || body.role !== "assistant") return undefined;
      return {
        // The summary is written by an agent that nobody chose.
        usedAgent:
          body.parentId !== undefined && body.parentId === head.summary?.messageId
            ? head.usedAgent
            : (body.agent ?? head.usedAgent),
        usedModel: body.model ?? head.usedModel,
      };
    case "compaction":
      if (body.sessionId !== head.sessionId) return undefined;
      return { summary: { messageId: body.messageId, state: "running" } };
    case "step_finished":
      if (body.sessionId !== head.sessionId) return undefined;
      // How full the context is after a summary, only the next step tells.
      return head.summary?.state === "running"
        ? { contextTokens: 0, summary: restingSummary(head) }
        : { contextTokens: contextTokens(body.tokens) };
    case "tool_call":
      if (body.state !== "running" || head.runningTools.includes(body.partId)) return undefined;
      return { runningTools: [...head.runningTools, body.partId] };
    case "tool_result":
      return toolEnded(head, body, time);
    case "desktop_ended":
    case "desktop_kept":
      return desktopChange(head, body, time);
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
    case "notice":
    case "turn_changes":
    case "turn_reverted":
    case "changes_accepted":
    case "desktop_picture":
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
  const message: PendingMessage = { ...facts, state: body.state, queuedAt: body.queuedAt ?? known?.queuedAt ?? time };
  const pending = [...head.pending.filter((other) => other !== known), message].sort(
    (one, other) => rankOf(one) - rankOf(other),
  );
  if (body.state !== "sending") return { pending };
  return {
    pending,
    busy: true,
    turnMessageId: body.messageId,
    turnStartedAt: time,
    failure: undefined,
    waitingSince: undefined,
  };
}

function restingSummary({ summary }: MissionHead): MissionHead["summary"] {
  return summary && { ...summary, state: "done" };
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
    return endTurn(own, body.messageId, { outcome: body.outcome, failure: body.failure, at: body.at ?? event.time });
  if (body.type === "request_answered") return allowed(own, body);
  if (body.type === "turn_changes" || body.type === "turn_reverted")
    return body.sessionId === sessionId ? withChanges(own, body, event.time) : own;
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
        const { text, command } = body;
        const called = command === undefined ? {} : { command };
        return { kind: "text", id: body.partId, text, done: true, gap: false, startedAt: 0, ...called };
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
      return withPart(own, body, (old, message) => withAllowance(calledTool(old, body), message));
    case "tool_output":
      return withPart(own, body, (old) => {
        if (old?.kind !== "tool" || old.state === "completed" || old.state === "error") return old;
        const output = body.reset ? body.text : (old.output ?? "") + body.text;
        return { ...old, output: output.slice(-runningOutputLimit) };
      });
    case "tool_result":
      return withPart(own, body, (old, message) => withAllowance(withPicture(finishedTool(body), old), message));
    case "desktop_picture":
      return withPart(own, body, (old) => (old?.kind === "tool" ? { ...old, picture: body.path } : old));
    case "part_removed":
      return withMessage(own, body, (message) => ({
        ...message,
        parts: message.parts.filter((part) => part.id !== body.partId),
      }));
    case "step_finished":
      return own;
  }
}

/** Notes at a tool call what allowed it. Stored, that may stand before the call itself. */
function allowed(transcript: Transcript, { sessionId, requestId, call, allowedBy }: RequestAnswered): Transcript {
  if (!call || !allowedBy || sessionId !== transcript.sessionId) return transcript;
  const { messageId, callId } = call;
  const first = transcript.messages[0];
  if (first && messageId < first.id && transcript.hasEarlier) return transcript;
  return withMessage(transcript, { sessionId, messageId }, (message) => {
    const noted = { ...message, allowed: { ...message.allowed, [requestId]: { callId, by: allowedBy } } };
    return { ...noted, parts: noted.parts.map((part) => (part.kind === "tool" ? withAllowance(part, noted) : part)) };
  });
}

/** What it looked like stays when the result is told again. */
function withPicture(part: ToolPart, old: Part | undefined): ToolPart {
  return old?.kind === "tool" && old.picture !== undefined ? { ...part, picture: old.picture } : part;
}

function withAllowance(part: ToolPart, message: Message): ToolPart {
  const own = Object.values(message.allowed ?? {}).filter(({ callId }) => callId === part.callId);
  return own.length === 0 ? part : { ...part, allowedBy: own.map(({ by }) => by) };
}

function withChanges(transcript: Transcript, body: TurnChanges | TurnReverted, time: number): Transcript {
  const { messageId } = body;
  if (body.type === "turn_changes")
    return {
      ...transcript,
      changes: { ...transcript.changes, [messageId]: { files: body.files, more: body.more ?? 0 } },
    };
  const { [messageId]: _, ...others } = transcript.reverts;
  if (body.undone) return { ...transcript, reverts: others };
  return { ...transcript, reverts: { ...others, [messageId]: { files: body.files, at: time } } };
}

function endTurn(transcript: Transcript, messageId: string, end: TurnEnd): Transcript {
  return { ...cutOff(transcript, end.at), ends: { ...transcript.ends, [messageId]: end } };
}

/** Whatever still runs by what was reported of it was cut off, since it is over. */
export function cutOff(transcript: Transcript, at: number): Transcript {
  const messages = transcript.messages.map((message) => {
    if (!message.parts.some(isOpen)) return message;
    return { ...message, parts: message.parts.map((part) => (isOpen(part) ? closed(part, at) : part)) };
  });
  return { ...transcript, messages };
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

function calledTool(old: Part | undefined, body: ToolCall): ToolPart {
  const known = old?.kind === "tool" ? old : undefined;
  if (known && (known.state === "completed" || known.state === "error")) return known;
  if (known?.state === "interrupted" || (known?.state === "running" && body.state === "pending")) return known;
  return {
    kind: "tool",
    id: body.partId,
    callId: body.callId,
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
    callId: body.callId,
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
  change: (old: Part | undefined, message: Message) => Part | undefined,
): Transcript {
  return withMessage(transcript, at, (message) => {
    const index = positionOf(message.parts, at.partId);
    const found = message.parts[index]?.id === at.partId ? message.parts[index] : undefined;
    const next = change(found, message);
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

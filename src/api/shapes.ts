/** Open Agent's HTTP shapes, made of ours. Field names and words are those of its API as of January 2026. */
import type { MissionDesktop } from "../protocol/desktop.ts";
import type { EventBody, MissionEvent } from "../protocol/event.ts";
import { formatModel, totalCost, type MissionHead } from "../protocol/mission.ts";
import type { SearchHit } from "../protocol/search.ts";
import type { Message } from "../protocol/transcript.ts";
import { isContainer, type Workspace } from "../protocol/workspace.ts";

/** The host, as a workspace; the only one there is without containers. */
export const hostWorkspaceId = "00000000-0000-0000-0000-000000000000";

export interface WorkspaceJson {
  id: string;
  name: string;
  workspace_type: "host" | "container";
  /** Ours: what it is built on. */
  backend: string;
  path: string;
  status: string;
  error_message: string | null;
  config: object;
  template: string | null;
  distro: string | null;
  env_vars: Readonly<Record<string, string>>;
  init_script: string | null;
  created_at: string;
  /** Of each: all of the Library's where the list is empty on the host, none where it is in a container. */
  skills: readonly string[];
  tools: readonly string[];
  plugins: readonly string[];
}

export function workspaceJson(workspace: Workspace): WorkspaceJson {
  return {
    id: workspace.id,
    name: workspace.name,
    workspace_type: isContainer(workspace.kind) ? "container" : "host",
    backend: workspace.kind,
    path: workspace.directory,
    status: workspace.status,
    error_message: workspace.error ?? null,
    config: {},
    template: workspace.template ?? null,
    distro: workspace.distro ?? null,
    env_vars: workspace.environment,
    init_script: workspace.initScript ?? null,
    created_at: iso(workspace.createdAt),
    skills: workspace.selection.skills ?? [],
    tools: workspace.selection.tools ?? [],
    plugins: workspace.selection.plugins ?? [],
  };
}

export interface MissionJson {
  id: string;
  status: string;
  title: string;
  workspace_id: string;
  workspace_name: string;
  working_dir: string;
  agent: string | null;
  model_override: string | null;
  history: { role: string; content: string }[];
  created_at: string;
  updated_at: string;
  interrupted_at: string | null;
  resumable: boolean;
  desktop_sessions: DesktopSessionJson[];
}

/** A desktop that the mission's agent has or had. */
export interface DesktopSessionJson {
  display: string;
  started_at: string;
  stopped_at?: string;
  mission_id: string;
  keep_alive_until?: string;
}

/** @param workspaceName of the mission's workspace; undefined when it has none or that was deleted */
export function missionJson(
  head: MissionHead,
  messages: readonly Message[],
  workspaceName: string | undefined,
): MissionJson {
  const interrupted = head.status === "interrupted" || head.status === "blocked";
  return {
    id: head.id,
    status: head.status,
    title: head.title,
    workspace_id: head.workspaceId ?? hostWorkspaceId,
    workspace_name: workspaceName ?? (head.workspaceId === undefined ? "host" : "deleted"),
    working_dir: head.directory,
    agent: head.agent ?? null,
    model_override: head.model ? formatModel(head.model) : null,
    history: messages.flatMap((message) => {
      const content = textOf(message);
      return content === "" ? [] : [{ role: message.role, content }];
    }),
    created_at: iso(head.createdAt),
    updated_at: iso(head.updatedAt),
    interrupted_at: interrupted ? iso(head.turnEndedAt ?? head.updatedAt) : null,
    resumable: interrupted,
    desktop_sessions: (head.desktops ?? []).map((desktop) => desktopJson(head.id, desktop)),
  };
}

function desktopJson(
  missionId: string,
  { display, startedAt, endedAt, keptUntil }: MissionDesktop,
): DesktopSessionJson {
  return {
    display,
    started_at: iso(startedAt),
    ...(endedAt !== undefined && { stopped_at: iso(endedAt) }),
    mission_id: missionId,
    ...(keptUntil !== undefined && { keep_alive_until: iso(keptUntil) }),
  };
}

function textOf(message: Message): string {
  return message.parts.flatMap((part) => (part.kind === "text" ? [part.text] : [])).join("\n\n");
}

export function iso(time: number): string {
  return new Date(time).toISOString();
}

export interface SearchHitJson {
  mission_id: string;
  mission_title: string;
  sequence: number;
  event_type: string;
  timestamp: string;
  session_id: string | null;
  message_id: string | null;
  event_id: string | null;
  snippet: string;
  ranges: [start: number, end: number][];
}

export function searchHitJson(hit: SearchHit): SearchHitJson {
  return {
    mission_id: hit.missionId,
    mission_title: hit.title,
    sequence: hit.seq,
    event_type: hit.type,
    timestamp: iso(hit.time),
    session_id: hit.sessionId ?? null,
    message_id: hit.messageId ?? null,
    event_id: hit.partId ?? null,
    snippet: hit.snippet.text,
    ranges: hit.snippet.ranges,
  };
}

export interface StoredEventJson {
  id: number;
  mission_id: string;
  sequence: number;
  event_type: string;
  timestamp: string;
  event_id: string | null;
  tool_call_id: string | null;
  tool_name: string | null;
  content: string;
  metadata: Record<string, unknown>;
}

export function storedEventJson(event: MissionEvent): StoredEventJson {
  const { body } = event;
  return {
    id: event.seq,
    mission_id: event.missionId,
    sequence: event.seq,
    event_type: body.type,
    timestamp: iso(event.time),
    event_id: "partId" in body ? (body.partId ?? null) : "messageId" in body ? (body.messageId ?? null) : null,
    tool_call_id: "callId" in body ? body.callId : null,
    tool_name: "tool" in body ? body.tool : null,
    content: contentOf(body),
    metadata: metadataOf(body),
  };
}

function contentOf(body: EventBody): string {
  switch (body.type) {
    case "user_message":
    case "assistant_message":
    case "thinking":
    case "text_delta":
    case "tool_output":
    case "message_queued":
      return body.text;
    case "tool_call":
      return JSON.stringify(body.input);
    case "tool_result":
      return JSON.stringify(body.state === "error" ? { error: body.output } : body.output);
    case "error":
      return body.error.message;
    case "turn_ended":
    case "launch_failed":
      return body.failure?.message ?? "";
    default:
      return "";
  }
}

/** All of an event that its other fields do not say. */
function metadataOf(body: EventBody): Record<string, unknown> {
  const said = new Set(["type", "text", "input", "output", "callId", "tool", "partId"]);
  return Object.fromEntries(Object.entries(body).filter(([name]) => !said.has(name)));
}

/** One frame of `/api/control/stream`: its `type` is also the name of the SSE event. */
export type StreamFrame = { type: string; mission_id: string } & Record<string, unknown>;

/** What must be remembered of a stream to say the next frame. */
export interface StreamMemory {
  /** Texts that are being streamed: the original repeats the whole with every piece. */
  texts: Map<string, string>;
  /** Messages that came out of our queue: they keep the id under which they were queued. */
  queued: Set<string>;
}

export function newStreamMemory(): StreamMemory {
  return { texts: new Map(), queued: new Set() };
}

/** What an event is in the words of the original's stream; undefined for what that has no word for. */
export function streamFrame(event: MissionEvent, head: MissionHead, memory: StreamMemory): StreamFrame | undefined {
  const { texts, queued } = memory;
  const { body, missionId: mission_id } = event;
  switch (body.type) {
    case "user_message":
      if (queued.delete(body.messageId)) return undefined;
      return { type: "user_message", id: body.messageId, content: body.text, queued: false, mission_id };
    case "message_queued":
      if (body.state !== "queued" && body.state !== "sending") return undefined;
      if (body.messageId !== undefined) queued.add(body.messageId);
      return {
        type: "user_message",
        id: body.queueId,
        content: body.text,
        queued: body.state === "queued",
        mission_id,
      };
    case "text_delta": {
      const content = (texts.get(body.partId) ?? "").slice(0, body.offset) + body.text;
      texts.set(body.partId, content);
      if (body.of === "thinking") return { type: "thinking", content, done: false, mission_id };
      return { type: "text_delta", content, mission_id };
    }
    case "assistant_message":
      if (!body.done) return undefined;
      texts.delete(body.partId);
      return {
        type: "assistant_message",
        id: body.partId,
        content: body.text,
        success: true,
        cost_cents: Math.round(totalCost(head) * 100),
        ...(head.usedModel && { model: formatModel(head.usedModel) }),
        mission_id,
      };
    case "thinking":
      if (body.done) texts.delete(body.partId);
      return { type: "thinking", content: body.text, done: body.done, mission_id };
    case "tool_call":
      if (body.state !== "running") return undefined;
      return { type: "tool_call", tool_call_id: body.callId, name: body.tool, args: body.input, mission_id };
    case "tool_result": {
      const result = body.state === "error" ? { error: body.output } : body.output;
      return { type: "tool_result", tool_call_id: body.callId, name: body.tool, result, mission_id };
    }
    case "turn_ended":
      if (body.outcome === "completed") return undefined;
      return { type: "error", message: body.failure?.message ?? "Interrupted", resumable: true, mission_id };
    case "launch_failed":
      return { type: "error", message: body.failure.message, resumable: true, mission_id };
    case "mission_status_changed":
      return { type: "mission_status_changed", status: body.status, mission_id };
    default:
      return undefined;
  }
}

/** The run state of a mission: `idle`, `running` or `waiting_for_tool`. */
export function statusFrame(head: MissionHead): StreamFrame {
  const state = head.runState === "waiting_for_you" ? "waiting_for_tool" : head.runState;
  return { type: "status", state, queue_len: head.pending.length, mission_id: head.id };
}

/**
 * The events of a mission: what OpenCode reported and what the user did, in our words. Plain data.
 *
 * Adding a field or a type is compatible; changing one is not, since every event ever stored is read again.
 */
import type { FileChange } from "./changes.ts";
import type { CommandCall, MessageAttachment } from "./attachment.ts";
import type { DesktopEnded, DesktopKept, DesktopPicture, DesktopUse } from "./desktop.ts";
import type {
  CallRef,
  ContextLimit,
  Failure,
  LibraryVersion,
  MissionStatus,
  ModelRef,
  Outcome,
  PendingMessage,
  PermissionReply,
  PermissionRequest,
  QuestionRequest,
  Todo,
  Tokens,
} from "./mission.ts";
import type { AllowedBy, PermissionMode } from "./permission.ts";

/** How a tool call is drawn. Made where OpenCode's tool names are known, so that the page needs to know none. */
export interface ToolCard {
  /** Codicon id. */
  icon: string;
  /** "Running" and "Ran". */
  doing: string;
  done: string;
  /** What it is done to: a command, a path, a pattern. One line. */
  object: string;
  /** The object is code and is set in the editor's font. */
  code?: boolean;
  /** "exit 1", "8 files", "+4 −1". */
  result?: string;
  /** Absolute path of the file it is about, and the line to show there. */
  path?: string;
  line?: number;
  /** It wrote the whole file: one that was not there before, or another's place. */
  created?: boolean;
  /** How the output is read. */
  body: "terminal" | "text" | "markdown" | "diff" | "source";
  /** Unified diff, for `diff`. */
  diff?: string;
  /** The sub-agent's session that the call started. */
  childSessionId?: string;
  /** What a finished call had to do with a graphical desktop. */
  desktop?: DesktopUse;
}

interface InSession {
  sessionId: string;
}
interface InMessage extends InSession {
  messageId: string;
}
interface InPart extends InMessage {
  partId: string;
}

/** Facts about one message, of the user or of the agent. */
export interface MessageInfo extends InMessage {
  type: "message";
  role: "user" | "assistant";
  /** For an answer: the user's message that it answers. */
  parentId?: string;
  createdAt: number;
  completedAt?: number;
  agent?: string;
  model?: ModelRef;
  cost?: number;
  tokens?: Tokens;
  finish?: string;
  error?: Failure;
  /** Written down by us before OpenCode was seen to hold it. */
  unconfirmed?: boolean;
}

/** A text of the user. `synthetic`: put in by OpenCode on the user's behalf. */
export interface UserMessage extends InPart {
  type: "user_message";
  text: string;
  synthetic?: boolean;
  /** The text is the user's call of this command; what OpenCode makes of it stands beside it. */
  command?: string;
}

export interface Attachment extends InPart {
  type: "attachment";
  name: string;
  mime: string;
  url: string;
}

/** A text (`assistant_message`) or a thought of the agent. Until `done`, `text_delta` events add to it. */
export interface AgentText extends InPart {
  type: "assistant_message" | "thinking";
  text: string;
  done: boolean;
  startedAt: number;
  endedAt?: number;
}

/** More of a text that is not done. `offset` is where it belongs, in UTF-16 units. Deleted when the whole is stored. */
export interface TextDelta extends InPart {
  type: "text_delta";
  of: "assistant_message" | "thinking";
  offset: number;
  text: string;
  /** Something before this may have been lost; the whole text will repair it. */
  gap?: boolean;
}

export interface ToolCall extends InPart {
  type: "tool_call";
  callId: string;
  tool: string;
  state: "pending" | "running";
  card: ToolCard;
  input: unknown;
  startedAt?: number;
}

/** More output of a running tool call. `reset`: it takes the place of all before. Deleted when the result is stored. */
export interface ToolOutput extends InPart {
  type: "tool_output";
  text: string;
  reset?: boolean;
}

export interface ToolResult extends InPart {
  type: "tool_result";
  callId: string;
  tool: string;
  state: "completed" | "error";
  card: ToolCard;
  input: unknown;
  output: string;
  /** Where OpenCode keeps the whole output, when it cut it. */
  outputPath?: string;
  attachments?: { name: string; mime: string; url: string }[];
  startedAt?: number;
  endedAt?: number;
}

export interface StepFinished extends InPart {
  type: "step_finished";
  reason: string;
  cost: number;
  tokens: Tokens;
  /** OpenCode took a snapshot of the folder after it. */
  snapshot?: boolean;
}

export interface FilesChanged extends InPart {
  type: "files_changed";
  files: string[];
}

/**
 * What the turn of a user's message did to the files of the folder, as far as it has come. `more`: files that are left
 * out here, since they are too many.
 */
export interface TurnChanges extends InMessage {
  type: "turn_changes";
  files: FileChange[];
  more?: number;
}

/** The conversation so far was replaced by a summary of it. */
export interface Compaction extends InPart {
  type: "compaction";
  automatic: boolean;
}

export interface SessionInfo extends InSession {
  type: "session";
  parentId?: string;
  title: string;
  agent?: string;
  cost: number;
  /** This message and all after it are taken back, until the next message removes them for good. */
  revertedFrom?: string;
}

export interface SessionState extends InSession {
  type: "session_state";
  state: "busy" | "idle";
}

export interface Retry extends InSession {
  type: "retry";
  attempt: number;
  message: string;
  nextAt: number;
}

export interface RequestAsked extends InSession {
  type: "permission_asked" | "question_asked";
  request: PermissionRequest | QuestionRequest;
}

/** A request is over. `gone`: it ended without an answer, because its turn did. */
export interface RequestAnswered extends InSession {
  type: "request_answered";
  requestId: string;
  answer: PermissionReply | "answered" | "rejected" | "gone";
  /** The rules or the mode that allowed it, and the tool call that waited for it. */
  allowedBy?: AllowedBy;
  call?: CallRef;
}

export interface Todos extends InSession {
  type: "todos";
  todos: Todo[];
}

/** OpenCode reported an error of a session. The message it belongs to, if any, carries it as well. */
export interface SessionError extends InSession {
  type: "error";
  id: string;
  error: Failure;
}

export interface Removed extends InMessage {
  type: "message_removed" | "part_removed";
  partId?: string;
}

/** An event of the mission's sessions that nothing here knows. Kept as it came. */
export interface Raw {
  type: "raw";
  /** OpenCode's id of the event or of the part. */
  id: string;
  name: string;
  sessionId?: string;
  data: unknown;
}

/** What OpenCode says, translated. */
export type EngineEvent =
  | MessageInfo
  | UserMessage
  | Attachment
  | AgentText
  | TextDelta
  | ToolCall
  | ToolOutput
  | ToolResult
  | StepFinished
  | FilesChanged
  | TurnChanges
  | Compaction
  | SessionInfo
  | SessionState
  | Retry
  | RequestAsked
  | RequestAnswered
  | Todos
  | SessionError
  | Removed
  | Raw;

export interface MissionCreated {
  type: "mission_created";
  title: string;
  directory: string;
  server: string;
  workspaceId?: string;
  agent?: string;
  model?: ModelRef;
  library?: LibraryVersion;
}

/** A change of the mission's own facts. An absent field is unchanged; null takes the value away. */
export interface MissionUpdated {
  type: "mission_updated";
  title?: string;
  archivedAt?: number | null;
  pinned?: boolean;
  agent?: string | null;
  model?: ModelRef | null;
  permissions?: PermissionMode | null;
  sessionId?: string;
  waitingSince?: number | null;
  contextLimit?: ContextLimit;
}

export interface MissionStatusChanged {
  type: "mission_status_changed";
  status: MissionStatus;
}

/** A message of the user waits to be sent, is being sent, or needs no more care since OpenCode holds it. */
export interface MessageQueued {
  type: "message_queued";
  queueId: string;
  text: string;
  agent?: string;
  model?: ModelRef;
  attachments?: MessageAttachment[];
  command?: CommandCall;
  state: PendingMessage["state"] | "sent" | "removed";
  rank?: number;
  urgent?: boolean;
  /** Epoch milliseconds; the time of the event where it is absent. */
  queuedAt?: number;
  /** Given from `sending` on. */
  messageId?: string;
}

/** A message could not be sent at all; it waits in the queue for the user to try again. */
export interface LaunchFailed {
  type: "launch_failed";
  failure: Failure;
}

/** The turn that the user's message `messageId` began is over. */
export interface TurnEnded {
  type: "turn_ended";
  messageId: string;
  sessionId?: string;
  outcome: Outcome;
  failure?: Failure;
  /** Epoch milliseconds; the time of the event where it is absent. */
  at?: number;
}

/** The user took back a turn and all after it, and with them these files. `undone`: and brought them back. */
export interface TurnReverted {
  type: "turn_reverted";
  sessionId: string;
  messageId: string;
  files: string[];
  undone?: boolean;
}

/** The user keeps what the turns up to that of the message `upTo` did to these files. */
export interface ChangesAccepted {
  type: "changes_accepted";
  paths: string[];
  upTo: string;
}

/** The user has been told of something. Of several windows, the one whose event is stored tells. */
export interface Notice {
  type: "notice";
  /** What of, such as `ended:<time>` or what `requestKey` gives. */
  key: string;
}

/** Names a request in a notice. */
export function requestKey(requestId: string): string {
  return `request:${requestId}`;
}

/** The request that the key of a notice names. */
export function requestOf(key: string): string | undefined {
  return key.startsWith("request:") ? key.slice("request:".length) : undefined;
}

/** What we and the user did. */
export type OwnEvent =
  | MissionCreated
  | MissionUpdated
  | MissionStatusChanged
  | MessageQueued
  | LaunchFailed
  | TurnEnded
  | TurnReverted
  | ChangesAccepted
  | DesktopEnded
  | DesktopKept
  | DesktopPicture
  | Notice;

/** The types of `OwnEvent`: none of them is a sign of life of the agent. */
export const ownTypes = [
  "mission_created",
  "mission_updated",
  "mission_status_changed",
  "message_queued",
  "launch_failed",
  "turn_ended",
  "turn_reverted",
  "changes_accepted",
  "desktop_ended",
  "desktop_kept",
  "desktop_picture",
  "notice",
] as const satisfies OwnEvent["type"][];

export type EventBody = EngineEvent | OwnEvent;

export type EventType = EventBody["type"];

/** A stored event. `seq` strictly increases over the whole database; `time` is epoch milliseconds. */
export interface MissionEvent {
  seq: number;
  missionId: string;
  time: number;
  body: EventBody;
}

/**
 * Events of one mission as they are published: `prev` is the seq of the batch before. A consumer whose last seq is not
 * `prev` has missed something and opens the mission anew.
 */
export interface EventBatch {
  missionId: string;
  prev: number;
  seq: number;
  events: MissionEvent[];
}

/**
 * The identity of an event among those of its mission. A later event of the same key takes the place of the earlier
 * one, and is no news when it says the same. Undefined for events that stand for themselves.
 */
export function keyOf(body: EventBody): string | undefined {
  switch (body.type) {
    case "message":
      return `message:${body.messageId}`;
    case "user_message":
    case "attachment":
    case "assistant_message":
    case "thinking":
    case "step_finished":
    case "files_changed":
    case "compaction":
    case "tool_call":
      return `part:${body.partId}`;
    case "tool_result":
      return `result:${body.partId}`;
    case "session":
    case "session_state":
    case "todos":
      return `${body.type}:${body.sessionId}`;
    case "retry":
      return `retry:${body.sessionId}:${String(body.nextAt)}`;
    case "permission_asked":
    case "question_asked":
      return `request:${body.request.id}`;
    case "request_answered":
      return `answer:${body.requestId}`;
    case "message_removed":
      return `removed:${body.messageId}`;
    case "part_removed":
      return `removed:${body.messageId}:${body.partId ?? ""}`;
    case "message_queued":
      return `queued:${body.queueId}`;
    case "turn_ended":
      return `turn:${body.messageId}`;
    case "notice":
      return `notice:${body.key}`;
    case "turn_changes":
      return `changes:${body.messageId}`;
    case "turn_reverted":
      return `reverted:${body.messageId}`;
    case "desktop_ended":
    case "desktop_kept":
      return `${body.type}:${body.desktopId}`;
    case "desktop_picture":
      return `picture:${body.partId}`;
    case "error":
    case "raw":
      return `${body.type}:${body.id}`;
    case "text_delta":
    case "tool_output":
    case "mission_created":
    case "mission_updated":
    case "mission_status_changed":
    case "launch_failed":
    case "changes_accepted":
      return undefined;
  }
}

/** Whether this event holds the whole of its part, so that the ephemeral events of the part can go. */
export function endsPart(body: EventBody): boolean {
  return body.type === "tool_result" || ((body.type === "assistant_message" || body.type === "thinking") && body.done);
}

/**
 * What the orchestrator knows of an agent server. OpenCode's protocol stands behind this interface, so that another
 * protocol (OpenCode 2) can be put beside it. All methods throw OpenAgentError.
 */
import type { Disposable } from "../base/lifetime.ts";
import type { FileDiff } from "../protocol/changes.ts";
import type { EngineEvent, SessionInfo } from "../protocol/event.ts";
import type { CommandCall, FileAttachment } from "../protocol/attachment.ts";
import type { ModelRef, PermissionReply } from "../protocol/mission.ts";
import type { McpStatus, RunningConfiguration } from "../protocol/configuration.ts";
import type { MissionView } from "../protocol/reduce.ts";
import type { RawEvent } from "./normalise.ts";
import type { StreamSignal } from "./stream.ts";

export interface SessionRef {
  sessionId: string;
  /** Absolute path on the server's machine. */
  directory: string;
}

export interface Prompt {
  /** Chosen by us, so that a prompt whose delivery is unknown can be recognised. */
  messageId: string;
  partId: string;
  text: string;
  agent?: string;
  model?: ModelRef;
  files?: PromptFile[];
  /** Agents that are to be given the work, and where the text names them. */
  agents?: { name: string; mention: string }[];
  /** The text is a call of this command, and what the agent gets is OpenCode's to make of it. */
  command?: CommandCall;
}

export interface PromptFile extends Omit<FileAttachment, "kind"> {
  partId: string;
}

export interface CommandChoice {
  name: string;
  description: string;
  source: "command" | "mcp" | "skill";
  /** Names of its arguments, such as `$1` and `$ARGUMENTS`, or as the Library names them: `<needed>`, `[other]`. */
  hints: string[];
  /** Runs shell lines before its message is made, which may take any time. */
  runsShell: boolean;
}

export interface AgentChoice {
  name: string;
  description: string;
  /** Its own model, where it has one. */
  model?: ModelRef;
}

export interface ModelChoice extends ModelRef {
  name: string;
  providerName: string;
  /** Tokens. */
  contextLimit: number;
  /** Offered to everyone without a login. */
  keyless: boolean;
}

export interface Choices {
  agents: AgentChoice[];
  /** Agents that work for others only. */
  subagents: AgentChoice[];
  models: ModelChoice[];
  /** The agent that OpenCode takes when none is named. */
  defaultAgent?: string;
  /** What OpenCode would take by itself: from its configuration, or the first of a provider that is logged in. */
  defaultModel?: ModelRef;
}

export type LoginField =
  | { kind: "text"; key: string; message: string; placeholder: string; when?: LoginCondition }
  | {
      kind: "choice";
      key: string;
      message: string;
      options: { label: string; value: string; hint: string }[];
      when?: LoginCondition;
    };

export interface LoginCondition {
  key: string;
  equal: boolean;
  value: string;
}

export interface LoginMethod {
  kind: "key" | "oauth";
  label: string;
  /** Its place in OpenCode's list; what the calls of an OAuth login name. */
  index: number;
  fields: LoginField[];
}

export interface Provider {
  id: string;
  name: string;
  connected: boolean;
  /** Environment variables that it takes a key from. */
  environment: string[];
  methods: LoginMethod[];
}

export interface LoginAttempt {
  url: string;
  /** `code`: the user brings back a code; `auto`: the server notices by itself. */
  completion: "code" | "auto";
  instructions: string;
}

/** A mission's sessions as the server holds them. */
export interface Snapshot {
  events: RawEvent[];
  /** The messages of the mission's own session. */
  messageIds: string[];
  /** Whether the mission's own session works. */
  busy: boolean;
  /** Ids of the requests that wait for an answer. */
  openRequests: string[];
}

/** Turns the server's events of one mission into ours; remembers what that takes. */
export interface Translator {
  translate(event: RawEvent, now: number, source: "live" | "rest"): { events: EngineEvent[]; incomplete: boolean };
  /** The stream broke: texts that are being streamed may have a hole. */
  markGap(): void;
  /** Takes up texts and calls that are open in what is stored. */
  seed(view: MissionView): void;
}

export interface Engine {
  /** `ownServer` or a URL. */
  readonly id: string;
  stream(onSignal: (signal: StreamSignal) => void): Disposable;
  createSession(directory: string, title: string, missionId: string): Promise<string>;
  deleteSession(session: SessionRef): Promise<void>;
  /**
   * Hands a prompt over. An error with code `opencode_unreachable` leaves open whether it arrived. One that calls a
   * command is answered when its turn is over; it goes on when `signal` ends the wait.
   */
  prompt(session: SessionRef, prompt: Prompt, signal: AbortSignal): Promise<void>;
  /** Whether the session holds that message. */
  holds(session: SessionRef, messageId: string): Promise<boolean>;
  abort(session: SessionRef): Promise<void>;
  /** Has a model replace the conversation so far by a summary of it; resolves when that is done. */
  compact(session: SessionRef, model: ModelRef, signal: AbortSignal): Promise<void>;
  /** All of the session and its children from the message `since` on. */
  snapshot(session: SessionRef, since?: string): Promise<Snapshot>;
  /** What the turn of a message of the user did to files. Empty where there are no snapshots. */
  diff(session: SessionRef, messageId: string): Promise<FileDiff[]>;
  /**
   * Takes back a message of the user and all after it, and what they did to files where there are snapshots.
   * `mission_busy` while the session works.
   */
  revert(session: SessionRef, messageId: string): Promise<SessionInfo>;
  /** Brings back what was taken back. Files of the whole repository become what they were then. */
  unrevert(session: SessionRef): Promise<SessionInfo>;
  /** Makes a session with all messages before one, or with all; gives its id. */
  fork(session: SessionRef, before?: string): Promise<string>;
  answerPermission(directory: string, requestId: string, reply: PermissionReply, reason?: string): Promise<void>;
  answerQuestion(directory: string, requestId: string, answers: string[][] | undefined): Promise<void>;
  choices(directory: string): Promise<Choices>;
  commands(directory: string): Promise<CommandChoice[]>;
  providers(directory: string): Promise<Provider[]>;
  setKey(providerId: string, key: string, metadata: Record<string, string>): Promise<void>;
  removeLogin(providerId: string): Promise<void>;
  beginLogin(
    directory: string,
    providerId: string,
    method: number,
    inputs: Record<string, string>,
  ): Promise<LoginAttempt>;
  /** Resolves when the login is done; with completion `auto` that is when the user is. */
  finishLogin(
    directory: string,
    providerId: string,
    method: number,
    code: string | undefined,
    signal: AbortSignal,
  ): Promise<void>;
  configuration(directory: string): Promise<RunningConfiguration>;
  /** How it gets on with the MCP servers of a directory, by their names. */
  mcpServers(directory: string): Promise<Record<string, McpStatus>>;
  /** Connects an MCP server anew. */
  connectMcpServer(directory: string, name: string): Promise<void>;
  /** Begins the login at a remote MCP server; gives the page that the user must open, or "" where none is needed. */
  beginMcpLogin(directory: string, name: string): Promise<string>;
  /** Takes the code that the browser brought, and connects the server. */
  finishMcpLogin(directory: string, name: string, code: string): Promise<void>;
  /** Forgets the login, and connects the server anew. */
  removeMcpLogin(directory: string, name: string): Promise<void>;
  /** Makes the server read its configuration and logins for this directory anew. Aborts what runs there. */
  reload(directory: string): Promise<void>;
  /** Sends one short request to a model and returns its answer. */
  tryModel(directory: string, model: ModelRef, signal: AbortSignal): Promise<string>;
}

/** Names and shapes of a mission. Plain data; shared by host, page and tests. */
import type { CommandCall, MessageAttachment } from "./attachment.ts";
import type { MissionDesktop } from "./desktop.ts";
import type { AllowedBy, PermissionMode } from "./permission.ts";

/** What became of a mission as a whole. Same words as Open Agent's HTTP API. */
export type MissionStatus =
  | "pending" // created, never ran
  | "active" // open for the next message, whether or not a turn runs
  | "completed" // the user says it is done
  | "failed" // its last turn ended with an error
  | "interrupted" // its last turn was stopped or cut off
  | "blocked"
  | "not_feasible";

/** What the user may say of a mission whose work has ended. */
export const verdicts = ["completed", "blocked", "not_feasible"] as const satisfies MissionStatus[];
export type Verdict = (typeof verdicts)[number];

export function isVerdict(status: MissionStatus): status is Verdict {
  return verdicts.some((verdict) => verdict === status);
}

/** What a mission does at this moment. */
export type RunState = "idle" | "running" | "waiting_for_tool" | "waiting_for_you";

/** How a turn (a user's message and all that answers it) ended. */
export type Outcome = "completed" | "failed" | "interrupted";

/** `provider/model`, as OpenCode writes it. */
export interface ModelRef {
  providerId: string;
  modelId: string;
}

export function formatModel(model: ModelRef): string {
  return `${model.providerId}/${model.modelId}`;
}

/** Reads `provider/model`; a model id may itself hold slashes. Undefined when it is not of that form. */
export function parseModel(text: string): ModelRef | undefined {
  const slash = text.indexOf("/");
  if (slash <= 0 || slash === text.length - 1) return undefined;
  return { providerId: text.slice(0, slash), modelId: text.slice(slash + 1) };
}

/** Token counts as the provider reports them. */
export interface Tokens {
  input: number;
  output: number;
  reasoning: number;
  cacheRead: number;
  cacheWrite: number;
}

/** All that one request to the model held: how full its context is. */
export function contextTokens(tokens: Tokens): number {
  return tokens.input + tokens.output + tokens.reasoning + tokens.cacheRead + tokens.cacheWrite;
}

export interface Todo {
  content: string;
  status: string;
  priority: string;
}

/** A tool call of the agent, as its message and its own id name it. */
export interface CallRef {
  messageId: string;
  callId: string;
}

/** The agent wants to do something that its rules do not allow without asking. */
export interface PermissionRequest {
  kind: "permission";
  id: string;
  sessionId: string;
  /** What it is about: `bash`, `edit`, `external_directory` … */
  permission: string;
  patterns: string[];
  /** What "always" would allow. */
  always: string[];
  /** The command, file or address in question, on as many lines as it has. */
  detail: string;
  /** A unified diff, where the request is an edit. */
  diff?: string;
  /** Absolute paths of all the files that it would change, where the request is an edit and they are known. */
  paths?: string[];
  /** The tool call that waits for it. */
  call?: CallRef;
  /** Set when the user need not be asked: what allows it. The answer is on its way. */
  allowedBy?: AllowedBy;
  /** Epoch milliseconds. */
  askedAt: number;
}

export interface QuestionOption {
  label: string;
  description: string;
}

export interface Question {
  header: string;
  question: string;
  options: QuestionOption[];
  multiple: boolean;
  /** Whether an answer in the user's own words is welcome. */
  custom: boolean;
}

/** The agent asks; the turn waits for an answer to every question. */
export interface QuestionRequest {
  kind: "question";
  id: string;
  sessionId: string;
  questions: Question[];
  askedAt: number;
}

export type UserRequest = PermissionRequest | QuestionRequest;

export type PermissionReply = "once" | "always" | "reject";

/** The OpenCode server that we start ourselves. */
export const ownServer = "own";

const insidePrefix = "workspace:";

/** The OpenCode server that runs inside of a workspace. */
export function serverInside(workspaceId: string): string {
  return insidePrefix + workspaceId;
}

/** The workspace inside of which a server runs; undefined when it runs outside of all. */
export function workspaceOfServer(server: string): string | undefined {
  return server.startsWith(insidePrefix) ? server.slice(insidePrefix.length) : undefined;
}

/** A failure as the user may read it. */
export interface Failure {
  /** OpenCode's name of it, such as `APIError`, or one of ours. */
  name: string;
  message: string;
  /** HTTP status of the provider's answer, where there was one. */
  statusCode?: number;
}

/** A message of the user that OpenCode has not been seen to hold yet. */
export interface PendingMessage {
  queueId: string;
  text: string;
  agent?: string;
  model?: ModelRef;
  attachments?: MessageAttachment[];
  /** The text calls a command of OpenCode. */
  command?: CommandCall;
  /** `held`: the user stopped the mission and has not said what is to become of it. */
  state: "queued" | "held" | "sending";
  /** Its place in the queue is by this number; `queuedAt` where it was never moved. */
  rank?: number;
  /** The turn that runs is interrupted for it. */
  urgent?: boolean;
  /** OpenCode's id of it, given when it is sent: ids must grow in the order of the conversation. */
  messageId?: string;
  queuedAt: number;
}

/** A session of the mission other than its own: a sub-agent's. */
export interface ChildSession {
  parentId: string;
  title: string;
  agent?: string;
  /** It is at work. */
  busy?: boolean;
  /** What it does, or did last, in one line. */
  activity?: string;
  /** Why it failed. */
  failure?: Failure;
}

/** How many tokens the context of a model holds, as OpenCode lists it; 0: not known. `model` is `provider/model`. */
export interface ContextLimit {
  model: string;
  tokens: number;
}

/** What agents knew when a mission was made, as far as git has it. */
export interface LibraryVersion {
  /** The commit's whole id. */
  commit: string;
  /** There were changes that were in no commit. */
  changed: boolean;
}

/** Its words for people. */
export function libraryWord({ commit, changed }: LibraryVersion): string {
  return commit.slice(0, 10) + (changed ? " with changes" : "");
}

/**
 * All about a mission but its transcript, small enough to keep for every mission. It is what `reduceHead` makes of the
 * mission's events. Times are epoch milliseconds, money is US dollars as OpenCode reports it.
 */
export interface MissionHead {
  id: string;
  title: string;
  status: MissionStatus;
  runState: RunState;
  /** Absolute path in which the agent works. */
  directory: string;
  /** Which OpenCode holds its session: `ownServer`, the URL of an attached one, or `serverInside` a workspace. */
  server: string;
  /** The workspace that the mission works in; absent where that is the folder itself. */
  workspaceId?: string;
  agent?: string;
  model?: ModelRef;
  library?: LibraryVersion;
  /** In place of the setting. */
  permissions?: PermissionMode;
  /** OpenCode's session: one for the mission's whole life. Absent until the first prompt is sent. */
  sessionId?: string;
  createdAt: number;
  updatedAt: number;
  archivedAt?: number;
  /** The user wants it before all others. */
  pinned: boolean;
  /** The user's message whose turn runs. */
  turnMessageId?: string;
  /** The user's message from which on the conversation is taken back, until the next message. */
  revertedFrom?: string;
  /** Begin of the turn that runs, or of the last one. */
  turnStartedAt?: number;
  turnEndedAt?: number;
  requests: UserRequest[];
  /** In the order in which they are to be sent. */
  pending: PendingMessage[];
  /** Since when a message waits for other missions to end, since only so many may run at once. */
  waitingSince?: number;
  todos: Todo[];
  children: Record<string, ChildSession>;
  /** Cost by session, so that a child is counted once. */
  costs: Record<string, number>;
  /** Tokens in the context of the mission's own session at its latest step. */
  contextTokens: number;
  /** Of the model that answered last. */
  contextLimit?: ContextLimit;
  /** The latest summary that takes the place of the conversation before it, by the message that asks for it. */
  summary?: { messageId: string; state: "running" | "done" };
  /** Agent and model of the latest answer. */
  usedAgent?: string;
  usedModel?: ModelRef;
  /** Set while the model is being asked again after a failure. */
  retry?: { attempt: number; message: string; nextAt: number };
  /** Why the last turn failed. */
  failure?: Failure;
  busy: boolean;
  /** Parts of tool calls that run. */
  runningTools: string[];
  /** First line of the latest finished answer. */
  lastLine?: string;
  /** Graphical desktops that its agents have started, oldest first. */
  desktops?: readonly MissionDesktop[];
}

/** How full the context is, from 0 to 1; undefined while that is not known. */
export function contextShare(head: MissionHead): number | undefined {
  const { contextLimit: limit, usedModel } = head;
  if (!limit || limit.tokens <= 0 || head.contextTokens <= 0) return undefined;
  if (usedModel && limit.model !== formatModel(usedModel)) return undefined;
  return Math.min(1, head.contextTokens / limit.tokens);
}

/** Why the conversation cannot be summarised at the moment, for the user to read. */
export function compactRefusal(head: MissionHead): string | undefined {
  if (isRunning(head)) return "The mission is at work. Its conversation can be summarised when it is done.";
  if (isOpen(head) && nextMessage(head))
    return "A message waits to be sent. The conversation can be summarised after it.";
  if (head.sessionId === undefined) return "There is no conversation to summarise yet.";
  return undefined;
}

/** Whether the mission takes up what is queued by itself. */
export function isOpen(head: MissionHead): boolean {
  return head.status === "active" || head.status === "pending";
}

export function rankOf(message: PendingMessage): number {
  return message.rank ?? message.queuedAt;
}

/** The message to send when the turn is over. */
export function nextMessage(head: MissionHead): PendingMessage | undefined {
  return head.pending.find((message) => message.state === "queued");
}

export function totalCost(head: MissionHead): number {
  return Object.values(head.costs).reduce((sum, cost) => sum + cost, 0);
}

export function isRunning(head: MissionHead): boolean {
  return head.runState !== "idle";
}

/** The first line of a text, cut to `max` characters without splitting one. */
export function titleOf(text: string, max = 100): string {
  const line =
    text
      .split("\n")
      .find((candidate) => candidate.trim() !== "")
      ?.trim() ?? "Untitled mission";
  if (line.length <= max) return line;
  const characters = Array.from(new Intl.Segmenter().segment(line.slice(0, max * 20)), ({ segment }) => segment);
  return characters.length > max ? `${characters.slice(0, max).join("")}…` : line;
}

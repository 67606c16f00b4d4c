/** The transcript of a mission as it is drawn. Plain data. */
import type { FileChange } from "./changes.ts";
import type { ToolCard } from "./event.ts";
import type { Failure, ModelRef, Outcome, Tokens } from "./mission.ts";
import type { AllowedBy } from "./permission.ts";

export interface TextPart {
  kind: "text" | "thinking";
  id: string;
  text: string;
  done: boolean;
  /** Part of the text was lost on the way and is repaired when the whole arrives. */
  gap: boolean;
  /** 0 for a text of the user. */
  startedAt: number;
  endedAt?: number;
  /** Of a user's text: the command that it calls. */
  command?: string;
}

export type ToolState = "pending" | "running" | "completed" | "error" | "interrupted";

export interface ToolPart {
  kind: "tool";
  id: string;
  callId: string;
  tool: string;
  state: ToolState;
  card: ToolCard;
  input: unknown;
  /** The tail of the output while the tool runs; then the output, or undefined where it was left out to save space. */
  output: string | undefined;
  outputPath?: string;
  attachments: { name: string; mime: string; url: string }[];
  startedAt?: number;
  endedAt?: number;
  /** What allowed it in the user's stead; a call may ask for more than one thing. */
  allowedBy?: AllowedBy[];
  /** Absolute path of a picture of the desktop that it was done on, as that was afterwards. */
  picture?: string;
}

export interface AttachmentPart {
  kind: "attachment";
  id: string;
  name: string;
  mime: string;
  url: string;
}

export interface FilesPart {
  kind: "files";
  id: string;
  files: string[];
}

export interface CompactionPart {
  kind: "compaction";
  id: string;
  automatic: boolean;
}

export type Part = TextPart | ToolPart | AttachmentPart | FilesPart | CompactionPart;

export interface Message {
  id: string;
  sessionId: string;
  role: "user" | "assistant";
  parentId?: string;
  createdAt: number;
  completedAt?: number;
  agent?: string;
  model?: ModelRef;
  cost?: number;
  tokens?: Tokens;
  error?: Failure;
  parts: Part[];
  /** What allowed its tool calls in the user's stead, by the id of the request. */
  allowed?: Record<string, { callId: string; by: AllowedBy }>;
}

export interface TurnEnd {
  outcome: Outcome;
  failure?: Failure;
  at: number;
}

export interface ChangedFiles {
  files: FileChange[];
  /** Files that are left out. */
  more: number;
}

export interface Reverted {
  files: string[];
  at: number;
}

/** The newest messages of one session, in OpenCode's order: ids grow with time. */
export interface Transcript {
  sessionId: string | undefined;
  messages: Message[];
  /** How turns ended, by the id of the user's message that began them. */
  ends: Record<string, TurnEnd>;
  /** What turns did to files, by the same id. */
  changes: Record<string, ChangedFiles>;
  /** What the user took back, by the id of the first message that it took with it. */
  reverts: Record<string, Reverted>;
  /** Messages before the first of `messages` exist in the store. */
  hasEarlier: boolean;
}

export const emptyTranscript: Transcript = {
  sessionId: undefined,
  messages: [],
  ends: {},
  changes: {},
  reverts: {},
  hasEarlier: false,
};

/** Running output kept in a transcript, in UTF-16 units. The whole is stored with the result. */
export const runningOutputLimit = 30_000;

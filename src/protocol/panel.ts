/** What the mission panel's page and its host say to each other. */
import type { MessageAttachment } from "./attachment.ts";
import type { DesktopMessage, DesktopRequests } from "./desktopPage.ts";
import type { DesktopWish } from "./desktop.ts";
import type { EngineState } from "./engineState.ts";
import type { EventBatch, MissionEvent, ToolCard } from "./event.ts";
import type { PermissionReply } from "./mission.ts";
import type { RuleScope } from "./permission.ts";
import type { MissionView } from "./reduce.ts";
import type { Message, Part, ToolPart, Transcript } from "./transcript.ts";
import type { BackendKind } from "./workspace.ts";

/** What the page keeps of itself over a reload, and what a restored panel is found by. */
export interface PageState {
  missionId: string;
  /** Unsent text by mission. */
  drafts: Record<string, string>;
  /** The sub-agent whose session is shown. */
  subAgent?: string;
  /** What they carry beside their text. */
  attachments?: Record<string, MessageAttachment[]>;
  /** What the user wants of the mission's desktop. */
  desktop?: DesktopWish;
}

/** The newest part of a sub-agent's session, and the seq that it stands at. */
export interface SessionView {
  sessionId: string;
  transcript: Transcript;
  seq: number;
}

/** A place in a conversation, and what was found there. */
export interface RevealTarget {
  messageId: string;
  partId?: string;
  /** As they stand there; they are marked. */
  words: string[];
}

/** A part of a conversation with messages after it that are left out. */
export interface Excerpt {
  transcript: Transcript;
  hasLater: boolean;
}

/** Something that can be put into the place of the word at the caret. */
export interface Suggestion {
  key: string;
  label: string;
  detail: string;
  /** Codicon id. */
  icon: string;
  /** What takes the word's place, and what comes with it. */
  insert: string;
  attachment?: MessageAttachment;
  /** Names of a command's arguments. */
  hint?: string;
  /** The host knows the rest: it is asked for it with `insertReference` when this is chosen. */
  resolve?: boolean;
}

/** What the user can do in the composer by a command of the editor. */
export const composerActions = ["focus", "commands", "context", "send", "previous", "next"] as const;
export type ComposerAction = (typeof composerActions)[number];

/** The workspace on record that a mission works in, as its panel shows it. */
export interface PanelWorkspace {
  name: string;
  kind: BackendKind;
  /** It is being built, for which the mission waits. */
  building: boolean;
}

export type HostMessage =
  | DesktopMessage
  /** The page shows this mission from here on. */
  | {
      type: "open";
      view: MissionView;
      seq: number;
      engine: EngineState;
      folder: string;
      workspace: PanelWorkspace | undefined;
      canAct: boolean;
      /** The host's clock, and when the agent last gave a sign of life by it. */
      now: number;
      activeAt: number;
    }
  /** The sub-agent's session that is shown in place of the mission's own from here on; undefined: the mission's own. */
  | { type: "session"; session: SessionView | undefined }
  | { type: "batch"; batch: EventBatch }
  | { type: "earlier"; transcript: Transcript }
  /** Shows a place of the session in view and marks what was found there. */
  | { type: "reveal"; target: RevealTarget }
  /** The answers to the requests of these names. */
  | ({ type: "around" | "later" } & Excerpt)
  | { type: "detail"; partId: string; detail: PartDetail | undefined }
  | { type: "engine"; state: EngineState }
  | { type: "workspace"; workspace: PanelWorkspace | undefined }
  /** Events cannot be stored; undefined: they can again. */
  | { type: "fault"; message: string | undefined }
  /** Something that the page asked for was not done. */
  | { type: "refused"; message: string; restoreDraft?: string; restoreAttachments?: MessageAttachment[] }
  /** The mission's place among those that wait for others to end. */
  | { type: "place"; place: number | undefined }
  /** How many files the mission has changed by now, and lines. */
  | { type: "changed"; files: number; additions: number; deletions: number }
  | { type: "missing"; message: string }
  | { type: "suggestions"; id: number; items: Suggestion[] }
  /** Goes into the message at the caret, with what it carries. */
  | { type: "insert"; text: string; attachments: MessageAttachment[] }
  /** A picture of the mission's own; undefined: it is gone. */
  | { type: "picture"; path: string; url: string | undefined }
  | { type: "composer"; action: ComposerAction };

/** The whole of a tool call, asked for when it is unfolded. */
export interface PartDetail {
  part: ToolPart;
  /** The output is longer and was cut here; "Show all" opens it in an editor. */
  cut: boolean;
}

/** What the page may ask of its host. A host that lacks a handler for one of these does not compile. */
export interface PageRequests extends DesktopRequests {
  /** `seq`: where the view that came with the document stands; 0 without one. */
  ready: { state: PageState | undefined; seq: number };
  /** The page missed something, or processed everything up to `seq`. */
  reopen: object;
  ack: { seq: number };
  /** Of the session of a sub-agent, where one is named. */
  earlier: { before: string; sessionId?: string };
  /** The messages around one, which may be far from those that the page has. */
  around: { messageId: string; sessionId?: string };
  later: { after: string; sessionId?: string };
  /** Shows the session of a sub-agent, or the mission's own again. */
  showSession: { sessionId?: string };
  detail: { partId: string };
  send: { text: string; attachments?: MessageAttachment[] };
  /** What could stand for the word at the caret. Answered with the same id. */
  suggest: { id: number; trigger: "/" | "@"; query: string };
  /** The suggestion of this key was chosen, and the host knows what it stands for. */
  insertReference: { key: string };
  /** A file was pasted or dropped that is nowhere on this machine. */
  attachFile: { name: string; mime: string; bytes: Uint8Array };
  /** Files and folders were dropped. */
  attachUris: { uris: string[] };
  picture: { path: string };
  editMessage: { queueId: string; text: string };
  removeMessage: { queueId: string };
  /** Before another message of the queue, or to its end. */
  moveMessage: { queueId: string; before?: string };
  sendMessageNow: { queueId: string };
  stop: object;
  /** Sends what waits or is held; asks the agent to go on where nothing does. */
  resume: object;
  /** With `always`: what of that which the request offers, and for whom. */
  answerPermission: {
    requestId: string;
    reply: PermissionReply;
    reason?: string;
    patterns?: string[];
    scope?: RuleScope;
  };
  answerQuestion: { requestId: string; answers?: string[][] };
  openFile: { path: string; line?: number };
  showOutput: { partId: string };
  openLink: { href: string };
  /** One of the commands that the panel has a button for, called on a turn or a step. */
  command: { id: PanelCommand; messageId?: string; partId?: string };
  /** The user works with this panel: it is not to be taken for another mission. */
  keep: object;
}

export const panelCommands = [
  "connectProvider",
  "chooseModel",
  "chooseAgent",
  "choosePermissions",
  "showLog",
  "restartOpenCode",
  "renameMission",
  "openSettings",
  "compactMission",
  "showChanges",
  "showTurnChanges",
  "reviewChanges",
  "openDiff",
  "revertTurn",
  "unrevert",
  "forkMission",
  "attachFiles",
  "showBuildLog",
] as const;
export type PanelCommand = (typeof panelCommands)[number];

export type PageMessage = { [Type in keyof PageRequests]: { type: Type } & PageRequests[Type] }[keyof PageRequests];

/** Longest text that the page is given at once, in UTF-16 units. */
export const textLimit = 60_000;
export const detailLimit = 60_000;

/** A view without what the page can ask for: inputs and outputs of finished calls, and the rest of very long texts. */
export function slimView(view: MissionView): MissionView {
  return { ...view, transcript: slimTranscript(view.transcript) };
}

export function slimTranscript(transcript: Transcript): Transcript {
  return { ...transcript, messages: transcript.messages.map(slimMessage) };
}

function slimMessage(message: Message): Message {
  return { ...message, parts: message.parts.map(slimPart) };
}

function slimPart(part: Part): Part {
  if (part.kind === "tool" && part.state !== "running")
    return { ...part, card: slimCard(part.card), input: undefined, output: undefined };
  if ((part.kind === "text" || part.kind === "thinking") && part.text.length > textLimit)
    return { ...part, text: shortened(part.text) };
  return part;
}

export function slimBatch(batch: EventBatch): EventBatch {
  return { ...batch, events: batch.events.map(slimEvent) };
}

function slimEvent(event: MissionEvent): MissionEvent {
  const { body } = event;
  switch (body.type) {
    case "tool_result":
      return { ...event, body: { ...body, card: slimCard(body.card), input: undefined, output: "" } };
    case "tool_call":
      return { ...event, body: { ...body, card: slimCard(body.card), input: undefined } };
    case "user_message":
    case "assistant_message":
    case "thinking":
      return body.text.length > textLimit ? { ...event, body: { ...body, text: shortened(body.text) } } : event;
    case "message_queued":
      return body.text.length > textLimit ? { ...event, body: { ...body, text: shortened(body.text) } } : event;
    case "raw":
      return { ...event, body: { ...body, data: undefined } };
    default:
      return event;
  }
}

function slimCard(card: ToolCard): ToolCard {
  return card.diff === undefined ? card : { ...card, diff: undefined };
}

function shortened(text: string): string {
  const more = text.length - textLimit;
  return `${text.slice(0, textLimit)}\n\n… ${more.toLocaleString("en")} more characters`;
}

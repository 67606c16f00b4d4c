/** What the mission panel's page and its host say to each other. */
import type { EngineState } from "./engineState.ts";
import type { EventBatch, MissionEvent, ToolCard } from "./event.ts";
import type { PermissionReply } from "./mission.ts";
import type { MissionView } from "./reduce.ts";
import type { Message, Part, ToolPart, Transcript } from "./transcript.ts";

/** What the page keeps of itself over a reload, and what a restored panel is found by. */
export interface PageState {
  missionId: string;
  /** Unsent text by mission. */
  drafts: Record<string, string>;
}

export type HostMessage =
  /** The page shows this mission from here on. */
  | { type: "open"; view: MissionView; seq: number; engine: EngineState; folder: string; canAct: boolean }
  | { type: "batch"; batch: EventBatch }
  | { type: "earlier"; transcript: Transcript }
  | { type: "detail"; partId: string; detail: PartDetail | undefined }
  | { type: "engine"; state: EngineState }
  /** Events cannot be stored; undefined: they can again. */
  | { type: "fault"; message: string | undefined }
  /** Something that the page asked for was not done. */
  | { type: "refused"; message: string; restoreDraft?: string }
  | { type: "missing"; message: string }
  | { type: "focusComposer" };

/** The whole of a tool call, asked for when it is unfolded. */
export interface PartDetail {
  part: ToolPart;
  /** The output is longer and was cut here; "Show all" opens it in an editor. */
  cut: boolean;
}

/** What the page may ask of its host. A host that lacks a handler for one of these does not compile. */
export interface PageRequests {
  ready: { state: PageState | undefined };
  /** The page missed something, or processed everything up to `seq`. */
  reopen: object;
  ack: { seq: number };
  earlier: { before: string };
  detail: { partId: string };
  send: { text: string };
  stop: object;
  resume: object;
  answerPermission: { requestId: string; reply: PermissionReply; reason?: string };
  answerQuestion: { requestId: string; answers?: string[][] };
  openFile: { path: string; line?: number };
  showOutput: { partId: string };
  openLink: { href: string };
  /** One of the commands that the panel has a button for. */
  command: { id: PanelCommand };
  /** The user works with this panel: it is not to be taken for another mission. */
  keep: object;
}

export const panelCommands = [
  "connectProvider",
  "chooseModel",
  "chooseAgent",
  "showLog",
  "restartOpenCode",
  "renameMission",
  "openSettings",
] as const;
export type PanelCommand = (typeof panelCommands)[number];

export type PageMessage = { [Type in keyof PageRequests]: { type: Type } & PageRequests[Type] }[keyof PageRequests];

/** Longest text that the page is given at once, in UTF-16 units. */
const textLimit = 60_000;
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

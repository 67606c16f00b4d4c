/** The page's state. It holds no truth: everything but drafts and what is unfolded comes from the host. */
import { batch, computed, signal } from "@preact/signals";
import type { MessageAttachment } from "../src/protocol/attachment.ts";
import type { EngineState } from "../src/protocol/engineState.ts";
import { ownTypes, type EventBatch, type MissionEvent } from "../src/protocol/event.ts";
import type {
  Excerpt,
  HostMessage,
  PanelWorkspace,
  PartDetail,
  RevealTarget,
  SessionView,
} from "../src/protocol/panel.ts";
import { openRequests } from "../src/protocol/permission.ts";
import { reduce, reduceTranscript, type MissionView } from "../src/protocol/reduce.ts";
import type { Transcript } from "../src/protocol/transcript.ts";
import { keepWish, receiveDesktop, viewMission, wish } from "./desktopState.ts";
import { keepState, keptState, post } from "./host.ts";

export const view = signal<MissionView | undefined>(undefined);
export const folder = signal("");
/** The workspace on record that the mission works in; undefined on the host, or when it was deleted. */
export const workspace = signal<PanelWorkspace | undefined>(undefined);
export const canAct = signal(false);
export const engine = signal<EngineState>({ kind: "stopped" });
/** Why events cannot be stored at the moment. */
export const fault = signal<string | undefined>(undefined);
/** Why what the user just asked for was not done. */
export const refusal = signal<string | undefined>(undefined);
/** Place among the missions that wait for others to end, from 1 on. */
export const place = signal<number | undefined>(undefined);
/** What the mission has changed by now: files, and lines of them. */
export const changed = signal({ files: 0, additions: 0, deletions: 0 });
export const missing = signal<string | undefined>(undefined);
/** Unfolded items and groups, by id. */
export const unfolded = signal<ReadonlySet<string>>(new Set());
export const details = signal<ReadonlyMap<string, PartDetail>>(new Map());
export const draft = signal("");
/** What the draft carries beside its text. */
export const attached = signal<readonly MessageAttachment[]>([]);
/** Epoch milliseconds, once a second while something runs. */
export const now = signal(Date.now());
/** When the agent last gave a sign of life, in epoch milliseconds of this page's clock. */
export const activeAt = signal(Date.now());
/** The sub-agent's session that is shown in place of the mission's own. */
export const subAgent = signal<SessionView | undefined>(undefined);
/** An earlier part of a conversation, shown in place of its end; it becomes one with that when the reader gets there. */
const excerpt = signal<Excerpt | undefined>(undefined);
/** The end of the session in view: of a sub-agent's, or of the mission's own. */
const newest = computed(() => subAgent.value?.transcript ?? view.value?.transcript);
/** Whether an earlier part is shown in place of the end. */
export const isExcerpt = computed(
  () => excerpt.value !== undefined && excerpt.value.transcript.sessionId === newest.value?.sessionId,
);
/** What is shown of the session in view. */
export const shown = computed(() => (isExcerpt.value ? excerpt.value?.transcript : newest.value));
/** Where the reader is to be taken. */
export const goal = signal<RevealTarget | "end" | undefined>(undefined);
/** The ids of the tool calls that wait for the user's answer, a line each: parts are drawn again only when they change. */
const waitingCalls = computed(() => {
  const requests = view.value ? openRequests(view.value.head) : [];
  return requests.flatMap((request) => (request.kind === "permission" ? (request.call?.callId ?? []) : [])).join("\n");
});

/** Whether a tool call waits for the user's answer. */
export function waitsForUser(callId: string): boolean {
  return waitingCalls.value.split("\n").includes(callId);
}

/** For screen readers: a line for each finished step. */
export const announcement = signal("");

/** Where the view stands, with what is taken in at the next frame. */
export let seq = 0;
/** What came since the last frame: however much it is, it is drawn once. */
let waiting: EventBatch[] = [];
/** How far this page's clock is ahead of the host's, in milliseconds. */
let ahead = 0;
let drafts: Record<string, string> = keptState()?.drafts ?? {};
let draftAttachments: Record<string, MessageAttachment[]> = keptState()?.attachments ?? {};

type ComposerMessage = Extract<HostMessage, { type: "suggestions" | "insert" | "picture" | "composer" }>;
let toComposer: ((message: ComposerMessage) => void) | undefined;
/** What came before the composer was there. */
const early: ComposerMessage[] = [];

/** Takes what came so far and what comes until the result is called. */
export function onComposer(take: (message: ComposerMessage) => void): () => void {
  toComposer = take;
  early.splice(0).forEach(take);
  return () => (toComposer = undefined);
}

export function receive(message: HostMessage): void {
  if (message.type !== "batch") takeIn();
  switch (message.type) {
    case "open": {
      const { head } = message.view;
      batch(() => {
        if (view.value?.head.id !== head.id) {
          subAgent.value = undefined;
          excerpt.value = undefined;
          unfolded.value = new Set();
          details.value = new Map();
          draft.value = drafts[head.id] ?? "";
          attached.value = draftAttachments[head.id] ?? [];
        }
        view.value = message.view;
        folder.value = message.folder;
        workspace.value = message.workspace;
        canAct.value = message.canAct;
        engine.value = message.engine;
        missing.value = undefined;
        place.value = undefined;
        ahead = Date.now() - message.now;
        activeAt.value = message.activeAt + ahead;
        changed.value = { files: 0, additions: 0, deletions: 0 };
      });
      const kept = keptState();
      viewMission(head, kept?.missionId === head.id ? kept.desktop : undefined);
      seq = message.seq;
      keep();
      return;
    }
    case "batch":
      receiveBatch(message.batch);
      return;
    case "session":
      if (subAgent.value?.sessionId !== message.session?.sessionId) excerpt.value = undefined;
      subAgent.value = message.session;
      keep();
      return;
    case "earlier":
      receiveEarlier(message.transcript);
      return;
    case "reveal":
      reveal(message.target);
      return;
    case "around":
      receiveExcerpt(message);
      return;
    case "later":
      if (excerpt.value)
        receiveExcerpt({ ...message, transcript: joined(excerpt.value.transcript, message.transcript) });
      return;
    case "detail":
      if (message.detail) details.value = new Map(details.value).set(message.partId, message.detail);
      return;
    case "engine":
      engine.value = message.state;
      return;
    case "workspace":
      workspace.value = message.workspace;
      return;
    case "fault":
      fault.value = message.message;
      return;
    case "refused":
      refusal.value = message.message;
      if (message.restoreDraft !== undefined && draft.value === "")
        setDraft(message.restoreDraft, message.restoreAttachments);
      return;
    case "place":
      place.value = message.place;
      return;
    case "changed":
      changed.value = message;
      return;
    case "missing":
      missing.value = message.message;
      return;
    case "suggestions":
    case "insert":
    case "picture":
    case "composer":
      if (toComposer) toComposer(message);
      else early.push(message);
      return;
    default:
      receiveDesktop(message);
  }
}

function receiveBatch(incoming: EventBatch): void {
  if (view.value?.head.id !== incoming.missionId) return;
  if (incoming.prev !== seq) {
    post({ type: "reopen" });
    return;
  }
  seq = incoming.seq;
  if (waiting.push(incoming) === 1) requestAnimationFrame(takeIn);
}

/** Makes what came part of the view, and tells the host, which sends no faster than this page can show. */
function takeIn(): void {
  const before = view.value;
  const batches = waiting;
  waiting = [];
  if (!before || batches.length === 0) return;
  const events = batches.flatMap((one) => one.events);
  batch(() => {
    view.value = events.reduce(reduce, before);
    viewMission(view.value.head);
    if (subAgent.value) subAgent.value = events.reduce(reduceSession, subAgent.value);
    if (excerpt.value) excerpt.value = events.reduce(reduceExcerpt, excerpt.value);
    for (const { body, time } of events) {
      if (!ownTypes.some((type) => type === body.type)) activeAt.value = time + ahead;
      if (body.type !== "tool_result") continue;
      announcement.value = `${body.card.done} ${body.card.object}${body.state === "error" ? ", failed" : ""}`;
      if (unfolded.value.has(body.partId)) post({ type: "detail", partId: body.partId });
    }
  });
  for (const { seq: last } of batches) post({ type: "ack", seq: last });
}

/** What a sub-agent's session was opened with holds some of the events already. */
function reduceSession(session: SessionView, event: MissionEvent): SessionView {
  if (event.seq <= session.seq) return session;
  const transcript = reduceTranscript(session.transcript, event, session.sessionId);
  return { ...session, transcript, seq: event.seq };
}

/** Of what comes in, only what is of the messages shown: the next ones are not the newest. */
function reduceExcerpt(before: Excerpt, event: MissionEvent): Excerpt {
  const { transcript } = before;
  const { body } = event;
  const messageId = "messageId" in body ? body.messageId : undefined;
  if (!transcript.messages.some(({ id }) => id === messageId)) return before;
  return { ...before, transcript: reduceTranscript(transcript, event, transcript.sessionId) };
}

/** The place that is sought, until what is around it is there. */
let sought: RevealTarget | undefined;

function reveal(target: RevealTarget): void {
  sought = undefined;
  if (holds(shown.value, target.messageId)) goal.value = target;
  else if (holds(newest.value, target.messageId))
    batch(() => {
      excerpt.value = undefined;
      goal.value = target;
    });
  else {
    sought = target;
    post({
      type: "around",
      messageId: target.messageId,
      ...(subAgent.value && { sessionId: subAgent.value.sessionId }),
    });
  }
}

function holds(transcript: Transcript | undefined, messageId: string): boolean {
  return transcript?.messages.some(({ id }) => id === messageId) === true;
}

function receiveExcerpt({ transcript, hasLater }: Excerpt): void {
  const end = newest.value;
  if (!end || transcript.sessionId !== end.sessionId) return;
  const target = sought;
  sought = undefined;
  if (target && !holds(transcript, target.messageId)) {
    refusal.value = "What was found is not in the conversation any more.";
    return;
  }
  const [last, first] = [transcript.messages.at(-1)?.id ?? "", end.messages[0]?.id ?? ""];
  batch(() => {
    if (hasLater && last < first) excerpt.value = { transcript, hasLater };
    else {
      excerpt.value = undefined;
      setNewest(joined(transcript, end));
    }
    if (target) goal.value = target;
  });
}

function setNewest(transcript: Transcript): void {
  if (subAgent.value) subAgent.value = { ...subAgent.value, transcript };
  else if (view.value) view.value = { ...view.value, transcript };
}

/** Back to the end of the conversation. */
export function goToEnd(): void {
  batch(() => {
    excerpt.value = undefined;
    goal.value = "end";
  });
}

function receiveEarlier(transcript: Transcript): void {
  const session = subAgent.value;
  const part = isExcerpt.value ? excerpt.value : undefined;
  const isOfPart = (transcript.messages.at(-1)?.id ?? "") < (part?.transcript.messages[0]?.id ?? "");
  if (part && isOfPart && part.transcript.sessionId === transcript.sessionId) {
    excerpt.value = { ...part, transcript: joined(transcript, part.transcript) };
    return;
  }
  if (session?.sessionId === transcript.sessionId && session)
    subAgent.value = { ...session, transcript: joined(transcript, session.transcript) };
  else if (view.value?.head.sessionId === transcript.sessionId && view.value)
    view.value = { ...view.value, transcript: joined(transcript, view.value.transcript) };
}

function joined(earlier: Transcript, later: Transcript): Transcript {
  const first = later.messages[0]?.id;
  const messages = earlier.messages.filter((message) => first === undefined || message.id < first);
  return {
    ...later,
    messages: [...messages, ...later.messages],
    ends: { ...earlier.ends, ...later.ends },
    changes: { ...earlier.changes, ...later.changes },
    reverts: { ...earlier.reverts, ...later.reverts },
    hasEarlier: earlier.hasEarlier,
  };
}

export function setDraft(text: string, attachments: readonly MessageAttachment[] = attached.value): void {
  draft.value = text;
  attached.value = attachments;
  const id = view.value?.head.id;
  if (id === undefined) return;
  drafts = withEntry(drafts, id, text, text === "");
  draftAttachments = withEntry(draftAttachments, id, [...attachments], attachments.length === 0);
  keep();
}

/** The newest twenty entries. */
function withEntry<T>(entries: Record<string, T>, id: string, value: T, empty: boolean): Record<string, T> {
  const others = Object.entries(entries).filter(([other]) => other !== id);
  return Object.fromEntries([...others, ...(empty ? [] : [[id, value] as const])].slice(-20));
}

function keep(): void {
  const missionId = view.value?.head.id;
  if (missionId === undefined) return;
  const shownSession = subAgent.value && { subAgent: subAgent.value.sessionId };
  keepState({ missionId, drafts, attachments: draftAttachments, desktop: wish.value, ...shownSession });
}

keepWish(keep);

/** Unfolds or folds an item; the whole of a tool call is fetched when it is first unfolded. */
export function toggle(id: string, isCall: boolean, open = !unfolded.value.has(id)): void {
  const next = new Set(unfolded.value);
  if (open) next.add(id);
  else next.delete(id);
  unfolded.value = next;
  if (open && isCall && !details.value.has(id)) post({ type: "detail", partId: id });
}

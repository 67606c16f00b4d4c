/** The page's state. It holds no truth: everything but drafts and what is unfolded comes from the host. */
import { batch, signal } from "@preact/signals";
import type { EngineState } from "../src/protocol/engineState.ts";
import type { EventBatch } from "../src/protocol/event.ts";
import type { HostMessage, PartDetail } from "../src/protocol/panel.ts";
import { reduce, type MissionView } from "../src/protocol/reduce.ts";
import type { Transcript } from "../src/protocol/transcript.ts";
import { keepState, keptState, post } from "./host.ts";

export const view = signal<MissionView | undefined>(undefined);
export const folder = signal("");
export const canAct = signal(false);
export const engine = signal<EngineState>({ kind: "stopped" });
/** Why events cannot be stored at the moment. */
export const fault = signal<string | undefined>(undefined);
/** Why what the user just asked for was not done. */
export const refusal = signal<string | undefined>(undefined);
export const missing = signal<string | undefined>(undefined);
/** Unfolded items and groups, by id. */
export const unfolded = signal<ReadonlySet<string>>(new Set());
export const details = signal<ReadonlyMap<string, PartDetail>>(new Map());
export const draft = signal("");
/** Epoch milliseconds, once a second while something runs. */
export const now = signal(Date.now());
/** Epoch milliseconds at which the page last heard of the mission. */
export const heardAt = signal(Date.now());
/** For screen readers: a line for each finished step. */
export const announcement = signal("");

let seq = 0;
let drafts: Record<string, string> = keptState()?.drafts ?? {};
let focusComposer: () => void = () => undefined;

export function onFocusComposer(focus: () => void): void {
  focusComposer = focus;
}

export function receive(message: HostMessage): void {
  switch (message.type) {
    case "open": {
      const { head } = message.view;
      batch(() => {
        if (view.value?.head.id !== head.id) {
          unfolded.value = new Set();
          details.value = new Map();
          draft.value = drafts[head.id] ?? "";
        }
        view.value = message.view;
        folder.value = message.folder;
        canAct.value = message.canAct;
        engine.value = message.engine;
        missing.value = undefined;
        heardAt.value = Date.now();
      });
      seq = message.seq;
      keep();
      return;
    }
    case "batch":
      receiveBatch(message.batch);
      return;
    case "earlier":
      if (view.value) view.value = { ...view.value, transcript: joined(message.transcript, view.value.transcript) };
      return;
    case "detail":
      if (message.detail) details.value = new Map(details.value).set(message.partId, message.detail);
      return;
    case "engine":
      engine.value = message.state;
      return;
    case "fault":
      fault.value = message.message;
      return;
    case "refused":
      refusal.value = message.message;
      if (message.restoreDraft !== undefined && draft.value === "") setDraft(message.restoreDraft);
      return;
    case "missing":
      missing.value = message.message;
      return;
    case "focusComposer":
      focusComposer();
  }
}

function receiveBatch({ missionId, prev, seq: next, events }: EventBatch): void {
  const before = view.value;
  if (before?.head.id !== missionId) return;
  if (prev !== seq) {
    post({ type: "reopen" });
    return;
  }
  seq = next;
  batch(() => {
    view.value = events.reduce(reduce, before);
    heardAt.value = Date.now();
    for (const { body } of events) {
      if (body.type !== "tool_result") continue;
      announcement.value = `${body.card.done} ${body.card.object}${body.state === "error" ? ", failed" : ""}`;
      if (unfolded.value.has(body.partId)) post({ type: "detail", partId: body.partId });
    }
  });
  // After it is painted: the host sends no faster than this page can show.
  requestAnimationFrame(() => post({ type: "ack", seq: next }));
}

function joined(earlier: Transcript, later: Transcript): Transcript {
  const first = later.messages[0]?.id;
  const messages = earlier.messages.filter((message) => first === undefined || message.id < first);
  return {
    ...later,
    messages: [...messages, ...later.messages],
    ends: { ...earlier.ends, ...later.ends },
    hasEarlier: earlier.hasEarlier,
  };
}

export function setDraft(text: string): void {
  draft.value = text;
  const id = view.value?.head.id;
  if (id === undefined) return;
  const others = Object.entries(drafts).filter(([other]) => other !== id);
  drafts = Object.fromEntries([...others, [id, text] as const].filter(([, kept]) => kept !== "").slice(-20));
  keep();
}

function keep(): void {
  const missionId = view.value?.head.id;
  if (missionId !== undefined) keepState({ missionId, drafts });
}

/** Unfolds or folds an item; the whole of a tool call is fetched when it is first unfolded. */
export function toggle(id: string, isCall: boolean, open = !unfolded.value.has(id)): void {
  const next = new Set(unfolded.value);
  if (open) next.add(id);
  else next.delete(id);
  unfolded.value = next;
  if (open && isCall && !details.value.has(id)) post({ type: "detail", partId: id });
}

/** Takes the reader to a place of the conversation and marks what was found there, for a moment. */
import type { RevealTarget } from "../src/protocol/panel.ts";
import { fold } from "../src/protocol/search.ts";
import { announcement, goal, shown, toggle, unfolded } from "./state.ts";
import { stepsWith } from "./transcript.tsx";

/** How long the place is marked, and kept in sight while what is around it takes its height. */
const momentMs = 4_000;
/** The name of the marks in the style sheet. */
const markName = "found";
const mostMarks = 200;

let target: RevealTarget | undefined;
let timer: number | undefined;
let item: HTMLElement | undefined;

/** Takes up what is to be revealed: unfolds it, and tells of it. Says whether the reader is to be taken to the end. */
export function takeUpGoal(wanted: RevealTarget | "end" | undefined): "end" | undefined {
  if (wanted === undefined) return undefined;
  goal.value = undefined;
  forget();
  if (wanted === "end") return wanted;
  target = wanted;
  unfold(wanted);
  timer = window.setTimeout(forget, momentMs);
  return undefined;
}

/** Puts the place that is sought into the upper half of what is seen. Says whether there is one. */
export function keepInSight(scroller: HTMLElement): boolean {
  if (!target) return false;
  const found = findItem(target);
  if (!found) return false;
  if (found !== item) {
    item?.removeAttribute("data-found");
    item = found;
    found.setAttribute("data-found", "");
    focusOn(found);
    announcement.value = `Found: ${(found.getAttribute("aria-label") ?? found.innerText).slice(0, 200)}`;
  }
  const place = mark(found, target.words) ?? found;
  scrollInside(place);
  const above = place.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
  scroller.scrollTop += above - scroller.clientHeight / 3;
  return true;
}

/** The reader moves by himself: the place stays marked, and is no longer held in sight. */
export function letGo(): void {
  target = undefined;
}

function forget(): void {
  window.clearTimeout(timer);
  item?.removeAttribute("data-found");
  CSS.highlights.delete(markName);
  target = item = undefined;
}

function unfold({ messageId, partId }: RevealTarget): void {
  const transcript = shown.peek();
  const parts = transcript?.messages.find(({ id }) => id === messageId)?.parts ?? [];
  const part = parts.find(({ id }) => id === partId);
  if (!transcript || !part) return;
  const steps = stepsWith(part.id, transcript);
  if (steps !== undefined) toggle(steps, false, true);
  if (!unfolded.peek().has(part.id)) toggle(part.id, part.kind === "tool", true);
}

/** The part, or else the message that it is of. */
function findItem({ messageId, partId = "" }: RevealTarget): HTMLElement | undefined {
  const parts = shown.peek()?.messages.find(({ id }) => id === messageId)?.parts ?? [];
  for (const id of [partId, messageId, ...parts.map((part) => part.id)]) {
    const found = id === "" ? null : document.querySelector<HTMLElement>(`main [data-item="${CSS.escape(id)}"]`);
    if (found) return found;
  }
  return undefined;
}

function focusOn(found: HTMLElement): void {
  const line = found.querySelector<HTMLElement>(":scope > .line");
  (line instanceof HTMLButtonElement ? line : found).focus({ preventScroll: true });
}

/** Marks the words in an element. Gives the first place of the body, where what was found is most likely to be meant. */
function mark(element: HTMLElement, words: readonly string[]): Range | undefined {
  const ranges: Range[] = [];
  const sought = words.map(fold).filter((word) => word !== "");
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node && ranges.length < mostMarks; node = walker.nextNode()) {
    const text = fold(node.nodeValue ?? "");
    for (const word of sought)
      for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length))
        ranges.push(rangeOf(node, at, at + word.length));
  }
  CSS.highlights.set(markName, new Highlight(...ranges));
  return ranges.find(({ startContainer }) => startContainer.parentElement?.closest(".body")) ?? ranges[0];
}

function rangeOf(node: Node, start: number, end: number): Range {
  const range = document.createRange();
  const length = node.nodeValue?.length ?? 0;
  range.setStart(node, Math.min(start, length));
  range.setEnd(node, Math.min(end, length));
  return range;
}

/** Long outputs scroll in themselves. */
function scrollInside(place: HTMLElement | Range): void {
  if (!(place instanceof Range)) return;
  const box = place.startContainer.parentElement?.closest<HTMLElement>("pre, .diff, .terminal");
  if (!box || box.scrollHeight <= box.clientHeight) return;
  const above = place.getBoundingClientRect().top - box.getBoundingClientRect().top;
  box.scrollTop += above - box.clientHeight / 2;
}

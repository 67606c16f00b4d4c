import type { EngineEvent } from "../protocol/event.ts";

/** One frame. */
const tickMs = 16;

/**
 * Gathers events for one short tick, joins what only adds to the same part, and hands them on in their order. What
 * comes after a pause goes on at once; a flood goes on in steps of a frame.
 */
export class Coalescer {
  readonly #deliver: (events: EngineEvent[]) => void;
  #waiting: EngineEvent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #deliveredAt = 0;

  constructor(deliver: (events: EngineEvent[]) => void) {
    this.#deliver = deliver;
  }

  add(event: EngineEvent): void {
    const last = this.#waiting.at(-1);
    const joined = last && join(last, event);
    if (joined) this.#waiting[this.#waiting.length - 1] = joined;
    else this.#waiting.push(event);
    if (this.#timer !== undefined) return;
    const wait = Math.max(0, this.#deliveredAt + tickMs - performance.now());
    this.#timer = setTimeout(() => {
      this.flush();
    }, wait);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.length === 0) return;
    const events = this.#waiting;
    this.#waiting = [];
    this.#deliveredAt = performance.now();
    this.#deliver(events);
  }
}

/** One event that says what two say in a row, or undefined. */
function join(one: EngineEvent, next: EngineEvent): EngineEvent | undefined {
  if (one.type === "text_delta" && next.type === "text_delta") {
    const adjacent = one.partId === next.partId && one.offset + one.text.length === next.offset && next.gap !== true;
    return adjacent ? { ...one, text: one.text + next.text } : undefined;
  }
  if (one.type === "tool_output" && next.type === "tool_output" && one.partId === next.partId)
    return next.reset ? next : { ...one, text: one.text + next.text };
  return undefined;
}

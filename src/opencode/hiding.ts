import { fields, optionalNumber, text, type Fields } from "../base/fields.ts";
import type { RawEvent } from "./normalise.ts";

/** A text that must not be stored or shown, and what stands in its place. */
export interface Hidden {
  text: string;
  shownAs: string;
}

/**
 * Takes texts that must not be seen out of one mission's events, before anything reads them. Of a text that grows, an end
 * that may be the beginning of one is held back until it is known what it is: an agent's words come in pieces, often
 * shorter than a secret.
 */
export class Hiding {
  readonly #current: () => readonly Hidden[];
  /** Of texts that are being streamed: how much has come, in UTF-16 units, and what is held back of it. */
  readonly #open = new Map<string, { length: number; held: string }>();

  constructor(current: () => readonly Hidden[]) {
    this.#current = current;
  }

  of(event: RawEvent): RawEvent {
    // One that is a piece of another would leave the rest of it.
    const all = [...this.#current()].sort((one, other) => other.text.length - one.text.length);
    if (all.length === 0) return event;
    const { type, properties } = event;
    if (type === "message.part.delta") return { ...event, properties: this.#piece(properties, all) };
    const whole = type === "message.part.updated" ? this.#growing(properties, all) : properties;
    return { ...event, properties: fields(hide(whole, all)) };
  }

  #piece(properties: Fields, all: readonly Hidden[]): Fields {
    const [partId, delta] = [text(properties["partID"]), text(properties["delta"])];
    const { length, held } = this.#open.get(partId) ?? { length: 0, held: "" };
    const [known, kept] = split(held + delta, all);
    this.#open.set(partId, { length: length + delta.length, held: kept });
    return { ...properties, delta: hide(known, all) };
  }

  /** Without the end of a text that goes on. */
  #growing(properties: Fields, all: readonly Hidden[]): Fields {
    const part = fields(properties["part"]);
    const state = fields(part["state"]);
    const metadata = fields(state["metadata"]);
    if (state["status"] === "running" && typeof metadata["output"] === "string") {
      const [output] = split(metadata["output"], all);
      return { ...properties, part: { ...part, state: { ...state, metadata: { ...metadata, output } } } };
    }
    const [id, whole, time] = [text(part["id"]), text(part["text"]), fields(part["time"])];
    if (optionalNumber(time["start"]) === undefined || optionalNumber(time["end"]) !== undefined) {
      this.#open.delete(id);
      return properties;
    }
    const [known, held] = split(whole, all);
    // One that was asked for may be older than the pieces that came meanwhile.
    if (whole.length >= (this.#open.get(id)?.length ?? 0)) this.#open.set(id, { length: whole.length, held });
    return { ...properties, part: { ...part, text: known } };
  }
}

function hide(value: unknown, all: readonly Hidden[]): unknown {
  if (typeof value === "string")
    return all.reduce((so, { text, shownAs }) => so.replaceAll(text, () => shownAs), value);
  if (Array.isArray(value)) return value.map((item) => hide(item, all));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [text(hide(key, all)), hide(entry, all)]));
}

/** A text as far as all that is hidden in it is known, and the rest, with which one of the hidden ones may begin. */
function split(whole: string, all: readonly Hidden[]): [known: string, held: string] {
  let end = Math.max(0, whole.length - (all[0]?.text.length ?? 0) + 1);
  while (
    end < whole.length &&
    !all.some((one) => one.text.length > whole.length - end && one.text.startsWith(whole.slice(end)))
  )
    end++;
  // Not in the middle of one that is whole.
  const across = ({ text }: Hidden) => {
    const at = whole.indexOf(text, Math.max(0, end - text.length + 1));
    return at >= 0 && at < end;
  };
  while (end > 0 && all.some(across)) end--;
  return [whole.slice(0, end), whole.slice(end)];
}

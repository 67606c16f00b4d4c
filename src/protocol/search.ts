/** What a search finds, and how a text is matched: host, page and tests agree by using the same functions. */
import type { EventType } from "./event.ts";
import type { MissionStatus } from "./mission.ts";

export interface SearchQuery {
  /**
   * What the user typed. Words must all occur, in any order and any case, also within other words; what stands in double
   * quotes must occur as it is. There is no text that is not a query.
   */
  text: string;
  /** Only in this mission. */
  missionId?: string;
  /** How many hits at most: 50 when absent, never more than 500. */
  limit?: number;
}

/** A place where all words of a query occur. A part of a message is found once, in its newest state. */
export interface SearchHit {
  missionId: string;
  /** The mission's title as it is now. */
  title: string;
  /** Of the event; 0 where the title itself is the hit. */
  seq: number;
  /** Of the event, or when the mission last changed where the title is the hit. Epoch milliseconds. */
  time: number;
  type: EventType | "title";
  sessionId?: string;
  messageId?: string;
  partId?: string;
  snippet: Snippet;
}

/** One line of text around the first match, with the places of all matches in it: begin and end in UTF-16 units. */
export interface Snippet {
  text: string;
  ranges: [start: number, end: number][];
}

/** Which missions to list. Fields that are absent do not narrow. */
export interface MissionQuery {
  /** False when absent: archived missions are listed apart. */
  archived?: boolean;
  status?: readonly MissionStatus[];
  /** The very folder, as the mission's head has it. */
  directory?: string;
  /** The agent that was chosen, else the one that answered last. */
  agent?: string;
  /** Contained in the title, in any case. */
  text?: string;
  /** How many at most; 200 when absent. */
  limit?: number;
  offset?: number;
  /** The last mission of the page before. */
  before?: { pinned: boolean; updatedAt: number; id: string };
}

/**
 * A text as it is compared: in lower case, every space a plain one, and nothing that is no character. As long as the
 * text itself, so that places in the one are places in the other.
 */
export function fold(text: string): string {
  // A NUL would end the text in SQLite.
  const even = text.replace(/[\s\0]/g, " ").replace(/\p{Surrogate}/gu, "\ufffd");
  if (/^[ -~]*$/.test(even)) return even.toLowerCase();
  return even.replace(/[A-Z]+|[^ -~]/gu, (piece) => {
    const lower = piece.toLowerCase();
    // What is no plain letter becomes none: SQLite's own `lower` knows the plain ones only.
    const fits = lower.length === piece.length && (piece <= "~" || lower > "~");
    return fits ? lower : piece;
  });
}

/** Of a query, in UTF-16 units and in words; what is beyond does not narrow. */
const queryLimit = 1_000;
const termLimit = 20;

/** The words and quoted phrases of a query, folded, each once. */
export function searchTerms(query: string): string[] {
  const found = fold(query.slice(0, queryLimit)).matchAll(/"([^"]*[^" ][^"]*)"|([^ ]+)/g);
  return [...new Set(Array.from(found, ([, phrase, word]) => phrase ?? word ?? ""))].slice(0, termLimit);
}

/** Of a snippet: its length, and how much of it stands before the first match. In UTF-16 units. */
const snippetLength = 160;
const leadLength = 40;

/** The snippet of a text in which all these terms occur; undefined when one of them does not. */
export function snippetOf(text: string, terms: readonly string[]): Snippet | undefined {
  const folded = fold(text);
  const places = terms.map((term) => folded.indexOf(term));
  if (terms.length === 0 || places.includes(-1)) return undefined;
  const first = Math.min(...places);
  const begin = startOf(text, Math.max(0, first - leadLength), first);
  const end = endOf(text, Math.min(text.length, Math.max(begin + snippetLength, first + (terms[0]?.length ?? 0))));
  const lead = begin > 0 ? "…" : "";
  const shown = text.slice(begin, end).replace(/\s/g, " ");
  const ranges = terms
    .flatMap((term) => occurrences(folded.slice(begin, end), term))
    .map(([from, to]): [number, number] => [from + lead.length, to + lead.length]);
  return { text: `${lead}${shown}${end < text.length ? "…" : ""}`, ranges: joined(ranges) };
}

/** The beginning of a word where there is one near, and never the middle of a character. */
function startOf(text: string, from: number, first: number): number {
  if (from === 0) return 0;
  const space = text.slice(from, first).search(/\s\S/);
  if (space >= 0) return from + space + 1;
  return isLow(text, from) ? from + 1 : from;
}

function endOf(text: string, end: number): number {
  return isLow(text, end) ? end - 1 : end;
}

/** Whether the second half of a surrogate pair stands there. */
function isLow(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff;
}

function occurrences(folded: string, term: string): [number, number][] {
  const found: [number, number][] = [];
  for (let at = folded.indexOf(term); at >= 0; at = folded.indexOf(term, at + term.length))
    found.push([at, at + term.length]);
  return found;
}

/** In order, and those that touch as one. */
function joined(ranges: readonly [number, number][]): [number, number][] {
  const result: [number, number][] = [];
  for (const [from, to] of ranges.toSorted((one, other) => one[0] - other[0])) {
    const last = result.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else result.push([from, to]);
  }
  return result;
}

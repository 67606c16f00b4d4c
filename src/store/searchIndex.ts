import type { Database } from "better-sqlite3";
import type { EventBody, EventType } from "../protocol/event.ts";
import { fold, searchTerms, snippetOf, type SearchHit, type SearchQuery } from "../protocol/search.ts";
import { searchedTypes, searchText } from "./searchText.ts";

const types = searchedTypes.map((type) => `'${type}'`).join(", ");

/** Events that one step of indexing looks at, and the characters of them it takes in at most. */
const stepEvents = 400;
const stepCharacters = 50_000;
/** Events that are not indexed yet are read one by one, as far as these newest ones go. */
const unindexedLimit = 20_000;
/** Of one query: trigrams asked for, and trigrams that may begin with a term of one or two characters. */
const gramLimit = 24;
const beginningLimit = 400;

interface HitRow {
  seq: number;
  mission_id: string;
  time: number;
  type: string;
  session_id: string | null;
  message_id: string | null;
  part_id: string | null;
  data: string;
}

/**
 * The index of all texts by their trigrams, without the texts themselves and without places: a search takes from it the
 * events that can match, newest first, and looks into each. It is filled after the events are stored, up to
 * `search_state.indexed_to`; what is newer is read as it is. Rows vanish with their events by a trigger.
 */
export class SearchIndex {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Takes in some of what is not indexed; to be run in a transaction. Returns whether there is more. */
  step(): boolean {
    const from = this.#indexedTo();
    const last = this.#lastSeq();
    if (last <= from) return false;
    const rows = this.#database
      .prepare(
        `SELECT seq, type, CASE WHEN type IN (${types}) THEN data END AS data FROM events WHERE seq > ? ORDER BY seq LIMIT ?`,
      )
      .iterate(from, stepEvents) as IterableIterator<{ seq: number; data: string | null }>;
    const texts: { seq: number; text: string }[] = [];
    let to = from;
    let characters = 0;
    for (const { seq, data } of rows) {
      to = seq;
      const text = data === null ? "" : searchText(JSON.parse(data) as EventBody);
      if (text !== "") texts.push({ seq, text });
      characters += text.length;
      if (characters > stepCharacters) break;
    }
    const insert = this.#database.prepare("INSERT INTO search (rowid, text) VALUES (?, ?)");
    // With two spaces behind it, each character of a text begins a trigram.
    for (const { seq, text } of texts) insert.run(seq, `${fold(text)}  `);
    this.#database.prepare("UPDATE search_state SET indexed_to = ?").run(to);
    return to < last;
  }

  /** Titles first, then events, newest first. */
  find(query: SearchQuery): SearchHit[] {
    const terms = searchTerms(query.text);
    const limit = Math.min(Math.max(1, query.limit ?? 50), 500);
    if (terms.length === 0) return [];
    const hits = query.missionId === undefined ? this.#titles(terms, Math.ceil(limit / 2)) : [];
    const parts = new Set<string>();
    for (const row of this.#candidates(terms, query.missionId)) {
      if (hits.length >= limit) break;
      const part = row.part_id === null ? undefined : `${row.mission_id} ${row.part_id}`;
      if (part !== undefined && parts.has(part)) continue;
      const snippet = snippetOf(searchText(JSON.parse(row.data) as EventBody), terms);
      if (!snippet) continue;
      if (part !== undefined) parts.add(part);
      hits.push({
        missionId: row.mission_id,
        title: "",
        seq: row.seq,
        time: row.time,
        type: row.type as EventType,
        ...(row.session_id !== null && { sessionId: row.session_id }),
        ...(row.message_id !== null && { messageId: row.message_id }),
        ...(row.part_id !== null && { partId: row.part_id }),
        snippet,
      });
    }
    return this.#titled(hits);
  }

  #indexedTo(): number {
    return this.#database.prepare("SELECT indexed_to FROM search_state").pluck().get() as number;
  }

  *#candidates(terms: readonly string[], missionId: string | undefined): Iterable<HitRow> {
    const indexedTo = this.#indexedTo();
    const columns = "e.seq, e.mission_id, e.time, e.type, e.session_id, e.message_id, e.part_id, e.data";
    const narrow = missionId === undefined ? "" : " AND e.mission_id = ?";
    const values = missionId === undefined ? [] : [missionId];
    // What holds a plain word has it in its JSON as it is; this spares reading the JSON of most that do not.
    const word = terms.find((term) => /^[!#-[\]-~]{3,}$/.test(term));
    const holds = word === undefined ? "" : " AND instr(lower(e.data), ?) > 0";
    const filters = [...values, ...(word === undefined ? [] : [word])];
    yield* this.#database
      .prepare(
        `SELECT ${columns} FROM events e WHERE e.seq > ? AND e.type IN (${types})${narrow}${holds} ORDER BY e.seq DESC`,
      )
      .iterate(Math.max(indexedTo, this.#lastSeq() - unindexedLimit), ...filters) as IterableIterator<HitRow>;
    const match = this.#match(terms);
    if (match === undefined) return;
    const [first, last] = this.#span(missionId);
    yield* this.#database
      .prepare(
        `SELECT ${columns} FROM search CROSS JOIN events e ON e.seq = search.rowid
         WHERE search MATCH ? AND search.rowid BETWEEN ? AND ?${narrow}${holds} ORDER BY search.rowid DESC`,
      )
      .iterate(match, first, Math.min(last, indexedTo), ...filters) as IterableIterator<HitRow>;
  }

  #lastSeq(): number {
    return (this.#database.prepare("SELECT max(seq) FROM events").pluck().get() as number | null) ?? 0;
  }

  /** The seqs between which a mission's events are. */
  #span(missionId: string | undefined): [number, number] {
    if (missionId === undefined) return [0, Number.MAX_SAFE_INTEGER];
    const span = this.#database
      .prepare("SELECT min(seq) AS first, max(seq) AS last FROM events WHERE mission_id = ?")
      .get(missionId) as { first: number | null; last: number | null };
    return [span.first ?? 1, span.last ?? 0];
  }

  /** What must be in the index for the terms to be found; undefined when nothing can be. */
  #match(terms: readonly string[]): string | undefined {
    const grams = [...new Set(terms.flatMap(trigrams))];
    if (grams.length > 0) {
      const step = Math.max(1, grams.length / gramLimit);
      const some = grams.filter((_, index) => Math.floor(index / step) !== Math.floor((index - 1) / step));
      return some.map(quoted).join(" AND ");
    }
    const [term = ""] = [...terms].sort((one, other) => other.length - one.length);
    const beginnings = this.#database
      .prepare("SELECT term FROM search_terms WHERE term >= ? AND term < ? LIMIT ?")
      .pluck()
      .all(term, `${term}\u{10ffff}`, beginningLimit) as string[];
    return beginnings.length === 0 ? undefined : beginnings.map(quoted).join(" OR ");
  }

  #titles(terms: readonly string[], limit: number): SearchHit[] {
    const rows = this.#database
      .prepare(
        `SELECT id, updated_at, json_extract(head, '$.title') AS title FROM missions
         WHERE archived IN (0, 1)${" AND instr(title, ?) > 0".repeat(terms.length)} ORDER BY updated_at DESC LIMIT ?`,
      )
      .all(...terms, limit) as { id: string; updated_at: number; title: string }[];
    return rows.flatMap(({ id, updated_at, title }) => {
      const snippet = snippetOf(title, terms);
      return snippet ? [{ missionId: id, title, seq: 0, time: updated_at, type: "title", snippet }] : [];
    });
  }

  #titled(hits: readonly SearchHit[]): SearchHit[] {
    const titles = new Map<string, string>();
    const read = this.#database.prepare("SELECT json_extract(head, '$.title') FROM missions WHERE id = ?").pluck();
    return hits.map((hit) => {
      const title = titles.get(hit.missionId) ?? (read.get(hit.missionId) as string);
      titles.set(hit.missionId, title);
      return { ...hit, title };
    });
  }
}

/** Of a term with at least three characters. */
function trigrams(term: string): string[] {
  const characters = Array.from(term);
  return characters.slice(2).map((_, index) => characters.slice(index, index + 3).join(""));
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}

import type { Database, Statement } from "better-sqlite3";
import { OpenAgentError } from "../base/errors.ts";
import { endsPart, keyOf, ownTypes, type EventBody, type EventType, type MissionEvent } from "../protocol/event.ts";
import type { MissionHead } from "../protocol/mission.ts";
import type { PermissionRule } from "../protocol/permission.ts";
import { newHead, reduceHead, reduceTranscript, type MissionView } from "../protocol/reduce.ts";
import type { MissionQuery, SearchHit, SearchQuery } from "../protocol/search.ts";
import { emptyTranscript, type Transcript } from "../protocol/transcript.ts";
import { isStale, messageOf, toEvent, type EventRow } from "./eventRows.ts";
import { openDatabase, storeError } from "./database.ts";
import { headColumns, insertHead, listSql, updateHead } from "./missionRows.ts";
import { toRule, type RuleRow } from "./rules.ts";
import { SearchIndex } from "./searchIndex.ts";
import { reclaimStep } from "./space.ts";

export interface StoreOptions {
  path: string;
  /** Absolute path of better-sqlite3's `.node` file; its own search when undefined. */
  nativeBinding?: string;
}

export interface EventQuery {
  types?: readonly EventType[];
  /** Only events with a greater seq. */
  after?: number;
  limit?: number;
  offset?: number;
}

export interface Appended {
  /** What was news, with its seq; repetitions are left out. */
  events: MissionEvent[];
  head: MissionHead;
  /** The mission's last seq before and after. */
  prev: number;
  seq: number;
}

/** What was said at one time of the past. */
export interface Past {
  /** Epoch milliseconds. */
  time: number;
  bodies: readonly EventBody[];
}

/**
 * The missions and their events. The only owner of SQL. Every method is synchronous: a call is one transaction.
 * All methods throw OpenAgentError `store_full`, `store_unreadable` or `store_failed` when SQLite fails, and the
 * writing ones `store_newer` when the database belongs to a newer version.
 */
export class Store {
  readonly path: string;
  readonly nativeBinding: string | undefined;
  readonly newer: boolean;
  readonly #database: Database;
  readonly #search: SearchIndex;
  readonly #statements = new Map<string, Statement>();
  /** Heads and last seqs of missions written to since the last `refresh`; only the leader writes. */
  readonly #written = new Map<string, { head: MissionHead; seq: number }>();

  constructor(options: StoreOptions) {
    const { database, newer } = openDatabase(options.path, options.nativeBinding);
    this.path = options.path;
    this.nativeBinding = options.nativeBinding;
    this.#database = database;
    this.#search = new SearchIndex(database);
    this.newer = newer;
  }

  get newerError(): OpenAgentError {
    return new OpenAgentError(
      "store_newer",
      `${this.path} was written by a newer version of Open Agent and is only read.`,
      { path: this.path },
    );
  }

  close(): void {
    this.#database.close();
  }

  /** Forgets what is remembered of the database. To be called on becoming the one process that writes. */
  refresh(): void {
    this.#written.clear();
  }

  /** Tries to write without changing anything. */
  probe(): void {
    this.#write(() =>
      this.#run("UPDATE missions SET updated_at = updated_at WHERE id = (SELECT id FROM missions LIMIT 1)"),
    );
  }

  /** A number that changes when another process has written. */
  dataVersion(): number {
    return this.#guard(() => Number(this.#database.pragma("data_version", { simple: true })));
  }

  /** Stores the first events of a new mission. */
  create(missionId: string, bodies: readonly EventBody[], time: number): Appended {
    return this.#write(() => {
      const head = newHead(missionId, time);
      this.#run(insertHead, ...headColumns(head));
      return this.#append({ head, seq: 0 }, bodies, time);
    });
  }

  /** Stores what is new in `bodies`, all of it or nothing. */
  append(missionId: string, bodies: readonly EventBody[], time: number): Appended {
    return this.#write(() => {
      const known = this.#written.get(missionId) ?? { head: this.head(missionId), seq: this.lastSeq(missionId) };
      return this.#append(known, bodies, time);
    });
  }

  /** Stores the events of a mission that was elsewhere before, each at its time: all of them or nothing. */
  takeIn(missionId: string, parts: readonly Past[]): Appended {
    return this.#write(() => {
      let last = this.create(missionId, [], parts[0]?.time ?? Date.now());
      const events: MissionEvent[] = [];
      for (const { time, bodies } of parts) {
        last = this.append(missionId, bodies, time);
        events.push(...last.events);
      }
      return { ...last, events, prev: 0 };
    });
  }

  #append(known: { head: MissionHead; seq: number }, bodies: readonly EventBody[], time: number): Appended {
    const missionId = known.head.id;
    const events: MissionEvent[] = [];
    let head = known.head;
    for (const body of bodies) {
      const seq = this.#insert(missionId, body, time);
      if (seq === undefined) continue;
      const event = { seq, missionId, time, body };
      events.push(event);
      head = reduceHead(head, event);
    }
    if (head !== known.head) {
      const [id, ...columns] = headColumns(head);
      this.#run(updateHead, ...columns, id);
    }
    const seq = events.at(-1)?.seq ?? known.seq;
    this.#written.set(missionId, { head, seq });
    return { events, head, prev: known.seq, seq };
  }

  /** Returns the new row's seq, or undefined when the event says nothing new. */
  #insert(missionId: string, body: EventBody, time: number): number | undefined {
    const key = keyOf(body);
    const data = JSON.stringify(body);
    if (key !== undefined) {
      const old = this.#get<{ seq: number; data: string }>(
        "SELECT seq, data FROM events WHERE mission_id = ? AND key = ?",
        missionId,
        key,
      );
      if (old) {
        if (old.data === data || isStale(body, old.data)) return undefined;
        this.#run("DELETE FROM events WHERE seq = ?", old.seq);
      }
    }
    const partId = "partId" in body ? (body.partId ?? null) : null;
    if (partId !== null && endsPart(body))
      this.#run("DELETE FROM events WHERE part_id = ? AND type IN ('text_delta', 'tool_output')", partId);
    const sessionId = "sessionId" in body ? (body.sessionId ?? null) : null;
    if (sessionId !== null && (body.type === "session" || body.type === "mission_updated"))
      this.#run("INSERT OR IGNORE INTO sessions (id, mission_id) VALUES (?, ?)", sessionId, missionId);
    const messageId = messageOf(body) ?? null;
    const result = this.#run(
      "INSERT INTO events (mission_id, time, type, session_id, message_id, part_id, key, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      missionId,
      time,
      body.type,
      sessionId,
      messageId,
      partId,
      key ?? null,
      data,
    );
    return Number(result.lastInsertRowid);
  }

  /** Deletes a mission and everything that belongs to it. */
  remove(missionId: string): void {
    this.#write(() => {
      this.#written.delete(missionId);
      this.#run("DELETE FROM missions WHERE id = ?", missionId);
    });
  }

  has(missionId: string): boolean {
    return this.#read("SELECT 1 FROM missions WHERE id = ?", missionId) !== undefined;
  }

  /** @throws OpenAgentError `mission_not_found` */
  head(missionId: string): MissionHead {
    const row = this.#read<{ head: string }>("SELECT head FROM missions WHERE id = ?", missionId);
    if (!row) throw new OpenAgentError("mission_not_found", `There is no mission ${missionId}.`, { missionId });
    return parseHead(row.head);
  }

  /** Pinned ones first, then newest first. */
  list(query: MissionQuery = {}): MissionHead[] {
    const { sql, values } = listSql(query);
    return this.#readAll<{ head: string }>(sql, ...values).map((row) => parseHead(row.head));
  }

  /** Titles that match, then events, newest first. Safe with any text. */
  search(query: SearchQuery): SearchHit[] {
    return this.#guard(() => this.#search.find(query));
  }

  /** Makes some more of what is stored quick to search; for the process that writes. Returns whether there is more. */
  indexMore(): boolean {
    return this.#write(() => this.#search.step());
  }

  /**
   * Gives some of the space of what was deleted back to the disk; for the process that writes. Returns whether there is
   * more.
   * @param wholly a file that cannot be shortened piece by piece may be written anew at once, which takes its time
   */
  reclaim(wholly: boolean): boolean {
    return this.#guard(() => reclaimStep(this.#database, wholly));
  }

  /** The missions in which something runs or waits. */
  listRunning(): MissionHead[] {
    return this.#readAll<{ head: string }>(
      "SELECT head FROM missions WHERE run_state <> 'idle' ORDER BY updated_at",
    ).map((row) => parseHead(row.head));
  }

  /** The missions with messages that are not sent yet. */
  listPending(): MissionHead[] {
    return this.#readAll<{ head: string }>("SELECT head FROM missions WHERE pending > 0 ORDER BY updated_at").map(
      (row) => parseHead(row.head),
    );
  }

  /** The missions whose id begins like that, at most two. */
  findByPrefix(prefix: string): string[] {
    const end = `${prefix}\u{10ffff}`;
    return this.#readAll<{ id: string }>("SELECT id FROM missions WHERE id >= ? AND id < ? LIMIT 2", prefix, end).map(
      (row) => row.id,
    );
  }

  missionOfSession(sessionId: string): string | undefined {
    return this.#read<{ mission_id: string }>("SELECT mission_id FROM sessions WHERE id = ?", sessionId)?.mission_id;
  }

  sessionsOf(missionId: string): string[] {
    return this.#readAll<{ id: string }>("SELECT id FROM sessions WHERE mission_id = ?", missionId).map(
      (row) => row.id,
    );
  }

  /** The greatest message id in a session, which is that of its newest message. */
  lastMessageId(missionId: string, sessionId: string): string | undefined {
    const sql =
      "SELECT max(message_id) AS id FROM events WHERE mission_id = ? AND session_id = ? AND message_id IS NOT NULL";
    return this.#read<{ id: string | null }>(sql, missionId, sessionId)?.id ?? undefined;
  }

  /** Messages of a session that OpenCode was seen to hold and that were not taken back, from `since` on when given. */
  messageIds(missionId: string, sessionId: string, since = ""): string[] {
    const rows = this.#readAll<{ id: string }>(
      `SELECT DISTINCT message_id AS id FROM events AS e
       WHERE mission_id = ? AND session_id = ? AND message_id >= ? AND type = 'message'
       AND json_extract(data, '$.unconfirmed') IS NULL
       AND NOT EXISTS (SELECT 1 FROM events WHERE mission_id = e.mission_id AND key = 'removed:' || e.message_id)`,
      missionId,
      sessionId,
      since,
    );
    return rows.map(({ id }) => id);
  }

  /** 0 for a mission without events. */
  lastSeq(missionId: string): number {
    return (
      this.#read<{ seq: number | null }>("SELECT max(seq) AS seq FROM events WHERE mission_id = ?", missionId)?.seq ?? 0
    );
  }

  /** Whether an event of the same key is stored. */
  holds(missionId: string, body: EventBody): boolean {
    const sql = "SELECT 1 FROM events WHERE mission_id = ? AND key = ?";
    return this.#read(sql, missionId, keyOf(body) ?? "") !== undefined;
  }

  /** When the agent last gave a sign of life, in epoch milliseconds. */
  lastActivity(missionId: string): number | undefined {
    const own = ownTypes.map(() => "?").join(", ");
    const sql = `SELECT time FROM events WHERE mission_id = ? AND type NOT IN (${own}) ORDER BY seq DESC LIMIT 1`;
    return this.#read<{ time: number }>(sql, missionId, ...ownTypes)?.time;
  }

  /** The newest seq of the whole database. */
  lastSeqOfAll(): number {
    return this.#read<{ seq: number | null }>("SELECT max(seq) AS seq FROM events")?.seq ?? 0;
  }

  /** The missions with events after this one. */
  missionsSince(seq: number): string[] {
    return this.#readAll<{ id: string }>("SELECT DISTINCT mission_id AS id FROM events WHERE seq > ?", seq).map(
      (row) => row.id,
    );
  }

  /** Events in the order of their seq. */
  events(missionId: string, query: EventQuery = {}): MissionEvent[] {
    const types = query.types ?? [];
    const filter = types.length > 0 ? ` AND type IN (${types.map(() => "?").join(", ")})` : "";
    const rows = this.#readAll<EventRow>(
      `SELECT seq, time, data FROM events WHERE mission_id = ? AND seq > ?${filter} ORDER BY seq LIMIT ? OFFSET ?`,
      missionId,
      query.after ?? 0,
      ...types,
      query.limit ?? -1,
      query.offset ?? 0,
    );
    return rows.map((row) => toEvent(missionId, row));
  }

  /**
   * The view of a mission with the newest `messages` messages of a session, its own when none is named, and the seq that
   * it stands at.
   */
  snapshot(missionId: string, messages: number, sessionId?: string): { view: MissionView; seq: number } {
    return this.#guard(() =>
      this.#database.transaction(() => {
        const head = this.head(missionId);
        const transcript = this.page(missionId, sessionId ?? head.sessionId, { limit: messages });
        return { view: { head, transcript }, seq: this.lastSeq(missionId) };
      })(),
    );
  }

  /** The ids of a session's messages, in their order. */
  messagesOf(missionId: string, sessionId: string): string[] {
    const sql =
      "SELECT DISTINCT message_id AS id FROM events WHERE mission_id = ? AND session_id = ? AND message_id IS NOT NULL ORDER BY message_id";
    return this.#readAll<{ id: string }>(sql, missionId, sessionId).map(({ id }) => id);
  }

  /** Messages of one session, newest first by `limit`, those before the message `before` when given. */
  page(missionId: string, sessionId: string | undefined, query: { before?: string; limit: number }): Transcript {
    if (sessionId === undefined) return emptyTranscript;
    const ids = this.#readAll<{ message_id: string }>(
      "SELECT DISTINCT message_id FROM events WHERE mission_id = ? AND session_id = ? AND message_id < ? ORDER BY message_id DESC LIMIT ?",
      missionId,
      sessionId,
      query.before ?? "~",
      query.limit + 1,
    ).map((row) => row.message_id);
    const first = ids.slice(0, query.limit).at(-1);
    if (first === undefined) return { ...emptyTranscript, sessionId };
    const rows = this.#readAll<EventRow>(
      "SELECT seq, time, data FROM events WHERE mission_id = ? AND session_id = ? AND message_id >= ? AND message_id < ? ORDER BY seq",
      missionId,
      sessionId,
      first,
      query.before ?? "~",
    );
    const transcript = rows.reduce<Transcript>(
      (page, row) => reduceTranscript(page, toEvent(missionId, row), sessionId),
      { ...emptyTranscript, sessionId },
    );
    return { ...transcript, hasEarlier: ids.length > query.limit };
  }

  /** The message that stands so many places after another one in its session; undefined when there are fewer. */
  messageAfter(missionId: string, sessionId: string, messageId: string, places: number): string | undefined {
    const sql =
      "SELECT DISTINCT message_id AS id FROM events WHERE mission_id = ? AND session_id = ? AND message_id > ? ORDER BY message_id LIMIT 1 OFFSET ?";
    return this.#read<{ id: string }>(sql, missionId, sessionId, messageId, places - 1)?.id;
  }

  /** What is stored under a key of a mission. */
  keyed(missionId: string, key: string): EventBody | undefined {
    const row = this.#read<{ data: string }>(
      "SELECT data FROM events WHERE mission_id = ? AND key = ?",
      missionId,
      key,
    );
    return row && (JSON.parse(row.data) as EventBody);
  }

  /** The last stored events of one part: the whole of what the page was given in short. */
  part(missionId: string, partId: string): MissionEvent[] {
    const rows = this.#readAll<EventRow>(
      "SELECT seq, time, data FROM events WHERE mission_id = ? AND key IN (?, ?) ORDER BY seq",
      missionId,
      `part:${partId}`,
      `result:${partId}`,
    );
    return rows.map((row) => toEvent(missionId, row));
  }

  /** What the user allowed for good, newest first. */
  rules(): PermissionRule[] {
    return this.#readAll<RuleRow>("SELECT * FROM permission_rules ORDER BY created_at DESC, rowid DESC").map(toRule);
  }

  /** Returns the rule that already says the same, where there is one. */
  addRule(rule: PermissionRule): PermissionRule {
    return this.#write(() => {
      const { id, scope, missionId = null, directory = null, permission, pattern, createdAt } = rule;
      const known = this.#get<RuleRow>(
        "SELECT * FROM permission_rules WHERE scope = ? AND mission_id IS ? AND directory IS ? AND permission = ? AND pattern = ?",
        scope,
        missionId,
        directory,
        permission,
        pattern,
      );
      if (known) return toRule(known);
      this.#run(
        "INSERT INTO permission_rules (id, scope, mission_id, directory, permission, pattern, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        id,
        scope,
        missionId,
        directory,
        permission,
        pattern,
        createdAt,
      );
      return rule;
    });
  }

  removeRule(ruleId: string): void {
    this.#write(() => this.#run("DELETE FROM permission_rules WHERE id = ?", ruleId));
  }

  #write<T>(change: () => T): T {
    if (this.newer) throw this.newerError;
    try {
      return this.#guard(() => this.#database.transaction(change).immediate());
    } catch (error) {
      this.#written.clear();
      throw error;
    }
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw storeError(error, this.path);
    }
  }

  #read<T>(sql: string, ...values: unknown[]): T | undefined {
    return this.#guard(() => this.#get<T>(sql, ...values));
  }

  #readAll<T>(sql: string, ...values: unknown[]): T[] {
    return this.#guard(() => this.#statement(sql).all(...values) as T[]);
  }

  #get<T>(sql: string, ...values: unknown[]): T | undefined {
    return this.#statement(sql).get(...values) as T | undefined;
  }

  #run(sql: string, ...values: unknown[]) {
    return this.#statement(sql).run(...values);
  }

  #statement(sql: string): Statement {
    const known = this.#statements.get(sql);
    if (known) return known;
    const prepared = this.#database.prepare(sql);
    this.#statements.set(sql, prepared);
    return prepared;
  }
}

/** A head stored by an older version lacks the fields added since. */
function parseHead(text: string): MissionHead {
  const head = JSON.parse(text) as MissionHead;
  return { ...newHead(head.id, head.createdAt), ...head };
}

/** (e) Lists, filters and full-text search over many missions, against bare SQL and OpenCode's list of sessions. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { keyOf, type EventBody } from "../../src/protocol/event.ts";
import type { MissionStatus } from "../../src/protocol/mission.ts";
import { newHead, reduceHead } from "../../src/protocol/reduce.ts";
import type { MissionQuery } from "../../src/protocol/search.ts";
import { headColumns, insertHead } from "../../src/store/missionRows.ts";
import { Store } from "../../src/store/store.ts";
import { format, limited, percentile, type Report, type Row } from "./report.ts";
import { authorization, makeServerBed } from "./serverBed.ts";

/** `BENCH_MISSIONS` makes it smaller on a slow machine; the report says how many there were. */
const missionCount = Number(process.env["BENCH_MISSIONS"] ?? 50_000);
const eventsEach = 20;
const rounds = 100;

export async function measureScale(): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), "bench-scale-"));
  try {
    const path = join(folder, "missions", "missions.db");
    fill(path);
    const unindexed = statSync(path).size;
    const store = new Store({ path });
    const start = performance.now();
    const steps: number[] = [];
    for (let more = true; more;) {
      const began = performance.now();
      more = store.indexMore();
      steps.push(performance.now() - began);
    }
    const seconds = (performance.now() - start) / 1000;
    store.reclaim(false);
    const size = statSync(path).size;
    const raw = new SqliteDatabase(path, { readonly: true });
    const rows = [...lists(store, raw), ...searches(store, raw)];
    raw.close();
    store.close();
    const megabytes = (bytes: number) => `${format(bytes / 1_000_000)} MB`;
    return {
      rows: [...rows, ...(await againstSessions(path))],
      method: [
        `e: ${String(missionCount)} missions with ${String(missionCount * eventsEach)} events (${megabytes(unindexed)}); all of it was indexed in ${format(seconds)} s, in steps of ${format(percentile(steps, 50))} ms (p95 ${format(percentile(steps, 95))} ms), and the index has ${megabytes(size - unindexed)}. p95 of ${String(rounds)} interleaved rounds a row. Theirs is the query alone, on a connection of its own, with its rows read as JSON: for lists the same SELECT, for searches a scan of the titles, and the MATCH of the trigrams with the events of its first ${String(hits)} hits.`,
      ],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

// --- lists --------------------------------------------------------------------------------------------------------------

function lists(store: Store, raw: SqliteDatabase.Database): Row[] {
  const order = "ORDER BY pinned DESC, updated_at DESC, id DESC LIMIT 50";
  const last = store.list({ limit: 1, offset: Math.floor(missionCount * 0.8) })[0];
  const list = (query: MissionQuery) => () => void store.list({ ...query, limit: 50 });
  const sql = (where: string, ...values: unknown[]) => {
    const statement = raw.prepare(`SELECT head FROM missions WHERE archived = 0 ${where} ${order}`);
    return () => void (statement.all(...values) as { head: string }[]).map(({ head }) => JSON.parse(head) as unknown);
  };
  const after = last ? [last.pinned ? 1 : 0, last.updatedAt, last.id] : [];
  return [
    compared("e first page of 50", list({}), sql(""), 2),
    compared(
      "e a page far down",
      list(last ? { before: last } : {}),
      sql("AND (pinned, updated_at, id) < (?, ?, ?)", ...after),
      2,
    ),
    compared(
      "e filter by status and folder",
      list({ status: ["failed"], directory: "/project/7" }),
      sql("AND status = 'failed' AND directory = '/project/7'"),
      2,
    ),
    compared(
      "e filter by a title that one has",
      list({ text: `Mission ${String(missionCount - 10)} ` }),
      sql("AND instr(title, ?) > 0", `mission ${String(missionCount - 10)} `),
      2,
    ),
  ];
}

// --- full text ----------------------------------------------------------------------------------------------------------

const hits = 50;

function searches(store: Store, raw: SqliteDatabase.Database): Row[] {
  const statement = raw.prepare(
    "SELECT e.seq, e.data FROM search CROSS JOIN events e ON e.seq = search.rowid WHERE search MATCH ? ORDER BY search.rowid DESC LIMIT ?",
  );
  const titles = (text: string) => {
    const words = text.split(" ");
    const terms = words.map(() => "instr(title, ?) > 0").join(" AND ");
    return raw.prepare(`SELECT id FROM missions WHERE ${terms} ORDER BY updated_at DESC LIMIT ?`).all(...words, hits);
  };
  const grams = (text: string) =>
    text
      .split(" ")
      .flatMap((word) => Array.from({ length: Math.max(0, word.length - 2) }, (_, at) => `"${word.slice(at, at + 3)}"`))
      .join(" AND ");
  const query = (name: string, text: string, limit: number) =>
    compared(
      `e search ${name}`,
      () => void store.search({ text, limit: hits }),
      () => {
        titles(text);
        for (const { data } of statement.all(grams(text), hits) as { data: string }[]) JSON.parse(data);
      },
      limit,
    );
  return [
    query("a word that most have", "parser", 5),
    query("a word that one has", `marker${String(Math.floor(missionCount / 3))}x`, 5),
    query("two words", "grammar semicolon", 5),
    query("a word that none has, of parts that all have", "parsergrammar", 5),
  ];
}

// --- OpenCode -----------------------------------------------------------------------------------------------------------

/** The same number of sessions in OpenCode, copied in its database. */
async function againstSessions(path: string): Promise<Row[]> {
  const bed = await makeServerBed();
  try {
    await bed.start();
    const { id } = (await bed.call("/session", { title: "Template" })) as { id: string };
    await bed.stop();
    const database = new SqliteDatabase(bed.database);
    copySessions(database, id);
    database.close();
    await bed.start();
    const ask = async (query: string) => {
      const address = `${bed.connection.url}/session?directory=${encodeURIComponent(bed.bed.project)}&limit=50${query}`;
      const response = await fetch(address, { headers: { authorization: authorization(bed.connection) } });
      const sessions = (await response.json()) as unknown[];
      if (sessions.length === 0) throw new Error(`OpenCode lists nothing: ${address}`);
    };
    const store = new Store({ path });
    const title = `Mission ${String(missionCount - 10)} `;
    const rows = [
      await awaited(
        "e first page of 50, to OpenCode's",
        () => store.list({ limit: 50 }),
        () => ask(""),
      ),
      await awaited(
        "e filter by title, to OpenCode's",
        () => store.list({ text: title, limit: 50 }),
        () => ask(`&search=${encodeURIComponent(title)}`),
      ),
    ];
    store.close();
    return rows;
  } finally {
    await bed.close();
  }
}

function copySessions(database: SqliteDatabase.Database, template: string): void {
  const row = database.prepare("SELECT * FROM session WHERE id = ?").get(template) as Record<string, unknown>;
  const names = Object.keys(row);
  const insert = database.prepare(
    `INSERT INTO session (${names.map((name) => `"${name}"`).join(", ")}) VALUES (${names.map((name) => `@${name}`).join(", ")})`,
  );
  const now = Date.now();
  database.transaction(() => {
    for (let index = 0; index < missionCount; index++) {
      const id = `${template.slice(0, -8)}${String(index).padStart(8, "0")}`;
      const time = now - index * 1_000;
      const own = {
        id,
        slug: id,
        title: `Mission ${String(index)} of the bench`,
        time_created: time,
        time_updated: time,
      };
      insert.run({ ...row, ...own });
    }
  })();
}

// --- measuring ----------------------------------------------------------------------------------------------------------

function compared(measure: string, ours: () => void, theirs: () => void, limit: number): Row {
  const times = { ours: [] as number[], theirs: [] as number[] };
  const both = [["ours", ours] as const, ["theirs", theirs] as const];
  for (let round = -5; round < rounds; round++)
    // Who comes first finds the caches full of the other's.
    for (const [name, run] of round % 2 === 0 ? both : both.toReversed()) {
      const start = performance.now();
      run();
      if (round >= 0) times[name].push(performance.now() - start);
    }
  return limited(measure, percentile(times.ours, 95), percentile(times.theirs, 95), "ms", limit);
}

async function awaited(measure: string, ours: () => unknown, theirs: () => Promise<void>): Promise<Row> {
  const times = { ours: [] as number[], theirs: [] as number[] };
  for (let round = -3; round < rounds; round++) {
    let start = performance.now();
    ours();
    if (round >= 0) times.ours.push(performance.now() - start);
    start = performance.now();
    await theirs();
    if (round >= 0) times.theirs.push(performance.now() - start);
  }
  return limited(measure, percentile(times.ours, 95), percentile(times.theirs, 95), "ms", 1);
}

// --- filling ------------------------------------------------------------------------------------------------------------

const statuses: readonly MissionStatus[] = ["active", "completed", "active", "failed", "interrupted"];
const words =
  "the parser fails at a semicolon since its grammar takes no empty statement so we change one rule and run all tests again before anything else is touched in this module where dates names paths and lines are read from the file".split(
    " ",
  );

/** Sentences in which every word of `words` comes often. */
function sentence(seed: number, length: number): string {
  return Array.from(
    { length },
    (_, at) => words[(seed * 31 + at * (7 + (seed % 11)) + Math.floor(at / 5)) % words.length],
  ).join(" ");
}

function fill(path: string): void {
  new Store({ path }).close();
  const database = new SqliteDatabase(path);
  const insertMission = database.prepare(insertHead);
  const insertEvent = database.prepare(
    "INSERT INTO events (mission_id, time, type, session_id, message_id, part_id, key, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const some = database.transaction((from: number, to: number) => {
    for (let index = from; index < to; index++) {
      const id = randomUUID();
      const time = 1_700_000_000_000 + ((index * 7_919) % missionCount) * 60_000;
      const bodies = missionOf(index);
      const head = bodies.reduce(
        (known, body, seq) => reduceHead(known, { seq, missionId: id, time, body }),
        newHead(id, time),
      );
      insertMission.run(...headColumns(head));
      for (const body of bodies) {
        const facts = body as { sessionId?: string; messageId?: string; partId?: string };
        const place = [facts.sessionId ?? null, facts.messageId ?? null, facts.partId ?? null];
        insertEvent.run(id, time, body.type, ...place, keyOf(body) ?? null, JSON.stringify(body));
      }
    }
  });
  for (let from = 0; from < missionCount; from += 500) some.immediate(from, Math.min(missionCount, from + 500));
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
}

/** Two turns with a tool call each: `eventsEach` events. */
function missionOf(index: number): EventBody[] {
  const session = `ses_${String(index)}`;
  const title = `Mission ${String(index)} ${sentence(index, 4)}`;
  return [
    {
      type: "mission_created",
      title,
      directory: `/project/${String(index % 40)}`,
      server: "own",
      agent: index % 3 === 0 ? "plan" : "build",
    },
    { type: "mission_updated", sessionId: session },
    ...[0, 1].flatMap((turn) => turnOf(index, session, turn)),
    { type: "mission_status_changed", status: statuses[index % statuses.length] ?? "active" },
    { type: "mission_updated", contextLimit: { model: "a/b", tokens: 1 } },
  ];
}

function turnOf(index: number, sessionId: string, turn: number): EventBody[] {
  const [ask, reply] = [`msg_${String(turn)}0`, `msg_${String(turn)}1`];
  const part = (messageId: string, name: string) => ({
    sessionId,
    messageId,
    partId: `prt_${String(index)}_${String(turn)}${name}`,
  });
  const input = { command: `npm test -- ${String(index)}` };
  const card = { icon: "terminal", doing: "Running", done: "Ran", object: input.command, body: "terminal" as const };
  const call = { ...part(reply, "b"), callId: `call_${String(turn)}`, tool: "bash", card, input };
  const tokens = { input: 1_000, output: 50, reasoning: 0, cacheRead: 0, cacheWrite: 0 };
  return [
    { type: "message", sessionId, messageId: ask, role: "user", createdAt: 1 },
    { type: "user_message", ...part(ask, "u"), text: sentence(index + turn, 25) },
    { type: "message", sessionId, messageId: reply, role: "assistant", parentId: ask, createdAt: 2, completedAt: 3 },
    { type: "thinking", ...part(reply, "a"), text: sentence(index * 3 + turn, 30), done: true, startedAt: 2 },
    { type: "tool_call", ...call, state: "running" },
    {
      type: "tool_result",
      ...call,
      state: "completed",
      output: `${sentence(index * 5 + turn, 60)} marker${String(index)}x`,
    },
    {
      type: "assistant_message",
      ...part(reply, "c"),
      text: sentence(index * 7 + turn, 50),
      done: true,
      startedAt: 2,
      endedAt: 3,
    },
    { type: "step_finished", ...part(reply, "d"), reason: "stop", cost: 0.001, tokens },
  ];
}

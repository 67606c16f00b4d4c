/** (b) How fast the store appends, against bare inserts of the same rows. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keyOf, type EventBody } from "../../src/protocol/event.ts";
import { openDatabase } from "../../src/store/database.ts";
import { Store } from "../../src/store/store.ts";
import { format, median, type Report } from "./report.ts";

const rounds = 9;
const turns = 60;
const batchSize = 50;
const missionId = "mission";

export async function measureAppend(): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), "bench-append-"));
  try {
    const bodies = Array.from({ length: turns }, (_, turn) => turnOf(turn)).flat();
    const rates = {
      ours: [] as number[],
      raw: [] as number[],
      oursBatched: [] as number[],
      rawBatched: [] as number[],
    };
    for (let round = 0; round <= rounds; round++) {
      const rate = (name: string, append: Append, size: number) =>
        timed(join(folder, `${name}-${String(round)}.db`), bodies, append, size);
      const found = {
        ours: rate("ours", throughStore, 1),
        raw: rate("raw", bare, 1),
        oursBatched: rate("ours-batched", throughStore, batchSize),
        rawBatched: rate("raw-batched", bare, batchSize),
      };
      // The first round warms up.
      if (round > 0) for (const name of Object.keys(rates) as (keyof typeof rates)[]) rates[name].push(found[name]);
      await new Promise(setImmediate);
    }
    const row = (measure: string, ours: number[], raw: number[]) => {
      const ratio = median(ours.map((rate, index) => rate / (raw[index] ?? NaN)));
      const shown = (values: number[]) => `${format(median(values))} /s`;
      return { measure, ours: shown(ours), theirs: shown(raw), ratio, goal: "≥ 0.5", met: ratio >= 0.5 };
    };
    return {
      rows: [
        row("b append, one event a transaction", rates.ours, rates.raw),
        row(`b append, ${String(batchSize)} events a transaction`, rates.oursBatched, rates.rawBatched),
      ],
      method: [
        `b: ${String(bodies.length)} events of ${String(turns)} written turns (deltas, tool calls with output, step ends) into a fresh database; theirs: a prepared insert of the ready-made columns into the same table with the same indexes and pragmas (no JSON, no keys, no head, no clearing of deltas). ${String(rounds)} interleaved rounds; the ratio is the median of the rounds' ratios.`,
      ],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

type Append = (path: string, bodies: readonly EventBody[], size: number) => () => void;

/** Events per second. Opening the database and preparing the rows do not count. */
function timed(path: string, bodies: readonly EventBody[], append: Append, size: number): number {
  const run = append(path, bodies, size);
  const start = performance.now();
  run();
  return (bodies.length * 1000) / (performance.now() - start);
}

const throughStore: Append = (path, bodies, size) => {
  const store = new Store({ path });
  store.create(missionId, [{ type: "mission_created", title: "Bench", directory: "/", server: "own" }], 1);
  store.append(missionId, [{ type: "mission_updated", sessionId: session }], 1);
  const batches = inBatches(bodies, size);
  return () => {
    for (const batch of batches) store.append(missionId, batch, 2);
    store.close();
  };
};

const bare: Append = (path, bodies, size) => {
  const { database } = openDatabase(path);
  database
    .prepare(
      "INSERT INTO missions (id, status, run_state, archived, updated_at, head) VALUES (?, 'active', 'idle', 0, 1, '{}')",
    )
    .run(missionId);
  const insert = database.prepare(
    "INSERT INTO events (mission_id, time, type, session_id, message_id, part_id, key, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const seen = new Set<string>();
  const batches = inBatches(bodies, size).map((batch) => batch.map((body) => columns(body, seen)));
  const write = database.transaction((rows: unknown[][]) => {
    for (const row of rows) insert.run(...row);
  });
  return () => {
    for (const batch of batches) write.immediate(batch);
    database.close();
  };
};

function columns(body: EventBody, seen: Set<string>): unknown[] {
  const facts = body as { sessionId?: string; messageId?: string; partId?: string };
  const key = keyOf(body);
  // The unique index takes each key once; ours replaces the row.
  const free = key === undefined || seen.has(key) ? undefined : key;
  if (free !== undefined) seen.add(free);
  const at = [facts.sessionId ?? null, facts.messageId ?? null, facts.partId ?? null];
  return [missionId, 2, body.type, ...at, free ?? null, JSON.stringify(body)];
}

function inBatches<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}

const session = "ses_bench";
const passes = "ok 1 - a test that passes\n";

/** A turn as a stream tells it: a question, two tool calls with output, a thought and an answer in deltas. */
function turnOf(turn: number): EventBody[] {
  const id = (name: string) => `${name}_${String(turn).padStart(5, "0")}`;
  const message = { sessionId: session, messageId: id("msg") };
  const tokens = { input: 1000, output: 50, reasoning: 0, cacheRead: 0, cacheWrite: 0 };
  const text = (type: "assistant_message" | "thinking", name: string): EventBody[] => {
    const part = { ...message, partId: id(name) };
    const deltas = Array.from({ length: 40 }, (_, index): EventBody => {
      return { type: "text_delta", ...part, of: type, offset: index * 16, text: "sixteen letters " };
    });
    const whole = "sixteen letters ".repeat(40);
    const start: EventBody = { type, ...part, text: "", done: false, startedAt: 1 };
    return [start, ...deltas, { type, ...part, text: whole, done: true, startedAt: 1, endedAt: 2 }];
  };
  const call = (name: string): EventBody[] => {
    const place = { ...message, partId: id(name) };
    const part = { ...place, callId: id(`call_${name}`), tool: "bash" };
    const card = { icon: "terminal", doing: "Running", done: "Ran", object: "npm test", body: "terminal" as const };
    const input = { command: "npm test", description: "Run the tests" };
    const output = Array.from({ length: 5 }, (): EventBody => {
      return { type: "tool_output", ...place, text: passes.repeat(8) };
    });
    return [
      { type: "tool_call", ...part, state: "running", card, input, startedAt: 1 },
      ...output,
      { type: "tool_result", ...part, state: "completed", card, input, output: passes.repeat(40), endedAt: 2 },
    ];
  };
  return [
    { type: "message", ...message, role: "assistant", createdAt: 1, agent: "build" },
    ...text("thinking", "prt_a"),
    ...call("prt_b"),
    ...call("prt_c"),
    ...text("assistant_message", "prt_d"),
    { type: "step_finished", ...message, partId: id("prt_e"), reason: "stop", cost: 0.001, tokens },
    { type: "message", ...message, role: "assistant", createdAt: 1, completedAt: 2, agent: "build", tokens },
  ];
}

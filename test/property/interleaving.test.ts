import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { silentLogger } from "../../src/base/log.ts";
import { translatorV1 } from "../../src/opencode/engineV1.ts";
import type { RawEvent } from "../../src/opencode/normalise.ts";
import { MissionRunner } from "../../src/orchestrator/missionRunner.ts";
import type { EventBatch } from "../../src/protocol/event.ts";
import { reduce, type MissionView } from "../../src/protocol/reduce.ts";
import type { Transcript } from "../../src/protocol/transcript.ts";
import { Store } from "../../src/store/store.ts";
import { readStream, rootSessions } from "../fake/recorded.ts";
import { heldAfter, snapshotEngine } from "../fake/recordedServer.ts";

const streams = join(import.meta.dirname, "../golden/streams");

/** What happens next on the way from the server to us. */
type Step =
  | { kind: "deliver"; count: number }
  /** The connection is down while so many events happen. */
  | { kind: "cut"; count: number }
  /** The stream opens and a resync begins, whose answer comes only so many live events later. */
  | { kind: "reconnect"; late: number }
  /** Another process takes over with what is stored. */
  | { kind: "takeover" }
  | { kind: "look" };

const count = fc.integer({ min: 1, max: 40 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("deliver" as const), count }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("cut" as const), count }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("reconnect" as const), late: fc.integer({ min: 0, max: 30 }) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "takeover" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "look" as const }) },
);

class World {
  readonly store: Store;
  readonly #folder = mkdtempSync(join(tmpdir(), "interleaving-"));
  readonly #events: readonly RawEvent[];
  readonly #root: string;
  readonly #resyncs: { due: number; answer: () => void }[] = [];
  readonly #pending: Promise<void>[] = [];
  /** A view that was opened at some moment and has been kept up with what was published since. */
  looks: { view: MissionView; seq: number }[] = [];
  #happened = 0;
  #connected = true;
  #late = 0;
  #runner: MissionRunner;

  constructor(events: readonly RawEvent[], root: string) {
    this.#events = events;
    this.#root = root;
    this.store = new Store({ path: join(this.#folder, "missions.db") });
    this.store.create(
      "m",
      [
        { type: "mission_created", title: "t", directory: "/home/dev/project", server: "own" },
        { type: "mission_updated", sessionId: root },
      ],
      1,
    );
    this.#runner = this.#newRunner();
  }

  #newRunner(): MissionRunner {
    const engine = snapshotEngine(
      () =>
        new Promise((resolve) => {
          // The answer is what the server holds when it is asked, however late it arrives.
          const held = heldAfter(this.#events.slice(0, this.#happened), this.#root);
          this.#resyncs.push({ due: this.#happened + this.#late, answer: () => resolve(held) });
        }),
    );
    return new MissionRunner(
      {
        store: this.store,
        log: silentLogger,
        translator: ({ directory }) => translatorV1(directory),
        publish: ({ events, prev, seq }) => this.#publish({ missionId: "m", prev, seq, events }),
        ensureEngine: () => Promise.resolve(engine),
        connectedEngine: () => engine,
        admit: () => true,
        release: () => undefined,
        choose: (_engine, _head, { agent, model }) =>
          Promise.resolve({ ...(agent !== undefined && { agent }), ...(model && { model }) }),
        allowedBy: () => undefined,
        addRules: (rules) => [...rules],
        rulesChanged: () => undefined,
        onStoreFault: (error) => {
          throw error;
        },
      },
      this.store.head("m"),
    );
  }

  #publish(batch: EventBatch): void {
    this.looks = this.looks.map(({ view, seq }) => {
      if (batch.events.length === 0) return { view, seq };
      assert.equal(batch.prev, seq, "a batch follows on");
      return { view: batch.events.reduce(reduce, view), seq: batch.seq };
    });
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const one of steps) await this.#step(one);
    // In the end the connection holds, and everything that is to come comes.
    if (!this.#connected) await this.#step({ kind: "reconnect", late: 0 });
    await this.#step({ kind: "deliver", count: this.#events.length });
    await this.#step({ kind: "reconnect", late: 0 });
    const settled = new AbortController();
    const all = Promise.all(this.#pending).then(() => settled.abort());
    while (!settled.signal.aborted) {
      for (const { answer } of this.#resyncs.splice(0)) answer();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await all;
    this.#runner.dispose();
  }

  async #step(one: Step): Promise<void> {
    switch (one.kind) {
      case "deliver":
        for (let index = 0; index < one.count && this.#happened < this.#events.length; index++) await this.#next();
        return;
      case "cut":
        if (this.#connected) this.#runner.lost();
        this.#connected = false;
        this.#happened = Math.min(this.#events.length, this.#happened + one.count);
        return;
      case "reconnect":
        this.#connected = true;
        this.#late = one.late;
        this.#pending.push(this.#runner.connected());
        await this.#answerDue();
        return;
      case "takeover":
        this.#runner.dispose();
        this.#runner = this.#newRunner();
        this.#connected = false;
        return;
      case "look": {
        const { view, seq } = this.store.snapshot("m", 1000);
        this.looks.push({ view, seq });
      }
    }
  }

  async #next(): Promise<void> {
    const event = this.#events[this.#happened++];
    if (event && this.#connected) this.#runner.accept(event);
    await this.#answerDue();
  }

  async #answerDue(): Promise<void> {
    // The request itself is made only now.
    await new Promise((resolve) => setImmediate(resolve));
    const due = this.#resyncs.filter((resync) => resync.due <= this.#happened);
    for (const resync of due) {
      this.#resyncs.splice(this.#resyncs.indexOf(resync), 1);
      resync.answer();
    }
    if (due.length > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  close(): void {
    this.store.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** What a reader sees, without what depends on when something was noticed. */
function shown({ messages }: Transcript): unknown {
  return plain(messages);
}

/** A field that is undefined is one that is not there: so it is in the store. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

describe("any interleaving of live events, cuts, resyncs and takeovers", function () {
  this.timeout(120_000);

  for (const file of readdirSync(streams)) {
    const recorded = readStream(join(streams, file));
    const [first] = rootSessions(recorded);
    if (!first) continue;
    const events = recorded
      .filter(({ sessionId }) => sessionId !== undefined && first.family.has(sessionId))
      .map(({ event }) => event);

    it(`gives the same transcript in the end: ${file}`, async () => {
      const straight = new World(events, first.root);
      await straight.run([{ kind: "deliver", count: events.length }]);
      const expected = shown(straight.store.snapshot("m", 1000).view.transcript);
      straight.close();
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
          const world = new World(events, first.root);
          try {
            await world.run(steps);
            const { view } = world.store.snapshot("m", 1000);
            assert.deepEqual(shown(view.transcript), expected);
            // A snapshot and what was published after it show what a snapshot shows at the end.
            for (const look of world.looks)
              assert.deepEqual([plain(look.view.head), shown(look.view.transcript)], [plain(view.head), expected]);
          } finally {
            world.close();
          }
        }),
        { numRuns: Number(process.env["PROPERTY_RUNS"] ?? 12) },
      );
    });
  }
});

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { reportText } from "../../src/cli/report.ts";
import { OpenAgentError } from "../../src/base/errors.ts";
import { exportMission, type ExportFormat } from "../../src/orchestrator/exporting.ts";
import { importMissions } from "../../src/orchestrator/importing.ts";
import type { EventBody } from "../../src/protocol/event.ts";
import type { MissionExport } from "../../src/protocol/exchange.ts";
import { totalCost } from "../../src/protocol/mission.ts";
import { Store } from "../../src/store/store.ts";
import { answer, part, session, user } from "../fake/events.ts";
import { closeOriginals, original, writeOriginal } from "../fake/original.ts";

const id = "11111111-2222-4333-8444-555555555555";

function openStore(): Store {
  return new Store({ path: join(mkdtempSync(join(tmpdir(), "exchange-")), "missions", "missions.db") });
}

function target(store: Store) {
  return {
    store,
    takeIn: (missionId: string, parts: Parameters<Store["takeIn"]>[1]) => store.takeIn(missionId, parts).head,
  };
}

async function exported(store: Store, format: ExportFormat, missionId = id): Promise<string> {
  const pieces: string[] = [];
  for await (const piece of exportMission(store, missionId, format)) pieces.push(piece);
  return pieces.join("");
}

function bodies(store: Store, missionId = id): EventBody[] {
  return store.events(missionId).map(({ body }) => body);
}

const card = {
  icon: "terminal",
  doing: "Running",
  done: "Ran",
  object: "npm `test`",
  code: true,
  body: "terminal" as const,
};
const child = "ses_child";

/** A mission with a bit of everything. */
function fill(store: Store): void {
  store.create(
    id,
    [{ type: "mission_created", title: "Fix\nall", directory: "/project", server: "own", agent: "build" }],
    1_000,
  );
  store.append(id, [{ type: "mission_updated", sessionId: session }], 1_001);
  store.append(id, user("msg_001", "Please\n```js\nunclosed"), 2_000);
  const text = (type: "thinking" | "assistant_message", name: string, words: string): EventBody => {
    return { type, ...part("msg_002", name), text: words, done: true, startedAt: 3_000 };
  };
  store.append(id, answer("msg_002", "msg_001", "It is done."), 3_000);
  store.append(
    id,
    [
      text("thinking", "prt_t", "Let me see."),
      {
        type: "tool_result",
        ...part("msg_002", "prt_tool"),
        callId: "c",
        tool: "bash",
        state: "completed",
        card: { ...card, result: "exit 1" },
        input: { command: "npm test" },
        output: "a fence: ````\n</details>",
      },
      {
        type: "turn_ended",
        messageId: "msg_001",
        sessionId: session,
        outcome: "failed",
        failure: { name: "x", message: "No luck" },
      },
      { type: "session", sessionId: child, parentId: session, title: "Look around", cost: 0.5 },
      { type: "message", sessionId: child, messageId: "msg_003", role: "assistant", createdAt: 4_000 },
      {
        type: "assistant_message",
        sessionId: child,
        messageId: "msg_003",
        partId: "p",
        text: "Nothing here.",
        done: true,
        startedAt: 1,
      },
      { type: "todos", sessionId: session, todos: [{ content: "one", status: "completed", priority: "high" }] },
    ],
    4_000,
  );
  for (let turn = 10; turn < 60; turn++)
    store.append(id, user(`msg_0${String(turn)}`, `number ${String(turn)}.`), 5_000);
}

describe("an export", () => {
  it("as Markdown tells a person the whole story once and in order", async () => {
    const store = openStore();
    fill(store);
    const text = await exported(store, "markdown");
    assert.match(
      text,
      /^# Fix all\n\n- \*\*Status\*\*: pending\n- \*\*Folder\*\*: `\/project`\n- \*\*Agent\*\*: build\n- \*\*Cost\*\*: \$0\.50\n/,
    );
    assert.match(text, /\n## Plan\n\n- \[x\] one\n/);
    assert.match(text, /\n## You · 1970-01-01 00:00 UTC\n\nPlease\n```js\nunclosed\n```\n/, "an open fence is closed");
    assert.match(text, /<details><summary>Thought<\/summary>\n\nLet me see\.\n\n<\/details>/);
    assert.match(text, /\n- Ran `` npm `test` `` — exit 1\n/);
    assert.match(
      text,
      /\n`````\na fence: ````\n<\/details>\n`````\n\n<\/details>/,
      "nothing closes the fence of the output",
    );
    assert.match(text, /\n> \*\*Failed\*\*: No luck\n/);
    assert.match(text, /\n## Sub-agent: Look around\n\n### Agent · .*\n\nNothing here\.\n/);
    const numbers = Array.from(text.matchAll(/number (\d+)\./g), ([, number]) => Number(number));
    assert.deepEqual(
      numbers,
      Array.from({ length: 50 }, (_, index) => index + 10),
    );
  });

  it("as JSON comes back as the same mission, and is skipped where it is already", async () => {
    const store = openStore();
    fill(store);
    const json = await exported(store, "json");
    const { format, version, head, events } = JSON.parse(json) as MissionExport;
    assert.deepEqual(
      [format, version, head, events.length],
      ["open-agent-mission", 1, store.head(id), bodies(store).length],
    );
    const file = join(mkdtempSync(join(tmpdir(), "exchange-")), "mission.json");
    writeFileSync(file, json);
    const other = openStore();
    const report = await importMissions(target(other), file);
    assert.deepEqual(report.imported, [{ id, title: "Fix\nall", events: events.length }]);
    assert.deepEqual(bodies(other), bodies(store));
    assert.deepEqual(other.head(id), store.head(id));
    assert.equal(await exported(other, "markdown"), await exported(store, "markdown"));
    assert.deepEqual((await importMissions(target(other), file)).skipped.length, 1);
    store.remove(id);
    await importMissions(target(store), file);
    assert.deepEqual(other.head(id), store.head(id));
  });

  it("that comes back runs nothing and allows nothing", async () => {
    const store = openStore();
    fill(store);
    store.append(
      id,
      [
        { type: "mission_updated", permissions: "allow-all", waitingSince: 1 },
        { type: "message_queued", queueId: "q1", text: "rm -rf", state: "sending", messageId: "msg_900", queuedAt: 1 },
        { type: "message_queued", queueId: "q2", text: "then this", state: "queued", queuedAt: 2 },
        { type: "session_state", sessionId: session, state: "busy" },
      ],
      9_000,
    );
    const file = join(mkdtempSync(join(tmpdir(), "exchange-")), "mission.json");
    writeFileSync(file, await exported(store, "json"));
    const other = openStore();
    await importMissions(target(other), file);
    const head = other.head(id);
    assert.deepEqual(
      [head.runState, head.busy, head.waitingSince, head.permissions],
      ["idle", false, undefined, undefined],
    );
    assert.deepEqual(
      head.pending.map(({ state }) => state),
      ["held", "held"],
    );
    assert.deepEqual(other.listRunning(), []);
  });

  it("is refused when it is not one, and nothing of it comes in", async () => {
    const store = openStore();
    fill(store);
    const folder = mkdtempSync(join(tmpdir(), "exchange-"));
    const good = JSON.parse(await exported(store, "json")) as MissionExport;
    const wrong: [string, string, RegExp][] = [
      ["none.json", "", /neither a mission database nor/],
      ["words.txt", "hello", /neither a mission database nor/],
      ["cut.json", JSON.stringify(good).slice(0, 500), /no whole JSON/],
      ["other.json", '{"a":1}', /no exported mission/],
      ["newer.json", JSON.stringify({ ...good, version: 2 }), /newer version/],
      ["id.json", JSON.stringify({ ...good, head: { ...good.head, id: "../../x" } }), /no exported mission/],
      [
        "events.json",
        JSON.stringify({ ...good, events: [{ time: 1, body: { type: "permission_asked" } }] }),
        /its events are not what they should be/,
      ],
    ];
    const other = openStore();
    for (const [name, content, why] of wrong) {
      writeFileSync(join(folder, name), content);
      await assert.rejects(
        importMissions(target(other), join(folder, name)),
        (error) => error instanceof OpenAgentError && error.code === "import_unusable" && why.test(error.message),
        name,
      );
    }
    await assert.rejects(importMissions(target(other), join(folder, "nothing-there")), /cannot be read/);
    assert.deepEqual([other.list(), other.lastSeqOfAll()], [[], 0]);
  });
});

describe("the missions of an original Open Agent", () => {
  afterEach(() => closeOriginals());
  const folder = () => mkdtempSync(join(tmpdir(), "original-"));

  it("come in with all that was said, done and paid, and what nobody knows as it was", async () => {
    const root = folder();
    const store = openStore();
    const report = await importMissions(target(store), writeOriginal(root));
    assert.deepEqual(
      report.imported.map((mission) => [mission.id, mission.title, mission.events]),
      [
        [original.whole, "Repair the parser", 15],
        [original.stopped, "Count to a million", 2],
      ],
    );
    const head = store.head(original.whole);
    assert.deepEqual(
      [head.status, head.runState, head.agent, head.model?.modelId, totalCost(head), head.createdAt, head.updatedAt],
      [
        "completed",
        "idle",
        "build",
        "claude-x",
        0.42,
        Date.parse("2026-01-20T10:00:00Z"),
        Date.parse("2026-01-20T11:00:00Z"),
      ],
    );
    assert.equal(head.directory, join(root, "workspaces", "mission-3f2b8c1e"));
    const { messages, ends } = store.snapshot(original.whole, 100).view.transcript;
    assert.deepEqual(
      messages.map(({ role, parts }) => [
        role,
        parts.map((one) => (one.kind === "tool" ? one.card.object : "text" in one ? one.text : "")),
      ]),
      [
        ["user", ["Why does the parser fail?"]],
        [
          "assistant",
          ["I should look at the grammar first.", "npm test", "/nowhere/x.ts", "", "A semicolon was missing."],
        ],
        ["user", ["Now break it again"]],
      ],
    );
    const tools = messages.flatMap(({ parts }) => parts.flatMap((one) => (one.kind === "tool" ? [one] : [])));
    assert.deepEqual(
      tools.map(({ state, output }) => [state, output?.slice(-14)]),
      [
        ["completed", "output the end"],
        ["error", "File not found"],
        ["completed", ""],
      ],
    );
    assert.deepEqual(
      Object.values(ends).map(({ outcome, failure }) => [outcome, failure?.message]),
      [
        ["completed", undefined],
        ["failed", "The provider is overloaded"],
      ],
    );
    const raw = store
      .events(original.whole, { types: ["raw"] })
      .map(({ body }) => (body.type === "raw" ? body.name : ""));
    assert.deepEqual(raw.sort(), [
      "agent_sang",
      "mission_status_changed",
      "mission_summaries",
      "mission_trees",
      "missions",
    ]);
    assert.deepEqual(report.otherTables, [
      { name: "mission_summaries", rows: 1, kept: true },
      { name: "mission_trees", rows: 1, kept: true },
      { name: "something_new", rows: 1, kept: false },
    ]);
    assert.equal(report.missingFiles.length, 1);
    assert.equal(store.search({ text: "semicolon missing" })[0]?.missionId, original.whole);
    assert.deepEqual(
      [
        store.head(original.stopped).status,
        Object.values(store.snapshot(original.stopped, 9).view.transcript.ends)[0]?.outcome,
      ],
      ["interrupted", "interrupted"],
    );
    assert.match(reportText(report), /2 missions came in, 0 skipped[\s\S]*Table something_new \(1 row\): left out/);
  });

  it("come in once, and the file is only read", async () => {
    const path = writeOriginal(folder());
    const prints = () =>
      readdirSync(dirname(path), { recursive: true, encoding: "utf8" })
        .sort()
        .map((name) => join(dirname(path), name))
        .map((file) => [
          file,
          statSync(file).mtimeMs,
          statSync(file).isFile() && createHash("sha256").update(readFileSync(file)).digest("hex"),
        ]);
    const before = prints();
    const store = openStore();
    await importMissions(target(store), path);
    const [seq, events] = [store.lastSeqOfAll(), bodies(store, original.whole)];
    const again = await importMissions(target(store), path);
    assert.deepEqual([again.imported.length, again.skipped.length], [0, 2]);
    assert.deepEqual([store.lastSeqOfAll(), bodies(store, original.whole)], [seq, events]);
    assert.deepEqual(prints(), before);
  });

  it("stay out when the database is damaged, or is another one", async () => {
    const store = openStore();
    const path = writeOriginal(folder());
    closeOriginals();
    const size = statSync(path).size;
    const bytes = readFileSync(path);
    bytes.fill(0xab, 4096 * 2, size - 4096);
    const damaged = join(folder(), "damaged.db");
    writeFileSync(damaged, bytes);
    const cut = join(folder(), "cut.db");
    writeFileSync(cut, readFileSync(path));
    truncateSync(cut, size / 2);
    mkdirSync(join(dirname(cut), "own"));
    const own = join(dirname(cut), "own", "missions.db");
    new Store({ path: own }).close();
    for (const file of [damaged, cut]) await assert.rejects(importMissions(target(store), file), /it is damaged/);
    await assert.rejects(importMissions(target(store), own), /there is no table mission_events/);
    assert.deepEqual([store.list(), store.lastSeqOfAll()], [[], 0]);
  });
});

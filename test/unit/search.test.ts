import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import type { EventBody } from "../../src/protocol/event.ts";
import { fold, searchTerms, snippetOf } from "../../src/protocol/search.ts";
import { migrations } from "../../src/store/migrations.ts";
import { Store } from "../../src/store/store.ts";
import { answer, part, session, user } from "../fake/events.ts";

function temporary(): string {
  return join(mkdtempSync(join(tmpdir(), "search-")), "missions", "missions.db");
}

function created(title = "t", directory = "/d", agent?: string): EventBody {
  return { type: "mission_created", title, directory, server: "own", ...(agent !== undefined && { agent }) };
}

function indexAll(store: Store): void {
  while (store.indexMore());
}

const card = { icon: "terminal", doing: "Running", done: "Ran", object: "npm run build", body: "terminal" as const };
const call = { ...part("msg_2", "prt_tool"), callId: "c", tool: "bash", card };
const running: EventBody = { type: "tool_call", ...call, state: "running", input: { command: "npm run build" } };
const result: EventBody = {
  type: "tool_result",
  ...call,
  state: "completed",
  input: { command: "npm run build", nested: [{ note: "deep inside" }] },
  output: "Zwölf Boxkämpfer\njagen Viktor",
};

describe("a search", () => {
  for (const [when, prepare] of [
    ["before it is indexed", () => undefined],
    ["when it is indexed", indexAll],
  ] as const) {
    it(`finds what was said and done, ${when}`, () => {
      const store = new Store({ path: temporary() });
      store.create("m", [created("The mission")], 1);
      store.append("m", user("msg_1", "Please repair the LOGIN form"), 2);
      store.append("m", [...answer("msg_2", "msg_1", "It is the 登录 page"), running, result], 3);
      prepare(store);
      const found = (text: string) => store.search({ text }).map(({ type }) => type);
      assert.deepEqual(found("login repair"), ["user_message"]);
      assert.deepEqual(found("repai"), ["user_message"]);
      assert.deepEqual(found('"the login"'), ["user_message"]);
      assert.deepEqual(found('"login the"'), []);
      assert.deepEqual(found("登录"), ["assistant_message"]);
      assert.deepEqual(found("录"), ["assistant_message"]);
      assert.deepEqual(found("ZWÖLF boxkämpfer"), ["tool_result"]);
      assert.deepEqual(found("deep inside"), ["tool_result"]);
      assert.deepEqual(found("npm run build"), ["tool_result"], "the part once, not its call and its result");
      assert.deepEqual(found("mission"), ["title"]);
      assert.deepEqual(found("nowhere"), []);
      assert.deepEqual(found("  \n "), []);
      const [hit] = store.search({ text: "viktor" });
      assert.deepEqual(
        [hit?.missionId, hit?.title, hit?.sessionId, hit?.messageId, hit?.partId, hit?.time],
        ["m", "The mission", session, "msg_2", "prt_tool", 3],
      );
      assert.match(hit?.snippet.text ?? "", /Boxkämpfer jagen Viktor$/);
      assert.deepEqual(
        hit?.snippet.ranges.map(([from, to]) => hit.snippet.text.slice(from, to)),
        ["Viktor"],
      );
    });
  }

  it("finds the newest first, and in one mission alone when that is asked", () => {
    const store = new Store({ path: temporary() });
    for (const id of ["a", "b"]) store.create(id, [created(id)], 1);
    for (let turn = 0; turn < 30; turn++)
      store.append(turn % 2 === 0 ? "a" : "b", user(`msg_${String(turn)}`, `needle ${String(turn)}`), turn);
    indexAll(store);
    store.append("b", user("msg_new", "needle that is new"), 99);
    const times = (missionId?: string) =>
      store.search({ text: "needle", limit: 4, ...(missionId && { missionId }) }).map(({ time }) => time);
    assert.deepEqual(times(), [99, 29, 28, 27]);
    assert.deepEqual(times("a"), [28, 26, 24, 22]);
  });

  it("does not find what was replaced, removed or deleted", () => {
    const store = new Store({ path: temporary() });
    store.create("m", [created()], 1);
    const says = (text: string): EventBody => {
      return { type: "assistant_message", ...part("msg_2", "prt_1"), text, done: true, startedAt: 1 };
    };
    store.append("m", [says("the first wording")], 2);
    indexAll(store);
    store.append("m", [says("the second wording")], 3);
    const found = (text: string) => store.search({ text }).length;
    assert.deepEqual([found("first wording"), found("second wording")], [0, 1]);
    indexAll(store);
    assert.deepEqual([found("first wording"), found("second wording"), found("wording")], [0, 1, 1]);
    store.remove("m");
    assert.equal(found("wording"), 0);
  });

  it("takes a waiting message as such, and a sent one as the user's", () => {
    const store = new Store({ path: temporary() });
    const queued = (state: "queued" | "sent"): EventBody => {
      return { type: "message_queued", queueId: "q", text: "waits for its turn", state, queuedAt: 1 };
    };
    store.create("m", [created(), queued("queued")], 1);
    const found = () => store.search({ text: "waits turn" }).map(({ type }) => type);
    assert.deepEqual(found(), ["message_queued"]);
    indexAll(store);
    store.append("m", [...user("msg_1", "waits for its turn"), queued("sent")], 2);
    assert.deepEqual(found(), ["user_message"]);
  });

  it("takes any text as a query, and finds the mission that contains it", () => {
    const store = new Store({ path: temporary() });
    store.create("other", [created("other")], 1);
    store.append("other", user("msg_0", "something else"), 1);
    const random = randomTexts(7);
    const texts = [
      '"',
      '""',
      "'",
      "NEAR(a b)",
      "a OR",
      "NOT",
      "text:x",
      "*",
      "^a",
      "-",
      "a\0b",
      "(",
      "{}",
      '" "',
      "\\",
      "%",
      "_",
    ];
    for (let index = 0; index < 150; index++) texts.push(random());
    texts.forEach((text, index) => {
      const id = `m${String(index)}`;
      store.create(id, [created("plain")], 1);
      store.append(id, user(`msg_${String(index)}`, `before${text} after`), 2);
      if (index % 10 === 0) indexAll(store);
    });
    const check = () => {
      texts.forEach((text, index) => {
        const hits = store.search({ text, limit: 500 });
        if (text.trim() === "") return;
        const hit = hits.find(({ missionId }) => missionId === `m${String(index)}`);
        assert.ok(hit, `${JSON.stringify(text)} is not found`);
        for (const [from, to] of hit.snippet.ranges)
          assert.ok(searchTerms(text).some((term) => fold(hit.snippet.text.slice(from, to)).includes(term)));
      });
    };
    check();
    indexAll(store);
    check();
  });

  it("folds a text without moving anything in it", () => {
    const random = randomTexts(3);
    for (let index = 0; index < 2_000; index++) {
      const text = random();
      assert.equal(fold(text).length, text.length);
      assert.equal(fold(fold(text)), fold(text));
    }
    assert.equal(fold("İSTANBUL ΑΣ \ud800 \u212a"), "İstanbul ασ \ufffd \u212a");
  });

  it("shows one line around the match, whole characters, and no match outside it", () => {
    const long = `${"word ".repeat(100)}\nneedle 😀${"😀".repeat(200)} needle`;
    const snippet = snippetOf(long, ["needle"]);
    assert.ok(snippet && snippet.text.length <= 165);
    assert.match(snippet.text, /^…(word )+ needle 😀+…$/u);
    assert.deepEqual(snippet.ranges.length, 1);
    assert.equal(snippetOf("a b", ["a", "c"]), undefined);
  });
});

describe("the list of missions", () => {
  const filled = () => {
    const store = new Store({ path: temporary() });
    store.create("a", [created("Repair the Ämter", "/one", "build")], 1);
    store.create("b", [created("Write tests", "/one", "plan")], 2);
    store.create("c", [created("Repair 100% of it", "/two", "build")], 3);
    store.append("c", [{ type: "mission_status_changed", status: "completed" }], 4);
    store.create("d", [created("Old one", "/two")], 5);
    store.append("d", [{ type: "mission_updated", archivedAt: 6 }], 6);
    return store;
  };

  it("is filtered by status, folder, agent and words of the title", () => {
    const store = filled();
    const ids = (query: Parameters<Store["list"]>[0]) => store.list(query).map(({ id }) => id);
    assert.deepEqual(ids({}), ["c", "b", "a"]);
    assert.deepEqual(ids({ status: ["completed", "failed"] }), ["c"]);
    assert.deepEqual(ids({ status: [] }), []);
    assert.deepEqual(ids({ directory: "/one" }), ["b", "a"]);
    assert.deepEqual(ids({ agent: "build" }), ["c", "a"]);
    assert.deepEqual(ids({ text: "rEPAIR" }), ["c", "a"]);
    assert.deepEqual(ids({ text: "ämt" }), ["a"]);
    assert.deepEqual(ids({ text: "0%" }), ["c"]);
    assert.deepEqual(ids({ agent: "build", directory: "/one", text: "repair" }), ["a"]);
    assert.deepEqual(ids({ archived: true }), ["d"]);
  });

  it("has pinned missions first, which stay at their time when they are let go", () => {
    const store = filled();
    store.append("a", [{ type: "mission_updated", pinned: true }], 50);
    const ids = () => store.list().map(({ id }) => id);
    assert.deepEqual([ids(), store.head("a").pinned], [["a", "c", "b"], true]);
    store.append("a", [{ type: "mission_updated", pinned: false }], 51);
    assert.deepEqual([ids(), store.head("a").updatedAt], [["c", "b", "a"], 1]);
  });

  it("goes on after the last mission of a page, whatever came in the meantime", () => {
    const store = new Store({ path: temporary() });
    for (let index = 0; index < 25; index++)
      store.create(`m${String(index).padStart(2, "0")}`, [created()], Math.floor(index / 4));
    for (const id of ["m03", "m20"]) store.append(id, [{ type: "mission_updated", pinned: true }], 99);
    const all = store.list().map(({ id }) => id);
    const seen: string[] = [];
    for (let page = store.list({ limit: 7 }); page.length > 0;) {
      seen.push(...page.map(({ id }) => id));
      store.create(`new${String(seen.length)}`, [created()], 1_000);
      const before = page.at(-1);
      page = before ? store.list({ limit: 7, before }) : [];
    }
    assert.deepEqual([seen, all.slice(0, 2)], [all, ["m20", "m03"]]);
  });
});

describe("a database of before there was a search", () => {
  it("lists, filters and finds what it holds, and is found through while it is indexed", () => {
    const path = temporary();
    const raw = older(path, 3);
    const head = JSON.stringify({ id: "old", title: "ÄLTER", status: "active", directory: "/old", usedAgent: "plan" });
    raw.prepare("INSERT INTO missions VALUES ('old', 'active', 'idle', 0, 7, ?, 0)").run(head);
    const add = raw.prepare("INSERT INTO events (mission_id, time, type, data) VALUES ('old', 1, 'user_message', ?)");
    for (let index = 0; index < 1_000; index++)
      add.run(
        JSON.stringify({ type: "user_message", ...part(`msg_${String(index)}`, "p"), text: `entry-${String(index)}x` }),
      );
    raw.close();
    const store = new Store({ path });
    const found = () => [1, 500, 999].map((index) => store.search({ text: `entry-${String(index)}x` }).length);
    assert.deepEqual(
      store.list({ text: "älter", directory: "/old", agent: "plan" }).map(({ id, pinned }) => [id, pinned]),
      [["old", false]],
    );
    assert.deepEqual(found(), [1, 1, 1]);
    assert.equal(store.indexMore(), true);
    assert.deepEqual(found(), [1, 1, 1]);
    indexAll(store);
    assert.deepEqual(found(), [1, 1, 1]);
  });
});

describe("space of what was deleted", () => {
  const text = (seed: number) => {
    const random = randomTexts(seed);
    return Array.from({ length: 600 }, random).join(" ");
  };
  const fill = (store: Store, id: string, turns: number) => {
    store.create(id, [created(id)], 1);
    for (let turn = 0; turn < turns; turn++) store.append(id, user(`msg_${id}${String(turn)}`, text(turn)), 2);
  };
  const size = (path: string) => statSync(path).size + (existsSync(`${path}-wal`) ? statSync(`${path}-wal`).size : 0);
  const reclaimAll = (store: Store) => {
    while (store.reclaim(true));
  };

  it("goes back to the disk, and its texts out of the index", () => {
    const path = temporary();
    const store = new Store({ path });
    fill(store, "small", 5);
    indexAll(store);
    reclaimAll(store);
    const before = size(path);
    fill(store, "big", 300);
    indexAll(store);
    const full = size(path);
    store.remove("big");
    reclaimAll(store);
    const after = size(path);
    assert.ok(full > 10 * before && after < 1.5 * before, `${String(before)}, ${String(full)}, ${String(after)}`);
    assert.equal(
      store.search({ text: text(1).slice(0, 60), limit: 500 }).every((hit) => hit.missionId === "small"),
      true,
    );
  });

  it("goes back also where the file was made before that was possible", () => {
    const path = temporary();
    new Store({ path }).close();
    const raw = new SqliteDatabase(path);
    raw.pragma("auto_vacuum = NONE");
    raw.exec("VACUUM");
    raw.close();
    const store = new Store({ path });
    fill(store, "small", 5);
    fill(store, "big", 300);
    indexAll(store);
    const full = size(path);
    store.remove("big");
    while (store.reclaim(false));
    assert.ok(size(path) > full / 3, "not while something runs");
    reclaimAll(store);
    assert.ok(size(path) < full / 10, `${String(full)}, ${String(size(path))}`);
    assert.equal(store.search({ text: "small" }).length, 1);
  });
});

/** The database as a version of the past would have made it. */
function older(path: string, version: number): SqliteDatabase.Database {
  mkdirSync(dirname(path), { recursive: true });
  const database = new SqliteDatabase(path);
  for (const step of migrations.slice(0, version)) database.exec(step);
  database.pragma(`user_version = ${String(version)}`);
  return database;
}

/** Texts of all sorts of characters, the same for a seed. */
function randomTexts(seed: number): () => string {
  let state = seed;
  const next = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const alphabets = ["abcXYZ", "äÖßİΣςK", "\"'()*^:-+%_\\", " \t\n", "中文登录", "😀👩‍👩‍👧é", "0123456789"].map((letters) =>
    Array.from(letters),
  );
  return () =>
    Array.from({ length: 1 + next(14) }, () => {
      const letters = alphabets[next(alphabets.length)] ?? [];
      return letters[next(letters.length)] ?? "";
    }).join("");
}

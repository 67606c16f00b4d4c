import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { OpenAgentError } from "../../src/base/errors.ts";
import type { EventBody } from "../../src/protocol/event.ts";
import { tryLock } from "../../src/store/lock.ts";
import { migrations } from "../../src/store/migrations.ts";
import { Store } from "../../src/store/store.ts";
import { answer, part, session, user } from "../fake/events.ts";
import { mountSmallDisk } from "../fake/smallDisk.ts";

const created: EventBody = { type: "mission_created", title: "t", directory: "/d", server: "own" };
const linked: EventBody = { type: "mission_updated", sessionId: session };

function temporary(): string {
  return join(mkdtempSync(join(tmpdir(), "store-")), "missions", "missions.db");
}

function openStore(path = temporary()): Store {
  return new Store({ path });
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof OpenAgentError) return error.code;
    throw error;
  }
  return "none";
}

describe("store", () => {
  it("gives strictly increasing seqs and tells where a batch follows on", () => {
    const store = openStore();
    const first = store.create("m", [created, linked], 1);
    const second = store.append("m", user("msg_1", "hello"), 2);
    assert.deepEqual([first.prev, first.seq, second.prev, second.seq], [0, 2, 2, 4]);
    assert.deepEqual(
      second.events.map(({ seq }) => seq),
      [3, 4],
    );
  });

  it("keeps one row for each key, the newest, and takes no news from a repetition", () => {
    const store = openStore();
    store.create("m", [created], 1);
    const text = (words: string): EventBody => ({
      type: "assistant_message",
      ...part("msg_2", "prt_1"),
      text: words,
      done: true,
      startedAt: 1,
    });
    store.append("m", [text("one")], 2);
    const again = store.append("m", [text("one")], 3);
    const other = store.append("m", [text("two")], 4);
    assert.deepEqual([again.events.length, again.seq, other.seq], [0, 2, 3]);
    assert.deepEqual(
      store.events("m").map(({ seq, body }) => [seq, body.type]),
      [
        [1, "mission_created"],
        [3, "assistant_message"],
      ],
    );
  });

  it("lets nothing unfinished take the place of what is finished", () => {
    const store = openStore();
    store.create("m", [created], 1);
    const text = (words: string, done: boolean): EventBody => ({
      type: "assistant_message",
      ...part("msg_2", "prt_1"),
      text: words,
      done,
      startedAt: 1,
    });
    store.append("m", [text("whole", true)], 2);
    assert.equal(store.append("m", [text("", false)], 3).events.length, 0);
  });

  it("deletes the deltas of a part when its whole is stored", () => {
    const store = openStore();
    store.create("m", [created, linked], 1);
    const place = part("msg_2", "prt_1");
    store.append("m", [{ type: "assistant_message", ...place, text: "", done: false, startedAt: 1 }], 2);
    for (const offset of [0, 1, 2])
      store.append("m", [{ type: "text_delta", ...place, of: "assistant_message", offset, text: "x" }], 3);
    store.append("m", [{ type: "text_delta", ...part("msg_2", "prt_2"), of: "thinking", offset: 0, text: "other" }], 3);
    store.append("m", [{ type: "assistant_message", ...place, text: "xxx", done: true, startedAt: 1, endedAt: 2 }], 4);
    const kept = store
      .events("m")
      .filter(({ body }) => body.type === "text_delta")
      .map(({ body }) => body.type === "text_delta" && body.text);
    assert.deepEqual(kept, ["other"]);
  });

  it("pages messages from the newest to the oldest", () => {
    const store = openStore();
    store.create("m", [created, linked], 1);
    for (const id of ["msg_1", "msg_2", "msg_3", "msg_4", "msg_5"]) store.append("m", user(id, id), 2);
    const newest = store.page("m", session, { limit: 2 });
    const next = store.page("m", session, { limit: 2, before: "msg_4" });
    const last = store.page("m", session, { limit: 2, before: "msg_2" });
    const ids = [newest, next, last].map((page) => [page.messages.map(({ id }) => id), page.hasEarlier]);
    assert.deepEqual(ids, [
      [["msg_4", "msg_5"], true],
      [["msg_2", "msg_3"], true],
      [["msg_1"], false],
    ]);
  });

  it("finds the message so many places after another one", () => {
    const store = openStore();
    store.create("m", [created, linked], 1);
    for (const id of ["msg_1", "msg_2", "msg_3", "msg_4"]) store.append("m", user(id, id), 2);
    const after = (places: number) => store.messageAfter("m", session, "msg_2", places);
    assert.deepEqual([after(1), after(2), after(3)], ["msg_3", "msg_4", undefined]);
    assert.equal(store.messageAfter("m", "ses_other", "msg_2", 1), undefined);
  });

  it("answers queries by type, limit, offset and seq", () => {
    const store = openStore();
    store.create("m", [created, linked], 1);
    store.append("m", [...user("msg_1", "a"), ...answer("msg_2", "msg_1", "b"), ...user("msg_3", "c")], 2);
    const types = (query: Parameters<Store["events"]>[1]) =>
      store.events("m", query).map(({ seq, body }) => `${String(seq)} ${body.type}`);
    assert.deepEqual(types({ types: ["user_message", "assistant_message"] }), [
      "4 user_message",
      "6 assistant_message",
      "8 user_message",
    ]);
    assert.deepEqual(types({ types: ["user_message"], offset: 1, limit: 1 }), ["8 user_message"]);
    assert.deepEqual(types({ after: 6 }), ["7 message", "8 user_message"]);
  });

  it("lists missions newest first, archived ones apart, and finds the running", () => {
    const store = openStore();
    for (const [id, time] of [
      ["a", 1],
      ["b", 3],
      ["c", 2],
    ] as const)
      store.create(id, [created], time);
    store.append("c", [{ type: "mission_updated", archivedAt: 9 }], 9);
    store.append("a", [linked, { type: "session_state", sessionId: session, state: "busy" }], 10);
    const ids = (heads: { id: string }[]) => heads.map(({ id }) => id);
    assert.deepEqual(
      [ids(store.list()), ids(store.list({ archived: true })), ids(store.listRunning())],
      [["a", "b"], ["c"], ["a"]],
    );
  });

  it("knows the mission of a session and of its children, and forgets all of a deleted mission", () => {
    const store = openStore();
    store.create(
      "m",
      [
        created,
        linked,
        { type: "session", sessionId: "ses_child", parentId: session, title: "c", cost: 0 },
        { type: "session", sessionId: "ses_grandchild", parentId: "ses_child", title: "g", cost: 0 },
      ],
      1,
    );
    assert.deepEqual(
      [session, "ses_child", "ses_grandchild", "x"].map((id) => store.missionOfSession(id)),
      ["m", "m", "m", undefined],
    );
    store.remove("m");
    assert.deepEqual(
      [store.missionOfSession(session), store.events("m"), codeOf(() => store.head("m"))],
      [undefined, [], "mission_not_found"],
    );
  });

  it("shows another process what the first has written", () => {
    const path = temporary();
    const [writer, reader] = [openStore(path), openStore(path)];
    writer.create("m", [created], 1);
    writer.append("m", user("msg_1", "hello"), 2);
    assert.deepEqual([reader.head("m").title, reader.events("m", { after: 1 }).length], ["t", 2]);
  });

  it("stores all of a batch or nothing", () => {
    const store = openStore();
    store.create("m", [created], 1);
    const cyclic: Record<string, unknown> = {};
    cyclic["self"] = cyclic;
    assert.throws(() =>
      store.append("m", [...user("msg_1", "a"), { type: "raw", id: "evt_1", name: "x", data: cyclic }], 2),
    );
    assert.deepEqual([store.events("m").length, store.append("m", user("msg_1", "a"), 3).events.length], [1, 2]);
  });
});

describe("a store in trouble", () => {
  it("names a file that is no database and leaves it alone", () => {
    const path = temporary();
    openStore(path).close();
    writeFileSync(path, "this is not a database, and long enough to be looked at as one".repeat(20));
    assert.equal(
      codeOf(() => openStore(path)),
      "store_unreadable",
    );
  });

  it("only reads a database of a newer version", () => {
    const path = temporary();
    const old = openStore(path);
    old.create("m", [created], 1);
    old.close();
    const raw = new SqliteDatabase(path);
    raw.pragma(`user_version = ${String(migrations.length + 1)}`);
    raw.close();
    const store = openStore(path);
    assert.deepEqual(
      [store.newer, store.head("m").title, codeOf(() => store.append("m", [created], 2))],
      [true, "t", "store_newer"],
    );
  });

  it("says that the disk is full, keeps what it has, and writes again when there is room", function () {
    const disk = mountSmallDisk(2_000);
    // Only root may mount the small disk.
    if (!disk) return this.skip();
    try {
      const store = openStore(join(disk.folder, "missions.db"));
      store.create("m", [created], 1);
      disk.fill();
      const message = (id: string) => user(id, "x".repeat(100_000));
      assert.equal(
        codeOf(() => store.append("m", message("msg_1"), 2)),
        "store_full",
      );
      assert.equal(
        codeOf(() => store.probe()),
        "store_full",
      );
      disk.free();
      store.probe();
      assert.deepEqual([store.events("m").length, store.append("m", message("msg_1"), 3).events.length], [1, 2]);
      store.close();
    } finally {
      disk.unmount();
    }
  });
});

describe("lock", () => {
  it("is held by one and free again when it is let go", () => {
    const path = join(mkdtempSync(join(tmpdir(), "lock-")), "leader.lock");
    const first = tryLock(path);
    assert.equal(tryLock(path), undefined);
    first?.dispose();
    const second = tryLock(path);
    assert.notEqual(second, undefined);
    second?.dispose();
  });
});

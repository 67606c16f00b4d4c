import assert from "node:assert/strict";
import { mkdtempSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep, waitUntil } from "../../src/base/async.ts";
import { OpenAgentError } from "../../src/base/errors.ts";
import { silentLogger } from "../../src/base/log.ts";
import { Coalescer } from "../../src/orchestrator/coalesce.ts";
import { commands } from "../../src/orchestrator/commands.ts";
import { dataPaths } from "../../src/orchestrator/dataFolder.ts";
import { readLeaderRecord, serveEndpoint } from "../../src/orchestrator/endpoint.ts";
import { asProviders, readEndpoints, writeEndpoints } from "../../src/orchestrator/endpoints.ts";
import { askLeader, hearTicks } from "../../src/orchestrator/follower.ts";
import type { Tick } from "../../src/orchestrator/wire.ts";
import type { EngineEvent } from "../../src/protocol/event.ts";
import { part } from "../fake/events.ts";

describe("coalescing", () => {
  const delta = (partId: string, offset: number, text: string, gap?: boolean): EngineEvent => ({
    type: "text_delta",
    ...part("msg_1", partId),
    of: "assistant_message",
    offset,
    text,
    ...(gap && { gap }),
  });

  it("joins what adds to the same part, and keeps the order of everything", async () => {
    const delivered: EngineEvent[][] = [];
    const coalescer = new Coalescer((events) => delivered.push(events));
    const idle: EngineEvent = { type: "session_state", sessionId: "s", state: "idle" };
    for (const event of [
      delta("a", 0, "one "),
      delta("a", 4, "two"),
      delta("b", 0, "x"),
      idle,
      delta("a", 7, "!"),
      delta("a", 9, "?", true),
    ])
      coalescer.add(event);
    await sleep(30);
    assert.deepEqual(delivered, [
      [delta("a", 0, "one two"), delta("b", 0, "x"), idle, delta("a", 7, "!"), delta("a", 9, "?", true)],
    ]);
  });

  it("hands the first on at once and a flood in few steps", async () => {
    const delivered: EngineEvent[][] = [];
    const coalescer = new Coalescer((events) => delivered.push(events));
    coalescer.add(delta("a", 0, "x"));
    await sleep(5);
    assert.equal(delivered.length, 1);
    for (let offset = 1; offset < 5_000; offset++) {
      coalescer.add(delta("a", offset, "x"));
      if (offset % 500 === 0) await sleep(1);
    }
    coalescer.flush();
    const text = delivered
      .flat()
      .map((event) => (event.type === "text_delta" ? event.text : ""))
      .join("");
    assert.deepEqual([text.length, delivered.slice(10)], [5_000, []]);
  });
});

describe("the leader's endpoint", () => {
  async function open() {
    const folder = mkdtempSync(join(tmpdir(), "endpoint-"));
    const record = join(folder, "leader.json");
    const endpoint = await serveEndpoint({
      folder,
      record,
      build: "1",
      log: silentLogger,
      greeting: () => [{ kind: "removed", missionId: "greeting" }],
      run: (name, input) => {
        if (name === "fail") return Promise.reject(new OpenAgentError("mission_busy", "busy", { missionId: "m" }));
        return Promise.resolve({ name, input });
      },
    });
    const leader = readLeaderRecord(record);
    assert.ok(leader);
    return { folder, record, endpoint, leader };
  }
  const { signal } = new AbortController();

  it("runs commands and hands errors back whole", async () => {
    const { endpoint, leader } = await open();
    assert.deepEqual(await askLeader(leader, "echo", { a: 1 }, signal), { name: "echo", input: { a: 1 } });
    await assert.rejects(askLeader(leader, "fail", {}, signal), {
      code: "mission_busy",
      message: "busy",
      detail: { missionId: "m" },
    });
    endpoint.dispose();
  });

  it("lets nobody in without the token, and keeps its files to the user", async () => {
    const { endpoint, leader, record } = await open();
    await assert.rejects(askLeader({ ...leader, token: "wrong" }, "echo", {}, signal), { code: "no_leader" });
    assert.deepEqual([statSync(record).mode & 0o777, statSync(leader.socket).mode & 0o777], [0o600, 0o600]);
    endpoint.dispose();
  });

  it("tells its followers, and they notice when it is gone", async () => {
    const { endpoint, leader, record } = await open();
    const heard: Tick[] = [];
    let ended = false;
    hearTicks(
      leader,
      (tick) => heard.push(tick),
      () => (ended = true),
    );
    await waitUntil(() => heard.length === 1, 1000, 5);
    endpoint.tell({ kind: "mission", missionId: "m", seq: 7, head: true });
    await waitUntil(() => heard.length === 2, 1000, 5);
    assert.deepEqual([heard[1], endpoint.followers], [{ kind: "mission", missionId: "m", seq: 7, head: true }, 1]);
    endpoint.dispose();
    await waitUntil(() => ended, 1000, 5);
    assert.deepEqual([ended, readLeaderRecord(record)], [true, undefined]);
  });

  it("says of a request to a dead leader that it was not delivered", async () => {
    const { endpoint, leader } = await open();
    endpoint.dispose();
    await assert.rejects(askLeader(leader, "echo", {}, signal), { code: "no_leader", detail: { delivered: "no" } });
  });

  it("takes a record that does not parse for none", () => {
    const path = join(mkdtempSync(join(tmpdir(), "record-")), "leader.json");
    writeFileSync(path, "{ half");
    assert.equal(readLeaderRecord(path), undefined);
  });
});

describe("the input of commands", () => {
  const valid = (name: keyof typeof commands, input: unknown) => commands[name].input.safeParse(input).success;
  const missionId = "5f2b1c9e-6a0d-4c39-9a43-0b6a3b0a3c11";

  it("is checked before anything runs", () => {
    assert.ok(valid("sendMessage", { missionId, text: "hi", model: "a/b" }));
    assert.ok(!valid("sendMessage", { missionId: "../x", text: "hi" }));
    assert.ok(!valid("sendMessage", { missionId, text: " \n" }));
    assert.ok(!valid("sendMessage", { missionId, text: "hi", model: "nope" }));
    assert.ok(!valid("answerPermission", { missionId, requestId: "per", reply: "yes" }));
    assert.ok(!valid("setEndpoint", { id: "../x", name: "x", baseUrl: "https://x.example/v1", models: ["m"] }));
    assert.ok(!valid("setEndpoint", { id: "x", name: "x", baseUrl: "file:///etc", models: ["m"] }));
    assert.ok(valid("sendMessage", { missionId, text: "x".repeat(1_000_000) }));
  });
});

describe("endpoints of the user", () => {
  it("are kept, and become providers of OpenCode without a key among them", () => {
    const path = join(mkdtempSync(join(tmpdir(), "endpoints-")), "endpoints.json");
    assert.deepEqual(readEndpoints(path), []);
    writeEndpoints(path, [{ id: "lab", name: "Lab", baseUrl: "http://127.0.0.1:1/v1", models: ["m"] }]);
    const provider = {
      npm: "@ai-sdk/openai-compatible",
      name: "Lab",
      options: { baseURL: "http://127.0.0.1:1/v1" },
      models: { m: { name: "m" } },
    };
    assert.deepEqual(asProviders(readEndpoints(path)), { lab: provider });
  });

  it("are left alone when the file does not parse", () => {
    const path = join(mkdtempSync(join(tmpdir(), "endpoints-")), "endpoints.json");
    writeFileSync(path, "[{");
    assert.throws(() => readEndpoints(path), { code: "invalid_input" });
  });
});

describe("the data folder", () => {
  it("is the setting, else the variable, else ~/.openagent; development has files of its own", () => {
    const environment = { HOME: "/home/dev", OPEN_AGENT_DATA_DIR: "/var/agent" };
    const roots = [
      dataPaths("~/x", environment, false),
      dataPaths(undefined, environment, false),
      dataPaths("", { HOME: "/home/dev" }, false),
    ];
    assert.deepEqual(
      roots.map(({ root }) => root),
      ["/home/dev/x", "/var/agent", "/home/dev/.openagent"],
    );
    assert.deepEqual(
      [dataPaths("/d", {}, false).database, dataPaths("/d", {}, true).database],
      ["/d/missions/missions.db", "/d/missions/missions-dev.db"],
    );
    assert.throws(() => dataPaths("relative", environment, false), { code: "invalid_input" });
  });
});

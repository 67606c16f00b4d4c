import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "../../src/base/async.ts";
import type { Core } from "../../src/orchestrator/core.ts";
import {
  bash,
  makeBed,
  makeProject,
  runTurn,
  script,
  texts,
  transcriptOf,
  until,
  untilTurns,
  type Bed,
} from "../fake/bed.ts";

const tools = (core: Core, missionId: string) =>
  transcriptOf(core, missionId).messages.flatMap(({ parts }) =>
    parts.flatMap((part) => (part.kind === "tool" ? [part] : [])),
  );

describe("missions on a real OpenCode", function () {
  this.timeout(60_000);
  let bed: Bed;
  let core: Core;

  before(async () => {
    bed = await makeBed();
    core = bed.core();
    await core.run("startServer", {});
  });
  after(() => bed.close());

  it("runs to its end: real tools, real files, every event stored, one end of the turn", async () => {
    const head = await runTurn(core, bed, "Start the [[mission]]");
    assert.deepEqual([head.status, head.runState, head.title], ["active", "idle", "Start the [[mission]]"]);
    assert.equal(readFileSync(join(bed.project, "notes.txt"), "utf8"), "alpha\nBETA\ngamma\n");
    assert.equal(texts(core, head.id).at(-1), "Mission complete: notes.txt holds alpha, BETA, gamma.");
    assert.deepEqual(
      head.todos.map((todo) => todo.status),
      ["completed", "completed", "completed"],
    );
    assert.ok(head.costs[head.sessionId ?? ""] && head.contextTokens > 0);
    const events = core.store.events(head.id);
    assert.ok(events.every((event, index) => index === 0 || event.seq > (events[index - 1]?.seq ?? 0)));
    assert.equal(events.filter(({ body }) => body.type === "turn_ended").length, 1);
    assert.equal(
      events.filter(({ body }) => body.type === "text_delta" || body.type === "tool_output").length,
      0,
      "parts, not keystrokes",
    );
    // What comes behind the end (titles, summaries) is no new activity.
    await sleep(700);
    assert.equal(core.store.head(head.id).runState, "idle");
  });

  it("goes on in the same session with the next message", async () => {
    const first = await runTurn(core, bed, "[[hello]]");
    await core.run("sendMessage", { missionId: first.id, text: "and [[bash]]" });
    const second = await untilTurns(core, first.id, 2);
    assert.equal(second.sessionId, first.sessionId);
    const roles = transcriptOf(core, first.id).messages.map(({ role }) => role);
    assert.deepEqual(roles, ["user", "assistant", "user", "assistant", "assistant"]);
  });

  it("sends messages one after another that came while it was busy, and merges none", async () => {
    const { id } = await core.run("createMission", {
      text: script(bash("sleep 1"), { text: "first answer" }),
      directory: bed.project,
    });
    await until(core, id, (head) => head.runState === "waiting_for_tool");
    await core.run("sendMessage", { missionId: id, text: script({ text: "second answer" }) });
    await core.run("sendMessage", { missionId: id, text: script({ text: "third answer" }) });
    assert.equal(core.store.head(id).pending.length, 2);
    await untilTurns(core, id, 3);
    assert.deepEqual(texts(core, id), ["first answer", "second answer", "third answer"]);
  });

  it("runs many at once without mixing them up", async () => {
    const ids = await Promise.all(
      [1, 2, 3, 4].map((number) =>
        core.run("createMission", {
          text: script({ text: `answer ${String(number)}`, delay: 5 }),
          directory: bed.project,
        }),
      ),
    );
    for (const { id } of ids) await untilTurns(core, id, 1);
    assert.deepEqual(
      ids.map(({ id }) => texts(core, id)),
      [1, 2, 3, 4].map((number) => [`answer ${String(number)}`]),
    );
  });

  describe("that goes wrong", () => {
    it("ends as failed with the provider's words: 400, 401, garbage, an error in the stream", async () => {
      for (const [name, words] of [
        ["err400", /scripted bad request/],
        ["err401", /Incorrect API key/],
        ["garbage", /JSON/],
      ] as const) {
        const head = await runTurn(core, bed, `[[${name}]]`);
        assert.deepEqual([name, head.status, words.test(head.failure?.message ?? "")], [name, "failed", true]);
        assert.ok(!/\n\s+at /.test(head.failure?.message ?? ""), "no stack in a message to the user");
      }
    });

    it("keeps a message that OpenCode does not take, and sends it once when the reason is gone: an unknown agent", async () => {
      const { id } = await core.run("createMission", { text: "[[hello]]", directory: bed.project, agent: "nope" });
      const head = await until(core, id, ({ status }) => status === "failed");
      assert.match(head.failure?.message ?? "", /Agent not found: "nope"/);
      assert.deepEqual([head.pending.map(({ state }) => state), transcriptOf(core, id).messages], [["queued"], []]);
      await core.run("setMissionChoice", { missionId: id, agent: "build" });
      await core.run("resumeMission", { missionId: id });
      await untilTurns(core, id, 1);
      assert.deepEqual(
        transcriptOf(core, id).messages.map(({ role }) => role),
        ["user", "assistant"],
      );
    });

    it("ends when the model is unknown", async () => {
      const { id } = await core.run("createMission", { text: "hi", directory: bed.project, model: "scripted/nope" });
      const head = await untilTurns(core, id, 1);
      assert.deepEqual(
        [head.status, (head.failure?.message ?? "").includes("Model not found: scripted/nope")],
        ["failed", true],
      );
    });

    it("is asked again by OpenCode after 429 and 500, shown with attempt and time", async () => {
      for (const name of ["err429", "err500"]) {
        const head = await runTurn(core, bed, `[[${name}]]`);
        const retries = core.store
          .events(head.id, { types: ["retry"] })
          .map(({ body }) => body.type === "retry" && body.attempt);
        assert.deepEqual([name, head.status, retries.length > 0 && retries[0]], [name, "active", 1]);
        assert.match(texts(core, head.id).at(-1) ?? "", /Recovered/);
      }
    });

    it("can be stopped while OpenCode retries for ever", async () => {
      const { id } = await core.run("createMission", { text: "[[err500forever]]", directory: bed.project });
      const waiting = await until(core, id, (head) => head.retry !== undefined);
      assert.ok((waiting.retry?.nextAt ?? 0) > Date.now() - 1_000);
      await core.run("stopMission", { missionId: id });
      const head = await untilTurns(core, id, 1);
      assert.deepEqual([head.status, head.retry], ["interrupted", undefined]);
    });

    it("can be stopped while the model hangs, and goes on with the next message", async () => {
      const { id } = await core.run("createMission", { text: "[[hang]]", directory: bed.project });
      await until(core, id, (head) => head.busy && head.sessionId !== undefined);
      await sleep(500);
      await core.run("stopMission", { missionId: id });
      assert.equal((await untilTurns(core, id, 1)).status, "interrupted");
      await core.run("sendMessage", { missionId: id, text: "[[hello]]" });
      assert.equal((await untilTurns(core, id, 2)).status, "active");
    });

    it("keeps what was said and done when it is stopped in the middle", async () => {
      const { id } = await core.run("createMission", {
        text: script({ text: "I run it.", ...bash("echo early; sleep 60") }),
        directory: bed.project,
      });
      await until(core, id, () => tools(core, id).some((part) => part.output?.includes("early")));
      await core.run("stopMission", { missionId: id });
      const head = await untilTurns(core, id, 1);
      const [call] = tools(core, id);
      assert.deepEqual([head.status, texts(core, id), call?.card.result], ["interrupted", ["I run it."], "stopped"]);
      assert.match(call?.output ?? "", /early/);
      // OpenCode reports idle twice around the last state: one end only.
      await sleep(700);
      assert.equal(core.store.events(id, { types: ["turn_ended"] }).length, 1);
    });

    it("goes on when the model calls a tool that is not there, or with arguments that do not fit", async () => {
      for (const name of ["badtool", "badargs"]) {
        const head = await runTurn(core, bed, `[[${name}]]`);
        assert.deepEqual([name, head.status, tools(core, head.id).length], [name, "active", 1]);
      }
    });

    it("goes on behind a context that overflowed: OpenCode compacts it", async () => {
      const head = await runTurn(core, bed, "[[overflow]]");
      assert.equal(head.status, "active");
      const parts = transcriptOf(core, head.id).messages.flatMap((message) => message.parts);
      assert.ok(parts.some(({ kind }) => kind === "compaction"));
    });

    it("says that its folder is gone, keeps the message, and sends it when the folder is back", async () => {
      const folder = join(bed.root, "gone");
      const { id } = await core.run("createMission", { text: "[[hello]]", directory: folder });
      const failed = await until(core, id, (head) => head.failure !== undefined);
      assert.deepEqual([failed.status, failed.failure?.name, failed.pending.length], ["failed", "folder_missing", 1]);
      makeProject(folder);
      await core.run("resumeMission", { missionId: id });
      assert.equal((await untilTurns(core, id, 1)).status, "active");
    });

    it("names the file that does not parse, and leaves the missions of other folders alone", async () => {
      const folder = join(bed.root, "broken");
      makeProject(folder);
      writeFileSync(join(folder, "opencode.json"), "{ oops");
      const { id } = await core.run("createMission", { text: "[[hello]]", directory: folder });
      const failed = await until(core, id, (head) => head.failure !== undefined);
      assert.equal(failed.failure?.name, "opencode_config_invalid");
      assert.ok(failed.failure.message.includes(join(folder, "opencode.json")), failed.failure.message);
      assert.equal((await runTurn(core, bed, "[[hello]]")).status, "active");
      rmSync(join(folder, "opencode.json"));
    });
  });

  describe("of unusual size", () => {
    it("takes a prompt of a megabyte", async () => {
      const text = `${"Read this. ".repeat(95_000)}\n[[hello]]`;
      const head = await runTurn(core, bed, text);
      const [first] = transcriptOf(core, head.id).messages[0]?.parts ?? [];
      assert.deepEqual([head.status, first?.kind === "text" && first.text.length], ["active", text.length]);
    });

    it("takes an output of 50 megabytes without storing it over and over", async () => {
      const head = await runTurn(core, bed, "[[bigoutput]]");
      const [call] = tools(core, head.id);
      assert.deepEqual([head.status, call?.state], ["active", "completed"]);
      assert.ok(call?.outputPath !== undefined && existsSync(call.outputPath), "OpenCode keeps the whole");
      const stored = core.store.events(head.id).reduce((sum, event) => sum + JSON.stringify(event.body).length, 0);
      assert.ok(stored < 500_000, `${String(stored)} bytes are stored`);
    });

    it("stores a chatty command once, not with every chunk", async () => {
      const head = await runTurn(core, bed, "[[chatty]]");
      const events = core.store.events(head.id);
      const stored = events.reduce((sum, event) => sum + JSON.stringify(event.body).length, 0);
      assert.ok(stored < 400_000, `${String(stored)} bytes in ${String(events.length)} events`);
    });
  });

  it("ignores sessions that are not its own", async () => {
    const { leader } = {
      leader: JSON.parse(readFileSync(core.paths.serverRecord, "utf8")) as { url: string; password: string },
    };
    const headers = {
      authorization: `Basic ${Buffer.from(`opencode:${leader.password}`).toString("base64")}`,
      "content-type": "application/json",
    };
    const query = `?directory=${encodeURIComponent(bed.project)}`;
    const before = core.store.list().length;
    const last = core.store.lastSeqOfAll();
    const session = (await (
      await fetch(`${leader.url}/session${query}`, { method: "POST", headers, body: "{}" })
    ).json()) as { id: string };
    await fetch(`${leader.url}/session/${session.id}/message${query}`, {
      method: "POST",
      headers,
      body: JSON.stringify({ parts: [{ type: "text", text: "[[hello]]" }] }),
    });
    assert.deepEqual([core.store.list().length, core.store.lastSeqOfAll()], [before, last]);
    assert.equal(
      (await fetch(`${leader.url}/session/${session.id}${query}`, { headers })).status,
      200,
      "nor does it delete them",
    );
  });

  it("deletes a mission with its history and its session", async () => {
    const head = await runTurn(core, bed, "[[hello]]");
    await core.run("deleteMission", { missionId: head.id });
    assert.throws(() => core.store.head(head.id), { code: "mission_not_found" });
    assert.deepEqual(core.store.events(head.id), []);
  });

  it("lists agents and models as OpenCode reports them", async () => {
    mkdirSync(join(bed.root, "agents", ".opencode", "agent"), { recursive: true });
    writeFileSync(
      join(bed.root, "agents", ".opencode", "agent", "reviewer.md"),
      "---\ndescription: Reviews\nmode: primary\n---\nReview.",
    );
    const choices = await core.run("choices", { directory: join(bed.root, "agents") });
    assert.deepEqual(choices.agents.map(({ name }) => name).sort(), ["build", "plan", "reviewer"]);
    assert.deepEqual(
      choices.models.map(({ modelId, keyless }) => [modelId, keyless]),
      [
        ["scripted", false],
        ["scripted-small", false],
      ],
    );
    assert.deepEqual(choices.defaultModel, { providerId: "scripted", modelId: "scripted" });
    assert.equal(
      await core
        .run("tryModel", { directory: bed.project, model: "scripted/scripted" })
        .then((answer) => answer !== ""),
      true,
    );
  });

  it("keeps its files to the user", () => {
    const modes = [bed.data, core.paths.serverRecord, core.paths.leaderRecord].map(
      (path) => statSync(path).mode & 0o777,
    );
    assert.deepEqual(modes, [0o700, 0o600, 0o600]);
  });
});

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitUntil } from "../../src/base/async.ts";
import type { Core } from "../../src/orchestrator/core.ts";
import { bash, makeBed, script, transcriptOf, until, untilTurns, waitingFor, type Bed } from "../fake/bed.ts";

describe("the queue of a mission", function () {
  this.timeout(90_000);
  let bed: Bed;
  let core: Core;
  before(async () => {
    bed = await makeBed();
    core = bed.core();
  });
  after(() => bed.close());

  async function launch(text: string): Promise<string> {
    return (await core.run("createMission", { text, directory: bed.project })).id;
  }
  async function queue(missionId: string, ...texts: string[]): Promise<string[]> {
    for (const text of texts) await core.run("sendMessage", { missionId, text });
    return core.store
      .head(missionId)
      .pending.filter(({ state }) => state === "queued")
      .map(({ queueId }) => queueId);
  }
  function asked(missionId: string): string[] {
    return transcriptOf(core, missionId).messages.flatMap(({ role, parts }) =>
      role === "user" ? parts.flatMap((part) => (part.kind === "text" ? [part.text] : [])) : [],
    );
  }
  // The agent's command runs until the test lets it go on, so that nothing depends on how quick the test is.
  let gate: string;
  let slow: string;
  beforeEach(() => {
    gate = join(bed.project, crypto.randomUUID());
    slow = script(bash(waitingFor(gate)), { text: "waited" });
  });
  const letGo = () => writeFileSync(gate, "");

  it("is edited, put into another order and shortened while the agent works, and each message is sent once", async () => {
    const missionId = await launch(slow);
    await until(core, missionId, (head) => head.runState === "waiting_for_tool");
    const [one, two, three] = await queue(missionId, "[[hello]] one", "[[hello]] two", "[[hello]] three");
    assert.ok(one !== undefined && two !== undefined && three !== undefined);
    await core.run("moveMessage", { missionId, queueId: three, before: one });
    await core.run("editMessage", { missionId, queueId: one, text: "[[hello]] ONE" });
    await core.run("removeMessage", { missionId, queueId: two });
    letGo();
    await untilTurns(core, missionId, 3);
    assert.deepEqual(asked(missionId), [slow, "[[hello]] three", "[[hello]] ONE"]);
    await assert.rejects(core.run("editMessage", { missionId, queueId: one, text: "late" }), { code: "request_gone" });
  });

  it("lets a message go first: the turn is interrupted, and the others follow", async () => {
    const missionId = await launch(slow);
    await until(core, missionId, (head) => head.runState === "waiting_for_tool");
    const [, second] = await queue(missionId, "[[hello]] later", "[[hello]] now");
    await core.run("sendMessageNow", { missionId, queueId: second ?? "" });
    const head = await untilTurns(core, missionId, 3);
    assert.deepEqual([head.status, asked(missionId)], ["active", [slow, "[[hello]] now", "[[hello]] later"]]);
    const outcomes = core.store
      .events(missionId, { types: ["turn_ended"] })
      .map(({ body }) => "outcome" in body && body.outcome);
    assert.deepEqual(outcomes, ["interrupted", "completed", "completed"]);
  });

  it("is kept by a stop until the user says what is to become of it", async () => {
    const missionId = await launch(slow);
    await until(core, missionId, (head) => head.runState === "waiting_for_tool");
    await queue(missionId, "[[hello]] kept");
    await core.run("stopMission", { missionId });
    const stopped = await untilTurns(core, missionId, 1);
    assert.deepEqual([stopped.status, stopped.pending.map(({ state }) => state)], ["interrupted", ["held"]]);
    // A message of the user goes on; what is held stays held.
    await core.run("sendMessage", { missionId, text: "[[hello]] first this" });
    const after = await untilTurns(core, missionId, 2);
    assert.deepEqual([after.status, after.pending.map(({ state }) => state)], ["active", ["held"]]);
    await core.run("resumeMission", { missionId });
    await untilTurns(core, missionId, 3);
    assert.deepEqual(asked(missionId), [slow, "[[hello]] first this", "[[hello]] kept"]);
  });

  it("goes on in the same session when it is resumed with nothing in it", async () => {
    const missionId = await launch(slow);
    await until(core, missionId, (head) => head.runState === "waiting_for_tool");
    await core.run("stopMission", { missionId });
    const { sessionId } = await untilTurns(core, missionId, 1);
    await core.run("resumeMission", { missionId });
    const resumed = await untilTurns(core, missionId, 2);
    assert.deepEqual([resumed.sessionId, resumed.status, asked(missionId).at(-1)], [sessionId, "active", "Continue."]);
  });

  it("takes the user's verdict when nothing runs, and opens again with the next message", async () => {
    const missionId = await launch(slow);
    await until(core, missionId, (head) => head.runState === "waiting_for_tool");
    await assert.rejects(core.run("markMission", { missionId, status: "completed" }), { code: "mission_busy" });
    letGo();
    await untilTurns(core, missionId, 1);
    await core.run("markMission", { missionId, status: "completed" });
    assert.equal(core.store.head(missionId).status, "completed");
    await core.run("sendMessage", { missionId, text: "[[hello]]" });
    assert.equal((await untilTurns(core, missionId, 2)).status, "active");
  });
});

describe("missions at once", function () {
  this.timeout(90_000);
  let bed: Bed;
  beforeEach(async () => {
    bed = await makeBed();
  });
  afterEach(() => bed.close());

  it("run as many as the setting says; the others wait in line, and the next one begins when one ends", async () => {
    const core = bed.core({ maxParallelMissions: 2 });
    const ids: string[] = [];
    const gate = join(bed.project, "go");
    const text = script(bash(waitingFor(gate)), { text: "done" });
    for (let index = 0; index < 5; index++)
      ids.push((await core.run("createMission", { text, directory: bed.project })).id);
    let most = 0;
    const watch = core.onHead(() => (most = Math.max(most, core.store.listRunning().length)));
    await waitUntil(
      () => core.store.listRunning().length === 2 && ids.filter((id) => core.placeOf(id) !== undefined).length === 3,
      20_000,
      5,
    );
    assert.deepEqual(
      ids.map((id) => core.placeOf(id)),
      [undefined, undefined, 1, 2, 3],
    );
    // One that waits can be taken back without a trace of it running.
    const last = ids[4] ?? "";
    await core.run("stopMission", { missionId: last });
    assert.deepEqual([core.placeOf(last), core.store.head(last).status], [undefined, "interrupted"]);
    writeFileSync(gate, "");
    for (const id of ids.slice(0, 4)) await untilTurns(core, id, 1);
    watch.dispose();
    assert.equal(most, 2);
    await core.run("resumeMission", { missionId: last });
    assert.equal((await untilTurns(core, last, 1)).status, "active");
  });

  it("go on with what waited when another process takes over", async () => {
    const first = bed.core({ maxParallelMissions: 1 });
    const create = (text: string) => first.run("createMission", { text, directory: bed.project });
    const running = await create(script(bash("sleep 2"), { text: "one" }));
    await until(first, running.id, (head) => head.runState === "waiting_for_tool");
    const waiting = await create("[[hello]] two");
    await first.run("sendMessage", { missionId: running.id, text: "[[hello]] three" });
    await first.dispose();
    const second = bed.core({ maxParallelMissions: 1 });
    await untilTurns(second, running.id, 2);
    assert.equal((await untilTurns(second, waiting.id, 1)).status, "active");
  });

  it("are led by the newest build, which takes over from an older one in the middle of a turn", async () => {
    const old = bed.core({ build: "1.0.0" });
    const { id } = await old.run("createMission", {
      text: script(bash("sleep 2"), { text: "said" }),
      directory: bed.project,
    });
    await until(old, id, (head) => head.runState === "waiting_for_tool");
    const same = bed.core({ build: "1.0.0" });
    const newer = bed.core({ build: "1.1.0" });
    await waitUntil(() => newer.isLeading, 10_000);
    assert.deepEqual([newer.isLeading, old.isLeading, same.isLeading], [true, false, false]);
    assert.equal((await untilTurns(newer, id, 1)).status, "active");
    await old.run("sendMessage", { missionId: id, text: "[[hello]]" });
    await untilTurns(old, id, 2);
    assert.ok(newer.isLeading, "and it stays so");
  });

  it("are led by one process alone when the lead is handed on while it is being taken", async () => {
    const old = bed.core({ build: "1.0.0" });
    const { id } = await old.run("createMission", { text: "[[hello]]", directory: bed.project });
    await untilTurns(old, id, 1, 60_000);
    const [, , newest = old] = ["1.1.0", "1.2.0", "1.3.0"].map((build) => bed.core({ build }));
    assert.ok(await waitUntil(() => newest.isLeading, 20_000));
    for (const turn of [2, 3]) {
      await newest.run("sendMessage", { missionId: id, text: "[[hello]]" });
      const head = await untilTurns(newest, id, turn, 60_000);
      assert.deepEqual([head.status, head.pending], ["active", []]);
    }
  });

  it("end with the last window when the user wants it so", async () => {
    const core = bed.core({ keepRunning: false });
    const { id } = await core.run("createMission", { text: script(bash("sleep 20")), directory: bed.project });
    await until(core, id, (head) => head.runState === "waiting_for_tool");
    await core.dispose();
    assert.equal(bed.serverPid(), undefined);
    const next = bed.core();
    assert.equal((await untilTurns(next, id, 1)).status, "interrupted");
  });
});

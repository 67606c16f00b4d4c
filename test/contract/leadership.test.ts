import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { sleep, waitUntil } from "../../src/base/async.ts";
import { isAlive } from "../../src/base/processes.ts";
import { readLeaderRecord } from "../../src/orchestrator/endpoint.ts";
import { reduce } from "../../src/protocol/reduce.ts";
import { bash, makeBed, opencodeBinary, repository, script, texts, until, untilTurns, type Bed } from "../fake/bed.ts";
import { mountSmallDisk } from "../fake/smallDisk.ts";

describe("one leader for each data folder", function () {
  this.timeout(90_000);
  let bed: Bed;
  beforeEach(async () => {
    bed = await makeBed();
  });
  afterEach(() => bed.close());

  it("lets every process see and do the same, and two lead never", async () => {
    const cores = [bed.core(), bed.core(), bed.core()];
    await cores[0]?.run("startServer", {});
    await waitUntil(() => cores.every((core) => core.engineState.kind === "connected"), 5_000);
    assert.equal(cores.filter((core) => core.isLeading).length, 1);
    const follower = cores.find((core) => !core.isLeading) ?? cores[0];
    assert.ok(follower);
    const { id } = await follower.run("createMission", {
      text: script({ text: "word ".repeat(100), chunk: 5, delay: 5 }),
      directory: bed.project,
    });
    const live = cores.map((core) => {
      const { view, seq } = core.store.snapshot(id, 100);
      const shown = { view, seq, batches: 0 };
      core.watch(id, seq, (batch) => {
        assert.equal(batch.prev, shown.seq);
        shown.view = batch.events.reduce(reduce, shown.view);
        shown.seq = batch.seq;
        shown.batches++;
      });
      return shown;
    });
    for (const core of cores) await untilTurns(core, id, 1);
    const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
    await waitUntil(
      () => live.every(({ view }) => view.head.runState === "idle" && view.head.turnEndedAt !== undefined),
      2_000,
    );
    for (const { view, batches } of live) {
      assert.deepEqual(plain(view), plain(cores[0]?.store.snapshot(id, 100).view));
      assert.ok(batches > 10, "it was live, not only at the end");
    }
  });

  it("goes on under another leader when the first leaves in the middle", async () => {
    const [first, second] = [bed.core(), bed.core()];
    await first.run("startServer", {});
    await waitUntil(() => second.engineState.kind === "connected", 5_000);
    const { id } = await second.run("createMission", {
      text: script(bash("sleep 2"), { text: "Still said." }),
      directory: bed.project,
    });
    await until(second, id, (head) => head.runState === "waiting_for_tool");
    const [leaving, staying] = first.isLeading ? [first, second] : [second, first];
    const heard = new Set<string>();
    staying.watchAll(({ missionId }) => heard.add(missionId));
    // What the one that leaves stores at the very last is told to nobody.
    leaving.store.create("last", [{ type: "mission_created", title: "t", directory: "/d", server: "own" }], 1);
    await leaving.dispose();
    assert.equal((await untilTurns(staying, id, 1)).status, "active");
    assert.deepEqual([texts(staying, id), staying.isLeading], [["Still said."], true]);
    assert.deepEqual([...heard].sort(), [id, "last"].sort());
  });

  it("leaves the lead to others when it is closed while it takes it", async () => {
    await bed.core().dispose();
    await sleep(300);
    const next = bed.core();
    assert.ok(await waitUntil(() => next.isLeading, 5_000));
  });

  describe("and a process that is killed", () => {
    let child: ChildProcess | undefined;
    /** One that is newer than the program would take the lead from it. */
    const olderBuild = "0.0.1";
    const readLeader = () => readLeaderRecord(join(bed.data, "runtime", "leader.json"));
    afterEach(() => child?.kill("SIGKILL"));

    async function headless(): Promise<ChildProcess> {
      const program = join(repository, "dist", "headless.cjs");
      const started = spawn(
        process.execPath,
        [program, "serve", "--data-dir", bed.data, "--opencode", opencodeBinary],
        {
          env: bed.environment,
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      child = started;
      await new Promise((resolve) => started.stdout.once("data", resolve));
      await waitUntil(() => readLeader()?.pid === started.pid, 5_000);
      return started;
    }

    it("is followed by another within five seconds, with nothing lost", async () => {
      const leader = await headless();
      const core = bed.core({ build: olderBuild });
      const { id } = await core.run("createMission", {
        text: script(bash("sleep 3"), { text: "Nothing lost." }),
        directory: bed.project,
      });
      await until(core, id, (head) => head.runState === "waiting_for_tool");
      assert.equal(readLeader()?.pid, leader.pid);
      const pid = bed.serverPid();
      const killed = Date.now();
      leader.kill("SIGKILL");
      await waitUntil(() => core.isLeading, 10_000, 10);
      assert.ok(core.isLeading && Date.now() - killed < 5_000, `${String(Date.now() - killed)} ms`);
      assert.equal((await untilTurns(core, id, 1)).status, "active");
      assert.deepEqual([texts(core, id), bed.serverPid()], [["Nothing lost."], pid]);
    });

    it("leaves OpenCode running while nobody is there, and the next one takes it up", async () => {
      const leader = await headless();
      const pid = leader.pid ?? 0;
      const follower = bed.core({ build: olderBuild });
      const { id } = await follower.run("createMission", {
        text: script(bash("sleep 2"), { text: "Alone." }),
        directory: bed.project,
      });
      await until(follower, id, (head) => head.runState === "waiting_for_tool");
      const server = bed.serverPid() ?? 0;
      // The follower goes first, without ever having led.
      assert.equal(readLeader()?.pid, pid);
      await follower.dispose();
      leader.kill("SIGKILL");
      await waitUntil(() => !isAlive(pid), 2_000);
      assert.ok(isAlive(server));
      const next = bed.core();
      await untilTurns(next, id, 1);
      assert.deepEqual([texts(next, id), bed.serverPid()], [["Alone."], server]);
    });
  });
});

describe("a full disk", function () {
  this.timeout(90_000);

  it("is told, the mission goes on, and its history is whole when there is room again", async function () {
    const disk = mountSmallDisk(60_000);
    // Only root may mount the small disk.
    if (!disk) return this.skip();
    const bed = await makeBed({ data: join(disk.folder, "data") });
    try {
      const core = bed.core();
      const faults: (string | undefined)[] = [];
      core.onStoreFault((message) => faults.push(message));
      // The agent writes nothing to that disk but OpenCode's own database, which is full as well while it lasts.
      const { id } = await core.run("createMission", {
        text: script({ text: "word ".repeat(600), chunk: 5, delay: 10 }),
        directory: bed.project,
      });
      await until(core, id, () => (texts(core, id)[0]?.length ?? 0) > 100);
      disk.fill();
      await waitUntil(() => faults.length > 0, 10_000);
      assert.match(faults[0] ?? "", /disk that holds the missions is full/);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      disk.free();
      await waitUntil(() => faults.includes(undefined), 10_000);
      const head = await untilTurns(core, id, 1);
      assert.deepEqual([head.runState, texts(core, id)[0]?.trimEnd()], ["idle", "word ".repeat(600).trimEnd()]);
      await core.run("sendMessage", { missionId: id, text: "[[hello]]" });
      assert.equal((await untilTurns(core, id, 2)).status, "active");
    } finally {
      await bed.close();
      disk.unmount();
    }
  });
});

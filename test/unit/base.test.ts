import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, statSync, writeFileSync, appendFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Backoff, Sequence, sleep, waitUntil } from "../../src/base/async.ts";
import { describeError, OpenAgentError, systemCode } from "../../src/base/errors.ts";
import { Emitter } from "../../src/base/event.ts";
import { readTextIfPresent, writePrivateFile } from "../../src/base/files.ts";
import { Lifetime } from "../../src/base/lifetime.ts";
import { followLog } from "../../src/base/logFile.ts";
import { WatchedFolders } from "../../src/base/watchFolder.ts";
import { endProcessGroup, isAlive, processesWith, startTimeOf } from "../../src/base/processes.ts";

describe("base", () => {
  it("doubles the delay to its limit and begins anew after a reset", () => {
    const backoff = new Backoff(250, 30_000, () => 0);
    const delays = Array.from({ length: 9 }, () => backoff.next());
    backoff.reset();
    assert.deepEqual([...delays, backoff.next()], [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 250]);
  });

  it("takes up to half of a delay away at random", () => {
    assert.equal(new Backoff(1000, 30_000, () => 1).next(), 500);
  });

  it("runs jobs one after another, also behind one that fails", async () => {
    const order: number[] = [];
    const sequence = new Sequence();
    const first = sequence.run(async () => {
      await sleep(10);
      order.push(1);
      throw new Error("no");
    });
    const second = sequence.run(() => Promise.resolve(order.push(2)));
    await assert.rejects(first, /no/);
    await second;
    assert.deepEqual(order, [1, 2]);
  });

  it("disposes in reverse order, and at once what is added after the end", () => {
    const order: string[] = [];
    const lifetime = new Lifetime();
    for (const name of ["a", "b"]) lifetime.add({ dispose: () => order.push(name) });
    lifetime.dispose();
    lifetime.add({ dispose: () => order.push("late") });
    assert.deepEqual(order, ["b", "a", "late"]);
  });

  it("tells the other listeners when one throws", () => {
    const errors: unknown[] = [];
    const emitter = new Emitter<number>((error) => errors.push(error));
    const heard: number[] = [];
    emitter.event(() => {
      throw new Error("no");
    });
    const second = emitter.event((value) => heard.push(value));
    emitter.fire(1);
    second.dispose();
    emitter.fire(2);
    assert.deepEqual([heard, errors.length], [[1], 2]);
  });

  it("describes an error with its causes, and finds a system code among them", () => {
    const cause = Object.assign(new Error("disk"), { code: "ENOSPC" });
    const error = new OpenAgentError("store_full", "cannot write", {}, cause);
    assert.deepEqual([describeError(error), systemCode(error)], ["cannot write: disk", "ENOSPC"]);
  });

  it("writes private files whole, readable by their owner only", () => {
    const path = join(mkdtempSync(join(tmpdir(), "files-")), "deep", "secret");
    writePrivateFile(path, "one");
    writePrivateFile(path, "two");
    assert.deepEqual([readFileSync(path, "utf8"), statSync(path).mode & 0o777], ["two", 0o600]);
    assert.equal(readTextIfPresent(`${path}-none`), undefined);
  });

  it("follows a log over a cut line and a truncation", () => {
    const path = join(mkdtempSync(join(tmpdir(), "log-")), "server.log");
    writeFileSync(path, "old\n");
    const lines: string[] = [];
    const follower = followLog(path, (line) => lines.push(line), { fromStart: false, everyMs: 60_000 });
    appendFileSync(path, "one\ntw");
    follower.readNow();
    appendFileSync(path, "o\n");
    follower.readNow();
    writeFileSync(path, "new\n");
    follower.readNow();
    follower.dispose();
    assert.deepEqual(lines, ["one", "two", "new"]);
  });
});

describe("processes", function () {
  this.timeout(10_000);

  it("watches the folders that it is given last, and no others", async () => {
    const [one, two] = [mkdtempSync(join(tmpdir(), "watched-")), mkdtempSync(join(tmpdir(), "watched-"))];
    let told = 0;
    const watched = new WatchedFolders(() => told++);
    watched.watch([one]);
    writeFileSync(join(one, "a"), "");
    await waitUntil(() => told === 1, 5_000);
    watched.watch([two]);
    // What has changed in the first would be told before.
    writeFileSync(join(one, "b"), "");
    await sleep(300);
    writeFileSync(join(two, "a"), "");
    await waitUntil(() => told > 1, 5_000);
    assert.equal(told, 2);
    watched.dispose();
    watched.watch([one]);
  });

  it("ends a process that swallows the first TERM, and its children", async () => {
    // As OpenCode does while it installs packages in the background.
    const script = `
      let terms = 0;
      process.on("SIGTERM", () => { if (++terms === 2) process.exit(0); });
      require("node:child_process").spawn("sleep", ["1000"], { env: { ...process.env, LEFT_BEHIND: String(process.pid) } });
      setInterval(() => {}, 1000);
      console.log("ready");`;
    const child = spawn(process.execPath, ["-e", script], { detached: true, stdio: ["ignore", "pipe", "ignore"] });
    const gone = new Promise((resolve) => child.once("exit", resolve));
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const pid = child.pid ?? 0;
    await endProcessGroup(pid, () => child.exitCode !== null || child.signalCode !== null, 300);
    assert.equal(await gone, 0, "the second TERM ended it");
    await sleep(100);
    assert.deepEqual(await processesWith("LEFT_BEHIND", String(pid)), []);
  });

  it("tells a process from a later one with the same number", async () => {
    const child = spawn("sleep", ["1000"], { stdio: "ignore" });
    const pid = child.pid ?? 0;
    const [mine, its] = [await startTimeOf(process.pid), await startTimeOf(pid)];
    assert.ok(mine !== undefined && its !== undefined);
    assert.notEqual(mine, its);
    assert.equal(await startTimeOf(pid), its);
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("exit", resolve));
    assert.deepEqual([await startTimeOf(pid), isAlive(pid)], [undefined, false]);
  });
});

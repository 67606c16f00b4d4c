import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { sleep, waitUntil } from "../../src/base/async.ts";
import { isAlive, processesWith } from "../../src/base/processes.ts";
import {
  bash,
  codeOf,
  makeBed,
  opencodeBinary,
  script,
  texts,
  transcriptOf,
  until,
  untilTurns,
  waitingFor,
  type Bed,
  type BedOptions,
} from "../fake/bed.ts";
import { eventually } from "../host/eventually.ts";

describe("the OpenCode server", function () {
  this.timeout(90_000);
  let bed: Bed | undefined;

  async function open(options: BedOptions = {}): Promise<Bed> {
    bed = await makeBed(options);
    return bed;
  }
  afterEach(async () => {
    await bed?.close();
    bed = undefined;
  });

  it("answers from the first request on, since nobody asks before it says that it listens", async () => {
    const { core } = await open();
    const began = core();
    await began.run("startServer", {});
    const { url, password } = JSON.parse(readFileSync(began.paths.serverRecord, "utf8")) as {
      url: string;
      password: string;
    };
    const authorization = `Basic ${Buffer.from(`opencode:${password}`).toString("base64")}`;
    for (let index = 0; index < 5; index++) {
      const response = await fetch(`${url}/global/health`, {
        headers: { authorization },
        signal: AbortSignal.timeout(2_000),
      });
      assert.equal(response.status, 200);
    }
    const refused = await fetch(`${url}/global/health`);
    assert.equal(refused.status, 401);
  });

  it("starts on another port when somebody takes the one that was meant for it", async () => {
    const { core, lines, paths } = await open();
    const opened = core();
    const started = opened.run("startServer", {});
    // The record names the process as soon as it exists; OpenCode takes far longer to come to listen.
    const pid = () =>
      existsSync(paths.serverRecord)
        ? (JSON.parse(readFileSync(paths.serverRecord, "utf8")) as { pid: number }).pid
        : 0;
    await waitUntil(() => pid() !== 0, 20_000, 1);
    const words = execFileSync("ps", ["-o", "args=", "-p", String(pid())], { encoding: "utf8" });
    const port = Number(/--port (\d+)/.exec(words)?.[1]);
    const taker = createServer().listen(port, "127.0.0.1");
    await once(taker, "listening");
    await started;
    taker.close();
    assert.ok(
      lines.some((line) => line.includes(`Port ${String(port)} was taken`)),
      lines.join("\n"),
    );
    const { url } = JSON.parse(readFileSync(paths.serverRecord, "utf8")) as { url: string };
    assert.notEqual(new URL(url).port, String(port));
  });

  it("leaves the user's configuration alone, and holds its sessions in a database of ours", async () => {
    const { core, home, data, project, serverPid } = await open();
    const before = readdirSync(join(home, ".config", "opencode"));
    const opened = core();
    const head = await opened.run("createMission", { text: "[[hello]]", directory: project });
    await untilTurns(opened, head.id, 1);
    assert.deepEqual(readdirSync(join(home, ".config", "opencode")), before);
    assert.ok(existsSync(join(data, "opencode", "opencode.db")));
    assert.ok(!existsSync(join(home, ".local", "share", "opencode", "opencode.db")));
    // Nothing was installed or fetched on the side.
    assert.ok(!existsSync(join(home, ".npm")) && !existsSync(join(home, ".cache", "opencode", "models.json")));
    const argv = readFileSync(`/proc/${String(serverPid())}/cmdline`, "utf8");
    const { password } = JSON.parse(readFileSync(opened.paths.serverRecord, "utf8")) as { password: string };
    assert.ok(!argv.includes(password), "the password does not stand on the command line");
    assert.equal(statSync(opened.paths.serverRecord).mode & 0o777, 0o600);
    assert.ok(!readFileSync(opened.serverLogPath, "utf8").includes(password), "nor in the log");
  });

  it("makes no connection but to loopback", async function () {
    try {
      execFileSync("strace", ["-V"], { stdio: "ignore" });
    } catch {
      // Only strace tells of every connection that a process tries to make.
      this.skip();
    }
    const { core, root, project } = await open();
    const trace = join(root, "trace");
    // The supervisor starts real executables only, so the tracer is attached to the running server.
    const opened = core();
    await opened.run("startServer", {});
    const tracer = spawn("strace", ["-f", "-e", "trace=connect", "-o", trace, "-p", String(bed?.serverPid())]);
    await once(tracer.stderr, "data");
    const head = await opened.run("createMission", { text: "[[mission]]", directory: project });
    await untilTurns(opened, head.id, 1);
    tracer.kill("SIGINT");
    await new Promise((resolve) => tracer.once("exit", resolve));
    const outside = readFileSync(trace, "utf8")
      .split("\n")
      .filter((line) => /sin6?_addr/.test(line) && !/"127\.0\.0\.1"|"::1"/.test(line));
    assert.deepEqual(outside, []);
  });

  it("starts although an empty switch stands in the environment, and says why it does not with a bad one", async () => {
    const { core } = await open({ environment: { OPENCODE_DISABLE_CLAUDE_CODE: "" } });
    await core().run("startServer", {});
    await bed?.close();
    const { core: second } = await open({ environment: { OPENCODE_DISABLE_CLAUDE_CODE: "perhaps" } });
    await assert.rejects(second().run("startServer", {}), (error: { code: string; detail: { log: string } }) => {
      assert.deepEqual(
        [error.code, error.detail.log.includes("OPENCODE_DISABLE_CLAUDE_CODE")],
        ["opencode_start_failed", true],
      );
      return true;
    });
  });

  it("hides its password and the keys of providers from the agent's shell, and nothing else", async () => {
    const secrets = {
      ANTHROPIC_API_KEY: "sk-ant-secret",
      HF_TOKEN: "hf-secret",
      SOME_API_KEY: "some-secret",
      OPENCODE_CONFIG_CONTENT: "{}",
    };
    const wanted = { MINE: "kept", NPM_TOKEN: "wanted", KEYBOARD: "kept" };
    const { core, project, serverPid } = await open({ environment: { ...secrets, ...wanted } });
    const opened = core({ passEnvironment: ["NPM_TOKEN"] });
    const head = await opened.run("createMission", { text: script(bash("env"), { text: "done" }), directory: project });
    await untilTurns(opened, head.id, 1);
    const [call] = transcriptOf(opened, head.id).messages.flatMap(({ parts }) =>
      parts.flatMap((part) => (part.kind === "tool" ? [part] : [])),
    );
    const seen = new Map((call?.output ?? "").split("\n").map((line) => [line.split("=")[0], line]));
    for (const name of [
      ...Object.keys(secrets),
      "OPENCODE_SERVER_PASSWORD",
      "OPEN_AGENT_GUARD",
      "XDG_CONFIG_HOME",
      "npm_config_fetch_retries",
    ])
      assert.ok(!seen.get(name)?.split("=")[1], `${name} is seen: ${String(seen.get(name))}`);
    for (const [name, value] of Object.entries(wanted)) assert.equal(seen.get(name), `${name}=${value}`);
    assert.deepEqual([seen.has("PATH"), seen.has("HOME")], [true, true]);
    assert.ok(isAlive(serverPid() ?? 0));
  });

  it("does not make the first prompt wait for packages that cannot be had", async () => {
    const { core, project } = await open({ environment: { npm_config_registry: "http://127.0.0.1:9/" } });
    mkdirSync(join(project, ".opencode", "plugin"), { recursive: true });
    writeFileSync(join(project, ".opencode", "plugin", "mine.js"), "export const Mine = async () => ({});\n");
    const opened = core();
    await opened.run("startServer", {});
    const began = Date.now();
    const head = await opened.run("createMission", { text: "[[hello]]", directory: project });
    await untilTurns(opened, head.id, 1);
    assert.ok(Date.now() - began < 25_000, `${String(Date.now() - began)} ms`);
  });

  it("ends with all that it started", async () => {
    const { core, project, serverPid } = await open();
    const opened = core();
    const { id } = await opened.run("createMission", {
      text: script(bash("sleep 1000 & sleep 1001")),
      directory: project,
    });
    await until(opened, id, (head) => head.runState === "waiting_for_tool");
    const pid = serverPid() ?? 0;
    await eventually(
      () => processesWith("OPENCODE_PID", String(pid)),
      (found) => found.length > 0,
    );
    await opened.run("restartServer", {});
    assert.ok(!isAlive(pid) && serverPid() !== pid);
    assert.deepEqual(await processesWith("OPENCODE_PID", String(pid)), []);
    assert.equal((await untilTurns(opened, id, 1)).status, "interrupted");
  });

  it("is started again when it is killed: the mission is interrupted, its commands end, and it goes on in the same session", async () => {
    const { core, project, serverPid } = await open();
    const opened = core();
    const { id } = await opened.run("createMission", {
      text: script({ text: "Half of it is said.", ...bash("sleep 1000") }),
      directory: project,
    });
    const running = await until(opened, id, (head) => head.runState === "waiting_for_tool");
    const pid = serverPid() ?? 0;
    process.kill(pid, "SIGKILL");
    const head = await untilTurns(opened, id, 1);
    assert.deepEqual([head.status, texts(opened, id)], ["interrupted", ["Half of it is said."]]);
    const [call] = transcriptOf(opened, id).messages.flatMap(({ parts }) =>
      parts.flatMap((part) => (part.kind === "tool" ? [part] : [])),
    );
    assert.equal(call?.state, "interrupted", "OpenCode itself keeps it running for ever");
    await eventually(
      () => processesWith("OPENCODE_PID", String(pid)),
      (found) => found.length === 0,
    );
    await opened.run("sendMessage", { missionId: id, text: "[[hello]]" });
    const again = await untilTurns(opened, id, 2);
    assert.deepEqual([again.status, again.sessionId], ["active", running.sessionId]);
  });

  it("outlives its owner while a mission runs, and is taken over with it", async () => {
    const { core, project, serverPid } = await open();
    const first = core();
    const gate = join(project, "go");
    const { id } = await first.run("createMission", {
      text: script(bash(waitingFor(gate)), { text: "All done." }),
      directory: project,
    });
    await until(first, id, (head) => head.runState === "waiting_for_tool");
    const pid = serverPid();
    await first.dispose();
    assert.ok(pid !== undefined && isAlive(pid));
    writeFileSync(gate, "");
    const second = core();
    const head = await untilTurns(second, id, 1);
    assert.deepEqual([head.status, texts(second, id), serverPid()], ["active", ["All done."], pid]);
    await second.dispose();
    assert.ok(!isAlive(pid), "with nothing running the last one ends it");
  });

  it("catches up with what ended while nobody looked", async () => {
    const { core, project } = await open();
    const first = core();
    const { id } = await first.run("createMission", {
      text: script(bash("sleep 1"), { text: "Said to nobody." }),
      directory: project,
    });
    await until(first, id, (head) => head.runState === "waiting_for_tool");
    await first.dispose();
    await sleep(2_500);
    const second = core();
    await untilTurns(second, id, 1);
    assert.deepEqual(texts(second, id), ["Said to nobody."]);
  });

  it("does not trust a record whose process is another one", async () => {
    const { core, serverPid } = await open();
    const first = core();
    await first.run("startServer", {});
    const record = readFileSync(first.paths.serverRecord, "utf8");
    await first.dispose();
    // This process has the number, but not the time of the start.
    writeFileSync(first.paths.serverRecord, JSON.stringify({ ...(JSON.parse(record) as object), pid: process.pid }));
    const second = core();
    await second.run("startServer", {});
    assert.notEqual(serverPid(), process.pid);
  });

  it("searches files with the ripgrep that it is given", async () => {
    const { core, project } = await open({ environment: { PATH: "/usr/bin:/bin" } });
    const opened = core();
    const head = await opened.run("createMission", {
      text: script({ tool: "glob", args: { pattern: "*.md" } }, { text: "done" }),
      directory: project,
    });
    await untilTurns(opened, head.id, 1);
    assert.match(JSON.stringify(opened.store.events(head.id, { types: ["tool_result"] })), /README\.md/);
  });

  it("says by name what is missing or does not fit", async () => {
    const { core } = await open();
    const codes: string[] = [];
    for (const executable of ["/nowhere/opencode", join(opencodeBinary, ".."), process.execPath]) {
      const opened = core({ executable });
      await opened.run("startServer", {}).catch((error: unknown) => codes.push(codeOf(error)));
      assert.equal(opened.engineState.kind, "failed");
      await opened.dispose();
    }
    assert.deepEqual(codes, ["opencode_not_executable", "opencode_not_executable", "opencode_unsupported"]);
  });
});

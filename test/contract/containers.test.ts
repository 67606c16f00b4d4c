import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitUntil } from "../../src/base/async.ts";
import { isAlive } from "../../src/base/processes.ts";
import type { Core } from "../../src/orchestrator/core.ts";
import { readLeaderRecord } from "../../src/orchestrator/endpoint.ts";
import type { Workspace } from "../../src/protocol/workspace.ts";
import {
  bash,
  codeOf,
  makeBed,
  script,
  texts,
  transcriptOf,
  until,
  untilTurns,
  waitingFor,
  type Bed,
} from "../fake/bed.ts";
import { buildHeadless, headless } from "../fake/headless.ts";
import { needBackend, processesNamed } from "../fake/workspaces.ts";
import { installationFolder } from "../host/setup.ts";

const templates = join(installationFolder(), "templates");
/** OpenCode keeps track of what a turn changes only where there is git. */
const packages = ["git"];

/** The code of the error with which something ends. */
const failureOf = (promise: Promise<unknown>) => promise.then(() => "none", codeOf);

describe("a mission in a container", function () {
  this.timeout(240_000);
  let bed: Bed;
  let core: Core;
  let workspace: Workspace;

  before(function () {
    return needBackend(this, "bwrap");
  });
  beforeEach(async () => {
    bed = await makeBed({ templates, environment: { ANTHROPIC_API_KEY: "sk-host" } });
    core = bed.core();
    workspace = await core.run("createWorkspace", { name: "box", kind: "bwrap", directory: bed.project, packages });
  });
  afterEach(async () => {
    const last = bed.core();
    for (const head of last.store.listRunning()) await last.run("stopMission", { missionId: head.id });
    await waitUntil(() => last.store.listRunning().length === 0, 20_000);
    for (const { id } of last.workspaces().workspaces) await last.run("deleteWorkspace", { workspaceId: id });
    await bed.close();
    await waitUntil(() => processesNamed(bed.root).length === 0, 5_000);
    assert.deepEqual(processesNamed(bed.root), []);
  });

  const launch = async (text: string) => (await core.run("createMission", { text, workspaceId: workspace.id })).id;
  const serverPid = () => {
    const record = join(bed.paths.runtime, `opencode-${workspace.id}.json`);
    return existsSync(record) ? (JSON.parse(readFileSync(record, "utf8")) as { pid: number }).pid : undefined;
  };

  it("runs OpenCode and all that it starts inside, in a network of its own, and writes the user's files", async () => {
    const look = [
      "cat /etc/hostname /proc/1/comm",
      `ls -d ${bed.home} 2>&1`,
      "env",
      "cat /proc/net/unix | grep -c X11 ",
      "tail -n +3 /proc/net/dev | cut -d: -f1",
      "echo made > made.txt",
    ].join("; ");
    const id = await launch(script(bash(look), { text: "Done inside." }));
    const head = await untilTurns(core, id, 1, 120_000);
    assert.equal(head.failure, undefined);
    assert.deepEqual(texts(core, id), ["Done inside."]);
    assert.equal(readFileSync(join(bed.project, "made.txt"), "utf8"), "made\n");
    const [output = ""] = transcriptOf(core, id).messages.flatMap(({ parts }) =>
      parts.flatMap((part) => (part.kind === "tool" ? [part.output ?? ""] : [])),
    );
    assert.ok(output.includes(`cannot access '${bed.home}'`), output);
    assert.match(output, /^0\n *lo$/m);
    assert.doesNotMatch(output, /sk-host|OPENCODE_SERVER_PASSWORD|OPEN_AGENT_BRIDGE|BUN_BE_BUN/);
    // What the user is told of a private network: the agent has a way out, and a terminal none.
    assert.match(output, /^HTTPS_PROXY=http:\/\/127\.0\.0\.1:\d+$/m);
    const { stdout } = await core.run("execInWorkspace", { workspaceId: workspace.id, argv: ["env"] });
    assert.doesNotMatch(stdout, /_proxy=/i);
    assert.equal(core.workspaces().workspaces[0]?.status, "ready");
    const changes = await core.run("changes", { missionId: id });
    assert.deepEqual(
      changes.files.map(({ path, present }) => [path, present]),
      [[join(bed.project, "made.txt"), "same"]],
    );
  });

  it("has the workspace's secrets, which are on no command line, in no record and not in what is shown", async () => {
    const value = "s3cret-of-the-workspace";
    await core.run("setWorkspaceSecret", { workspaceId: workspace.id, name: "DEPLOY_TOKEN", value });
    const said = async (words: string) => {
      const id = await launch(script(bash(words), { text: "Looked." }));
      assert.equal((await untilTurns(core, id, 1, 120_000)).failure, undefined);
      const parts = transcriptOf(core, id).messages.flatMap((message) => message.parts);
      return parts.map((part) => (part.kind === "tool" ? part.output : "")).join("");
    };
    const look =
      'echo "$DEPLOY_TOKEN ${#DEPLOY_TOKEN}"; cat /proc/[0-9]*/cmdline | tr "\\0" " " | grep -c s3cret-of-the';
    assert.match(await said(look), new RegExp(`^\\[secret DEPLOY_TOKEN\\] ${String(value.length)}\n`));
    const lines = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    assert.deepEqual(
      lines.filter((pid) => readIfAny(`/proc/${pid}/cmdline`).includes(value)),
      [],
    );
    const { database, workspaces, secrets } = bed.paths;
    for (const path of [database, `${database}-wal`, join(workspaces, `${workspace.id}.json`)])
      assert.ok(!readIfAny(path).includes(value), path);
    assert.ok(readIfAny(secrets).includes(value));
    assert.equal(statSync(secrets).mode & 0o777, 0o600);
    await core.run("setWorkspaceSecret", { workspaceId: workspace.id, name: "DEPLOY_TOKEN" });
    assert.match(await said(look), /^ 0\n/);
    assert.ok(!readIfAny(secrets).includes(value));
  });

  it("goes on while no process of ours is there, and is taken over", async () => {
    const gate = join(bed.project, "go");
    const id = await launch(script(bash(waitingFor(gate)), { text: "Nobody looked." }));
    await until(core, id, (head) => head.runState === "waiting_for_tool", 120_000);
    const pid = serverPid();
    await core.dispose();
    assert.ok(pid !== undefined && isAlive(pid));
    writeFileSync(gate, "");
    core = bed.core();
    await untilTurns(core, id, 1);
    assert.deepEqual([texts(core, id), serverPid()], [["Nobody looked."], pid]);
    await core.run("sendMessage", { missionId: id, text: script({ text: "And again." }) });
    await untilTurns(core, id, 2);
    assert.deepEqual(texts(core, id), ["Nobody looked.", "And again."]);
  });

  it("goes on when the process that leads is killed", async () => {
    await core.dispose();
    buildHeadless();
    const environment = { OPEN_AGENT_CONTAINER_TEMPLATES: templates };
    const leader = headless(bed, ["serve"], { environment });
    try {
      const record = join(bed.paths.runtime, "leader.json");
      assert.ok(await waitUntil(() => readLeaderRecord(record)?.pid === leader.pid, 60_000));
      // One of a newer build would take the lead at once.
      core = bed.core({ build: "0.0.1" });
      const gate = join(bed.project, "go");
      const id = await launch(script(bash(waitingFor(gate)), { text: "Nothing lost." }));
      await until(core, id, (head) => head.runState === "waiting_for_tool", 120_000);
      assert.ok(!core.isLeading);
      const pid = serverPid();
      leader.kill("SIGKILL");
      await leader.finished;
      assert.ok(pid !== undefined && isAlive(pid) && (await waitUntil(() => core.isLeading, 20_000)));
      writeFileSync(gate, "");
      await untilTurns(core, id, 1);
      assert.deepEqual([texts(core, id), serverPid()], [["Nothing lost."], pid]);
    } finally {
      leader.kill("SIGKILL");
    }
  });

  it("harms nothing but its container when it deletes all that is there, which a reset brings back", async () => {
    const id = await launch(script(bash("rm -rf /usr /bin /lib* /etc /var /root /home"), { text: "Oh." }));
    const { failure } = await untilTurns(core, id, 1, 120_000);
    assert.equal(failure, undefined);
    assert.ok(existsSync(bed.home) && existsSync(join(bed.project, "README.md")));
    await core.run("resetWorkspace", { workspaceId: workspace.id });
    await core.run("sendMessage", { missionId: id, text: script(bash("ls /etc >made.txt"), { text: "All back." }) });
    await untilTurns(core, id, 2, 120_000);
    assert.deepEqual(texts(core, id), ["Oh.", "All back."]);
    assert.match(readFileSync(join(bed.project, "made.txt"), "utf8"), /^os-release$/m);
  });

  it("is held when it forks without end, and is ended with all of it", async function () {
    const { limits = [] } = (await core.run("probeWorkspaces", {})).find(({ kind }) => kind === "bwrap") ?? {};
    if (!limits.includes("processes")) return this.skip();
    await core.run("updateWorkspace", { workspaceId: workspace.id, limits: { processes: 150 } });
    const mine = () => processesNamed("bomb_4719() {").length;
    const id = await launch(
      script(bash("bomb_4719() { bomb_4719 | bomb_4719 & }; bomb_4719; sleep 60"), { text: "." }),
    );
    assert.ok(await waitUntil(() => mine() > 20, 120_000));
    await core.run("stopMission", { missionId: id });
    await until(core, id, (head) => head.runState === "idle");
    assert.ok(mine() <= 160);
    await core.run("deleteWorkspace", { workspaceId: workspace.id });
    assert.equal(mine(), 0);
  });

  it("goes on in the same session after all has ended, and after its server was killed in a turn", async () => {
    const id = await launch(script({ text: "One." }));
    const { sessionId } = await untilTurns(core, id, 1, 120_000);
    await core.dispose();
    assert.equal(serverPid(), undefined);
    core = bed.core();
    await core.run("sendMessage", { missionId: id, text: script(bash("sleep 4718.1"), { text: "Never." }) });
    await until(core, id, (head) => head.runState === "waiting_for_tool");
    const pid = serverPid();
    assert.ok(pid !== undefined);
    process.kill(-pid, "SIGKILL");
    const cut = await untilTurns(core, id, 2);
    assert.equal(cut.status, "interrupted");
    assert.deepEqual(processesNamed("sleep 4718.1"), []);
    await core.run("sendMessage", { missionId: id, text: script({ text: "Three." }) });
    const after = await untilTurns(core, id, 3);
    assert.deepEqual([texts(core, id), after.sessionId], [["One.", "Three."], sessionId]);
  });

  it("is refused a workspace that is not there, and keeps its history when its workspace is deleted", async () => {
    const missing = await failureOf(core.run("createMission", { text: "x", workspaceId: crypto.randomUUID() }));
    assert.equal(missing, "workspace_not_found");
    const outside = core.run("createMission", { text: "x", workspaceId: workspace.id, directory: "/etc" });
    assert.equal(await failureOf(outside), "invalid_input");
    const id = await launch(script(bash("sleep 60"), { text: "One." }));
    await until(core, id, (head) => head.runState === "waiting_for_tool", 120_000);
    assert.equal(await failureOf(core.run("deleteWorkspace", { workspaceId: workspace.id })), "mission_busy");
    await core.run("stopMission", { missionId: id });
    await until(core, id, (head) => head.runState === "idle");
    await core.run("deleteWorkspace", { workspaceId: workspace.id });
    assert.deepEqual(core.workspaces().workspaces, []);
    assert.ok(existsSync(bed.project));
    await core.run("sendMessage", { missionId: id, text: script({ text: "Two." }) });
    const head = await until(core, id, ({ failure }) => failure !== undefined);
    assert.equal(head.failure?.name, "workspace_not_found");
  });

  it("says which line of an init script has failed, keeps its message, and runs when that is repaired", async () => {
    await core.run("updateWorkspace", { workspaceId: workspace.id, initScript: "echo begin\nfalse\necho never\n" });
    const id = await launch(script({ text: "At last." }));
    const head = await until(core, id, ({ failure }) => failure !== undefined, 120_000);
    assert.match(head.failure?.message ?? "", /line 2/);
    const [failed] = core.workspaces().workspaces;
    assert.deepEqual([failed?.status, failed?.error], ["error", head.failure?.message]);
    assert.match(readFileSync(core.buildLogPath(workspace.id), "utf8"), /begin/);
    await core.run("updateWorkspace", { workspaceId: workspace.id, initScript: "" });
    await core.run("resumeMission", { missionId: id });
    await untilTurns(core, id, 1, 120_000);
    assert.deepEqual(texts(core, id), ["At last."]);
  });

  it("has commands of the user run beside it, with their exit code and outputs", async () => {
    const result = await core.run("execInWorkspace", {
      workspaceId: workspace.id,
      argv: ["sh", "-c", "pwd; cat; echo no >&2; exit 3"],
      stdin: "typed",
    });
    assert.deepEqual([result.exitCode, result.stdout, result.stderr], [3, `${bed.project}\ntyped`, "no\n"]);
  });

  for (const kind of ["bwrap", "podman"] as const)
    it(`has its init script run again on ${kind} as it was built, whatever it reads, and to its first failure`, async function () {
      await needBackend(this, kind);
      const interfaces = "tail -n +3 /proc/net/dev | cut -d: -f1";
      const initScript = `echo one; cat\n${interfaces}\necho two\n[ ! -e /srv/built ]\ntouch /srv/built\n`;
      const wish = { name: kind, kind, directory: bed.project, packages, initScript };
      const { id: workspaceId } = await core.run("createWorkspace", wish);
      const { exitCode, stdout } = await core.run("runInitScript", { workspaceId });
      const own = execFileSync("/bin/sh", ["-c", interfaces], { encoding: "utf8" });
      assert.deepEqual([exitCode, stdout], [1, `one\n${own}two\n`]);
      const after = await core.run("execInWorkspace", { workspaceId, argv: ["sh", "-c", `${interfaces}; ls /srv`] });
      assert.equal(after.stdout.replaceAll(" ", ""), "lo\nbuilt\n");
    });

  for (const kind of ["podman", "docker", "nspawn"] as const)
    it(`runs on ${kind}`, async function () {
      await needBackend(this, kind);
      workspace = await core.run("createWorkspace", { name: kind, kind, directory: bed.project, packages });
      const id = await launch(script(bash("cat /etc/os-release > made.txt"), { text: "Done inside." }));
      const head = await untilTurns(core, id, 1, 180_000);
      assert.deepEqual([head.failure, texts(core, id)], [undefined, ["Done inside."]]);
      assert.match(readFileSync(join(bed.project, "made.txt"), "utf8"), /bookworm/);
    });
});

function readIfAny(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    // A process has ended meanwhile, or a file was never made.
    return "";
  }
}

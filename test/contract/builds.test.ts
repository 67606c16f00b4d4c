import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { waitUntil } from "../../src/base/async.ts";
import { OpenAgentError } from "../../src/base/errors.ts";
import type { Workspace } from "../../src/protocol/workspace.ts";
import { createBackends } from "../../src/workspace/backends.ts";
import { makeWorkspaceBed, processesNamed, type WorkspaceBed } from "../fake/workspaces.ts";

let shared: WorkspaceBed;
const silent = { output: () => undefined };
const sources = join(import.meta.dirname, "../../src/workspace");

describe("Building a container's file system", function () {
  this.timeout(240_000);
  let bed: WorkspaceBed;
  let templates: string;
  let baseKey: string;

  before(async function () {
    shared = makeWorkspaceBed();
    const probe = await shared.backends.bwrap.probe();
    if (!probe.available) {
      console.log(`    skipped: ${probe.reason ?? ""} ${probe.remedy ?? ""}`);
      this.skip();
    }
    const base = shared.workspace("bwrap");
    await shared.backends.bwrap.prepare(base, silent);
    templates = join(shared.root, "templates");
    copyTemplate(base, templates);
    baseKey = basename(shared.backends.bwrap.log(base) ?? "", ".log");
    bed = makeWorkspaceBed({ templates });
  });
  after(async () => {
    await bed.close();
    await shared.close();
  });

  const drafts = (folder = templates) => readdirSync(folder).filter((name) => !/^[0-9a-f]{16}(\.log)?$/.test(name));

  it("runs the init script as root inside and keeps what it did apart from other workspaces", async () => {
    const initScript = "echo $GREETING >/srv/greeting\nid -u\napt-get --version >/dev/null";
    const workspace = bed.workspace("bwrap", { initScript, environment: { GREETING: "hello" } });
    let output = "";
    await bed.backends.bwrap.prepare(workspace, { output: (text) => (output += text) });
    assert.match(output, /^0$/m);
    assert.equal((await bed.sh(workspace, "cat /srv/greeting")).stdout, "hello\n");
    assert.match(readFileSync(bed.backends.bwrap.log(workspace) ?? "", "utf8"), /^0$/m);
    const plain = bed.workspace("bwrap");
    await bed.backends.bwrap.prepare(plain, silent);
    assert.equal((await bed.sh(plain, "ls /srv")).stdout, "");
  });

  it("names the line of the init script that failed, and keeps its log", async () => {
    const cases: [string, RegExp][] = [
      ["echo fine\n\nls /nowhere\necho never", /line 3, exit code 2: ls \/nowhere/],
      ["echo a\nexit 9", /line 2, exit code 9: exit 9/],
      ["echo a\nif true; then\n", /line \d: syntax error/],
    ];
    for (const [initScript, expected] of cases) {
      const workspace = bed.workspace("bwrap", { initScript });
      await assert.rejects(bed.backends.bwrap.prepare(workspace, silent), (error) => {
        assert.ok(error instanceof OpenAgentError && error.code === "workspace_build_failed");
        assert.match(error.message, expected);
        return true;
      });
      assert.match(readFileSync(bed.backends.bwrap.log(workspace) ?? "", "utf8"), expected);
      assert.match((await bed.backends.bwrap.missing(workspace)) ?? "", /missing/);
    }
    assert.deepEqual(drafts(), []);
  });

  it("holds a hostile init script inside, and under the limits", async () => {
    writeFileSync(join(bed.root, "victim"), "whole");
    const initScript = `
echo gone >${join(bed.root, "victim")} || true
echo 4 >/proc/sys/kernel/printk || true
(setsid sleep 4716.1 &)
mount -t tmpfs none /mnt || true
sh -c 'i=0; while [ $i -lt 200 ]; do sleep 4716.2 & i=$((i+1)); done; echo all 200' || true
exit 5`;
    const workspace = bed.workspace("bwrap", { initScript, limits: { processes: 50 } });
    let output = "";
    const options = { output: (text: string) => (output += text) };
    await assert.rejects(bed.backends.bwrap.prepare(workspace, options), /line 7, exit code 5: exit 5/);
    assert.doesNotMatch(output, /all 200/);
    assert.equal(readFileSync(join(bed.root, "victim"), "utf8"), "whole");
    await gone("sleep 4716");
    assert.deepEqual(drafts(), []);
  });

  it("ends with all its processes when it is aborted, and can be begun again", async () => {
    const workspace = bed.workspace("bwrap", { initScript: "echo begun\nsleep 4717.1 & sleep 4717.1" });
    const abort = new AbortController();
    const output = (text: string) => {
      if (text.includes("begun")) abort.abort(new Error("cancelled"));
    };
    await assert.rejects(bed.backends.bwrap.prepare(workspace, { output, signal: abort.signal }), /cancelled/);
    await gone("sleep 4717");
    assert.deepEqual(drafts(), []);
  });

  it("is done again when its process was killed, in the init script as in the bootstrap", async () => {
    const inScript = bed.workspace("bwrap", { initScript: "echo begun\nsleep 4.718" });
    await killedDuring(inScript, /begun/);
    await gone("sleep 4.718");
    assert.notDeepEqual(drafts(), []);
    await bed.backends.bwrap.prepare(inScript, silent);
    assert.equal((await bed.sh(inScript, "echo usable")).stdout, "usable\n");
    const inBootstrap = bed.workspace("bwrap", { packages: ["less"] });
    await killedDuring(inBootstrap, /I: running apt-get update/);
    await gone("mmdebstrap");
    // What the killed one has left does not stand in the way; this one fails at once.
    const offline = createBackends({ data: join(bed.root, "data"), templates, mirror: "http://127.0.0.1:9/debian" });
    await assert.rejects(offline.bwrap.prepare(inBootstrap, silent), { code: "workspace_build_failed" });
    assert.deepEqual(drafts(), []);
  });

  it("is done once for all who want it at a time", async () => {
    let outputs = "";
    const options = { output: (text: string) => (outputs += text) };
    const initScript = "echo built once; sleep 1";
    const both = [bed.workspace("bwrap", { initScript }), bed.workspace("bwrap", { initScript })];
    await Promise.all(both.map((workspace) => bed.backends.bwrap.prepare(workspace, options)));
    assert.equal(outputs.match(/^built once$/gm)?.length, 1);
  });

  it("says so when the mirror is not reached or lacks a package, and leaves nothing but the log", async () => {
    const offline = createBackends({ data: join(bed.root, "data"), templates, mirror: "http://127.0.0.1:9/debian" });
    const workspace = bed.workspace("bwrap", { packages: ["procps"] });
    await assert.rejects(offline.bwrap.prepare(workspace, silent), /127\.0\.0\.1:9|Could not connect|Failed to fetch/);
    assert.deepEqual(drafts(), []);
    assert.ok(!existsSync(join(bed.root, "data/containers/workspaces", workspace.id)));
    await assert.rejects(bed.backends.bwrap.prepare({ ...workspace, packages: ["--hook"] }, silent), {
      code: "invalid_input",
    });
  });

  it("says so when the disk is full, and leaves nothing", async function () {
    const disk = join(bed.root, "disk");
    mkdirSync(disk);
    if (!mounted("-t", "tmpfs", "-o", "size=60m", "tmpfs", disk)) return this.skip();
    try {
      const full = createBackends({ data: join(bed.root, "data"), templates: join(disk, "templates") });
      await assert.rejects(full.bwrap.prepare(bed.workspace("bwrap"), silent), /space|write error/i);
      assert.deepEqual(drafts(join(disk, "templates")), []);
    } finally {
      execFileSync("umount", [disk]);
    }
  });

  it("is noticed to be missing, and is then done again", async () => {
    const workspace = bed.workspace("bwrap", { initScript: "echo kept >/srv/kept" });
    await bed.backends.bwrap.prepare(workspace, silent);
    await bed.sh(workspace, "echo changed >/srv/changed");
    await bed.backends.bwrap.stop(workspace);
    const log = bed.backends.bwrap.log(workspace) ?? "";
    rmSync(join(log.replace(/\.log$/, ""), "rootfs"), { recursive: true });
    assert.match((await bed.backends.bwrap.missing(workspace)) ?? "", /rootfs\/bin is missing/);
    await assert.rejects(bed.sh(workspace, "true"), { code: "workspace_not_ready", message: /has to be built anew/ });
    await bed.backends.bwrap.prepare(workspace, silent);
    assert.equal((await bed.sh(workspace, "cat /srv/kept /srv/changed")).stdout, "kept\nchanged\n");
  });

  it("is copied where the system mounts no overlay on it", async function () {
    const [lower, upper, work, data] = ["lower", "upper", "work", "data-on-overlay"].map((name) =>
      join(bed.root, name),
    );
    for (const folder of [lower, upper, work, data]) mkdirSync(folder ?? "");
    const layers = `lowerdir=${lower ?? ""},upperdir=${upper ?? ""},workdir=${work ?? ""}`;
    if (!mounted("-t", "overlay", "overlay", "-o", layers, data ?? "")) return this.skip();
    try {
      const { bwrap } = createBackends({ data: data ?? "", templates });
      const workspace = bed.workspace("bwrap");
      await bwrap.prepare(workspace, silent);
      const sh = (script: string) =>
        execFileSync(
          process.execPath,
          ["--input-type=module", "-e", wrapRunner(data ?? "", workspace, script, templates)],
          { encoding: "utf8" },
        );
      assert.equal(sh("echo one >/srv/state; cat /srv/state"), "one\n");
      await bwrap.layer?.snapshot(workspace, "first");
      assert.equal(sh("echo two >/srv/state; cat /srv/state"), "two\n");
      await bwrap.layer?.restore(workspace, "first");
      assert.equal(sh("cat /srv/state"), "one\n");
      await bwrap.layer?.reset(workspace);
      assert.equal(sh("ls /srv"), "");
      await bwrap.destroy(workspace);
    } finally {
      execFileSync("umount", [data ?? ""]);
    }
  });

  it("works for an ordinary user, without root", function () {
    const place = ordinaryPlace(this);
    const project = join(place, "project");
    const workspace = { ...bed.workspace("bwrap"), directory: project };
    const script =
      "id -u; chown 33:33 /srv && stat -c %u /srv; echo made >file; " +
      "(echo 4 >/proc/sys/kernel/printk) 2>/dev/null || echo refused; touch /etc/new; rm /etc/hostname; ls /etc/new";
    const said = asOrdinary(place, wrapRunner(join(place, "data"), workspace, script));
    assert.equal(said, "0\n33\nrefused\n/etc/new\n");
    assert.equal(execFileSync("stat", ["-c", "%u", join(project, "file")], { encoding: "utf8" }).trim(), "65534");
  });

  it("is limited as a whole by an ordinary user's systemd, which nothing inside hears of", function () {
    const place = ordinaryPlace(this);
    const calls = join(place, "project", "calls");
    // No systemd runs for a user of the tests: these say how it is asked.
    const systemd = (name: string, rest: string) => {
      const say = `echo "${name} $(readlink /proc/self/ns/user) $*" >>${calls}`;
      const refuse = '[ -n "$XDG_RUNTIME_DIR" ] || { echo "Failed to connect to bus" >&2; exit 1; }';
      writeFileSync(join(place, "tools", name), `#!/bin/sh\n${refuse}\n${say}\n${rest}\n`, { mode: 0o755 });
    };
    mkdirSync(join(place, "tools"));
    systemd("systemctl", "exit 0");
    systemd("systemd-run", 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"');
    const workspace = {
      ...bed.workspace("bwrap", { limits: { memoryMb: 500, cpus: 1.5 }, initScript: "echo in-script >/srv/made" }),
      directory: join(place, "project"),
    };
    const script = 'cat /srv/made; echo "bus: $XDG_RUNTIME_DIR"';
    const said = asOrdinary(place, wrapRunner(join(place, "data"), workspace, script), {
      PATH: `${join(place, "tools")}:${process.env["PATH"] ?? ""}`,
      XDG_RUNTIME_DIR: "/run/user/65534",
    });
    assert.equal(said, "in-script\nbus: \n");
    const lines = readFileSync(calls, "utf8").trim().split("\n");
    const slice = /openagent-[0-9a-f]{8}_w\d+\.slice/.exec(lines[1] ?? "")?.[0] ?? "";
    const ours = readlinkSync("/proc/self/ns/user");
    const values = "MemoryMax=500M MemorySwapMax=0 CPUQuota=150% TasksMax=infinity";
    const [probe, ...asked] = lines.map((line) => line.replace(/ -- .*$/, ""));
    assert.equal(probe, `systemd-run ${ours} --user --scope --quiet --collect --property=TasksMax=50`);
    // Once for the init script, once for the command.
    const once = [
      `systemctl ${ours} --user --runtime set-property ${slice} ${values}`,
      `systemd-run ${ours} --user --scope --quiet --collect --slice=${slice}`,
    ];
    assert.deepEqual(asked, [...once, ...once]);
  });

  it("is deleted with all that was given to other users inside, by an ordinary user", function () {
    const place = ordinaryPlace(this);
    const from = (path: string) => JSON.stringify(join(sources, "..", path));
    const program = `
const { Workspaces } = await import(${from("orchestrator/workspaces.ts")});
const { Registry } = await import(${from("workspace/registry.ts")});
const { createBackends } = await import(${from("workspace/backends.ts")});
const folder = ${JSON.stringify(join(place, "data/workspaces"))};
const workspaces = new Workspaces({
  registry: new Registry(folder), backends: createBackends({ data: ${JSON.stringify(join(place, "data"))} }), folder,
  worktrees: folder, secrets: { get: async () => undefined, set: async () => undefined }, log: console, onChange() {},
});
const { id } = workspaces.create({ name: "box", kind: "bwrap" });
const script = "mkdir made && touch made/file && chown -R 33:33 made && chmod 700 made && stat -c %u made";
const { stdout } = await workspaces.exec(id, { argv: ["/bin/sh", "-c", script], env: {} }, new AbortController().signal);
await workspaces.remove(id, false);
const { readdirSync } = await import("node:fs");
process.stdout.write(stdout + JSON.stringify([workspaces.list(), readdirSync(folder)]));
process.exit(0);`;
    assert.equal(asOrdinary(place, program), "33\n[[],[]]");
  });

  /** A folder with an empty project for a user who owns nothing else; skips the test where there is none. */
  function ordinaryPlace(context: Mocha.Context): string {
    if (process.getuid?.() !== 0 || !readable(sources)) return context.skip();
    const place = mkdtempSync(join(shared.root, "ordinary-"));
    chmodSync(shared.root, 0o755);
    mkdirSync(join(place, "project"));
    return place;
  }

  /** Runs a program as that user, with finished file systems of his own; gives what it prints. */
  function asOrdinary(place: string, program: string, variables: Readonly<Record<string, string>> = {}): string {
    writeFileSync(join(place, "run.mjs"), program);
    execFileSync("chown", ["-R", "65534:65534", place]);
    const given = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    const asUser = [
      "set -e",
      // A user of this name with users set aside for him, for this command alone.
      "mount -t tmpfs tmpfs /mnt; cp -a /etc/passwd /mnt/; echo nobody:500000:65536 >/mnt/subid",
      "mount --bind /mnt/subid /etc/subuid; mount --bind /mnt/subid /etc/subgid",
      "place=$1; templates=$2; node=$3; key=$4; shift 4",
      'run="setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=$place USER=nobody"',
      'tar -C "$templates" -c --exclude="rootfs/dev/*" "$key" | $run sh -c \'mkdir -p "$1/data/containers/templates" &&' +
        ' unshare --user --map-root-user --map-auto tar -C "$1/data/containers/templates" -x\' sh "$place"',
      '$run "$@" "$node" "$place/run.mjs"',
    ].join("\n");
    const args = ["--mount", "/bin/sh", "-c", asUser, "sh", place, templates, process.execPath, baseKey, ...given];
    return execFileSync("unshare", args, { encoding: "utf8" });
  }

  /** Lets another process build a workspace, and kills it when it has said something. */
  async function killedDuring(workspace: Workspace, said: RegExp): Promise<void> {
    const program = `
import { createBackends } from ${JSON.stringify(join(sources, "backends.ts"))};
const backends = createBackends({ data: ${JSON.stringify(join(bed.root, "data"))}, templates: ${JSON.stringify(templates)} });
await backends.bwrap.prepare(${JSON.stringify(workspace)}, { output: (text) => process.stdout.write(text) });`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (bytes: Buffer) => (output += bytes.toString()));
    assert.ok(await waitUntil(() => said.test(output), 60_000, 10), output);
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("exit", resolve));
  }
});

/** The finished file system that all runs share; nothing writes to it. */
function copyTemplate(base: Workspace, to: string): void {
  mkdirSync(to);
  const from = (shared.backends.bwrap.log(base) ?? "").replace(/\.log$/, "");
  execFileSync("cp", ["-a", "--reflink=auto", from, to]);
}

/** A program that runs a script in a workspace and prints what it prints. */
function wrapRunner(data: string, workspace: Workspace, script: string, templates?: string): string {
  return `
const { createBackends } = await import(${JSON.stringify(join(sources, "backends.ts"))});
const { exec } = await import(${JSON.stringify(join(sources, "exec.ts"))});
const workspace = ${JSON.stringify(workspace)};
const { bwrap } = createBackends(${JSON.stringify({ data, templates })});
await bwrap.prepare(workspace, { output: (text) => process.stderr.write(text) });
const run = await exec(bwrap, workspace, ["/bin/sh", "-c", ${JSON.stringify(script)}], { cwd: workspace.directory, env: {}, binds: [] });
process.stdout.write(run.stdout); process.stderr.write(run.stderr);
await bwrap.stop(workspace);
process.exit(0);`;
}

/** Whether a user who owns nothing can read the sources and run Node.js. */
function readable(path: string): boolean {
  try {
    execFileSync("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", "ls", path, process.execPath], {
      stdio: "ignore",
    });
    return true;
  } catch {
    return false;
  }
}

function mounted(...args: string[]): boolean {
  try {
    execFileSync("mount", args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

async function gone(text: string): Promise<void> {
  assert.ok(await waitUntil(() => processesNamed(text).length === 0, 10_000, 50), `still there: ${text}`);
}

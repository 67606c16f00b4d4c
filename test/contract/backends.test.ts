import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { sleep, waitUntil } from "../../src/base/async.ts";
import { OpenAgentError } from "../../src/base/errors.ts";
import { backendKinds, type BackendKind, type Probe, type Workspace } from "../../src/protocol/workspace.ts";
import { shellCommand, spawnIn } from "../../src/workspace/exec.ts";
import { makeWorkspaceBed, processesNamed, type WorkspaceBed } from "../fake/workspaces.ts";

let bed: WorkspaceBed;
const probes = new Map<BackendKind, Probe>();
const containers: readonly BackendKind[] = ["bwrap", "podman", "docker", "nspawn"];
const layered: readonly BackendKind[] = containers;

before(() => (bed = makeWorkspaceBed()));
after(() => bed.close());

for (const kind of backendKinds)
  describe(`A workspace on ${kind}`, function () {
    this.timeout(240_000);
    const isContainer = containers.includes(kind);
    let workspace: Workspace;

    before(async function () {
      const probe = await bed.backends[kind].probe();
      probes.set(kind, probe);
      if (!probe.available) {
        console.log(`    skipped: ${kind}: ${probe.reason ?? ""} ${probe.remedy ?? ""}`);
        this.skip();
      }
      workspace = bed.workspace(kind, { ...(kind === "worktree" && { repository: makeRepository() }) });
      await bed.backends[kind].prepare(workspace, { output: () => undefined });
    });

    it("is probed for real and finds itself complete", async () => {
      assert.ok(probes.get(kind)?.available);
      if (kind !== "host") assert.match(probes.get(kind)?.version ?? "", /^\d+/);
      assert.equal(await bed.backends[kind].missing(workspace), undefined);
    });

    it("runs a command with its exit code, outputs, input, folder and environment", async () => {
      const env = { MINE: 'a "b" $c\nd', PATH_LIKE: "/x" };
      const script = 'cat; pwd; printf "%s|" "$MINE" "$PATH_LIKE"; echo wrong >&2; exit 7';
      const result = await bed.sh(workspace, script, { env, stdin: "in\n" });
      assert.deepEqual(result, {
        exitCode: 7,
        stdout: `in\n${workspace.directory}\na "b" $c\nd|/x|`,
        stderr: "wrong\n",
        timedOut: false,
        omitted: 0,
      });
    });

    it("passes large outputs and inputs, and keeps the beginning and the end of too large ones", async () => {
      const whole = await bed.sh(workspace, "head -c 3000000 /dev/zero | tr '\\0' x; wc -c >&2", {
        stdin: "y".repeat(2_000_000),
        maxOutput: 4_000_000,
      });
      assert.equal(whole.stdout.length, 3_000_000);
      assert.equal(whole.stderr.trim(), "2000000");
      const cut = await bed.sh(workspace, "echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo last", {
        maxOutput: 10_000,
      });
      assert.match(cut.stdout, /^first\n/);
      assert.match(cut.stdout, /last\n$/);
      assert.ok(cut.stdout.length < 11_000 && cut.omitted > 2_900_000, String(cut.omitted));
    });

    it("ends a command that takes too long or is aborted, with what it started", async () => {
      const script = "(sleep 4711.1; echo) & sleep 4711.1";
      const signal = AbortSignal.timeout(1500);
      const [late] = await Promise.all([
        bed.sh(workspace, `echo on; ${script}`, { timeoutMs: 1500 }),
        assert.rejects(bed.sh(workspace, script, { signal }), { name: "TimeoutError" }),
      ]);
      assert.deepEqual([late.timedOut, late.exitCode, late.stdout], [true, undefined, "on\n"]);
      await gone("4711.1");
    });

    it("ends a command at its time, and one that has ended, also when what it left behind holds its outputs", async () => {
      const leaving = (script: string) =>
        `rm -f left; setsid sh -c 'echo >left; ${script}' & until [ -e left ]; do sleep 0.01; done; echo $!`;
      const silent = leaving("exec sleep 4711.9");
      const late = await bed.sh(workspace, `${silent}; sleep 4711.8`, { timeoutMs: 2500 });
      const done = await bed.sh(workspace, silent);
      const loud = await bed.sh(workspace, leaving("while echo x; do sleep 0.05; done"), { timeoutMs: 1500 });
      // Of the host, what has left its group goes on.
      if (!isContainer) for (const { stdout } of [late, done]) process.kill(Number.parseInt(stdout, 10), "SIGKILL");
      assert.deepEqual([late.timedOut, done.timedOut, done.exitCode], [true, false, 0]);
      assert.ok(isContainer || loud.timedOut);
      await gone("4711.9");
    });

    it("works in its own folder at the same path as outside, and writes files that are ours", async () => {
      await bed.sh(workspace, "echo hello >made && mkdir -p deep/er && echo x >deep/er/file");
      assert.equal(readFileSync(join(workspace.directory, "made"), "utf8"), "hello\n");
      assert.equal(statSync(join(workspace.directory, "made")).uid, process.getuid?.());
    });

    it("gives a terminal a shell", async function () {
      const shell = await shellCommand(bed.backends[kind], workspace, { cwd: workspace.directory, env: {}, binds: [] });
      const typed = "printf 'tty:%s:%s\\n' $(test -t 0 && echo yes) \"$PWD\"; exit 5\n";
      const inTerminal = `import os,pty,sys
os.chdir(sys.argv[1])
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[2:])))`;
      const args = ["-c", inTerminal, shell.cwd, shell.command, ...shell.args];
      const child = spawn("python3", args, { env: shell.env, stdio: ["pipe", "pipe", "inherit"] });
      let said = "";
      child.stdout.on("data", (bytes: Buffer) => (said += bytes.toString()));
      // A shell that has said nothing yet may still change how the terminal takes what is typed.
      assert.ok(await waitUntil(() => said !== "", 20_000));
      child.stdin.write(typed);
      const code = await new Promise((resolve) => child.on("close", resolve));
      assert.match(said, new RegExp(`tty:yes:${workspace.directory}`));
      assert.equal(code, 5);
    });

    it("shows no secret on any command line", async () => {
      const secret = "s3cret-4711-value";
      // The second is a name that podman's and docker's own commands heed.
      const env = { API_KEY: secret, DOCKER_AUTH_CONFIG: secret };
      const running = bed.sh(workspace, "sleep 2", { env });
      for (let round = 0; round < 10; round++) {
        assert.deepEqual(processesNamed(secret), []);
        await sleep(150);
      }
      await running;
      const seen = await bed.sh(workspace, 'echo "$API_KEY $DOCKER_AUTH_CONFIG"', { env });
      assert.equal(seen.stdout.trim(), `${secret} ${secret}`);
    });

    it("lets the workspace's variables act on nothing outside", async function () {
      if (!isContainer) return this.skip();
      const planted = join(workspace.directory, "planted");
      const ran = join(workspace.directory, "ran-outside");
      mkdirSync(planted);
      for (const name of ["mkdir", "mount", "sh", "bwrap", "newuidmap", "runc", "conmon"])
        writeFileSync(join(planted, name), `#!/bin/sh\necho ${name} >>${ran}\n/usr/bin/${name} "$@"\n`, {
          mode: 0o755,
        });
      const environment = {
        PATH: `${planted}:/usr/bin:/bin`,
        LD_PRELOAD: "/nowhere/planted.so",
        CONTAINERS_CONF: "/nowhere/containers.conf",
        DOCKER_HOST: "tcp://127.0.0.1:9",
        SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: "nonsense",
        UID: "4",
      };
      const names = Object.keys(environment);
      const shown = names.map((name) => `"$${name}"`).join(" ");
      const options = { cwd: workspace.directory, env: {}, binds: [] };
      const acting = { ...workspace, environment };
      const { args, env } = await bed.backends[kind].wrap(
        acting,
        ["/bin/sh", "-c", `printf '%s\\n' ${shown}`],
        options,
      );
      assert.deepEqual(
        names.filter((name) => env[name] === environment[name as keyof typeof environment]),
        [],
      );
      assert.ok(
        !args.some((word) => Object.values(environment).some((value) => value.length > 3 && word.includes(value))),
      );
      const seen = await bed.sh(acting, `printf '%s\\n' ${shown}; command -v mkdir`);
      assert.equal(seen.stdout, `${[...Object.values(environment), join(planted, "mkdir")].join("\n")}\n`);
      assert.ok(!existsSync(ran));
      await assert.rejects(bed.sh(workspace, "true", { env: { "A B": "1" } }), { code: "invalid_input" });
    });

    it("leaves no process behind when the one that started it is killed", async function () {
      if (!isContainer) return this.skip();
      const starter = join(bed.root, `starter-${kind}.ts`);
      writeFileSync(starter, starterText(workspace));
      const child = spawn(process.execPath, [starter], { stdio: ["ignore", "pipe", "inherit"] });
      await new Promise((resolve) => child.stdout.once("data", resolve));
      assert.ok(await waitUntil(() => processesNamed("sleep 4712.2").length >= 2, 5000, 50), "it runs");
      child.kill("SIGKILL");
      await gone("sleep 4712.2");
      assert.equal((await bed.sh(workspace, "echo usable")).stdout, "usable\n");
    });

    it("is ended whole, at whatever moment of its start", async function () {
      if (!isContainer) return this.skip();
      const options = { cwd: workspace.directory, env: {}, binds: [], stdio: "ignore" as const };
      for (let ms = 0; ms < 150; ms += 10) {
        const { end } = await spawnIn(bed.backends[kind], workspace, ["sleep", "4713.3"], options);
        await sleep(ms);
        await end();
      }
      await gone("sleep 4713.3");
    });

    it("goes on without us only when it is told to, and ends with the workspace", async function () {
      if (!isContainer) return this.skip();
      const options = { cwd: workspace.directory, env: {}, binds: [], stdio: "ignore" as const };
      const { end } = await spawnIn(bed.backends[kind], workspace, ["sleep", "4713.1"], options);
      await spawnIn(bed.backends[kind], workspace, ["sleep", "4713.2"], { ...options, outlives: true });
      assert.ok(await waitUntil(() => processesNamed("sleep 4713").length >= 2, 5000, 50));
      await end();
      await gone("sleep 4713.1");
      assert.ok(processesNamed("sleep 4713.2").length > 0);
      await bed.backends[kind].stop(workspace);
      await gone("sleep 4713.2");
      assert.equal((await bed.sh(workspace, "echo usable")).stdout, "usable\n");
    });

    it("sees of the host only what is bound", async function () {
      if (!isContainer) return this.skip();
      const outside = join(bed.root, "outside");
      mkdirSync(outside, { recursive: true });
      writeFileSync(join(outside, "file"), "seen\n");
      process.env["OPEN_AGENT_TEST_KEY"] = "host-secret-4714";
      const bind = { source: outside, target: "/mnt/shared", writable: false };
      const script = `ls ${homedir()}/.ssh ${homedir()}/.cache ${bed.root}/data ${outside} 2>/dev/null; env;
        cat /mnt/shared/file; (echo x >/mnt/shared/new) 2>/dev/null && echo writ''able;
        for e in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$e; echo; done;
        cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; ls /sys/fs/cgroup/open-agent 2>/dev/null`;
      const { stdout } = await bed.sh(workspace, script, { binds: [bind], network: "host" });
      delete process.env["OPEN_AGENT_TEST_KEY"];
      assert.match(stdout, /^seen$/m);
      assert.doesNotMatch(stdout, /writable|host-secret-4714|mocha|run\.ts|known_hosts|open-agent-editor/);
      assert.ok(!existsSync(join(outside, "new")));
      assert.ok(!existsSync("/usr/local/written-inside"));
      await bed.sh(workspace, "touch /usr/local/written-inside");
      assert.ok(!existsSync("/usr/local/written-inside"));
    });

    it("cannot change the machine as root inside", async function () {
      if (!isContainer) return this.skip();
      const printk = readFileSync("/proc/sys/kernel/printk", "utf8");
      const attempts = [
        "echo 4 >/proc/sys/kernel/printk",
        "echo b >/proc/sysrq-trigger.none",
        "mknod /tmp/disk b 254 0",
        "mount -t tmpfs none /mnt",
        "mount -o remount,rw /proc/sys",
        "unshare --user --map-root-user sh -c 'mount -t proc proc /mnt && echo 4 >/mnt/sys/kernel/printk'",
        "hostname changed && sysctl -w kernel.hostname=changed",
      ];
      for (const attempt of attempts) {
        const result = await bed.sh(workspace, `(${attempt}) 2>&1`);
        assert.notEqual(result.exitCode, 0, `${attempt}: ${result.stdout}`);
      }
      assert.equal(readFileSync("/proc/sys/kernel/printk", "utf8"), printk);
      const asOther = await bed.sh(workspace, "touch /srv/f && chown 33:33 /srv/f && stat -c %u /srv/f");
      assert.equal(asOther.stdout.trim(), "33", "what a package manager needs works");
    });

    it("reaches the host's network and its abstract sockets only when it shares them", async function () {
      if (!isContainer) return this.skip();
      const name = `open-agent-test-${String(process.pid)}`;
      const server = createServer((socket) => socket.end("display"));
      await new Promise<void>((resolve) => server.listen({ path: `\0${name}` }, resolve));
      const sockets = "cat /proc/net/unix; cat /proc/net/dev";
      const shared = await bed.sh(workspace, sockets, { network: "host" });
      const apart = await bed.sh(workspace, sockets, { network: "private" });
      server.close();
      assert.ok(shared.stdout.includes(name));
      assert.ok(!apart.stdout.includes(name));
      assert.deepEqual(
        apart.stdout.match(/^ *\w+:/gm)?.map((line) => line.trim()),
        ["lo:"],
      );
    });

    it("holds the limits that it offers", async function () {
      const offered = probes.get(kind)?.limits ?? [];
      if (!isContainer) return this.skip();
      const limits = { processes: 40, memoryMb: 200, cpus: 0.5 };
      const limited = bed.workspace(kind, { limits });
      await bed.backends[kind].prepare(limited, { output: () => undefined });
      if (offered.includes("processes")) {
        const bomb = await bed.sh(limited, "i=0; while [ $i -lt 200 ]; do sleep 3 & i=$((i+1)); done; echo all 200", {
          timeoutMs: 60_000,
        });
        assert.doesNotMatch(bomb.stdout, /all 200/);
        const endless = bed.sh(limited, "bomb() { bomb | bomb & }; bomb; sleep 2", { timeoutMs: 20_000 });
        await sleep(500);
        assert.ok(processesNamed("bomb() {").length <= 60, "held");
        await endless;
      } else console.log(`    not offered on ${kind} here: a limit of processes`);
      await gone("bomb() {");
      if (offered.includes("memoryMb")) {
        const memory = await bed.sh(limited, "head -c 400000000 /dev/zero | tail -c 400000000 | wc -c", {});
        assert.notEqual(memory.stdout.trim(), "400000000");
      } else console.log(`    not offered on ${kind} here: a limit of memory`);
      await bed.backends[kind].destroy(limited);
    });

    it("is reset, kept, put back and forked as to what was changed in it", async function () {
      const { layer } = bed.backends[kind];
      if (!layered.includes(kind) || !layer) return this.skip();
      const own = (where: Workspace) => bed.sh(where, "cat /srv/state; ls /etc/hostname /opt/gone 2>/dev/null");
      await bed.sh(workspace, "echo one >/srv/state; rm -rf /etc/apt; mkdir /opt/gone");
      await layer.snapshot(workspace, "first");
      await bed.sh(workspace, "echo two >/srv/state; rmdir /opt/gone");
      assert.match((await own(workspace)).stdout, /^two/);
      assert.deepEqual(await layer.snapshots(workspace), ["first"]);
      const other = bed.workspace(kind);
      await layer.fork(workspace, other);
      await bed.backends[kind].prepare(other, { output: () => undefined });
      assert.match((await own(other)).stdout, /^two/);
      await layer.restore(workspace, "first");
      assert.match((await own(workspace)).stdout, /^one[^]*\/opt\/gone/);
      assert.equal((await bed.sh(workspace, "ls /etc/apt")).exitCode, 2, "what was deleted stays deleted");
      assert.match((await own(other)).stdout, /^two/);
      await layer.reset(workspace);
      const after = await bed.sh(workspace, "ls /srv /etc/apt");
      assert.doesNotMatch(after.stdout, /state/);
      assert.equal(after.exitCode, 0);
      await assert.rejects(layer.restore(workspace, "../first"), { code: "invalid_input" });
      await bed.backends[kind].destroy(other);
    });

    it("is gone when it is destroyed, and its folder is not", async function () {
      if (!isContainer) return this.skip();
      await bed.backends[kind].destroy(workspace);
      await assert.rejects(
        async () => {
          const missing = await bed.backends[kind].missing(workspace);
          if (kind === "podman" || kind === "docker") throw new OpenAgentError("workspace_not_ready", "by image only");
          assert.match(missing ?? "", /missing/);
          await bed.sh(workspace, "true");
        },
        { code: "workspace_not_ready" },
      );
      assert.ok(existsSync(join(workspace.directory, "made")));
    });
  });

function makeRepository(): string {
  const repository = join(bed.root, "repository");
  mkdirSync(repository);
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@example.org", ...args], { cwd: repository });
  git("init", "-q", "-b", "main");
  writeFileSync(join(repository, "file"), "text\n");
  git("add", ".");
  git("commit", "-qm", "Begin");
  return repository;
}

async function gone(text: string): Promise<void> {
  assert.ok(await waitUntil(() => processesNamed(text).length === 0, 10_000, 50), `still there: ${text}`);
}

/** A program that runs something in a workspace until it is killed. */
function starterText(workspace: Workspace): string {
  const sources = join(import.meta.dirname, "../../src/workspace");
  return `
import { createBackends } from ${JSON.stringify(join(sources, "backends.ts"))};
import { exec } from ${JSON.stringify(join(sources, "exec.ts"))};
import { installationFolder } from ${JSON.stringify(join(import.meta.dirname, "../host/setup.ts"))};
const backends = createBackends({ data: ${JSON.stringify(join(bed.root, "data"))}, templates: installationFolder() + "/templates" });
const workspace = ${JSON.stringify(workspace)};
const run = (script) => exec(backends[workspace.kind], workspace, ["/bin/sh", "-c", script], { cwd: workspace.directory, env: {}, binds: [] });
const running = run("setsid sleep 4712.2 & trap '' TERM HUP; sleep 4712.2");
setTimeout(() => console.log("started"), 1500);
await running;
`;
}

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitUntil } from "../../src/base/async.ts";
import { isAlive } from "../../src/base/processes.ts";
import type { OpenAgentError } from "../../src/base/errors.ts";
import { Catalogue } from "../../src/library/catalogue.ts";
import { cloneLibrary, remoteBranches } from "../../src/library/cloning.ts";
import { readLibrary } from "../../src/library/library.ts";
import { Repository } from "../../src/library/repository.ts";
import { makeGitBed, writeInto, type GitBed } from "../fake/gitBed.ts";
import { freePort, noSsh, startHttp, startSsh, type HttpServer, type SshServer } from "../fake/gitServers.ts";

async function refusal(call: Promise<unknown>): Promise<{ problem: string; message: string }> {
  const error = await call.then(
    () => assert.fail("It was not refused."),
    (thrown: unknown) => thrown as OpenAgentError,
  );
  assert.equal(error.code, "git_failed", error.stack);
  return { problem: error.detail["problem"] ?? "", message: error.message };
}

describe("A Library's remote", () => {
  let bed: GitBed;
  let bare: string;
  beforeEach(() => {
    bed = makeGitBed();
    bare = bed.remote("remote");
  });
  afterEach(() => bed.close());
  const there = () => bed.git(bare, "rev-parse", "main").trim();
  const here = ({ folder }: Repository) => bed.git(folder, "rev-parse", "HEAD").trim();
  const changed = async (library: Repository, text = "mine\n") => {
    writeInto(library.folder, { mine: text });
    await library.commit("Mine");
  };

  describe("over ssh", () => {
    let server: SshServer;
    let address: string;
    before(function () {
      const why = noSsh();
      if (why === undefined) return;
      console.log(`      skipped: ${why}`);
      this.skip();
    });
    beforeEach(async () => {
      server = await startSsh(bed);
      address = server.url(bare);
      writeInto(bed.home, { "ssh-config": `${server.config}  UserKnownHostsFile ${join(bed.home, "known_hosts")}\n` });
      bed.configure("core.sshCommand", `ssh -F ${join(bed.home, "ssh-config")}`);
    });
    afterEach(() => server.close());

    it("needs a known host and the user's key, and says which of them is wanting", async () => {
      assert.equal((await refusal(bed.library(address, "one"))).problem, "host_key");
      writeInto(bed.home, { known_hosts: server.hostKey });
      assert.deepEqual(await remoteBranches(address, bed), { branches: ["main"], usual: "main" });
      const library = await bed.library(address);
      await changed(library);
      await library.push();
      assert.equal(there(), here(library));
      bed.configure("core.sshCommand", `ssh -F ${join(bed.home, "ssh-config")} -o IdentityFile=none`);
      writeInto(bed.home, { "ssh-config": `Host *\n  UserKnownHostsFile ${join(bed.home, "known_hosts")}\n` });
      const { problem, message } = await refusal(library.pull());
      assert.equal(problem, "no_credentials");
      assert.match(message, /Permission denied \(publickey\).*ssh-add/s);
      await server.close();
      assert.equal((await refusal(library.pull())).problem, "connection_refused");
    });
  });

  describe("over HTTP", () => {
    let server: HttpServer;
    let address: string;
    const logIn = (password: string) => {
      const helper = `!f() { echo username=${server.user}; echo password=${password}; }; f`;
      bed.configure("credential.helper", helper);
    };
    beforeEach(async () => {
      server = await startHttp(bed);
      address = server.url(bare);
    });
    afterEach(() => server.close());

    it("is opened by the user's credential helper, and by nothing that is asked for at a terminal", async () => {
      const { problem, message } = await refusal(bed.library(address));
      assert.equal(problem, "no_credentials");
      assert.match(message, /credential helper/);
      logIn("wrong");
      assert.equal((await refusal(remoteBranches(address, bed))).problem, "no_credentials");
      logIn(server.password);
      const stages: string[] = [];
      const folder = join(bed.root, "library");
      await cloneLibrary(address, folder, {
        environment: bed.environment,
        onProgress: ({ stage }) => void stages.push(stage),
      });
      assert.ok(stages.length > 0);
      const library = new Repository(folder, bed.environment);
      await changed(library);
      assert.equal((await library.push()).kind, "pushed");
      assert.equal(there(), here(library));
      assert.ok(!readFileSync(join(folder, ".git/config"), "utf8").includes(server.password));
    });

    it("never shows a password that stands in its address", async () => {
      logIn(server.password);
      const library = await bed.library(address);
      const secret = "tooth-brush";
      const url = address.replace("://", `://eve:${secret}@`);
      await assert.rejects(library.setRemote(url), { code: "invalid_input" });
      bed.git(library.folder, "remote", "set-url", "origin", url);
      bed.configure("credential.helper", "");
      const { remote = "" } = await library.status();
      const { problem, message } = await refusal(library.pull());
      assert.equal(problem, "no_credentials");
      for (const text of [remote, message]) assert.ok(!text.includes(secret), text);
      assert.equal(remote, address.replace("://", "://***@"));
    });

    it("may break in the middle of a push, and gets it the next time", async () => {
      logIn(server.password);
      const library = await bed.library(address);
      await changed(library);
      const before = there();
      server.breakPushes = true;
      assert.equal((await refusal(library.push())).problem, "connection_lost");
      assert.deepEqual([there(), (await library.status()).ahead], [before, 1]);
      server.breakPushes = false;
      await library.push();
      assert.equal(there(), here(library));
    });

    it("may not be there", async () => {
      const library = await bed.library(bare);
      bed.git(library.folder, "remote", "set-url", "origin", server.url(join(bed.root, "none.git")));
      logIn(server.password);
      assert.equal((await refusal(library.pull())).problem, "remote_missing");
      bed.git(library.folder, "remote", "set-url", "origin", `http://127.0.0.1:${String(await freePort())}/x.git`);
      assert.equal((await refusal(library.pull())).problem, "connection_refused");
      bed.git(library.folder, "remote", "set-url", "origin", "https://library.invalid/x.git");
      assert.equal((await refusal(library.pull())).problem, "no_network");
    });
  });

  describe("of which a process takes over files when it is killed", () => {
    /** Git fills in the file `slow` by a program that waits as long as `wait` is there. */
    const slowDown = () => {
      const wait = join(bed.root, "wait");
      writeFileSync(wait, "");
      const script = `touch ${join(bed.root, "begun")}; while [ -e ${wait} ]; do sleep 0.05; done; cat`;
      bed.configure("filter.slow.smudge", `sh -c '${script}'`);
      bed.configure("filter.slow.clean", "cat");
      return { begun: () => waitUntil(() => existsSync(join(bed.root, "begun")), 20_000), goOn: () => rmSync(wait) };
    };
    /** `a` and `b` are written before `slow`, and `z` after it. */
    const files = { ".gitattributes": "slow filter=slow\n", a: "a\n", b: "b\n", slow: "slow\n", z: "z\n" };
    const theirs = () => {
      const other = bed.other(bare);
      bed.commit(other, { ...files, "rule/style.md": "theirs\n" }, "Theirs");
      bed.git(other, "push", "--quiet");
    };
    /** The git that runs in a folder. */
    const gitIn = (folder: string) =>
      readdirSync("/proc")
        .filter((name) => /^\d+$/.test(name))
        .map(Number)
        .find((pid) => {
          try {
            const words = readFileSync(`/proc/${String(pid)}/cmdline`, "utf8").split("\0");
            const cwd = readFileSync(`/proc/${String(pid)}/environ`, "utf8").includes(bed.home);
            return cwd && words[0] === "git" && words.some((word) => word === "merge" || word.startsWith(folder));
          } catch {
            // It has ended.
            return false;
          }
        });
    before(function () {
      if (process.platform !== "linux") this.skip();
    });

    it("is in sync after the next pull, with all that was here", async () => {
      const library = await bed.library(bare);
      writeInto(library.folder, { own: "in no commit\n" });
      theirs();
      const slow = slowDown();
      const pulled = refusal(library.pull());
      assert.ok(await slow.begun());
      const pid = gitIn(library.folder);
      assert.ok(pid);
      process.kill(pid, "SIGKILL");
      const before = here(library);
      slow.goOn();
      await pulled;
      assert.equal(here(library), before);
      assert.ok(existsSync(join(library.folder, "a")));
      const { problem, message } = await refusal(library.pull());
      assert.equal(problem, "index_locked", message);
      rmSync(join(library.folder, ".git/index.lock"));
      assert.deepEqual(await library.pull(), { kind: "updated", commits: 1 });
      assert.deepEqual((await library.status()).modifiedFiles, ["?? own"]);
      assert.equal(here(library), there());
    });

    it("is cloned by the next one, and nothing half is left", async () => {
      theirs();
      const slow = slowDown();
      const folder = join(bed.root, "library");
      const script = join(import.meta.dirname, "../fake/cloning.ts");
      const child = spawn(process.execPath, [script, bare, folder], { env: bed.environment, stdio: "ignore" });
      assert.ok(await slow.begun());
      const git = gitIn(join(bed.root, ".library.cloning-"));
      child.kill("SIGKILL");
      assert.ok(git);
      process.kill(git, "SIGKILL");
      await waitUntil(() => !isAlive(git) && !isAlive(child.pid ?? 0), 5000);
      slow.goOn();
      const left = () => readdirSync(bed.root).filter((name) => name.includes("library"));
      assert.equal(left().length, 1);
      assert.match(left()[0] ?? "", /^\.library\.cloning-/);
      await bed.library(bare);
      assert.deepEqual(left(), ["library"]);
      assert.equal(readFileSync(join(folder, "z"), "utf8"), "z\n");
    });
  });

  it("can be given up on", async () => {
    const hook = join(bare, "hooks", "pre-receive");
    mkdirSync(join(bare, "hooks"), { recursive: true });
    writeFileSync(hook, `#!/bin/sh\ntouch ${join(bed.root, "begun")}\nsleep 2\n`, { mode: 0o755 });
    const library = await bed.library(bare);
    await changed(library);
    const abort = new AbortController();
    const pushed = library.push({ signal: abort.signal });
    const next = library.status();
    assert.ok(await waitUntil(() => existsSync(join(bed.root, "begun")), 10_000));
    abort.abort(new Error("enough"));
    await assert.rejects(pushed, { message: "enough" });
    assert.equal((await next).ahead, 1);
  });

  it("may bring names that differ in capitals only, of which the Library tells", async () => {
    const library = await bed.library(bare);
    const catalogue = new Catalogue(library.folder);
    assert.deepEqual(catalogue.problems(), []);
    const other = bed.other(bare);
    // In the index alone: not every file system could have both.
    const blob = bed.git(other, "rev-parse", "HEAD:rule/style.md").trim();
    bed.git(other, "update-index", "--add", "--cacheinfo", `100644,${blob},rule/Style.md`);
    bed.git(other, "commit", "--quiet", "--message", "Clash");
    bed.git(other, "push", "--quiet");
    assert.deepEqual(await library.pull(), { kind: "updated", commits: 1 });
    if (readdirSync(join(library.folder, "rule")).length < 2) return;
    catalogue.changed();
    assert.deepEqual(
      catalogue.problems().map(({ code }) => code),
      ["case-clash"],
    );
  });

  it("may have twenty thousand files, of which missions read the items alone", async function () {
    this.timeout(120_000);
    const blob = bed.git(bare, "rev-parse", "main:rule/style.md").trim();
    const other = bed.other(bare);
    const paths = Array.from({ length: 20_000 }, (_, index) => `docs/${String(index % 100)}/${String(index)}.md`);
    const input = paths.map((path) => `100644 ${blob}\t${path}\n`).join("");
    const options = { cwd: other, env: bed.environment, input };
    execFileSync("git", ["update-index", "--index-info"], options);
    bed.git(other, "commit", "--quiet", "--message", "Many");
    bed.git(other, "push", "--quiet");
    const library = await bed.library(bare);
    assert.ok(existsSync(join(library.folder, paths.at(-1) ?? "")));
    const { parts, problems } = readLibrary(library.folder);
    assert.deepEqual([parts.map(({ name }) => name), problems], [["style"], []]);
    const { clean, files } = await library.status();
    assert.deepEqual([clean, files], [true, []]);
    writeInto(library.folder, { "docs/1/1.md": "changed\n" });
    assert.deepEqual(await library.commit("One of many"), {
      kind: "committed",
      commit: here(library).slice(0, 7),
      files: 1,
    });
  });
});

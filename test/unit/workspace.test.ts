import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep } from "../../src/base/async.ts";
import { silentLogger } from "../../src/base/log.ts";
import { fileSecrets } from "../../src/orchestrator/secrets.ts";
import { Workspaces } from "../../src/orchestrator/workspaces.ts";
import { backendKinds, type BackendKind } from "../../src/protocol/workspace.ts";
import { createBackends } from "../../src/workspace/backends.ts";
import { mirrorIn } from "../../src/workspace/distribution.ts";
import { Registry } from "../../src/workspace/registry.ts";
import { withLock } from "../../src/workspace/lock.ts";

describe("The mirror of the host's apt", () => {
  it("is found in either form of list, by release and part", () => {
    const list =
      "# deb http://old.example/debian bookworm main\ndeb [arch=amd64] http://m.example/debian bookworm main\n";
    const other = "deb http://third.example/apt stable main\n";
    const stanzas =
      "Types: deb\nURIs: http://s.example/security\nSuites: bookworm-security\nComponents: main\n\n" +
      "Types: deb\nURIs: http://d.example/debian\nSuites: bookworm bookworm-updates\nComponents: main contrib\n";
    assert.equal(mirrorIn([other, list], ["bookworm"]), "http://m.example/debian");
    assert.equal(mirrorIn([other, stanzas], ["bookworm"]), "http://d.example/debian");
    assert.equal(mirrorIn([`${stanzas}Enabled: no\n`], ["bookworm"]), undefined);
    assert.equal(mirrorIn([list], ["noble"]), undefined);
    assert.equal(mirrorIn(["deb file:/srv/mirror bookworm main"], ["bookworm"]), undefined);
  });
});

describe("A lock file", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "lock-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it("lets one in at a time, and nothing of it stays", async () => {
    const lock = join(folder, "a.lock");
    let [inside, most] = [0, 0];
    const job = () =>
      withLock(lock, async () => {
        most = Math.max(most, ++inside);
        await sleep(5);
        inside--;
      });
    await Promise.all([job(), job().then(job), job()]);
    assert.equal(most, 1);
    assert.deepEqual(readdirSync(folder), []);
  });

  it("is taken from a process that has gone, also when another has its number by now, or left no words", async () => {
    const lock = join(folder, "a.lock");
    for (const left of ['{"pid":1,"startTime":"another boot 5"}', '{"pid":4194303,"startTime":"x"}', ""]) {
      writeFileSync(lock, left);
      assert.equal(await withLock(lock, () => Promise.resolve("in")), "in");
      assert.ok(!existsSync(lock));
    }
  });

  it("stops waiting when it is told to", async () => {
    const lock = join(folder, "a.lock");
    const abort = new AbortController();
    await withLock(lock, async () => {
      const waiting = withLock(lock, () => Promise.resolve(), { signal: abort.signal });
      abort.abort(new Error("cancelled"));
      await assert.rejects(waiting, /cancelled/);
    });
  });
});

describe("What workspaces can be made of", () => {
  it("is found out once of what there is, and anew of what was missing", async () => {
    const root = mkdtempSync(join(tmpdir(), "probes-"));
    try {
      const probed: string[] = [];
      const missing = new Set<BackendKind>(["bwrap", "docker"]);
      const backends = createBackends({ data: root });
      for (const kind of backendKinds)
        backends[kind].probe = () => {
          probed.push(kind);
          return Promise.resolve({ kind, available: !missing.has(kind), limits: [] });
        };
      const workspaces = new Workspaces({
        registry: new Registry(root),
        backends,
        folder: root,
        worktrees: root,
        secrets: fileSecrets(join(root, "secrets.json")),
        log: silentLogger,
        onChange: () => undefined,
      });
      const available = async () => (await workspaces.probes()).filter((one) => one.available).map(({ kind }) => kind);
      await Promise.all([available(), available()]);
      assert.deepEqual(probed.splice(0), [...backendKinds]);
      missing.delete("bwrap");
      assert.deepEqual(
        await available(),
        backendKinds.filter((kind) => kind !== "docker"),
      );
      assert.deepEqual(probed.splice(0), ["bwrap", "docker"]);
      await available();
      assert.deepEqual(probed, ["docker"]);
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});

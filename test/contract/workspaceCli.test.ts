import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { waitUntil } from "../../src/base/async.ts";
import { apiClient } from "../fake/apiClient.ts";
import { bash, makeBed, script, type Bed } from "../fake/bed.ts";
import { buildHeadless, finish, headless, type Headless } from "../fake/headless.ts";
import { needBackend } from "../fake/workspaces.ts";
import { installationFolder } from "../host/setup.ts";

interface Shape extends Record<string, unknown> {
  id: string;
  status: string;
}

const templates = { OPEN_AGENT_CONTAINER_TEMPLATES: join(installationFolder(), "templates") };
const missing = "00000000-0000-4000-8000-000000000000";

describe("workspaces without a window", function () {
  this.timeout(180_000);
  let bed: Bed;
  let server: Headless | undefined;
  let api: ReturnType<typeof apiClient>;

  before(async function () {
    await needBackend(this, "bwrap");
    buildHeadless();
    bed = await makeBed({ environment: templates });
    const started = headless(bed, ["serve", "--verbose"]);
    server = started;
    await started.says(/listens on http:\/\/127\.0\.0\.1:\d+\n.*\n/);
    const url = /http:\/\/\S+/.exec(started.out())?.[0] ?? "";
    api = apiClient(url, readFileSync(join(bed.data, "runtime", "api-token"), "utf8").trim());
  });
  after(async () => {
    if (!server) return;
    server.kill("SIGTERM");
    await server.finished;
    await bed.close();
  });

  const ready = async (id: string): Promise<Shape> => {
    let found: Shape | undefined;
    const look = async () => {
      found = (await api.ask(`/api/workspaces/${id}`)).json as Shape;
      return found.status !== "building" && found.status !== "pending";
    };
    for (const end = Date.now() + 120_000; Date.now() < end && !(await look());) await waitUntil(() => false, 200);
    assert.ok(found);
    return found;
  };

  describe("over HTTP", () => {
    let box: Shape;

    it("begin with the host, which cannot be changed", async () => {
      const { json } = await api.ask("/api/workspaces");
      assert.deepEqual(
        (json as Shape[]).map(({ name, workspace_type, status }) => [name, workspace_type, status]),
        [["host", "host", "ready"]],
      );
      const [{ id }] = json as [Shape];
      assert.equal((await api.ask(`/api/workspaces/${id}/build`, {})).status, 400);
      assert.equal((await api.ask(`/api/workspaces/${missing}`)).status, 404);
    });

    it("are made as containers, built, and shown in the original's shape", async () => {
      const made = await api.ask("/api/workspaces", {
        name: "box",
        workspace_type: "chroot",
        path: bed.project,
        packages: ["git"],
        env_vars: { GREETING: "hello" },
      });
      assert.equal(made.status, 200);
      box = await ready((made.json as Shape).id);
      assert.deepEqual(box, {
        id: box.id,
        created_at: box["created_at"],
        name: "box",
        workspace_type: "container",
        backend: "bwrap",
        path: bed.project,
        status: "ready",
        error_message: null,
        config: {},
        template: null,
        distro: null,
        env_vars: { GREETING: "hello" },
        init_script: null,
        skills: [],
        tools: [],
        plugins: [],
      });
      const bad = [
        { name: "../x" },
        { name: "box" },
        { name: "y", workspace_type: "moon" },
        { name: "z", template: "none" },
      ];
      for (const wish of bad)
        assert.equal((await api.ask("/api/workspaces", { workspace_type: "chroot", ...wish })).status, 400);
    });

    it("run commands with their environment, input, exit code and time limit", async () => {
      const exec = async (body: object) => (await api.ask(`/api/workspaces/${box.id}/exec`, body)).json;
      assert.deepEqual(
        await exec({ command: 'cat; echo "$GREETING $MORE"; exit 4', stdin: "in ", env: { MORE: "you" } }),
        {
          exit_code: 4,
          stdout: "in hello you\n",
          stderr: "",
          timed_out: false,
        },
      );
      const late = (await exec({ command: "sleep 30", timeout_secs: 0.5 })) as Record<string, unknown>;
      assert.deepEqual([late["exit_code"], late["timed_out"]], [-1, true]);
    });

    it("are changed in what is named, and what runs in them next has it", async () => {
      const put = async (id: string, change: object) => {
        const options = { method: "PUT", headers: api.headers, body: JSON.stringify(change) };
        const response = await fetch(`${api.url}/api/workspaces/${id}`, options);
        return { status: response.status, json: (await response.json()) as Shape };
      };
      const changed = await put(box.id, { name: "crate", env_vars: { GREETING: "bye" }, skills: ["none-such"] });
      assert.equal(changed.status, 200);
      assert.deepEqual(changed.json, { ...box, name: "crate", env_vars: { GREETING: "bye" }, skills: ["none-such"] });
      const { json } = await api.ask(`/api/workspaces/${box.id}/exec`, { command: 'echo "$GREETING"' });
      assert.equal((json as { stdout: string }).stdout, "bye\n");
      assert.deepEqual((await put(box.id, { name: "box", env_vars: { GREETING: "hello" }, skills: [] })).json, box);
      const [{ id: host }] = (await api.ask("/api/workspaces")).json as [Shape];
      assert.equal((await put(host, { name: "mine" })).status, 400);
      assert.equal((await put(missing, { name: "mine" })).status, 404);
      assert.equal((await put(box.id, { name: "../x" })).status, 400);
    });

    it("tell what their agents are given", async () => {
      const [{ id: host }] = (await api.ask("/api/workspaces")).json as [Shape];
      for (const id of [host, box.id]) {
        const { status, json } = await api.ask(`/api/workspaces/${id}/sync`, {});
        assert.deepEqual([status, json], [200, { synced: true, skills: [], tools: [], problems: [] }]);
      }
      assert.equal((await api.ask(`/api/workspaces/${missing}/sync`, {})).status, 404);
    });

    it("tell what they are made of, and run their init script again", async () => {
      const debug = (await api.ask(`/api/workspaces/${box.id}/debug`)).json as {
        has_bash: boolean;
        directories: { path: string; exists: boolean; file_count: number }[];
      };
      assert.ok(debug.has_bash && debug.directories.every(({ exists, file_count }) => exists && file_count > 0));
      const log = (await api.ask(`/api/workspaces/${box.id}/init-log`)).json as { exists: boolean; log_path: string };
      assert.ok(log.exists && existsSync(log.log_path));
      assert.equal((await api.ask(`/api/workspaces/${box.id}/rerun-init`, {})).status, 400);
    });

    it("hold missions, and are deleted when none runs", async () => {
      const made = await api.ask("/api/control/missions", { workspace_id: box.id, title: "Inside" });
      const mission = made.json as { id: string; workspace_id: string; workspace_name: string; working_dir: string };
      assert.deepEqual(
        [mission.workspace_id, mission.workspace_name, mission.working_dir],
        [box.id, "box", bed.project],
      );
      await api.ask("/api/control/message", {
        mission_id: mission.id,
        content: script(bash("cat /etc/os-release > inside.txt"), { text: "Done inside." }),
      });
      await api.untilEnded(mission.id);
      assert.match(readFileSync(join(bed.project, "inside.txt"), "utf8"), /bookworm/);
      const { url, headers } = api;
      const gone = await fetch(`${url}/api/workspaces/${box.id}`, { method: "DELETE", headers });
      assert.equal(gone.status, 200);
      assert.equal((await api.ask(`/api/workspaces/${box.id}`)).status, 404);
      const kept = (await api.ask(`/api/control/missions/${mission.id}`)).json as { workspace_name: string };
      assert.equal(kept.workspace_name, "deleted");
    });
  });

  describe("on the command line", () => {
    const workspace = (...words: string[]) => finish(bed, ["workspace", ...words]);

    it("are made, listed, used and deleted", async () => {
      const made = await workspace("create", "cli", "--dir", bed.project, "--packages", "git");
      assert.equal(made.code, 0, made.err);
      const listed = await workspace("list");
      assert.match(listed.out, /^cli +bwrap +ready +/m);
      await workspace("exec", "cli", "--", "touch", "/root/changed");
      assert.equal((await workspace("build", "cli")).code, 0);
      assert.equal((await workspace("exec", "cli", "--", "test", "-e", "/root/changed")).code, 0);
      assert.match((await workspace("list", "--json")).out, /"name":"cli".*"status":"ready"/);
      const ran = await workspace("exec", "cli", "--", "sh", "-c", "cat /etc/os-release; exit 7");
      assert.equal(ran.code, 7);
      assert.match(ran.out, /bookworm/);
      const mission = await finish(bed, ["run", script(bash("pwd"), { text: "Said inside." }), "--workspace", "cli"]);
      assert.deepEqual([mission.code, mission.out.includes("Said inside.")], [0, true], mission.err);
      assert.equal((await workspace("delete", "cli")).code, 0);
      assert.doesNotMatch((await workspace("list")).out, /cli/);
    });

    it("are taken back to snapshots and to what was built, and forked with what is in them", async () => {
      const inside = async (name: string, line: string) => {
        const { code, out } = await workspace("exec", name, "--", "sh", "-c", line);
        return code === 0 ? out.trim() : code;
      };
      assert.equal((await workspace("create", "kept", "--packages", "git")).code, 0);
      await inside("kept", "echo first >/etc/state; echo mine >note.txt");
      assert.equal((await workspace("snapshot", "kept", "first")).code, 0);
      assert.equal((await workspace("snapshots", "kept")).out, "first\n");
      await inside("kept", "echo second >/etc/state");
      assert.equal((await workspace("fork", "kept", "forked")).code, 0);
      assert.equal((await workspace("reset", "kept")).code, 0);
      assert.deepEqual([await inside("kept", "cat /etc/state"), await inside("kept", "cat note.txt")], [1, "mine"]);
      assert.equal((await workspace("restore", "kept", "first")).code, 0);
      assert.equal(await inside("kept", "cat /etc/state"), "first");
      assert.equal(await inside("forked", "cat /etc/state; cat note.txt; echo its own >note.txt"), "second\nmine");
      assert.equal(await inside("kept", "cat note.txt"), "mine");
      assert.match((await workspace("restore", "kept", "never")).err, /There is no snapshot never/);
      assert.match((await workspace("snapshot", "kept", "../out")).err, /is no name of a snapshot/);
      assert.match((await workspace("fork", "kept", "forked")).err, /There is a workspace “forked” already/);
      for (const name of ["kept", "forked"]) assert.equal((await workspace("delete", name)).code, 0);
    });

    it("are worktrees for missions that ask for one", async () => {
      const ran = await finish(bed, ["run", script(bash("echo ours > made.txt"), { text: "Made." }), "--worktree"]);
      assert.equal(ran.code, 0, ran.err);
      assert.ok(!existsSync(join(bed.project, "made.txt")));
      const [tree] = (await workspace("list", "--json")).out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Shape);
      assert.ok(tree);
      const kept = await workspace("delete", tree.id);
      assert.equal(kept.code, 1);
      assert.match(kept.err, /made\.txt/);
      assert.equal((await workspace("delete", tree.id, "--discard")).code, 0);
    });

    it("are explained where a call cannot be understood", async () => {
      for (const words of [[], ["fly"], ["create"], ["exec", "x"], ["delete", "a", "b"], ["fork", "a"]])
        assert.equal((await workspace(...words)).code, 2, words.join(" "));
      assert.match((await workspace("build", "nothing")).err, /There is no workspace “nothing”/);
      assert.match((await workspace("create", "x", "--kind", "moon")).err, /--kind is one of/);
    });
  });
});

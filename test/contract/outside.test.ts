import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { waitUntil } from "../../src/base/async.ts";
import type { Core } from "../../src/orchestrator/core.ts";
import { bash, makeBed, script, transcriptOf, untilTurns, type Bed } from "../fake/bed.ts";
import { usableItems, writeFiles } from "../fake/library.ts";
import { needBackend, processesNamed } from "../fake/workspaces.ts";
import { installationFolder } from "../host/setup.ts";

describe("OpenCode outside of a container", function () {
  this.timeout(240_000);
  let bed: Bed;
  let core: Core;

  beforeEach(async () => {
    const environment = { ANTHROPIC_API_KEY: "sk-host", DISPLAY: ":77" };
    bed = await makeBed({ templates: join(installationFolder(), "templates"), environment });
    const free = '---\ndescription: Free.\nmode: primary\npermission:\n  "*": allow\n  bash: allow\n---\nYou may.\n';
    writeFiles(bed.paths.library, { ...usableItems, "agent/free.md": free });
    // What is in the folder does not run on this machine.
    const plugin = `export const Plugin = async () => { await Bun.write("${bed.root}/plugin-ran", "yes"); return {}; };\n`;
    writeFiles(bed.project, { ".opencode/plugin/mine.ts": plugin });
    core = bed.core({ containerOpenCode: "outside" });
  });
  afterEach(async () => {
    for (const { id } of core.workspaces().workspaces) await core.run("deleteWorkspace", { workspaceId: id });
    await bed.close();
    await waitUntil(() => processesNamed(bed.root).length === 0, 5_000);
    assert.deepEqual(processesNamed(bed.root), []);
  });

  for (const kind of ["bwrap", "podman", "nspawn"] as const)
    it(`lets missions touch nothing but ${kind}: its own tools are denied, those inside stand in for them`, async function () {
      await needBackend(this, kind);
      const wish = { name: "box", kind, directory: bed.project, packages: ["git"], environment: { COLOUR: "blue" } };
      const { id: workspaceId } = await core.run("createWorkspace", wish);
      await core.run("setWorkspaceSecret", { workspaceId, name: "DEPLOY_KEY", value: "hush-hush-42" });
      const { folder } = await core.run("generatedConfiguration", { workspaceId });
      const look = [
        "cat /etc/os-release",
        `ls -d ${bed.home} ${bed.data}/missions 2>&1`,
        'echo "colour $COLOUR, key ${#DEPLOY_KEY}"',
        `sh ${folder}/skills/greeting/scripts/greet.sh`,
        "env",
        "cat /proc/net/unix | grep -c X11",
      ].join("; ");
      const steps = [
        { tool: "workspace_bash", args: { command: look } },
        { tool: "workspace_write_file", args: { path: "inside.txt", content: "written inside\n" } },
        bash("touch outside.txt"),
        { text: "." },
      ];
      const { id } = await core.run("createMission", { text: script(...steps), workspaceId });
      assert.equal((await untilTurns(core, id, 1, 200_000)).failure, undefined);
      const calls = transcriptOf(core, id)
        .messages.flatMap(({ parts }) => parts)
        .flatMap((part) => (part.kind === "tool" ? [part.output ?? ""] : []));
      const [seen = "", , denied = ""] = calls;
      assert.match(seen, /Debian GNU\/Linux 12[\s\S]*colour blue, key 12\ngreetings from the skill/);
      assert.equal(seen.match(/No such file or directory/g)?.length, 2, seen);
      for (const foreign of [/sk-host/, /OPENCODE_/, /DISPLAY/, /OPEN_AGENT_GUARD/]) assert.doesNotMatch(seen, foreign);
      assert.match(denied, /unavailable tool 'bash'/);
      assert.equal(readFileSync(join(bed.project, "inside.txt"), "utf8"), "written inside\n");
      assert.equal(existsSync(join(bed.project, "outside.txt")), false);
      assert.equal(existsSync(join(bed.root, "plugin-ran")), false);
      const offered = bed.model.requests
        .flatMap(({ body }) => body.tools ?? [])
        .map((tool) => tool.function?.name ?? "");
      assert.deepEqual(
        ["bash", "read", "write", "edit", "glob", "grep"].filter((name) => offered.includes(name)),
        [],
      );
    });

  it("cannot be allowed its own tools by an agent of the Library", async function () {
    await needBackend(this, "bwrap");
    const wish = { name: "box", kind: "bwrap" as const, directory: bed.project, packages: ["git"] };
    const { id: workspaceId } = await core.run("createWorkspace", wish);
    const text = script(bash("touch outside.txt"), { text: "." });
    const { id } = await core.run("createMission", { text, workspaceId, agent: "free" });
    assert.equal((await untilTurns(core, id, 1, 200_000)).failure, undefined);
    const parts = transcriptOf(core, id).messages.flatMap((message) => message.parts);
    const [said = ""] = parts.flatMap((part) => (part.kind === "tool" ? [part.output ?? ""] : []));
    assert.match(said, /bash is not available here: use the tools of the workspace/);
    assert.equal(existsSync(join(bed.project, "outside.txt")), false);
  });
});

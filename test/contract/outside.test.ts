import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { waitUntil } from "../../src/base/async.ts";
import type { Core } from "../../src/orchestrator/core.ts";
import { bash, makeBed, script, transcriptOf, until, untilTurns, type Bed } from "../fake/bed.ts";
import { usableItems, writeFiles } from "../fake/library.ts";
import { placeServer } from "../fake/placeServer.ts";
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
        { tool: "workspace_fetch_url", args: { url: bed.model.url } },
        { text: "." },
      ];
      const { id } = await core.run("createMission", { text: script(...steps), workspaceId });
      assert.equal((await untilTurns(core, id, 1, 200_000)).failure, undefined);
      const calls = transcriptOf(core, id)
        .messages.flatMap(({ parts }) => parts)
        .flatMap((part) => (part.kind === "tool" ? [part.output ?? ""] : []));
      const [seen = "", , denied = "", fetched = ""] = calls;
      assert.match(fetched, /could not be fetched/);
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
        ["bash", "read", "write", "edit", "glob", "grep", "webfetch"].filter((name) => offered.includes(name)),
        [],
      );
    });

  it("starts the user's MCP servers inside, those of this machine here, and none of the user's tools", async function () {
    await needBackend(this, "bwrap");
    const server = { type: "local", command: placeServer, environment: { COLOUR: "{env:COLOUR}" } };
    const broken = { ...server, environment: { "no name": "x" } };
    writeFiles(bed.paths.library, { "mcp/servers.json": JSON.stringify({ shared: server, broken }) });
    const userConfig = join(bed.home, ".config", "opencode");
    const config = JSON.parse(readFileSync(join(userConfig, "opencode.json"), "utf8")) as object;
    const mcp = { users: { type: "local", command: placeServer } };
    writeFiles(userConfig, {
      "opencode.json": JSON.stringify({ ...config, mcp }),
      "tool/adding.ts": usableItems["tool/adding.ts"] ?? "",
    });
    await core.run("setMcpServer", { name: "own", server: { ...server, scope: "workspace" } });
    await core.run("setMcpServer", { name: "machine", server: { command: placeServer, scope: "global" } });
    const wish = { name: "box", kind: "bwrap" as const, directory: bed.project, packages: ["git"] };
    const { id: workspaceId } = await core.run("createWorkspace", { ...wish, environment: { COLOUR: "blue" } });
    const calls = ["shared", "own", "users", "machine"].map((name) => ({ tool: `${name}_where`, args: {} }));
    const text = script(...calls, { tool: "adding", args: { number: 41 } }, { text: "." });
    const { id } = await core.run("createMission", { text, workspaceId });
    assert.equal((await untilTurns(core, id, 1, 200_000)).failure, undefined);
    const parts = transcriptOf(core, id).messages.flatMap((message) => message.parts);
    const said = parts.flatMap((part) => (part.kind === "tool" ? [part.output ?? ""] : []));
    const inside = "on box, colour blue, key 0";
    assert.deepEqual(said.slice(0, 4), [inside, inside, inside, `on ${hostname()}, colour , key 7`]);
    assert.match(said[4] ?? "", /unavailable tool 'adding'/);
    const { problems } = await core.run("generatedConfiguration", { workspaceId });
    assert.deepEqual(
      problems.map(({ kind, name }) => `${kind}/${name}`),
      ["tools/adding", "mcps/broken"],
    );
    assert.match(problems[0]?.message ?? "", /would run on this machine/);
  });

  it("writes skills into the Library when the user allows it, by nothing that the container can reach", async function () {
    await needBackend(this, "bwrap");
    const wish = { name: "box", kind: "bwrap" as const, directory: bed.project, packages: ["git"] };
    const { id: workspaceId } = await core.run("createWorkspace", wish);
    const head = "---\nname: told\ndescription: Told.\n---\n";
    const update = (more: object) => ({
      tool: "library_update_skill",
      args: { skill_name: "told", content: `${head}Twice.\n`, ...more },
    });
    const steps = [
      update({}),
      update({ file_path: "../../agent/free.md" }),
      update({ content: "<encrypted>x</encrypted>" }),
      { tool: "workspace_bash", args: { command: `ls ${bed.paths.library} 2>&1` } },
    ];
    const { id } = await core.run("createMission", { text: script(...steps, { text: "." }), workspaceId });
    const asked: string[] = [];
    const hasEnded = () => core.store.events(id, { types: ["turn_ended"] }).length > 0;
    const open = () => core.store.head(id).requests.filter((request) => !asked.includes(request.id));
    while (!hasEnded()) {
      await until(core, id, () => open().length > 0 || hasEnded(), 200_000);
      for (const { id: requestId } of open()) {
        asked.push(requestId);
        await core.run("answerPermission", { missionId: id, requestId, reply: "once" });
      }
    }
    const parts = transcriptOf(core, id).messages.flatMap((message) => message.parts);
    const [first, out, marked, seen] = parts.flatMap((part) => (part.kind === "tool" ? [part.output ?? ""] : []));
    assert.equal(asked.length, 3);
    assert.match(first ?? "", /Wrote SKILL\.md of the skill told/);
    assert.match(out ?? "", /outside of the Library's skills/);
    assert.match(marked ?? "", /only the user can do/);
    assert.match(seen ?? "", /No such file or directory/);
    assert.equal(readFileSync(join(bed.paths.library, "skill", "told", "SKILL.md"), "utf8"), `${head}Twice.\n`);
    const tools = bed.model.requests.flatMap(({ body }) => body.tools ?? []);
    assert.ok(!tools.some((tool) => tool.function?.name === "workspace_update_skill"));
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

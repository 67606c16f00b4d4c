import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Core } from "../../src/orchestrator/core.ts";
import { codeOf, makeBed, repository, script, transcriptOf, untilTurns, type Bed } from "../fake/bed.ts";
import { writeFiles } from "../fake/library.ts";

const failureOf = (promise: Promise<unknown>) => promise.then(() => "none", codeOf);

describe("MCP servers", function () {
  this.timeout(90_000);
  let bed: Bed;
  let core: Core;

  beforeEach(async () => {
    bed = await makeBed();
    core = bed.core();
  });
  afterEach(() => bed.close());

  const server = { type: "local", command: [process.execPath, join(repository, "dist", "workspaceMcp.js")] };
  const states = async () =>
    Object.fromEntries(
      (await core.run("mcpServers", { directory: bed.project })).map(({ name, status }) => [name, status?.state]),
    );
  const call = async (tool: string) => {
    const text = script({ tool, args: { path: "README.md" } }, { text: "." });
    const { id } = await core.run("createMission", { text, directory: bed.project });
    await untilTurns(core, id, 1);
    const parts = transcriptOf(core, id).messages.flatMap((message) => message.parts);
    return parts.flatMap((part) => (part.kind === "tool" ? [part.output ?? ""] : [])).join("\n");
  };

  it("are added, run for real, show OpenCode's own state and error, and are disabled for the next mission", async () => {
    await core.run("setMcpServer", { name: "files", server });
    await core.run("setMcpServer", { name: "absent", server: { command: "no-such-program", args: ["x"] } });
    await core.run("startServer", {});
    assert.match(await call("files_read_file"), /hello/);
    const all = await core.run("mcpServers", { directory: bed.project });
    const seen = all.map(({ name, own, scope, status }) => [name, own, scope, status?.state]);
    assert.deepEqual(seen, [
      ["files", true, "workspace", "connected"],
      ["absent", true, "workspace", "failed"],
    ]);
    assert.match(all[1]?.status?.error ?? "", /no-such-program|ENOENT|not found/i);
    await core.run("enableMcpServer", { name: "files", enabled: false });
    await core.run("removeMcpServer", { name: "absent" });
    assert.match(await call("files_read_file"), /unavailable tool/);
    assert.deepEqual(await states(), { files: "disabled" });
  });

  it("are refused when they are none, and a list that does not parse is left as it is", async () => {
    assert.equal(await failureOf(core.run("setMcpServer", { name: "x", server: { type: "local" } })), "invalid_input");
    assert.equal(await failureOf(core.run("setMcpServer", { name: "a b", server })), "invalid_input");
    assert.equal(existsSync(bed.paths.servers), false);
    await core.run("setMcpServer", { name: "kept", server: { ...server, note: "stays" } });
    await core.run("enableMcpServer", { name: "kept", enabled: false });
    const list = JSON.parse(readFileSync(bed.paths.servers, "utf8")) as Record<string, object>;
    assert.deepEqual(list, { kept: { ...server, note: "stays", enabled: false } });
    assert.equal(statSync(bed.paths.servers).mode & 0o077, 0);
    writeFileSync(bed.paths.servers, "{ broken");
    assert.equal(await failureOf(core.run("setMcpServer", { name: "y", server })), "invalid_input");
    assert.equal(readFileSync(bed.paths.servers, "utf8"), "{ broken");
  });
});

describe("templates of workspaces", function () {
  this.timeout(30_000);
  let bed: Bed;
  let core: Core;

  beforeEach(async () => {
    bed = await makeBed();
    core = bed.core();
    writeFiles(bed.paths.library, {
      "init-script/base/SCRIPT.sh": "#!/bin/sh\n# Description: base\necho base\n",
      "workspace-template/web.json": JSON.stringify({
        name: "web",
        description: "For the web.",
        distro: "debian-bookworm",
        skills: ["greeting"],
        env_vars: { MODE: "dev", OPEN: "value", KEY: '<encrypted v="1">abc</encrypted>' },
        encrypted_keys: ["KEY", "OPEN", "ASKED"],
        init_scripts: ["base"],
        init_script: "echo own",
        shared_network: true,
        tailscale_mode: "exit_node",
      }),
      "workspace-template/broken.json": "{",
    });
  });
  afterEach(() => bed.close());

  it("make workspaces: what is wished wins, skills are both, secrets are kept as such or asked for", async () => {
    const { workspace, needed } = await core.run("createFromTemplate", {
      template: "web",
      name: "one",
      kind: "bwrap",
      directory: bed.project,
      environment: { MODE: "test" },
      selection: { skills: ["farewell"] },
    });
    const { environment, selection, initScript, network, secrets, template } = workspace;
    assert.deepEqual(
      { environment, selection, initScript, network, secrets, template, needed: needed.sort() },
      {
        environment: { MODE: "test" },
        selection: { skills: ["greeting", "farewell"] },
        initScript: "#!/bin/sh\n# Description: base\necho base\n\necho own",
        network: "host",
        secrets: ["OPEN"],
        template: "web",
        needed: ["ASKED", "KEY"],
      },
    );
    const { templates, problems } = await core.run("workspaceTemplates", {});
    assert.deepEqual([templates.map(({ name }) => name), problems.length], [["web"], 1]);
    assert.match(problems[0] ?? "", /broken\.json does not parse/);
    const broken = core.run("createFromTemplate", { template: "broken", name: "two", kind: "bwrap" });
    assert.equal(await failureOf(broken), "invalid_input");
  });

  it("are written from a workspace without its secrets' values, and never over another unasked", async () => {
    const { id: workspaceId } = await core.run("createWorkspace", {
      name: "mine",
      kind: "bwrap",
      directory: bed.project,
      packages: ["git"],
      environment: { A: "b" },
      selection: { tools: ["adding"] },
    });
    await core.run("setWorkspaceSecret", { workspaceId, name: "TOKEN", value: "hush-hush-42" });
    const web = join(bed.paths.library, "workspace-template", "web.json");
    const before = readFileSync(web, "utf8");
    assert.equal(await failureOf(core.run("saveAsTemplate", { workspaceId, name: "web" })), "invalid_input");
    assert.equal(readFileSync(web, "utf8"), before);
    await core.run("saveAsTemplate", { workspaceId, name: "web", replace: true });
    const text = readFileSync(web, "utf8");
    assert.doesNotMatch(text, /hush/);
    assert.equal((JSON.parse(text) as Record<string, unknown>)["tailscale_mode"], "exit_node");
    const { workspace, needed } = await core.run("createFromTemplate", {
      template: "web",
      name: "again",
      kind: "bwrap",
    });
    const { packages, environment, selection } = workspace;
    assert.deepEqual(
      { packages, environment, tools: selection.tools, needed },
      { packages: ["git"], environment: { A: "b" }, tools: ["adding"], needed: ["TOKEN"] },
    );
    const outside = core.run("saveAsTemplate", { workspaceId, name: "../../evil" });
    assert.equal(await failureOf(outside), "invalid_input");
  });
});

describe("a Library and missions", function () {
  this.timeout(60_000);
  let bed: Bed;
  let core: Core;

  beforeEach(async () => {
    bed = await makeBed();
    const agent = (mode: string) => `---\ndescription: An agent.\nmode: ${mode}\n---\nYou work.\n`;
    writeFiles(bed.paths.library, {
      "agent/lead.md": agent("primary"),
      "agent/helper.md": agent("subagent"),
      "openagent/config.json": JSON.stringify({ hidden_agents: ["plan", "general"], default_agent: "lead" }),
    });
    core = bed.core();
  });
  afterEach(() => bed.close());

  const git = (...args: string[]) =>
    execFileSync("git", ["-C", bed.paths.library, "-c", "user.name=a", "-c", "user.email=a@b.c", ...args], {
      encoding: "utf8",
    }).trim();
  const names = (agents: readonly { name: string }[]) => agents.map(({ name }) => name);

  it("decide which agents are offered, and which one works where none is named", async () => {
    const { agents, subagents, defaultAgent } = await core.run("choices", { directory: bed.project });
    assert.equal(defaultAgent, "lead");
    assert.ok(names(agents).includes("lead") && !names(agents).includes("plan"), String(names(agents)));
    assert.ok(names(subagents).includes("helper") && !names(subagents).includes("general"), String(names(subagents)));
    const workspace = await core.run("createWorkspace", {
      name: "few",
      kind: "host",
      directory: bed.project,
      selection: { agents: ["helper"] },
    });
    const few = await core.run("choices", { directory: bed.project, workspaceId: workspace.id });
    assert.deepEqual([names(few.agents).includes("lead"), names(few.subagents).includes("helper")], [false, true]);
    assert.equal(few.defaultAgent, "build");
    const { id } = await core.run("createMission", { text: "hello", directory: bed.project });
    await untilTurns(core, id, 1);
    assert.equal(core.store.head(id).usedAgent, "lead");
  });

  it("are on record: a mission keeps the commit that it began with, and whether there was more", async () => {
    const made = async () => (await core.run("createEmptyMission", { title: "x", directory: bed.project })).library;
    assert.equal(await made(), undefined);
    git("init", "-q");
    git("add", "-A");
    git("commit", "-qm", "all");
    const commit = git("rev-parse", "HEAD");
    assert.deepEqual(await made(), { commit, changed: false });
    writeFiles(bed.paths.library, { "rule/later.md": "Later.\n" });
    assert.deepEqual(await made(), { commit, changed: true });
  });
});

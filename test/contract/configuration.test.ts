import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { waitUntil } from "../../src/base/async.ts";
import { newKey, parseKey, seal } from "../../src/library/sealed.ts";
import type { Core } from "../../src/orchestrator/core.ts";
import {
  bash,
  makeBed,
  repository,
  script,
  texts,
  transcriptOf,
  until,
  untilTurns,
  waitingFor,
  type Bed,
} from "../fake/bed.ts";
import { brokenItems, usableItems, writeFiles } from "../fake/library.ts";
import { placeServer } from "../fake/placeServer.ts";
import { needBackend } from "../fake/workspaces.ts";
import { installationFolder } from "../host/setup.ts";

const names = (parts: readonly { kind: string; name: string }[]) => parts.map(({ kind, name }) => `${kind}/${name}`);
const allUsable = [
  "skills/farewell",
  "skills/greeting",
  "commands/deploy",
  "agents/reviewer",
  "tools/adding",
  "rules/style",
  "mcps/idle",
];

describe("what agents know", function () {
  this.timeout(120_000);
  let bed: Bed;
  let core: Core;

  beforeEach(async () => {
    bed = await makeBed({ templates: join(installationFolder(), "templates") });
    writeFiles(bed.paths.library, usableItems);
  });
  afterEach(async () => {
    for (const { id } of core.workspaces().workspaces) await core.run("deleteWorkspace", { workspaceId: id });
    await bed.close();
  });

  const commands = async (directory = bed.project) =>
    (await core.run("commands", { directory })).map(({ name }) => name);
  const output = (missionId: string) =>
    transcriptOf(core, missionId)
      .messages.flatMap(({ parts }) => parts)
      .flatMap((part) => (part.kind === "tool" ? [part.output ?? ""] : []))
      .join("\n");
  const systemPrompts = () =>
    bed.model.requests
      .flatMap(({ body }) => body.messages)
      .filter(({ role }) => role === "system")
      .map(({ content }) => JSON.stringify(content))
      .join("\n");

  it("is the Library: skills with all their files, commands, agents, tools, rules, servers; the project stays as it is", async () => {
    core = bed.core();
    await core.run("startServer", {});
    const { parts, problems, folder } = await core.run("generatedConfiguration", {});
    assert.deepEqual([names(parts), problems], [allUsable, []]);
    const known = await commands();
    assert.deepEqual(
      ["deploy", "greeting", "farewell"].filter((name) => !known.includes(name)),
      [],
    );
    const listed = await core.run("commands", { directory: bed.project });
    assert.deepEqual(listed.find(({ name }) => name === "deploy")?.hints, ["<target>"]);
    const { agents } = await core.run("choices", { directory: bed.project });
    assert.ok(agents.some(({ name, description }) => name === "reviewer" && description === "Reviews."));
    const greet = join(folder, "skills", "greeting", "scripts", "greet.sh");
    const steps = [
      { tool: "adding", args: { number: 41 } },
      { tool: "skill", args: { name: "greeting" } },
      bash(greet),
    ];
    const { id } = await core.run("createMission", { text: script(...steps, { text: "." }), directory: bed.project });
    // A script of a skill lies outside of the project, which is asked about.
    await waitUntil(() => core.store.head(id).requests.length > 0 || !core.store.head(id).busy, 60_000);
    for (const { id: requestId } of core.store.head(id).requests)
      await core.run("answerPermission", { missionId: id, requestId, reply: "once" });
    await untilTurns(core, id, 1);
    const said = output(id);
    assert.deepEqual(
      [/the sum is 42/, /Run scripts\/greet\.sh/, /greetings from the skill/].map((words) => words.test(said)),
      [true, true, true],
      said,
    );
    assert.match(systemPrompts(), /Always write in small letters, says the Library/);
    const status = execFileSync("git", ["status", "--porcelain", "--ignored"], { cwd: bed.project, encoding: "utf8" });
    assert.deepEqual([status, existsSync(join(bed.project, ".opencode"))], ["", false]);
    assert.match(readFileSync(join(folder, "agents", "reviewer.md"), "utf8"), /^permission: ?/m);
    assert.equal(statSync(join(folder, "opencode.json")).mode & 0o077, 0);
    // OpenCode found what it would have installed.
    assert.deepEqual(readdirSync(join(folder, "node_modules")), ["@opencode-ai"]);
  });

  it("leaves out what is broken, names it, and nothing else suffers", async () => {
    writeFiles(bed.paths.library, brokenItems);
    symlinkSync("/etc/hostname", join(bed.paths.library, "skill", "farewell", "leak"));
    core = bed.core();
    await core.run("startServer", {});
    const { parts, problems } = await core.run("generatedConfiguration", {});
    const words = Object.fromEntries(problems.map(({ kind, name, message }) => [`${kind}/${name}`, message]));
    const expected: Record<string, RegExp> = {
      "agents/odd-mode": /its mode is “nonsense”/,
      "commands/bad-head": /its head does not parse/,
      "mcps/refused": /OpenCode does not understand/,
      "mcps/sealed": /KEY needs your value/,
      "mcps/shapeless": /needs a command/,
      "plugins/plugins.json": /JSON/,
      "skills/Big Name": /small letters/,
      "skills/farewell": /leak is a link that leads out of it/,
      "skills/hollow": /no file SKILL\.md/,
      "skills/silent": /no description/,
      "tools/broken": /line 1: Expected identifier/,
    };
    assert.deepEqual(Object.keys(words).sort(), Object.keys(expected).sort());
    for (const [name, pattern] of Object.entries(expected)) assert.match(words[name] ?? "", pattern);
    assert.deepEqual(
      names(parts),
      allUsable.filter((name) => name !== "skills/farewell"),
    );
    const { id } = await core.run("createMission", { text: "[[hello]]", directory: bed.project });
    assert.equal((await untilTurns(core, id, 1)).failure, undefined);
  });

  it("follows the Library exactly, also while a mission runs, which is not cut off", async () => {
    core = bed.core();
    await core.run("startServer", {});
    assert.ok((await commands()).includes("deploy"));
    const gate = join(bed.project, "go");
    const text = script(bash(`${waitingFor(gate)}; echo waited`), { text: "." });
    const { id } = await core.run("createMission", { text, directory: bed.project });
    await until(core, id, ({ runState }) => runState === "waiting_for_tool");
    const { folder } = await core.run("generatedConfiguration", {});
    rmSync(join(bed.paths.library, "command", "deploy.md"));
    rmSync(join(bed.paths.library, "skill", "greeting", "references"), { recursive: true });
    writeFiles(bed.paths.library, { "command/release.md": "Release $ARGUMENTS.\n" });
    await waitUntil(() => existsSync(join(folder, "commands", "release.md")), 15_000);
    assert.deepEqual(
      [
        existsSync(join(folder, "commands", "deploy.md")),
        existsSync(join(folder, "skills", "greeting", "references")),
        core.store.head(id).runState,
      ],
      [false, false, "waiting_for_tool"],
    );
    writeFileSync(gate, "");
    assert.equal((await untilTurns(core, id, 1)).failure, undefined);
    assert.match(output(id), /waited/);
    await waitUntil(() => !core.store.head(id).busy, 5_000);
    let known = await commands();
    for (const end = Date.now() + 10_000; !known.includes("release") && Date.now() < end;) known = await commands();
    assert.deepEqual([known.includes("release"), known.includes("deploy")], [true, false]);
  });

  it("has what the Library holds for a plugin beside OpenCode's own configuration, without ciphertext", async () => {
    const path = "opencode/oh-my-opencode.json";
    const sealed = JSON.stringify(seal("hush", parseKey(newKey())));
    writeFiles(bed.paths.library, { [path]: `{ "agents": {}, "key": ${sealed} } // as it is\n` });
    core = bed.core();
    await core.run("startServer", {});
    const { folder } = await core.run("generatedConfiguration", {});
    const settings = join(folder, "oh-my-opencode.json");
    assert.equal(readFileSync(settings, "utf8"), '{ "agents": {}, "key": "[needs your value]" } // as it is\n');
    writeFiles(bed.paths.library, { [path]: "{}" });
    await waitUntil(() => readFileSync(settings, "utf8") === "{}", 30_000);
    rmSync(join(bed.paths.library, path));
    await waitUntil(() => !existsSync(settings), 30_000);
  });

  it("follows another Library once the settings name it, and the one before no more", async () => {
    const settings: { library?: string } = {};
    core = bed.core(settings);
    await core.run("startServer", {});
    const { folder } = await core.run("generatedConfiguration", {});
    const rule = (name: string) => {
      const path = join(folder, "rules", `${name}.md`);
      return existsSync(path) ? readFileSync(path, "utf8") : undefined;
    };
    const other = join(bed.root, "other-library");
    writeFiles(other, { "rule/there.md": "As it was.\n" });
    settings.library = other;
    core.settingsChanged();
    await waitUntil(() => rule("there") === "As it was.\n" && rule("style") === undefined, 30_000);
    writeFiles(other, { "rule/there.md": "As it is.\n" });
    await waitUntil(() => rule("there") === "As it is.\n", 30_000);
  });

  it("is chosen by a workspace on the host, which has its own server, environment and secrets then", async () => {
    core = bed.core();
    const folder = join(bed.root, "other");
    mkdirSync(folder);
    const { id: workspaceId } = await core.run("createWorkspace", { name: "few", kind: "host", directory: folder });
    const selection = { skills: ["farewell"], commands: [], tools: ["adding", "gone"] };
    await core.run("updateWorkspace", { workspaceId, selection, environment: { COLOUR: "blue" } });
    await core.run("setWorkspaceSecret", { workspaceId, name: "DEPLOY_KEY", value: "hush-hush-42" });
    const said = { text: "It is hush-hush-42, no less.", chunk: 4, delay: 30 };
    const text = script(bash('echo "$COLOUR ${#DEPLOY_KEY}"'), said);
    const { id, server } = await core.run("createMission", { text, workspaceId });
    assert.equal(server, `workspace:${workspaceId}`);
    const pieces: string[] = [];
    core.watch(id, 0, ({ events }) => {
      for (const { body } of events) if (body.type === "text_delta") pieces.push(body.text);
    });
    await untilTurns(core, id, 1, 60_000);
    assert.match(output(id), /blue 12/);
    // Also while it was said in pieces that are shorter than it.
    assert.ok(pieces.length > 2 && "It is [secret DEPLOY_KEY], no less.".startsWith(pieces.join("")), pieces.join("|"));
    assert.ok(texts(core, id).includes("It is [secret DEPLOY_KEY], no less."));
    const fork = await core.run("forkMission", { missionId: id });
    assert.ok(texts(core, fork.id).includes("It is [secret DEPLOY_KEY], no less."));
    const { parts, problems } = await core.run("generatedConfiguration", { workspaceId });
    const chosen = ["skills/farewell", "agents/reviewer", "tools/adding", "rules/style", "mcps/idle"];
    assert.deepEqual([names(parts), names(problems)], [chosen, ["tools/gone"]]);
    const seen = systemPrompts();
    assert.deepEqual([seen.includes("Says goodbye."), seen.includes("Greets people.")], [true, false]);
    await core.run("updateWorkspace", { workspaceId, selection: { ...selection, skills: ["greeting"] } });
    await core.run("sendMessage", { missionId: id, text: "and now [[hello]]" });
    bed.model.requests.length = 0;
    await untilTurns(core, id, 2);
    assert.ok(systemPrompts().includes("Greets people."));
  });

  it("has the values that the key of the Library fits, and no ciphertext; they stand in no log", async () => {
    const [key, secret] = [newKey(), "hush-hush-42"];
    const server = { command: [process.execPath, join(repository, "dist", "workspaceMcp.js")] };
    const sealed = { ...server, env: { PALETTE: seal(secret, parseKey(key)) } };
    writeFiles(bed.paths.library, {
      "mcp/servers.json": JSON.stringify({ sealed }),
      "skill/farewell/SKILL.md": `---\ndescription: Says goodbye.\n---\nWith ${seal(secret, parseKey(key))}!\n`,
    });
    core = bed.core();
    await core.run("startServer", {});
    const { folder, parts, problems } = await core.run("generatedConfiguration", {});
    assert.deepEqual(names(problems).sort(), ["mcps/sealed", "skills/farewell"]);
    assert.deepEqual([names(parts).includes("mcps/sealed"), names(parts).includes("skills/farewell")], [false, true]);
    const skill = () => readFileSync(join(folder, "skills", "farewell", "SKILL.md"), "utf8");
    assert.match(skill(), /With \[needs your value\]!/);
    await core.run("setLibraryKey", { key });
    assert.deepEqual((await core.run("generatedConfiguration", {})).problems, []);
    const steps = [
      { tool: "skill", args: { name: "farewell" } },
      { tool: "sealed_bash", args: { command: 'echo "it is $PALETTE"' } },
    ];
    const text = script(...steps, { text: "." });
    const { id } = await core.run("createMission", { text, directory: bed.project });
    await untilTurns(core, id, 1, 60_000);
    assert.match(output(id), /With hush-hush-42![\s\S]*it is hush-hush-42/);
    assert.doesNotMatch(skill() + readFileSync(join(folder, "opencode.json"), "utf8"), /<\/?encrypted/);
    assert.equal(statSync(realpathSync(folder)).mode & 0o077, 0);
    assert.deepEqual(
      [bed.lines.join("\n"), readFileSync(core.serverLogPath, "utf8")].map((log) => log.includes(secret)),
      [false, false],
    );
    const [listed] = await core.run("mcpServers", { directory: bed.project });
    assert.deepEqual([listed?.name, listed?.entry["environment"]], ["sealed", ["PALETTE"]]);
  });

  it("is the same inside of a container", async function () {
    await needBackend(this, "bwrap");
    const server = { type: "local", command: placeServer };
    writeFiles(bed.paths.library, { "mcp/servers.json": JSON.stringify({ shared: server }) });
    core = bed.core();
    for (const scope of ["workspace", "global"])
      await core.run("setMcpServer", { name: scope, server: { ...server, scope } });
    const wish = { name: "box", kind: "bwrap" as const, directory: bed.project, packages: ["git"] };
    const { id: workspaceId } = await core.run("createWorkspace", wish);
    const steps = [
      { tool: "adding", args: { number: 1 } },
      { tool: "skill", args: { name: "greeting" } },
      ...["shared", "workspace", "global"].map((name) => ({ tool: `${name}_where`, args: {} })),
    ];
    const { id } = await core.run("createMission", { text: script(...steps, { text: "." }), workspaceId });
    await untilTurns(core, id, 1, 120_000);
    assert.match(output(id), /the sum is 2[\s\S]*Run scripts\/greet\.sh/);
    assert.equal(output(id).match(/^on box, /gm)?.length, 2, output(id));
    assert.match(output(id), /unavailable tool 'global_where'/);
  });
});

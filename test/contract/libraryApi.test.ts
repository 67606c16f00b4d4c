import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newKey, open, parseKey, seal } from "../../src/library/sealed.ts";
import { makeBed, makeProject, repository, type Bed } from "../fake/bed.ts";
import { buildHeadless, headless, type Headless } from "../fake/headless.ts";
import { usableItems, writeFiles } from "../fake/library.ts";
import { startMcp } from "../fake/mcpClient.ts";

describe("the HTTP API of the Library", function () {
  this.timeout(60_000);
  let bed: Bed;
  let server: Headless;
  let base: string;
  let token: string;
  const key = newKey();

  before(async () => {
    buildHeadless();
    bed = await makeBed();
    server = headless(bed, ["serve", "--verbose"], { environment: { PRIVATE_KEY: key } });
    await server.says(/listens on http:\/\/127\.0\.0\.1:\d+\n.*\n/);
    base = `${/http:\/\/\S+/.exec(server.out())?.[0] ?? ""}/api/library`;
    token = readFileSync(join(bed.data, "runtime", "api-token"), "utf8").trim();
  });
  after(async () => {
    server.kill("SIGTERM");
    await server.finished;
    assert.ok(!(server.out() + server.err()).includes(key), "the key is in no log");
    await bed.close();
  });
  beforeEach(() => writeFiles(bed.paths.library, usableItems));

  const file = (...path: string[]) => join(bed.paths.library, ...path);
  const text = (...path: string[]) => readFileSync(file(...path), "utf8");
  async function ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const response = await fetch(base + path, {
      method,
      headers: { authorization: `Bearer ${token}`, ...headers },
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const words = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") === true;
    return { status: response.status, text: words, json: isJson ? (JSON.parse(words) as unknown) : undefined };
  }
  const get = async (path: string) => {
    const { status, json, text: words } = await ask("GET", path);
    assert.equal(status, 200, words);
    return json;
  };
  const statuses = async (...asked: [string, string, unknown?][]) =>
    Promise.all(asked.map(async ([method, path, body]) => (await ask(method, path, body)).status));

  it("lists, shows, writes and deletes skills with their files, in the original's words", async () => {
    const greeting = { name: "greeting", description: "Greets people. # not a comment", path: "skill/greeting" };
    // A head in YAML ends at the comment sign.
    const short = { ...greeting, description: "Greets people." };
    const farewell = { name: "farewell", description: "Says goodbye.", path: "skill/farewell" };
    assert.deepEqual(await get("/skill"), [farewell, short]);
    assert.deepEqual(await get("/skills"), [farewell, short]);
    assert.deepEqual(await get("/skill/greeting"), {
      ...short,
      content: usableItems["skill/greeting/SKILL.md"],
      files: [
        { name: "SKILL.md", path: "SKILL.md", content: usableItems["skill/greeting/SKILL.md"] },
        { name: "words.md", path: "references/deep/words.md", content: "words\n" },
      ],
      references: ["scripts/greet.sh"],
    });
    const content = "---\ndescription: New.\n---\nBody.\n";
    assert.deepEqual(await statuses(["PUT", "/skill/fresh", { content }]), [200]);
    assert.equal(text("skill", "fresh", "SKILL.md"), content);
    const script = "#!/bin/sh\necho hi\n";
    assert.deepEqual(
      await statuses(
        ["PUT", "/skill/fresh/files/scripts/go.sh", { content: script }],
        ["PUT", "/skills/fresh/references/notes/one.txt", { content: "one" }],
      ),
      [200, 200],
    );
    assert.equal(statSync(file("skill", "fresh", "scripts", "go.sh")).mode & 0o100, 0o100);
    assert.equal((await ask("GET", "/skill/fresh/files/scripts/go.sh")).text, script);
    assert.equal((await ask("DELETE", "/skills/fresh/references/notes/one.txt")).status, 200);
    assert.deepEqual(
      await statuses(["GET", "/skill/fresh/files/notes/one.txt"], ["DELETE", "/skill/fresh/files/SKILL.md"]),
      [404, 400],
    );
    assert.deepEqual(await statuses(["DELETE", "/skill/fresh"]), [200]);
    assert.deepEqual(
      [existsSync(file("skill", "fresh")), await statuses(["GET", "/skill/fresh"], ["DELETE", "/skill/fresh"])],
      [false, [404, 404]],
    );
  });

  it("does so with commands, agents, rules and tools", async () => {
    assert.deepEqual(await get("/command"), [
      {
        name: "deploy",
        description: "Deploys.",
        path: "command/deploy.md",
        params: [{ name: "target", required: true }],
      },
    ]);
    assert.deepEqual(await get("/commands"), await get("/command"));
    assert.deepEqual(await get("/agent/reviewer"), {
      name: "reviewer",
      description: "Reviews.",
      path: "agent/reviewer.md",
      content: usableItems["agent/reviewer.md"],
      tools: {},
      permissions: { edit: "deny" },
      rules: ["style"],
    });
    assert.deepEqual(await get("/tool"), [{ name: "adding", description: "Adds one.", path: "tool/adding.ts" }]);
    assert.deepEqual(await get("/rule"), [{ name: "style", description: "Style.", path: "rule/style.md" }]);
    for (const [kind, ending] of Object.entries({ command: ".md", agent: ".md", rule: ".md", tool: ".ts" })) {
      const content = `// ${kind}\n`;
      assert.deepEqual(await statuses(["PUT", `/${kind}/made`, { content, name: "made", tools: {} }]), [200]);
      assert.equal(text(kind, `made${ending}`), content);
      assert.deepEqual(await statuses(["DELETE", `/${kind}/made`], ["GET", `/${kind}/made`]), [200, 404]);
    }
  });

  it("refuses what is no name, what leads out of the Library, and what does not parse, and changes nothing", async () => {
    writeFileSync(join(bed.root, "outside.md"), "mine");
    symlinkSync(join(bed.root, "outside.md"), file("rule", "link.md"));
    mkdirSync(join(bed.root, "elsewhere"));
    writeFileSync(join(bed.root, "elsewhere", "SKILL.md"), "---\ndescription: x\n---\n");
    symlinkSync(join(bed.root, "elsewhere"), file("skill", "away"));
    symlinkSync(join(bed.root, "elsewhere"), file("skill", "greeting", "way"));
    const content = "yours";
    for (const name of ["..%2Fevil", "%2e%2e%5Cevil", ".hidden", "a..b", "a%2Fb", "%20%00", "x".repeat(101)])
      for (const kind of ["skill", "rule", "tool", "workspace-template"])
        assert.deepEqual(
          await statuses(["PUT", `/${kind}/${name}`, { content }], ["GET", `/${kind}/${name}`]),
          [400, 400],
          `${kind}/${name}`,
        );
    for (const path of ["..%2F..%2Frule%2Fstyle.md", "way/SKILL.md", "a/.git/x", ".env", "a//b", "way/new.md"])
      assert.deepEqual(await statuses(["PUT", `/skill/greeting/files/${path}`, { content }]), [400], path);
    assert.deepEqual(
      await statuses(
        ["PUT", "/rule/link", { content }],
        ["GET", "/rule/link"],
        ["DELETE", "/rule/link"],
        ["PUT", "/skill/away", { content }],
        ["DELETE", "/skill/away"],
      ),
      [400, 400, 400, 400, 400],
    );
    assert.deepEqual(
      [readFileSync(join(bed.root, "outside.md"), "utf8"), existsSync(file("skill", "away"))],
      ["mine", true],
    );
    const names = (list: unknown) => (list as { name: string }[]).map(({ name }) => name);
    assert.deepEqual([names(await get("/skill")), names(await get("/rule"))], [["farewell", "greeting"], ["style"]]);
    const broken = "---\ndescription: [unclosed\n---\n";
    for (const place of ["/skill/greeting", "/skill/greeting/files/SKILL.md", "/command/deploy", "/agent/reviewer"]) {
      const { status, text: words } = await ask("PUT", place, { content: broken });
      assert.deepEqual([status, words.includes("does not parse")], [400, true], place);
    }
    assert.deepEqual(
      await statuses(
        ["PUT", "/mcps", "{"],
        ["PUT", "/mcps", { a: { type: "local" } }],
        ["PUT", "/plugins", { a: {} }],
        ["PUT", "/opencode/settings", "{"],
        ["PUT", "/openagent/config", { hidden_agents: "all" }],
        ["PUT", "/skill/greeting", { text: "no content" }],
      ),
      [400, 400, 400, 400, 400, 400],
    );
    for (const [path, before] of Object.entries(usableItems)) assert.equal(text(path), before, path);
    const remote = await ask("GET", "/skill", undefined, { "x-openagent-library-remote": "https://example.org/x.git" });
    assert.deepEqual([remote.status, remote.text.includes("discard commits")], [400, true]);
    assert.equal((await fetch(`${base}/skill`)).status, 401);
  });

  it("keeps its lists and settings as files of JSON", async () => {
    assert.deepEqual(await get("/mcps"), JSON.parse(usableItems["mcp/servers.json"] ?? ""));
    assert.deepEqual([await get("/plugins"), await get("/opencode/settings")], [{}, {}]);
    const config = (await get("/openagent/config")) as { desktop: object };
    assert.deepEqual(config.desktop, {
      auto_close_grace_period_secs: 7200,
      cleanup_interval_secs: 900,
      warning_before_close_secs: 300,
    });
    const plugins = { one: { package: "some-plugin", ui: { label: "Some" }, mine: true } };
    const servers = { far: { type: "remote", url: "https://example.org/mcp", note: "kept" } };
    assert.deepEqual(
      await statuses(
        ["PUT", "/plugins", plugins],
        ["PUT", "/mcps", servers],
        ["PUT", "/opencode/settings", { agents: { Sisyphus: {} } }],
        ["PUT", "/openagent/config", { ...config, hidden_agents: ["plan"] }],
      ),
      [200, 200, 200, 200],
    );
    assert.deepEqual(
      [JSON.parse(text("plugins.json")), await get("/mcps"), JSON.parse(text("opencode", "oh-my-opencode.json"))],
      [plugins, servers, { agents: { Sisyphus: {} } }],
    );
    assert.deepEqual(await get("/openagent/config"), { ...config, hidden_agents: ["plan"] });
  });

  it("overwrites nothing that a request cannot have read, and keeps comments where there may be some", async () => {
    const conflict = "---\ndescription: Style.\n---\n<<<<<<< HEAD\nmine\n=======\ntheirs\n>>>>>>> main\n";
    const broken: [string, string, unknown, string | Buffer][] = [
      ["/mcps", "mcp/servers.json", {}, '{ "a": { "command": ["x"] }, }'],
      ["/plugins", "plugins.json", {}, '{ // mine\n  "a": { "package": "x" } }'],
      ["/opencode/settings", "opencode/oh-my-opencode.json", {}, "{ // mine\n"],
      ["/openagent/config", "openagent/config.json", {}, '{ "hidden_agents": ["plan"]'],
      ["/rule/style", "rule/style.md", { content: "new" }, conflict],
      ["/command/deploy", "command/deploy.md", { content: "new" }, Buffer.from([0x61, 0xff])],
      [
        "/skill/greeting/files/references/deep/words.md",
        "skill/greeting/references/deep/words.md",
        { content: "x" },
        conflict,
      ],
    ];
    for (const [path, name, wish, before] of broken) {
      writeFiles(bed.paths.library, { [name]: "" });
      writeFileSync(file(name), before);
      const { status, text: words } = await ask("PUT", path, wish);
      assert.deepEqual([status, words.includes("is not overwritten")], [409, true], `${path}: ${words}`);
      assert.deepEqual(readFileSync(file(name)), Buffer.from(before), name);
      rmSync(file(name));
    }
    const settings = '// Mine\n{\n  "agents": { "a": { "model": "x/y" } }, // both\n  "old": 1,\n}\n';
    writeFileSync(file("opencode", "oh-my-opencode.json"), settings);
    const shown = (await get("/opencode/settings")) as { agents: object };
    assert.deepEqual(shown, { agents: { a: { model: "x/y" } }, old: 1 });
    assert.deepEqual(await statuses(["PUT", "/opencode/settings", { ...shown, old: 2 }]), [200]);
    assert.equal(text("opencode", "oh-my-opencode.json"), settings.replace("1,", "2,"));
  });

  it("encrypts what is marked or named as secret, and shows it to its user", async () => {
    const content = "---\ndescription: Secret.\n---\nSay <encrypted>hush-hush</encrypted>.\n";
    assert.deepEqual(await statuses(["PUT", "/skill/secret", { content }]), [200]);
    const written = text("skill", "secret", "SKILL.md");
    assert.match(written, /Say <encrypted v="1">[^<]+<\/encrypted>\.\n$/);
    assert.equal(open(written, parseKey(key)), "hush-hush");
    const shown = (await get("/skill/secret")) as { content: string };
    assert.equal(shown.content, content);
    await ask("PUT", "/skill/secret", shown);
    assert.equal(text("skill", "secret", "SKILL.md"), written, "what has not changed stays as it was");

    const others = seal("foreign", parseKey(newKey()));
    writeFiles(bed.paths.library, {
      "workspace-template/box.json": JSON.stringify({ init_scripts: ["base"], env_vars: { OTHER: others } }),
    });
    const wish = {
      distro: "debian-bookworm",
      env_vars: { OTHER: others, TOKEN: "t-1", MODE: "dev" },
      encrypted_keys: ["TOKEN"],
    };
    assert.deepEqual(await statuses(["PUT", "/workspace-template/box", wish]), [200]);
    const stored = JSON.parse(text("workspace-template", "box.json")) as { env_vars: Record<string, string> };
    assert.equal(open(stored.env_vars["TOKEN"] ?? "", parseKey(key)), "t-1");
    assert.deepEqual(stored, {
      name: "box",
      init_scripts: ["base"],
      ...wish,
      env_vars: { ...stored.env_vars, MODE: "dev" },
    });
    const full = (await get("/workspace-template/box")) as { env_vars: object };
    assert.deepEqual(full.env_vars, wish.env_vars);
    await ask("PUT", "/workspace-template/box", full);
    assert.deepEqual((JSON.parse(text("workspace-template", "box.json")) as typeof stored).env_vars, stored.env_vars);
    // What is encrypted stays so without its name among the secret ones, also as a part of a value.
    const unlisted = { env_vars: { DB: `pg://u:${seal("hush", parseKey(key))}@h` } };
    writeFiles(bed.paths.library, { "workspace-template/unlisted.json": JSON.stringify(unlisted) });
    const asShown = (await get("/workspace-template/unlisted")) as { env_vars: object };
    assert.deepEqual(asShown.env_vars, { DB: "pg://u:hush@h" });
    await ask("PUT", "/workspace-template/unlisted", asShown);
    const kept = JSON.parse(text("workspace-template", "unlisted.json")) as typeof unlisted;
    assert.deepEqual(kept.env_vars, unlisted.env_vars);
    await ask("PUT", "/workspace-template/unlisted", { ...asShown, env_vars: { DB: "pg://u:other@h" } });
    assert.doesNotMatch(text("workspace-template", "unlisted.json"), /pg:/);
    assert.deepEqual(await statuses(["DELETE", "/workspace-template/unlisted"]), [200]);
    writeFileSync(file("workspace-template", "box.json"), "{ broken");
    assert.deepEqual(
      await statuses(
        ["PUT", "/workspace-template/box", wish],
        ["GET", "/workspace-template/box"],
        ["GET", "/workspace-template"],
      ),
      [400, 400, 200],
    );
    assert.equal(text("workspace-template", "box.json"), "{ broken");
    assert.deepEqual(await statuses(["DELETE", "/workspace-template/box"], ["DELETE", "/skill/secret"]), [200, 200]);
  });

  it("gives the folders of an older Library their present names", async () => {
    writeFiles(bed.paths.library, { "rules/old.md": "Old.\n", "init-script/x/SCRIPT.sh": "#!/bin/sh\n" });
    const both = (await ask("POST", "/migrate")).json as { success: boolean; errors: string[] };
    assert.deepEqual([both.success, both.errors.length, existsSync(file("rules", "old.md"))], [false, 1, true]);
    assert.deepEqual(await statuses(["DELETE", "/rule/old"]), [200]);
  });

  it("renames an item with what names it, and shows before what it would change", async () => {
    writeFiles(bed.paths.library, {
      "workspace-template/kit.json": JSON.stringify({ name: "kit", skills: ["greeting"] }),
    });
    const renamed = async (path: string, body: object) => (await ask("POST", `/rename${path}`, body)).json;
    const changes = [
      { type: "rename_file", from: "skill/greeting", to: "skill/hello" },
      {
        type: "update_reference",
        file: "workspace-template/kit.json",
        field: "skills",
        old_value: '"greeting"',
        new_value: '"hello"',
      },
    ];
    const plan = { success: true, changes, warnings: [] };
    const wish = { new_name: "hello" };
    assert.deepEqual(await renamed("/skill/greeting", { ...wish, dry_run: true }), plan);
    assert.ok(existsSync(file("skill", "greeting")));
    assert.deepEqual(await renamed("/skill/greeting", wish), plan);
    assert.deepEqual(
      [existsSync(file("skill", "greeting")), existsSync(file("skill", "hello", "scripts", "greet.sh"))],
      [false, true],
    );
    assert.deepEqual(JSON.parse(text("workspace-template", "kit.json")), { name: "kit", skills: ["hello"] });
    const refused = (await renamed("/skill/hello", { new_name: "farewell" })) as { success: boolean; error: string };
    assert.deepEqual([refused.success, refused.error.includes("already")], [false, true]);
    assert.deepEqual(
      await statuses(
        ["POST", "/rename/skill/hello", { new_name: "../x" }],
        ["POST", "/rename/skill/nobody", wish],
        ["POST", "/rename/planet/hello", wish],
      ),
      [400, 404, 400],
    );
    assert.deepEqual(await statuses(["DELETE", "/skill/hello"]), [200]);
  });

  it("renames a template in the workspaces that were made from it", async () => {
    writeFiles(bed.paths.library, { "workspace-template/web.json": JSON.stringify({ name: "web" }) });
    // Another process of the user, which the server leads.
    const core = bed.core();
    const { workspace } = await core.run("createFromTemplate", { template: "web", name: "of-web", kind: "host" });
    const { json } = await ask("POST", "/rename/workspace-template/web", { new_name: "site" });
    const { changes } = json as { changes: { type: string; field?: string }[] };
    assert.deepEqual(
      changes.filter(({ type }) => type === "update_workspace").map(({ field }) => field),
      ["template"],
    );
    assert.equal(core.workspaces().workspaces.find(({ id }) => id === workspace.id)?.template, "site");
    await core.run("deleteWorkspace", { workspaceId: workspace.id });
    await core.dispose();
    assert.deepEqual(await statuses(["DELETE", "/workspace-template/site"]), [200]);
  });

  it("shows the state of its repository, commits as whom the request names, syncs and pushes", async () => {
    const library = bed.paths.library;
    const git = (folder: string, ...words: string[]) =>
      execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@t", ...words], { cwd: folder, encoding: "utf8" });
    assert.equal((await ask("GET", "/status")).status, 409);
    const remote = join(bed.root, "remote.git");
    git(bed.root, "init", "-q", "--bare", "-b", "main", remote);
    git(library, "init", "-q", "-b", "main");
    git(library, "config", "user.name", "someone");
    git(library, "config", "user.email", "someone@example.org");
    git(library, "remote", "add", "origin", remote);
    const status = async () => (await get("/status")) as Record<string, unknown>;
    const { path, branch, clean, modified_files } = await status();
    assert.deepEqual([path, branch, clean, Array.isArray(modified_files)], [library, "main", false, true]);
    const author = { "x-openagent-git-author-name": "Ada", "x-openagent-git-author-email": "ada@example.org" };
    assert.deepEqual([(await ask("POST", "/commit", { message: "All of it" }, author)).status], [200]);
    assert.equal(git(library, "log", "-1", "--format=%an %ae %s").trim(), "Ada ada@example.org All of it");
    assert.match((await ask("POST", "/commit", { message: "Again" })).text, /nothing to commit/i);
    assert.deepEqual(await statuses(["POST", "/commit", { message: " " }], ["POST", "/push"]), [400, 200]);
    const other = join(bed.root, "other-clone");
    git(bed.root, "clone", "-q", remote, other);
    writeFiles(other, { "rule/new.md": "New.\n" });
    git(other, "add", ".");
    git(other, "commit", "-qm", "new");
    git(other, "push", "-q");
    const { behind, ahead, remote: shown } = await status();
    assert.deepEqual([behind, ahead, shown], [1, 0, remote]);
    assert.equal((await ask("POST", "/sync")).status, 200);
    assert.equal(text("rule", "new.md"), "New.\n");
    writeFiles(other, { "rule/new.md": "Theirs.\n" });
    git(other, "commit", "-qam", "theirs");
    git(other, "push", "-q");
    writeFiles(library, { "rule/mine.md": "Mine.\n" });
    await ask("POST", "/commit", { message: "Mine" }, author);
    const before = git(library, "rev-parse", "HEAD");
    const { status: refused, text: words } = await ask("POST", "/sync");
    assert.deepEqual([refused, /DIVERGED_HISTORY.*1 commits.*origin\/main lacks/.test(words)], [409, true], words);
    assert.equal(git(library, "rev-parse", "HEAD"), before);
  });

  it("imports a skill from a repository once", async () => {
    const repo = join(bed.root, "skills");
    writeFiles(repo, {
      "skills/one/SKILL.md": "---\nname: one\ndescription: One.\n---\n",
      "skills/two/SKILL.md": "---\nname: two\ndescription: Two.\n---\n",
    });
    makeProject(repo);
    const wish = { url: `file://${repo}`, path: "skills/one" };
    const made = (await ask("POST", "/skill/import", wish)).json as { name: string; path: string };
    assert.deepEqual([made.name, made.path], ["one", "skill/one"]);
    assert.deepEqual(
      await statuses(
        ["POST", "/skills/import", wish],
        ["POST", "/skill/import", { ...wish, name: "uno" }],
        ["POST", "/skill/import", { url: wish.url }],
        ["POST", "/skill/import", { ...wish, path: "skills" }],
        ["POST", "/skill/import", { ...wish, path: "nowhere" }],
        ["POST", "/skill/import", { url: "ext::sh -c x" }],
      ),
      [409, 200, 400, 400, 400, 400],
    );
    assert.deepEqual([existsSync(file("skill", "uno")), existsSync(file(".drafts"))], [true, false]);
  });

  it("takes what the tool of a workspace writes", async () => {
    const env = { PATH: process.env["PATH"], OPEN_AGENT_API_URL: new URL(base).origin, OPEN_AGENT_API_TOKEN: token };
    const mcp = await startMcp([process.execPath, join(repository, "dist", "workspaceMcp.js")], { cwd: bed.root, env });
    const content = "---\ndescription: Told.\n---\n";
    const update = async (more: object) => {
      const { isError, text: words } = await mcp.call("update_skill", { skill_name: "told", content, ...more });
      return isError ? words : "written";
    };
    const script = { file_path: "scripts/a b.sh", content: "#!/bin/sh\n" };
    assert.deepEqual([await update({}), await update(script)], ["written", "written"]);
    assert.deepEqual(
      [text("skill", "told", "SKILL.md"), text("skill", "told", "scripts", "a b.sh")],
      [content, "#!/bin/sh\n"],
    );
    assert.match(await update({ content: "---\n{\n---\n" }), /400.*does not parse/s);
    mcp.hangUp();
    await mcp.finished;
  });
});

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync, type ZipOptions } from "fflate";
import { describeError, OpenAgentError } from "../../src/base/errors.ts";
import { readLibrary } from "../../src/library/library.ts";
import { gitSource } from "../../src/library/gitSource.ts";
import { gather, land, type Gathered, type ImportSource } from "../../src/library/importing.ts";
import { shareFolder, sharedName, shareItem } from "../../src/library/sharing.ts";
import { usableItems, writeFiles } from "../fake/library.ts";

const skill = (name: string, more = "") => `---\nname: ${name}\ndescription: Does ${name}.\n---\n${more}`;
const bytes = (text: string) => new TextEncoder().encode(text);
const link: ZipOptions = { os: 3, attrs: (0o120777 << 16) >>> 0 };
const executable: ZipOptions = { os: 3, attrs: (0o100755 << 16) >>> 0 };

describe("the import into a Library", () => {
  let folder: string;
  let library: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "import-"));
    library = join(folder, "library");
    writeFiles(library, usableItems);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const at = (...path: string[]) => join(folder, ...path);
  const path = (file: string): ImportSource => ({ kind: "path", path: at(file) });
  const zip = (files: Record<string, Uint8Array | [Uint8Array, ZipOptions]>, name = "a.zip") =>
    writeFileSync(at(name), zipSync(files, { level: 0 }));
  const names = ({ candidates }: Gathered) => candidates.map(({ kind, name }) => `${kind}/${name}`);
  const failure = (source: ImportSource) =>
    gather(library, source).then(
      () => "none",
      (error: unknown) => `${error instanceof OpenAgentError ? error.code : ""}: ${describeError(error)}`,
    );
  const intact = () => {
    for (const [file, text] of Object.entries(usableItems))
      assert.equal(readFileSync(join(library, file), "utf8"), text);
    assert.equal(existsSync(join(library, ".drafts")), false);
  };

  describe("of a zip archive", () => {
    it("shows what there is and what of it runs, and lands it with one rename, which git does not see before", async () => {
      zip({
        "review/SKILL.md": bytes(skill("review")),
        "review/notes.md": bytes("notes"),
        "review/scripts/data.txt": bytes("data"),
        "review/bin/tool": [bytes("code"), executable],
        "review/run": bytes("#!/bin/sh\n"),
        "__MACOSX/review/._SKILL.md": bytes("litter"),
      });
      execFileSync("git", ["init", "-q", library]);
      const before = readdirSync(library);
      const gathered = await gather(library, path("a.zip"));
      const [one] = gathered.candidates;
      assert.ok(one);
      assert.deepEqual([names(gathered), one.exists, one.notes], [["skills/review"], false, []]);
      assert.deepEqual(
        one.files.map(({ name, runs }) => [name, runs]),
        [
          ["SKILL.md", false],
          ["bin/tool", true],
          ["notes.md", false],
          ["run", true],
          ["scripts/data.txt", true],
        ],
      );
      const status = execFileSync("git", ["-C", library, "status", "--porcelain", "-uall"], { encoding: "utf8" });
      assert.ok(!status.includes("drafts") && status.includes("skill/greeting"));
      const landed = land(library, one, false);
      assert.deepEqual([landed, existsSync(one.path)], [join(library, "skill", "review"), false]);
      assert.equal(statSync(join(landed, "bin", "tool")).mode & 0o100, 0o100);
      gathered.discard();
      assert.deepEqual(readdirSync(library), before);
      assert.ok(readLibrary(library).parts.some(({ name }) => name === "review"));
      intact();
    });

    it("never replaces an item unless it is told to, and then as a whole", async () => {
      zip({ "SKILL.md": bytes(skill("greeting", "New.")) });
      const gathered = await gather(library, path("a.zip"));
      const [one] = gathered.candidates;
      assert.ok(one?.exists);
      assert.throws(() => land(library, one, false), { code: "item_exists" });
      assert.ok(existsSync(join(library, "skill", "greeting", "scripts", "greet.sh")));
      land(library, one, true);
      gathered.discard();
      assert.deepEqual(readdirSync(join(library, "skill", "greeting")), ["SKILL.md"]);
      assert.equal(existsSync(join(library, ".drafts")), false);
    });

    const big = new Uint8Array(11_000_000);
    const hostile: [string, Record<string, Uint8Array | [Uint8Array, ZipOptions]>, RegExp][] = [
      ["a path upwards", { "x/../../evil": bytes("x") }, /invalid relative path/],
      ["an absolute path", { "/etc/evil": bytes("x") }, /absolute path/],
      ["a path of Windows", { "C:/evil": bytes("x") }, /absolute path/],
      ["backslashes", { "..\\evil": bytes("x") }, /invalid characters|signs/],
      ["a link", { "SKILL.md": bytes(skill("a")), "a/link": [bytes("/etc/passwd"), link] }, /“a\/link” is a link/],
      ["names that differ in case only", { "A/SKILL.md": bytes(skill("a")), "a/skill.md": bytes("") }, /comes twice/],
      ["a file that is a folder as well", { "a/SKILL.md": bytes(skill("a")), A: bytes("x") }, /comes twice/],
      ["a repository of git", { "a/SKILL.md": bytes(skill("a")), "a/.GIT/hooks/x": bytes("x") }, /part of git/],
      ["control signs", { "a\u202ecod.exe": bytes("x") }, /“a\?cod\.exe” has signs/],
      ["too much", { "a/SKILL.md": bytes(skill("a")), b: big, c: big }, /20 MB/],
      ["no skill", { "README.md": bytes("hello") }, /no SKILL\.md/],
    ];
    for (const [what, files, words] of hostile)
      it(`refuses one with ${what}, and nothing is left of it`, async () => {
        zip(files);
        assert.match(await failure(path("a.zip")), words);
        assert.deepEqual(readdirSync(folder).sort(), ["a.zip", "library"]);
        intact();
      });

    it("refuses one with too many files, with more in a file than it says, with a name twice, or that is none", async () => {
      zip(Object.fromEntries(Array.from({ length: 2001 }, (_, index) => [`f${String(index)}`, bytes("")])));
      assert.match(await failure(path("a.zip")), /more than 2000 files/);
      const patched = (change: (archive: Buffer) => void, level: 0 | 9, files: Record<string, Uint8Array>) => {
        const archive = Buffer.from(zipSync(files, { level }));
        change(archive);
        writeFileSync(at("a.zip"), archive);
      };
      // The sizes that the directory tells are lower than what is there.
      patched(
        (archive) => {
          for (
            let place = archive.indexOf("PK\u0001\u0002");
            place >= 0;
            place = archive.indexOf("PK\u0001\u0002", place + 1)
          )
            archive.writeUInt32LE(10, place + 24);
        },
        9,
        { "SKILL.md": bytes(skill("a", "long ".repeat(1000))) },
      );
      assert.match(await failure(path("a.zip")), /too many bytes|bytes in the stream|size/i);
      patched((archive) => archive.write("one", archive.lastIndexOf("two")), 0, { one: bytes("1"), two: bytes("2") });
      assert.match(await failure(path("a.zip")), /comes twice/);
      writeFileSync(at("a.zip"), "no archive");
      assert.match(await failure(path("a.zip")), /^import_unusable: .*a\.zip cannot be imported/);
      intact();
    });
  });

  describe("of a folder or a file", () => {
    it("takes all skills that a folder has, and says what is wrong with each", async () => {
      writeFiles(at("many"), {
        "good/SKILL.md": skill("good"),
        "deep/er/Odd Name/SKILL.md": skill("Odd Name!"),
        "silent/SKILL.md": "---\nname: silent\n---\n",
        "broken/SKILL.md": "---\nname: [\n---\n",
        "node_modules/x/SKILL.md": skill("x"),
        "🙂/SKILL.md": "---\ndescription: No name.\n---\n",
      });
      symlinkSync("/etc/hostname", at("many", "good", "leak"));
      writeFiles(at("many"), { "fine/SKILL.md": skill("fine"), "shared.md": "shared" });
      symlinkSync("../shared.md", at("many", "fine", "more.md"));
      const gathered = await gather(library, path("many"));
      const notes = Object.fromEntries(gathered.candidates.map((one) => [one.name, one.notes.join(" ")]));
      assert.deepEqual(Object.keys(notes).sort(), ["broken", "fine", "odd-name", "silent"]);
      assert.match(notes["broken"] ?? "", /head does not parse/);
      assert.match(notes["silent"] ?? "", /no description/);
      assert.match(notes["odd-name"] ?? "", /its own name is “Odd Name!”/);
      assert.equal(notes["fine"], "");
      assert.deepEqual([gathered.problems.length, gathered.problems.join().includes("leads out")], [2, true]);
      for (const one of gathered.candidates) land(library, one, false);
      gathered.discard();
      assert.match(readFileSync(join(library, "skill", "odd-name", "SKILL.md"), "utf8"), /^name: odd-name$/m);
      assert.ok(statSync(join(library, "skill", "fine", "more.md")).isFile());
      intact();
    });

    it("calls a skill as its folder is called, and leaves the rest of its head as it is written", async () => {
      const head = (name: string) =>
        `---\r\n# Ours\r\nname:   ${name}   # kept\r\ndescription: >-\r\n  Does this\r\n  and that.\r\nmore: {a:  1}\r\n---\r\nBody.\r\n`;
      writeFiles(at("one"), { "SKILL.md": head("Other-Name") });
      const gathered = await gather(library, path("one"));
      const [one] = gathered.candidates;
      assert.ok(one);
      assert.deepEqual([one.name, one.files[0]?.bytes], ["other-name", head("other-name").length]);
      assert.equal(readFileSync(join(land(library, one, false), "SKILL.md"), "utf8"), head("other-name"));
      gathered.discard();
    });

    it("takes a file of Markdown as a skill, or as what it is said to be", async () => {
      writeFiles(folder, {
        "notes/tidy up.md": "---\ndescription: Tidies.\n---\nTidy.\n",
        "notes/go.md": "Run !`date` now.\n",
      });
      const one = await gather(library, path("notes/tidy up.md"));
      assert.deepEqual(names(one), ["skills/tidy-up"]);
      const source: ImportSource = { kind: "path", path: at("notes", "go.md"), as: "commands" };
      const other = await gather(library, source);
      assert.deepEqual([names(other), other.candidates[0]?.files.map(({ runs }) => runs)], [["commands/go"], [true]]);
      for (const each of [one, other]) {
        for (const candidate of each.candidates) land(library, candidate, false);
        each.discard();
      }
      assert.ok(
        existsSync(join(library, "skill", "tidy-up", "SKILL.md")) && existsSync(join(library, "command", "go.md")),
      );
      assert.match(await failure(path("library/tool/adding.ts")), /no folder, no \.zip and no \.md/);
      assert.match(await failure(path("nowhere")), /ENOENT/);
      intact();
    });
  });

  describe("of a git repository", () => {
    const git = (...words: string[]) =>
      execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@t", "-C", at("repo"), ...words], {
        encoding: "utf8",
      });

    beforeEach(() => {
      writeFiles(at("repo"), {
        "README.md": "hello",
        "skills/one/SKILL.md": skill("one"),
        "skills/one/scripts/x.sh": "#!/bin/sh\n",
        "skills/two/SKILL.md": skill("two"),
        "big/unrelated.txt": "unrelated",
      });
      git("init", "-q", "-b", "main");
      git("config", "uploadpack.allowFilter", "true");
      git("add", ".");
      git("commit", "-qm", "one");
      git("checkout", "-qb", "other");
      writeFiles(at("repo"), { "skills/three/SKILL.md": skill("three") });
      git("add", ".");
      git("commit", "-qm", "two");
      git("checkout", "-q", "main");
    });
    const source = (text: string, inside?: string): ImportSource => ({
      kind: "git",
      source: gitSource(text, inside),
      environment: process.env,
    });
    const found = async (from: ImportSource) => {
      const gathered = await gather(library, from);
      gathered.discard();
      return names(gathered).join();
    };

    it("finds its skills, or those of a folder, and brings neither its history nor the rest", async () => {
      const url = `file://${at("repo")}`;
      assert.equal(await found(source(url)), "skills/one,skills/two");
      assert.equal(await found(source(`${url}#skills/two`)), "skills/two");
      assert.equal(await found(source(at("repo"), "skills/one")), "skills/one");
      const branch: ImportSource = {
        kind: "git",
        source: { url, ref: "other", path: "skills/three" },
        environment: {},
      };
      assert.equal(await found({ ...branch, environment: process.env }), "skills/three");
      const gathered = await gather(library, source(url));
      const all = readdirSync(join(library, ".drafts"), { recursive: true, encoding: "utf8" });
      assert.ok(!all.some((file) => file.includes("unrelated")));
      gathered.discard();
      assert.match(await failure(source(url, "nowhere")), /^import_unusable: .*nowhere/);
      assert.match(await failure(source(`file://${at("none")}`)), /^import_unusable: .*(not appear|does not exist)/s);
      intact();
    });

    it("runs no hooks, neither the repository's nor the user's, and no other program", async () => {
      const template = at("template", "hooks");
      mkdirSync(template, { recursive: true });
      const trap = `#!/bin/sh\ntouch ${at("trapped")}\n`;
      for (const hook of ["post-checkout", "post-merge", "reference-transaction"]) {
        writeFileSync(join(template, hook), trap);
        chmodSync(join(template, hook), 0o755);
      }
      const environment = { ...process.env, GIT_TEMPLATE_DIR: at("template") };
      const from: ImportSource = { kind: "git", source: gitSource(`file://${at("repo")}`), environment };
      assert.equal(await found(from), "skills/one,skills/two");
      assert.equal(existsSync(at("trapped")), false);
      execFileSync("git", ["clone", "-q", "--template", at("template"), at("repo"), at("plain")]);
      assert.equal(existsSync(at("trapped")), true, "the trap works");
    });

    it("understands what users copy from their browsers, and refuses what is dangerous", () => {
      assert.deepEqual(gitSource("https://github.com/o/r"), { url: "https://github.com/o/r" });
      assert.deepEqual(gitSource("https://github.com/o/r/tree/main/skills/a%20b/"), {
        url: "https://github.com/o/r",
        ref: "main",
        path: "skills/a b",
      });
      assert.deepEqual(gitSource("https://github.com/o/r/blob/v1/skills/a/SKILL.md").path, "skills/a");
      assert.deepEqual(gitSource("https://gitlab.com/g/s/r/-/tree/main/x"), {
        url: "https://gitlab.com/g/s/r",
        ref: "main",
        path: "x",
      });
      assert.deepEqual(gitSource(" git@github.com:o/r.git#skills/x "), {
        url: "git@github.com:o/r.git",
        path: "skills/x",
      });
      for (const text of [
        ...["", "ext::sh -c touch% /tmp/x", "fd::3", "--upload-pack=touch x", "-oProxyCommand=x", "ftp://x/y", "a b"],
        ...["ssh://-oProxyCommand=x/y", "git@host:-x", "relative/path", "https://x/y\n--config", "file://x::y"],
      ])
        assert.throws(() => gitSource(text), { code: "invalid_input" }, text);
      for (const inside of ["../x", "a/../../b", "--x", "a\\b"])
        assert.throws(() => gitSource("https://github.com/o/r", inside), { code: "invalid_input" }, inside);
    });
  });

  it("takes what a project tells other agents, in OpenCode's words", async () => {
    writeFiles(at("my app"), {
      ".claude/skills/lint/SKILL.md": skill("lint"),
      ".claude/commands/git/ship.md":
        "---\ndescription: Ships.\nallowed-tools: Bash(git:*)\nmodel: opus\n---\nShip $ARGUMENTS.\n",
      ".claude/agents/critic.md":
        "---\nname: critic\ndescription: Criticises.\ntools: Read, Grep, mcp__x\nmodel: sonnet\ncolor: red\n---\nYou criticise.\n",
      ".opencode/command/plain.md": "Plain.\n",
      ".opencode/agents/own.md": "---\ndescription: Own.\nmode: primary\n---\nOwn.\n",
      ".opencode/tool/add.js": "export default {};\n",
      "AGENTS.md": "Always test.\n",
      ".github/copilot-instructions.md": "Always lint.\n",
    });
    symlinkSync("AGENTS.md", at("my app", "CLAUDE.md"));
    symlinkSync("/etc/hostname", at("my app", ".claude", "agents", "leak.md"));
    const gathered = await gather(library, { kind: "project", path: at("my app") });
    assert.deepEqual(names(gathered).sort(), [
      ...["agents/critic", "agents/own", "commands/git/ship", "commands/plain"],
      ...["rules/my-app-agents", "rules/my-app-copilot", "skills/lint", "tools/add"],
    ]);
    assert.deepEqual([gathered.problems.length, /leak.*leads out/.test(gathered.problems.join())], [1, true]);
    const notes = Object.fromEntries(gathered.candidates.map((one) => [one.name, one.notes.join(" ")]));
    assert.match(notes["critic"] ?? "", /left out: model, color\..*may use read, grep.*Not known here: mcp__x/);
    assert.match(notes["git/ship"] ?? "", /left out: allowed-tools, model/);
    for (const one of gathered.candidates) land(library, one, false);
    gathered.discard();
    const text = (...file: string[]) => readFileSync(join(library, ...file), "utf8");
    assert.equal(
      text("agent", "critic.md"),
      '---\nname: critic\ndescription: Criticises.\nmode: subagent\npermission:\n  "*": deny\n  read: allow\n  grep: allow\n---\nYou criticise.\n',
    );
    assert.equal(text("command", "git", "ship.md"), "---\ndescription: Ships.\n---\nShip $ARGUMENTS.\n");
    assert.equal(text("rule", "my-app-agents.md"), '---\ndescription: "AGENTS.md of my app"\n---\n\nAlways test.\n');
    assert.equal(text("tool", "add.js"), "export default {};\n");
    assert.deepEqual(readLibrary(library).problems, []);
    intact();
  });

  it("reads what was exported: skills with their scripts, others as files, and no secrets", async () => {
    const path = (...file: string[]) => join(library, ...file);
    const item = { kind: "skills", name: "greeting", path: path("skill", "greeting") } as const;
    const archive = at(sharedName(item));
    shareItem(library, item, archive);
    assert.equal(archive, at("greeting.zip"));
    const other = join(folder, "other");
    const gathered = await gather(other, { kind: "path", path: archive });
    const [one] = gathered.candidates;
    assert.ok(one);
    const landed = land(other, one, false);
    gathered.discard();
    const list = (at: string) => readdirSync(at, { recursive: true, encoding: "utf8" }).sort();
    assert.deepEqual(list(landed), list(item.path));
    assert.equal(statSync(join(landed, "scripts", "greet.sh")).mode & 0o777, 0o755);
    const copied = shareFolder(library, item, at());
    assert.deepEqual(list(copied), list(item.path));
    assert.throws(() => shareFolder(library, item, at()), { code: "item_exists" });

    const sealed = '<encrypted v="1">AAAA</encrypted>';
    writeFiles(library, {
      "workspace-template/web.json": JSON.stringify({
        env_vars: { TOKEN: "hush", OTHER: sealed, MODE: "dev" },
        encrypted_keys: ["TOKEN"],
        mine: 1,
      }),
      "mcp/servers.json": JSON.stringify({ a: { command: ["x"], env: { TOKEN: "hush" } }, b: { url: "https://x" } }),
    });
    const shared = (kind: "templates" | "mcps" | "rules", name: string, ...file: string[]) => {
      const one = { kind, name, path: path(...file) };
      shareItem(library, one, at(sharedName(one)));
      return readFileSync(at(sharedName(one)), "utf8");
    };
    assert.deepEqual(JSON.parse(shared("templates", "web", "workspace-template", "web.json")), {
      env_vars: { MODE: "dev" },
      encrypted_keys: ["TOKEN", "OTHER"],
      mine: 1,
    });
    assert.deepEqual(JSON.parse(shared("mcps", "a", "mcp", "servers.json")), {
      a: { command: ["x"], env: { TOKEN: "" } },
    });
    assert.equal(shared("rules", "style", "rule", "style.md"), usableItems["rule/style.md"]);
    assert.throws(() => shareItem(library, { ...item, path: folder }, at("x.zip")), { code: "invalid_input" });
    writeFiles(library, {
      "skill/greeting/more.md": `${sealed} <encrypted>hush</encrypted>\n`,
      "rule/open.md": "<encrypted>hush</encrypted>\n",
    });
    const refused = { code: "invalid_input", message: /marked as secret and not encrypted/ };
    assert.throws(() => shareItem(library, item, at("y.zip")), refused);
    assert.throws(() => shareFolder(library, item, at("elsewhere")), refused);
    assert.throws(() => shared("rules", "open", "rule", "open.md"), refused);
    assert.deepEqual(
      [existsSync(at("y.zip")), existsSync(at("elsewhere")), existsSync(at("open.md"))],
      [false, false, false],
    );
  });
});

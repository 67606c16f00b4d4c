import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { Catalogue } from "../../src/library/catalogue.ts";
import { complete } from "../../src/library/completing.ts";
import { hover } from "../../src/library/hovering.ts";
import { readLibrary } from "../../src/library/library.ts";
import { rename } from "../../src/library/renaming.ts";
import { withParams } from "../../src/orchestrator/commandHints.ts";
import { apply, codes, makeLibrary, problem } from "../fake/catalogue.ts";
import { linked } from "../fake/linkedLibrary.ts";
import { brokenItems, usableItems, writeFiles } from "../fake/library.ts";

const skill = (name: string, more = "", body = "Do it.\n") =>
  `---\nname: ${name}\ndescription: Does this.\n${more}---\n${body}`;
const textOf = (catalogue: Catalogue, path: string) => readFileSync(join(catalogue.root, path), "utf8");

describe("The catalogue of a Library", () => {
  it("is empty where there is none, and follows one that comes into being", () => {
    const root = join(mkdtempSync(join(tmpdir(), "library-")), "absent");
    const catalogue = new Catalogue(root);
    assert.deepEqual([catalogue.items(), catalogue.problems()], [[], []]);
    writeFiles(root, usableItems);
    catalogue.changed();
    assert.equal(catalogue.items().length, Object.keys(usableItems).length - 2);
    rmSync(dirname(root), { recursive: true });
    catalogue.changed([join(root, "skill")]);
    assert.deepEqual(catalogue.items(), []);
  });

  it("sees what editors hold over what is on the disk, and the disk again when they close", () => {
    const catalogue = makeLibrary({ "skill/a/SKILL.md": skill("a"), "workspace-template/t.json": '{"skills":["a"]}' });
    const path = join(catalogue.root, "skill/a/SKILL.md");
    assert.deepEqual(codes(catalogue), []);
    catalogue.setText(path, skill("b"));
    assert.deepEqual(codes(catalogue), ["skill-name-folder skill/a/SKILL.md"]);
    catalogue.setText(path, undefined);
    assert.deepEqual(codes(catalogue), []);
    catalogue.setText(join(catalogue.root, "skill/new/SKILL.md"), "nobody has saved it");
    assert.deepEqual(codes(catalogue), []);
  });

  it("reads again what it is told of, and only finds others again that have changed", () => {
    const catalogue = makeLibrary({ "rule/a.md": "a", "agent/x.md": "---\nrules: [a, b]\n---\n" });
    assert.deepEqual(codes(catalogue), ["dangling agent/x.md"]);
    writeFiles(catalogue.root, { "rule/b.md": "b" });
    catalogue.changed([join(catalogue.root, "rule/b.md")]);
    assert.deepEqual(codes(catalogue), []);
    rmSync(join(catalogue.root, "rule/a.md"));
    catalogue.changed([join(catalogue.root, "rule/a.md")]);
    assert.deepEqual(codes(catalogue), ["dangling agent/x.md"]);
    const before = catalogue.problemFiles().get(join(catalogue.root, "agent/x.md"));
    catalogue.setText(join(catalogue.root, "rule/b.md"), "another text");
    assert.equal(catalogue.problemFiles().get(join(catalogue.root, "agent/x.md")), before);
  });

  it("offers names that were meant, to make what is missing, and to take it away", () => {
    const catalogue = makeLibrary({
      "skill/browser-agent/SKILL.md": skill("browser-agent"),
      "skill/agent-browsers/SKILL.md": skill("agent-browsers"),
      "workspace-template/browser.json": '{ "skills": ["agent-browser"] }',
    });
    assert.deepEqual(
      problem(catalogue, "dangling").fixes.map(({ title }) => title),
      ["Change to “agent-browsers”", "Create the skill “agent-browser”", "Remove “agent-browser”"],
    );
  });

  it("says the same as what OpenCode is given: left out is what has an error", () => {
    const catalogue = makeLibrary({ ...usableItems, ...brokenItems });
    const kinds = ["skills", "commands", "agents", "rules"];
    const { parts } = readLibrary(catalogue.root);
    const expected = catalogue
      .items()
      .filter((item) => kinds.includes(item.kind) && catalogue.errorsOf(item).length === 0);
    const given = parts.filter(({ kind }) => kinds.includes(kind));
    const words = (some: readonly { kind: string; name: string }[]) => some.map(({ kind, name }) => `${kind}/${name}`);
    assert.deepEqual(words(given), words(expected));
    assert.ok(given.length > 3 && given.length < catalogue.items().length);
  });

  it("describes what is named, and keys of heads", () => {
    const catalogue = makeLibrary({
      "command/c.md": "---\nmodel: a/b\n---\nThe skill `a`.\n",
      "skill/a/SKILL.md": skill("a"),
    });
    const path = join(catalogue.root, "command/c.md");
    const text = textOf(catalogue, "command/c.md");
    assert.equal(hover(catalogue, path, text.indexOf("`a`") + 1)?.title, "skill a");
    assert.match(hover(catalogue, path, text.indexOf("model") + 1)?.words ?? "", /provider\/model/);
    assert.equal(hover(catalogue, path, text.indexOf("The") + 1), undefined);
  });

  it("names the arguments of its own commands, not of others' by their names", () => {
    const command = "---\ndescription: Ships.\nparams: [where, {name: when, required: false}]\n---\n";
    const { root } = makeLibrary({ "command/ship.md": command, "command/plain.md": "Go.\n" });
    const choice = (name: string, description: string, source: "command" | "skill" = "command") => {
      return { name, description, source, hints: ["$ARGUMENTS"], runsShell: false };
    };
    const hintsOf = (one: ReturnType<typeof choice>) => withParams([one], readLibrary(root).parts)[0]?.hints.join(" ");
    assert.deepEqual(
      [
        choice("ship", "Ships."),
        choice("ship", "The project's."),
        choice("ship", "Ships.", "skill"),
        choice("plain", ""),
        choice("other", ""),
      ].map(hintsOf),
      ["<where> [when]", "$ARGUMENTS", "$ARGUMENTS", "$ARGUMENTS", "$ARGUMENTS"],
    );
  });

  it("completes in texts that do not parse", () => {
    const cases: [string, string, string][] = [
      ["agent/a.md", "---\nrules: [st|", "style"],
      ["agent/a.md", "---\nmode: |\n---\n", "subagent"],
      ["agent/a.md", "---\npermission:\n  bash: |\n---\n", "deny"],
      ["agent/a.md", "---\npermission:\n  |\n---\n", "external_directory"],
      ["agent/a.md", "---\nmode: all\n|\n---\n", "rules"],
      ["command/c.md", "---\nagent: |\n---\n", "general"],
      ["workspace-template/t.json", '{ "skills": [|', "greeting"],
      ["workspace-template/t.json", '{ "mcps": ["|"] ]', "idle"],
      ["openagent/config.json", '{ "default_agent": | }', "reviewer"],
    ];
    for (const [path, marked, expected] of cases) {
      const catalogue = makeLibrary({ ...usableItems, [path]: marked.replace("|", "") });
      const found = complete(catalogue, join(catalogue.root, path), marked.indexOf("|"));
      assert.ok(
        found.some(({ label }) => label === expected),
        `${marked}: ${found.map(({ label }) => label).join()}`,
      );
    }
  });
});

describe("A Library that means harm, or had an accident,", () => {
  // The test runner has whole stacks recorded with each error, which takes longer than all the rest.
  const { stackTraceLimit } = Error;
  before(() => (Error.stackTraceLimit = 10));
  after(() => (Error.stackTraceLimit = stackTraceLimit));

  it("has problems for what is no text, too large, or not there", () => {
    const catalogue = makeLibrary({
      "agent/a.md": "x",
      "tool/t.ts": "x",
      "rule/big.md": "x",
      "skill/a/SKILL.md/x.md": "",
    });
    writeFileSync(join(catalogue.root, "agent/a.md"), Buffer.from([0x61, 0xff, 0xfe]));
    truncateSync(join(catalogue.root, "rule/big.md"), 2 ** 20 + 1);
    truncateSync(join(catalogue.root, "tool/t.ts"), 2 ** 20 + 1);
    assert.deepEqual(codes(catalogue), [
      "encoding agent/a.md",
      "main-file-missing skill/a/SKILL.md",
      "too-large rule/big.md",
      "too-large tool/t.ts",
    ]);
    assert.deepEqual(
      readLibrary(catalogue.root).parts.map(({ name }) => name),
      ["t"],
    );
    assert.equal(catalogue.items().length, 4);
  });

  it("leads nowhere by links", () => {
    const catalogue = makeLibrary({ "skill/a/SKILL.md": skill("a"), "rule/r.md": "x" });
    const outside = mkdtempSync(join(tmpdir(), "outside-"));
    writeFiles(outside, { "stolen/SKILL.md": skill("stolen"), "x.md": "secret" });
    const link = (target: string, path: string) => symlinkSync(target, join(catalogue.root, path));
    link(join(outside, "stolen"), "skill/stolen");
    link(join(outside, "x.md"), "rule/x.md");
    link(outside, "command");
    link("nothing", "skill/a/broken");
    link("..", "skill/a/loop");
    link("SKILL.md", "skill/a/inside.md");
    link("skill", "skills");
    catalogue.changed();
    assert.deepEqual(
      catalogue.items().map(({ name }) => name),
      ["a", "r"],
    );
    assert.deepEqual(codes(catalogue), [
      "link command",
      "link rule/x.md",
      "link skill/a/broken",
      "link skill/a/loop",
      "link skill/stolen",
    ]);
    const { parts, problems } = readLibrary(catalogue.root);
    assert.deepEqual(
      [parts.map(({ name }) => name), problems.map(({ name }) => name).sort()],
      [["r"], ["a", "stolen", "x"]],
    );
    rmSync(outside, { recursive: true });
  });

  it("cannot hold up or change its readers with YAML or JSON", () => {
    const bomb = `a0: &a0 [x, x]\n${Array.from({ length: 60 }, (_, i) => `a${String(i + 1)}: &a${String(i + 1)} [*a${String(i)}, *a${String(i)}]\n`).join("")}`;
    const wide = `a: &a x\n${"- *a\n".repeat(200)}`;
    const files = {
      "agent/bomb.md": `---\n${bomb}---\n`,
      "agent/wide.md": `---\nrules:\n${wide}---\n`,
      "agent/deep.md": `---\na: ${"[".repeat(20_000)}\n---\n`,
      "agent/keys.md": `---\n${Array.from({ length: 8_000 }, (_, i) => `k${String(i)}: 1`).join("\n")}\n---\n`,
      "agent/proto.md": "---\n__proto__:\n  polluted: yes\nconstructor: x\npermission:\n  __proto__: deny\n---\n",
      "agent/tags.md": "---\ndescription: !!js/function 'function () {}'\nmode: !own all\n---\n",
      "agent/spaces.md": `---\n${" ".repeat(60_000)}x\n---\n`,
      "rule/ticks.md": "`\"'/a/".repeat(100_000),
      "rule/words.md": `skill ${"a".repeat(400_000)} ${"/a".repeat(100_000)}`,
      "mcp/servers.json": `{ "a": ${"[".repeat(200_000)}`,
      "plugins.json": '{ "__proto__": { "package": "x", "polluted": true } }',
      "workspace-template/t.json": `{ "env_vars": { "__proto__": "x" }, "skills": ${JSON.stringify(Array.from({ length: 5_000 }, (_, i) => `s${String(i)}`))} }`,
    };
    const catalogue = makeLibrary(files);
    const began = performance.now();
    const found = codes(catalogue);
    const took = performance.now() - began;
    assert.ok(took < 2_000, `${String(took)} ms`);
    assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
    for (const path of ["agent/deep.md", "agent/wide.md"])
      assert.ok(found.includes(`head ${path}`), found.slice(0, 9).join());
    assert.ok(found.includes("json mcp/servers.json"));
    assert.equal(catalogue.items("plugins")[0]?.name, "__proto__");
    assert.ok(readLibrary(catalogue.root).parts.length > 0);
    assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  });

  it("stays quick with twenty thousand files of others in it", function () {
    this.timeout(60_000);
    const catalogue = makeLibrary({ "skill/a/SKILL.md": skill("a"), "rule/r.md": "x" });
    for (let folder = 0; folder < 100; folder++) {
      const path = join(catalogue.root, "skill/a/node_modules", `p${String(folder)}`);
      mkdirSync(path, { recursive: true });
      for (let file = 0; file < 200; file++) writeFileSync(join(path, `f${String(file)}.md`), "");
    }
    const began = performance.now();
    assert.equal(catalogue.items().length, 2);
    const took = performance.now() - began;
    assert.ok(took < 1_500, `${String(took)} ms`);
  });

  it("is told of names that clash", () => {
    const catalogue = makeLibrary({
      "rule/style.md": "a",
      "rules/style.md": "b",
      "agent/Plan.md": "x",
      "agent/plan.md": "y",
    });
    assert.deepEqual(
      catalogue.problems().map(({ code, severity }) => `${code} ${severity}`),
      ["case-clash warning", "duplicate-name error"],
    );
    assert.equal(readLibrary(catalogue.root).parts.filter(({ kind }) => kind === "rules").length, 1);
  });
});

describe("Renaming an item of a Library", () => {
  const everything = (root: string) =>
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const path = join(entry.parentPath, entry.name);
        return `${relative(root, path)}\n${readFileSync(path, "utf8")}`;
      })
      .sort()
      .join("\n");
  const names = [
    ["skills", "wave-hand", "hands-up"],
    ["commands", "release", "ship-it"],
    ["agents", "keeper", "warden"],
    ["tools", "adder", "sums"],
    ["rules", "house", "style"],
    ["mcps", "files", "disk"],
    ["plugins", "extra", "more"],
    ["templates", "web", "site"],
    ["scripts", "base", "ground"],
  ] as const;

  for (const [kind, name, newName] of names)
    it(`changes all that names it, and can be turned back: ${kind}`, () => {
      const catalogue = makeLibrary(linked);
      assert.deepEqual(
        codes(catalogue).filter((code) => !code.startsWith("tools-deprecated")),
        [],
      );
      const before = everything(catalogue.root);
      const count = catalogue.references(kind, name).length;
      assert.ok(count >= 1);
      apply(catalogue, rename(catalogue, kind, name, newName));
      const after = everything(catalogue.root);
      // “release/x”, “a/release” and “@keeper” in a rule are other things.
      const rest = after.replaceAll(/\/release\/x|a\/release|or @keeper/g, "");
      assert.doesNotMatch(rest, new RegExp(String.raw`(?<![\w-])${name}(?![a-z-])(?! #| old)`));
      assert.equal(catalogue.references(kind, newName).length, count);
      assert.deepEqual(
        codes(catalogue).filter((code) => code.startsWith("dangling")),
        [],
      );
      apply(catalogue, rename(catalogue, kind, newName, name));
      assert.equal(everything(catalogue.root), before);
    });

  it("is refused where the name is none, or another's", () => {
    const catalogue = makeLibrary(linked);
    writeFiles(catalogue.root, { "skill/occupied.txt": "", "agent/occupied.md": "x" });
    catalogue.changed();
    const refused = (kind: Parameters<typeof rename>[1], name: string, newName: string, words: RegExp) => {
      assert.throws(() => rename(catalogue, kind, name, newName), words);
    };
    refused("skills", "greet", "Big Name", /small letters/);
    refused("skills", "greet", "../out", /small letters/);
    refused("skills", "greet", "wave-hand", /already/);
    refused("agents", "keeper", "occupied", /already/);
    refused("agents", "keeper", "../x", /no slashes/);
    refused("rules", "house", "a/b", /no slashes/);
    refused("mcps", "files", "a b", /letters/);
    refused("settings", "config", "other", /others look for it/);
    refused("skills", "gone", "x", /has no skill “gone”/);
  });

  it("offers words of texts that may mean the item, but leaves them when nobody says so", () => {
    const catalogue = makeLibrary({
      "skill/greet/SKILL.md": skill("greet", "", "We greet people with `greet`. See /greet.\n"),
      "skill/wave-hand/SKILL.md": skill("wave-hand", "", "As wave-hand does, or x-wave-hand, or wave-hand.py.\n"),
    });
    const unsure = (name: string, newName: string) =>
      rename(catalogue, "skills", name, newName)
        .edits.filter(({ sure }) => !sure)
        .map(({ path, start, end }) => readFileSync(path, "utf8").slice(start - 2, end + 1));
    assert.deepEqual(unsure("greet", "hello"), [" `greet`"]);
    assert.deepEqual(unsure("wave-hand", "hello"), ["s wave-hand "]);
  });

  it("follows a server into the names of its tools, but asks where another's could be meant", () => {
    const server = { type: "local", command: ["x"] };
    const catalogue = makeLibrary({
      "mcp/servers.json": JSON.stringify({ files: server, files_deep: server }),
      "agent/keeper.md":
        "---\npermission:\n  \"files_*\": deny\n  files_deep_read: ask\n  'files_sum': deny\n  profiles_x: ask\n---\nNot `files_read`.\n",
      "tool/files_sum.ts": "/** Sums. */\n",
    });
    const { edits } = rename(catalogue, "mcps", "files", "disk");
    const words = (isSure: boolean) =>
      edits
        .filter(({ sure }) => sure === isSure)
        .map(({ path, start, end }) => readFileSync(path, "utf8").slice(start, end + 5))
        .sort();
    assert.deepEqual(
      [words(true), words(false)],
      [
        ['"files":{"ty', 'files_*": '],
        ["files_deep", "files_read", "files_sum'"],
      ],
    );
    apply(catalogue, rename(catalogue, "mcps", "files_deep", "deep"));
    assert.match(textOf(catalogue, "agent/keeper.md"), /^ {2}deep_read: ask$/m);
  });

  it("puts names in quotes that YAML would read otherwise", () => {
    const catalogue = makeLibrary({ "rule/a.md": "x", "agent/x.md": "---\nrules: [a]\n---\n" });
    apply(catalogue, rename(catalogue, "rules", "a", "true"));
    assert.equal(textOf(catalogue, "agent/x.md"), '---\nrules: ["true"]\n---\n');
    assert.deepEqual(codes(catalogue), []);
  });
});

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { apply, codes, makeLibrary, problem } from "../fake/catalogue.ts";

interface Case {
  says: string;
  code: string;
  severity: "error" | "warning" | "information";
  path: string;
  text: string;
  /** What the file is after the fix; left out where there is none. */
  fixed?: string;
  /** The title of the fix, if it is not the first. */
  fix?: string;
  others?: Readonly<Record<string, string>>;
}

const skill = (head: string, body = "Do it.\n") => `---\n${head}\n---\n${body}`;
const good = skill("name: good\ndescription: Good.");
const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
const key = "sk-proj-abcdefghijklmnopqrstuvwx";

const cases: readonly Case[] = [
  {
    says: "A skill without a head has no description",
    code: "description-missing",
    severity: "error",
    path: "skill/bare/SKILL.md",
    text: "Do it.\r\n",
    fixed: "---\r\ndescription: What this is for, and when to use it.\r\n---\r\n\r\nDo it.\r\n",
  },
  {
    says: "A skill whose description is empty has none",
    code: "description-missing",
    severity: "error",
    path: "skill/silent/SKILL.md",
    text: skill("name: silent # kept\ndescription: # soon\nlicense: MIT"),
    fixed: skill("name: silent # kept\ndescription: What this is for, and when to use it. # soon\nlicense: MIT"),
  },
  {
    says: "A description that is a number is none",
    code: "description-missing",
    severity: "error",
    path: "skill/number/SKILL.md",
    text: skill("name: number\ndescription: 42"),
    fixed: skill('name: number\ndescription: "42"'),
  },
  {
    says: "A description has 1024 characters at most",
    code: "description-long",
    severity: "error",
    path: "skill/long/SKILL.md",
    text: skill(`name: long\ndescription: ${"a".repeat(1025)}`),
  },
  {
    says: "A skill's name may be missing",
    code: "skill-name-missing",
    severity: "information",
    path: "skill/unnamed/SKILL.md",
    text: skill("# ours\ndescription: >-\n  Folded\n  words."),
    fixed: skill("name: unnamed\n# ours\ndescription: >-\n  Folded\n  words."),
  },
  {
    says: "A skill is called as its folder",
    code: "skill-name-folder",
    severity: "error",
    path: "skill/folder/SKILL.md",
    text: skill('name: "other" # why\ndescription: x'),
    fixed: skill('name: "folder" # why\ndescription: x'),
  },
  {
    says: "A skill's name has a form",
    code: "skill-name",
    severity: "error",
    path: "skill/Big Name/SKILL.md",
    text: skill("name: Big Name\ndescription: x"),
  },
  {
    says: "A skill's name has 64 characters at most",
    code: "skill-name",
    severity: "error",
    path: `skill/${"a".repeat(65)}/SKILL.md`,
    text: skill("description: x"),
  },
  {
    says: "A head ends",
    code: "head",
    severity: "error",
    path: "agent/open.md",
    text: "---\ndescription: x\n\nYou work.\n",
  },
  { says: "A head parses", code: "head", severity: "error", path: "command/bad.md", text: skill("a: [b") },
  { says: "A head is a map", code: "head", severity: "error", path: "command/list.md", text: skill("- a") },
  {
    says: "A head has no key twice",
    code: "duplicate-key",
    severity: "error",
    path: "agent/twice.md",
    text: skill("mode: all\ndescription: x\nmode: primary # second"),
    fixed: skill("mode: all\ndescription: x"),
  },
  {
    says: "An agent has a permission, not permissions",
    code: "permissions",
    severity: "warning",
    path: "agent/a.md",
    text: skill("description: x\npermissions: # what it may do\n  edit: deny"),
    fixed: skill("description: x\npermission: # what it may do\n  edit: deny"),
  },
  {
    says: "Permissions beside a permission are nothing",
    code: "permissions",
    severity: "warning",
    path: "agent/a.md",
    text: skill("permission:\n  edit: deny # stays\npermissions:\n  edit: ask\nmode: all"),
    fixed: skill("permission:\n  edit: deny # stays\nmode: all"),
  },
  {
    says: "A permission has three levels",
    code: "permission-level",
    severity: "error",
    path: "agent/a.md",
    text: skill("permission:\n  bash:\n    'git *': allow\n    '*': never # really"),
    fixed: skill("permission:\n  bash:\n    'git *': allow\n    '*': deny # really"),
    fix: "Change to “deny”",
  },
  {
    says: "An agent has one of three modes",
    code: "agent-mode",
    severity: "error",
    path: "agent/a.md",
    text: skill("mode: 'helper'"),
    fixed: skill("mode: 'subagent'"),
    fix: "Change to “subagent”",
  },
  {
    says: "Tools of an agent are deprecated",
    code: "tools-deprecated",
    severity: "information",
    path: "agent/a.md",
    text: skill("tools:\n  # no writing\n  write: false\n  bash: true\n  '*': false\nx-own: kept"),
    fixed: skill("permission:\n  # no writing\n  edit: deny\n  bash: allow\n  '*': deny\nx-own: kept"),
  },
  {
    says: "Tools are merged into a permission that is there",
    code: "tools-deprecated",
    severity: "information",
    path: "agent/a.md",
    text: skill(
      "permission:\n  bash: ask # as before\ntools:\n  bash: true\n  write: false\n  patch: false\nmode: all",
    ),
    fixed: skill("permission:\n  bash: ask # as before\n  edit: deny\nmode: all"),
  },
  { says: "A model has a provider", code: "model", severity: "warning", path: "agent/a.md", text: skill("model: gpt") },
  {
    says: "A temperature is a number",
    code: "agent-shape",
    severity: "warning",
    path: "agent/a.md",
    text: skill("temperature: warm"),
  },
  {
    says: "An agent's rules are there",
    code: "dangling",
    severity: "warning",
    path: "agent/a.md",
    text: skill("rules:\n  - stlye # house style\n  - other"),
    fixed: skill("rules:\n  - style # house style\n  - other"),
    others: { "rule/style.md": "x", "rule/other.md": "x" },
  },
  {
    says: "An agent's rule that is not there can be taken away",
    code: "dangling",
    severity: "warning",
    path: "agent/a.md",
    text: skill("rules: [gone, other]"),
    fixed: skill("rules: [other]"),
    fix: "Remove “gone”",
    others: { "rule/other.md": "x" },
  },
  {
    says: "A command with parameters says where they go",
    code: "params-unused",
    severity: "information",
    path: "command/c.md",
    text: skill("params: [target]", "Deploy."),
    fixed: skill("params: [target]", "Deploy.\n\n$ARGUMENTS\n"),
  },
  {
    says: "A command's parameters have a form",
    code: "params",
    severity: "warning",
    path: "command/c.md",
    text: skill("params:\n  - required: true", "$ARGUMENTS"),
  },
  {
    says: "A command's agent is OpenCode's or the Library's",
    code: "dangling",
    severity: "information",
    path: "command/c.md",
    text: skill("agent: biuld"),
    fixed: skill("agent: build"),
  },
  {
    says: "An MCP server has a type that is known",
    code: "server-type",
    severity: "error",
    path: "mcp/servers.json",
    text: json({ a: { type: "lokal", command: ["x"], own: 1 } }),
    fixed: json({ a: { type: "local", command: ["x"], own: 1 } }),
  },
  {
    says: "An MCP server that has no type is understood",
    code: "server-type-missing",
    severity: "information",
    path: "mcp/servers.json",
    text: '{ "a": { "url": "https://example.org/mcp" } }',
    fixed: '{ "a": { "type": "remote", "url": "https://example.org/mcp" } }',
  },
  {
    says: "A local MCP server has a command",
    code: "server-shape",
    severity: "error",
    path: "mcp/servers.json",
    text: json({ a: { type: "local", url: "https://example.org" } }),
  },
  {
    says: "A value that only its key can read is named",
    code: "sealed",
    severity: "information",
    path: "mcp/servers.json",
    text: json({ a: { type: "local", command: ["x"], env: { TOKEN: '<encrypted v="1">AAAA</encrypted>' } } }),
  },
  {
    says: "A variable of an MCP server holds no secret",
    code: "plain-secret",
    severity: "warning",
    path: "mcp/servers.json",
    text: json({ a: { type: "local", command: ["x"], env: { OPENAI_API_KEY: key } } }),
    fixed: json({ a: { type: "local", command: ["x"], env: { OPENAI_API_KEY: "{env:OPENAI_API_KEY}" } } }),
  },
  {
    says: "A header of an MCP server holds no secret",
    code: "plain-secret",
    severity: "warning",
    path: "mcp/servers.json",
    text: json({
      hub: { type: "remote", url: "https://a.org", headers: { Authorization: "Bearer 8f14e45fceea167a5a36" } },
    }),
    fixed: json({
      hub: { type: "remote", url: "https://a.org", headers: { Authorization: "Bearer {env:HUB_TOKEN}" } },
    }),
  },
  {
    says: "JSON parses",
    code: "json",
    severity: "error",
    path: "mcp/servers.json",
    text: '{ "a": { "command": ["x"], }, }',
  },
  {
    says: "A key of JSON that comes twice counts once",
    code: "duplicate-key",
    severity: "warning",
    path: "plugins.json",
    text: '{ "a": { "package": "x" }, "a": { "package": "y" } }',
    fixed: '{ "a": { "package": "y" } }',
  },
  {
    says: "A plugin names a package",
    code: "plugin-shape",
    severity: "error",
    path: "plugins.json",
    text: json({ a: { enabled: true } }),
  },
  {
    says: "A template's skills are there, also in the original's official one",
    code: "dangling",
    severity: "warning",
    path: "workspace-template/browser.json",
    text: json({ name: "browser", skills: ["agent-browser", "good"], tailscale_mode: null }),
    fixed: json({ name: "browser", skills: ["agent-browser", "good"], tailscale_mode: null }),
    fix: "Create the skill “agent-browser”",
    others: { "skill/good/SKILL.md": good },
  },
  {
    says: "A template's missing init script can be taken away",
    code: "dangling",
    severity: "warning",
    path: "workspace-template/t.json",
    text: '{ "init_scripts": ["base", "gone"], "own": 1 }',
    fixed: '{ "init_scripts": ["base"], "own": 1 }',
    fix: "Remove “gone”",
    others: { "init-script/base/SCRIPT.sh": "# Description: b\n" },
  },
  {
    says: "A template is called as its file",
    code: "template-name-file",
    severity: "warning",
    path: "workspace-template/t.json",
    text: '{ "name": "other", "own": 1 }',
    fixed: '{ "name": "t", "own": 1 }',
  },
  {
    says: "A template's fields have a form",
    code: "template-shape",
    severity: "error",
    path: "workspace-template/t.json",
    text: '{ "distro": "windows" }',
  },
  {
    says: "An encrypted key has a variable",
    code: "encrypted-key",
    severity: "information",
    path: "workspace-template/t.json",
    text: '{ "env_vars": { "A": "b" }, "encrypted_keys": ["A", "TOKEN"] }',
    fixed: '{ "env_vars": { "A": "b" }, "encrypted_keys": ["A"] }',
  },
  {
    says: "A template's variable holds no secret",
    code: "plain-secret",
    severity: "warning",
    path: "workspace-template/t.json",
    text: `{\n  "env_vars": { "MODE": "dev", "API_KEY": "${key}" }\n}\n`,
    fixed: '{\n  "encrypted_keys": ["API_KEY"],\n  "env_vars": { "MODE": "dev", "API_KEY": "" }\n}\n',
  },
  {
    says: "Hidden agents may be others' than the Library's",
    code: "dangling",
    severity: "information",
    path: "openagent/config.json",
    text: '{ "hidden_agents": ["build", "Metis (Plan Consultant)"], "desktop": {} }',
    fixed: '{ "hidden_agents": ["build"], "desktop": {} }',
  },
  {
    says: "Conflicts of a merge are named",
    code: "conflict",
    severity: "error",
    path: "rule/style.md",
    text: "a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> other\n",
  },
  {
    says: "A pointer of Git LFS is named",
    code: "lfs",
    severity: "error",
    path: "skill/far/SKILL.md",
    text: "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n",
  },
];

describe("The rules of a Library", () => {
  for (const { says, code, severity, path, text, fixed, fix, others } of cases)
    it(`say: ${says}${fixed === undefined ? "" : ", and put it right"}`, () => {
      const catalogue = makeLibrary({ [path]: text, ...others });
      const found = problem(catalogue, code);
      assert.equal(found.severity, severity);
      assert.equal(found.path, join(catalogue.root, path));
      assert.ok(found.start <= found.end && found.end <= text.length);
      assert.match(found.message, /^\S.*\.$/s);
      assert.ok(!found.message.includes(key));
      const chosen = fix === undefined ? found.fixes[0] : found.fixes.find(({ title }) => title === fix);
      assert.equal(chosen === undefined, fixed === undefined, found.fixes.map(({ title }) => title).join());
      if (!chosen) return;
      apply(catalogue, chosen);
      assert.equal(readFileSync(join(catalogue.root, path), "utf8"), fixed);
      assert.deepEqual(
        codes(catalogue).filter((one) => one.startsWith(`${code} `)),
        [],
      );
    });

  it("find nothing wrong in what is right", () => {
    const catalogue = makeLibrary({
      "README.md": "---\nnot: [ours\n",
      "skill/.gitkeep": "",
      "agent/.gitkeep": "",
      "skill/good/SKILL.md": skill(
        'name: good\ndescription: >-\n  Folded: with "quotes"\n  and more.\nlicense: MIT\nmetadata:\n  author: x',
      ),
      "skill/good/scripts/run.py": "print()\n",
      "command/c.md": skill(
        "description: x\nagent: plan\nmodel: a/b/c\nparams:\n  - a\n  - {name: b, required: false}",
        "$ARGUMENTS /unknown @nobody",
      ),
      "agent/nested/a.md": skill(
        "description: x\nmode: subagent\nmodel:\ntemperature: 0.2\npermission:\n  edit: deny\n  bash:\n    '*': ask",
      ),
      "agent/all.md": skill("permission: allow\nrules:\n- r"),
      "rule/r.md": "---\n\nA line across the page before it.\n",
      "tool/t.ts": "/** Adds. */\nexport default {}\n",
      "mcp/servers.json": json({
        a: { type: "local", command: ["x"], env: { TOKEN: "{env:TOKEN}", KEY_FILE: "/etc/key" }, enabled: false },
        b: { type: "remote", url: "https://example.org/mcp", headers: { Authorization: "Bearer {env:B}" } },
      }),
      "plugins.json": json({ a: { package: "x@1", ui: { label: "A" } } }),
      "workspace-template/t.json": json({
        name: "t",
        description: "x",
        distro: "debian-bookworm",
        skills: ["good"],
        mcps: ["a"],
        plugins: ["a"],
        env_vars: { TOKEN: '<encrypted v="1">AAAA</encrypted>', PUBLIC_KEY: "~/.ssh/id.pub" },
        encrypted_keys: ["TOKEN"],
        init_script: "echo",
        init_scripts: ["base"],
      }),
      "init-script/base/SCRIPT.sh": "#!/bin/sh\n# Description: b\n",
      "openagent/config.json": json({ hidden_agents: ["build", "all"], default_agent: "nested/a" }),
      "opencode/oh-my-opencode.json": '{\n  // free\n  "a": 1,\n}\n',
    });
    assert.deepEqual(codes(catalogue), []);
    assert.deepEqual(
      catalogue.items().map(({ kind, name, description }) => `${kind}/${name}: ${description ?? ""}`),
      [
        'skills/good: Folded: with "quotes" and more.',
        "commands/c: x",
        "agents/all: ",
        "agents/nested/a: x",
        "tools/t: Adds.",
        "rules/r: ",
        "mcps/a: ",
        "mcps/b: ",
        "plugins/a: ",
        "templates/t: x",
        "scripts/base: b",
        "settings/config: ",
        "settings/oh-my-opencode: ",
      ],
    );
  });
});

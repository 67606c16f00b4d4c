import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { Catalogue } from "../../src/library/catalogue.ts";
import { readLibrary } from "../../src/library/library.ts";
import { jsonOver, writeJson } from "../../src/library/jsonFiles.ts";
import { changeServer, serversIn, writeServer } from "../../src/library/servers.ts";
import { listTemplates, readTemplate, writeTemplate, type Template } from "../../src/library/templates.ts";
import { codes, makeLibrary } from "../fake/catalogue.ts";

const key = fc.constantFrom("a", "b", "c", "__proto__");
const leaf = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.array(fc.string(), { maxLength: 2 }));
const maps = fc.dictionary(key, fc.oneof(leaf, fc.dictionary(key, leaf)));

const template: Template = { name: "web", environment: { A: "b" }, secrets: {}, selection: { skills: ["one"] } };

describe("What is written into a Library", () => {
  const servers = [
    "{",
    '\t"first": { "command": ["a", "b"], "note": "kept",   "enabled": true },',
    '\t"second": {',
    '\t\t"url": "https://example.org/mcp"',
    "\t},",
    '\t"third": { "command": "c" }',
    "}",
    "",
  ].join("\r\n");

  it("changes of a file of JSON only what is to be another: a server that is enabled stays where and as it is", () => {
    const { root } = makeLibrary({ "mcp/servers.json": servers });
    const path = serversIn(root);
    chmodSync(path, 0o644);
    chmodSync(join(root, "mcp"), 0o755);
    changeServer(path, "first", { enabled: false }, root);
    assert.equal(readFileSync(path, "utf8"), servers.replace("true", "false"));
    changeServer(path, "second", { enabled: false }, root);
    assert.equal(
      readFileSync(path, "utf8"),
      servers.replace("true", "false").replace('/mcp"', '/mcp",\r\n\t\t"enabled": false'),
    );
    assert.deepEqual([statSync(path).mode & 0o777, statSync(join(root, "mcp")).mode & 0o777], [0o644, 0o755]);
  });

  it("never lies elsewhere, nor closes a folder there: links out of it are refused", () => {
    const elsewhere = mkdtempSync(join(tmpdir(), "elsewhere-"));
    chmodSync(elsewhere, 0o755);
    const { root } = makeLibrary({ "rule/a.md": "a" });
    symlinkSync(elsewhere, join(root, "workspace-template"));
    symlinkSync(elsewhere, join(root, "mcp"));
    assert.throws(() => writeTemplate(root, template, true), { code: "invalid_input", message: /leads out of/ });
    writeFileSync(join(elsewhere, "servers.json"), servers);
    const change = () => changeServer(serversIn(root), "first", { enabled: false }, root);
    assert.throws(change, { code: "invalid_input", message: /leads out of/ });
    assert.equal(readFileSync(join(elsewhere, "servers.json"), "utf8"), servers);
    assert.deepEqual([existsSync(join(elsewhere, "web.json")), statSync(elsewhere).mode & 0o777], [false, 0o755]);
    assert.deepEqual(codes(new Catalogue(root)), ["link mcp/servers.json", "link workspace-template"]);
    const { parts, problems } = readLibrary(root);
    assert.deepEqual([parts.length, problems.map(({ name }) => name)], [1, ["servers.json"]]);
  });

  it("is readable as the user's other files are, but their own list of servers by nobody else", () => {
    const { root } = makeLibrary({ "rule/a.md": "a" });
    writeTemplate(root, template, false);
    const modes = (folder: string, file: string) =>
      [folder, join(folder, file)].map((path) => statSync(join(root, path)).mode & 0o777);
    assert.deepEqual(modes("workspace-template", "web.json"), modes("rule", "a.md"));
    const own = join(root, "own", "servers.json");
    mkdirSync(join(root, "own"));
    writeServer(own, "one", { command: ["x"] });
    changeServer(own, "one", { enabled: false });
    assert.deepEqual(JSON.parse(readFileSync(own, "utf8")), { one: { command: ["x"], enabled: false } });
    assert.equal(statSync(own).mode & 0o777, 0o600);
  });

  it("keeps what a template holds besides, in its order and form", () => {
    const before = '{\n    "mine": [1, 2],\n    "env_vars": { "A": "a" },\n    "skills": ["one"]\n}\n';
    const { root } = makeLibrary({ "workspace-template/web.json": before });
    writeTemplate(root, template, true);
    const text = readFileSync(join(root, "workspace-template/web.json"), "utf8");
    assert.ok(text.startsWith(before.replace('"a"', '"b"').replace("\n}\n", ',\n    "name": "web"')), text);
    assert.deepEqual(readTemplate(root, "web").environment, { A: "b" });
  });

  it("is never put over what does not parse, and keeps comments where there may be some", () => {
    const path = "opencode/a.json";
    const before = '// Mine\n{\n  "a": 1, // one\n  "gone": true,\n  "deep": { "b": [1, 2], /* two */ "c": 3, },\n}\n';
    const { root } = makeLibrary({ [path]: before, "plugins.json": "{ not json", "rule/twice.json": '{"a":1,"a":2}' });
    const at = join(root, path);
    writeJson(root, at, { a: 2, deep: { b: [1, 2], c: 4, d: 5 } }, true);
    const after = readFileSync(at, "utf8");
    for (const kept of ["// Mine\n", '"a": 2, // one\n', '"b": [1, 2], /* two */ "c": 4'])
      assert.ok(after.includes(kept), after);
    assert.equal(jsonOver(at, { a: 2, deep: { b: [1, 2], c: 4, d: 5 } }, true), after);
    assert.throws(() => writeJson(root, at, {}), { code: "item_unreadable" });
    assert.throws(() => writeJson(root, join(root, "plugins.json"), {}), {
      code: "item_unreadable",
      message: /Mend it/,
    });
    assert.deepEqual(
      [readFileSync(at, "utf8"), readFileSync(join(root, "plugins.json"), "utf8")],
      [after, "{ not json"],
    );
    assert.deepEqual(JSON.parse(jsonOver(join(root, "rule/twice.json"), { a: 3 })), { a: 3 });
  });

  it("stays JSON with its comments whatever is added and taken away", () => {
    const cases: [string, object, string][] = [
      ["{}", { a: { b: 1 } }, '{\n  "a": {\n    "b": 1\n  }\n}'],
      ['{\n  "a": 1\n}', {}, "{}"],
      ['{ "a": 1, "b": 2 }', { b: 2, c: [] }, '{ "b": 2, "c": [] }'],
      ['{ "a": 1, "b": 2 }', { a: 1 }, '{ "a": 1 }'],
      ['{\n  "a": 1, // one\n  // about b\n  "b": 2\n}', { a: 1 }, '{\n  "a": 1 // one\n  // about b\n}'],
      ['{\n  "a": 1, // one\n  // about b\n  "b": 2,\n}', { b: 2 }, '{\n  // about b\n  "b": 2,\n}'],
      ['{\n  "a": 1 // one\n}', { a: 1, b: 2 }, '{\n  "a": 1, // one\n  "b": 2\n}'],
      ['{\n  "a": 1, // one\n}', { a: 1, b: 2 }, '{\n  "a": 1, // one\n  "b": 2,\n}'],
      ['{ "a": ["x"], "b": null }', { a: ["x, [\n ]", "y"], b: {} }, '{ "a": ["x, [\\n ]", "y"], "b": {} }'],
      ["[1, // one\n 2]", [2], "[\n  2\n]"],
    ];
    const { root } = makeLibrary({});
    const path = join(root, "opencode.json");
    for (const [before, value, after] of cases) {
      writeFileSync(path, before);
      assert.equal(jsonOver(path, value, true), after, before);
    }
    fc.assert(
      fc.property(maps, maps, fc.constantFrom(undefined, 2, "\t"), (before, value, indent) => {
        writeFileSync(path, JSON.stringify(before, null, indent));
        assert.deepEqual(JSON.parse(jsonOver(path, value)), JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it("is read by missions as by those who look for what is wrong with it, also with a mark of its encoding", () => {
    const { root } = makeLibrary({
      "mcp/servers.json": '\uFEFF{ "a": { "type": "local", "command": ["x"] } }',
      "workspace-template/t.json": '\uFEFF{ "init_scripts": ["s"], "skills": ["b"] }',
      "init-script/s/SCRIPT.sh": "\uFEFF#!/bin/sh\necho\n",
      "plugins.json": '\uFEFF{ "p": { "package": "x" } }',
      "skill/b/SKILL.md": "\uFEFF---\nname: b\ndescription: Does this.\n---\n",
    });
    assert.deepEqual(codes(new Catalogue(root)), []);
    const { parts, problems } = readLibrary(root);
    assert.deepEqual([parts.map(({ name }) => name).sort(), problems], [["a", "b", "p"], []]);
    assert.deepEqual(listTemplates(root).problems, []);
    assert.equal(readTemplate(root, "t").initScript, "#!/bin/sh\necho\n");
    changeServer(serversIn(root), "a", { enabled: false }, root);
    assert.deepEqual(JSON.parse(readFileSync(serversIn(root), "utf8")), {
      a: { type: "local", command: ["x"], enabled: false },
    });
  });
});

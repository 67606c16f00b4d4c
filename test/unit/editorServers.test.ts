import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { editorFiles, editorServers, readEditorServers, translatedServer } from "../../src/library/editorServers.ts";
import { writeFiles } from "../fake/library.ts";

describe("the editor's lists of MCP servers", () => {
  let root: string;
  beforeEach(() => (root = mkdtempSync(join(tmpdir(), "editor-"))));
  afterEach(() => {
    rmSync(root, { recursive: true });
  });
  const storage = () => join(root, "data", "User", "globalStorage", "someone.something");

  it("are found beside the extension's data: the user's, those of profiles by their names, a remote machine's", () => {
    assert.deepEqual(editorFiles(storage()), []);
    writeFiles(join(root, "data"), {
      "User/mcp.json": "{}",
      "User/profiles/1a2b/mcp.json": "{}",
      "User/profiles/3c4d/mcp.json": "{}",
      "User/profiles/5e6f/settings.json": "{}",
      "User/globalStorage/storage.json": '{"userDataProfiles":[{"location":"1a2b","name":"Work"},7]}',
      "Machine/mcp.json": "{}",
    });
    assert.deepEqual(
      editorFiles(storage()).map(({ path, profile }) => [path.slice(root.length + 6), profile]),
      [
        ["User/mcp.json", undefined],
        ["Machine/mcp.json", undefined],
        ["User/profiles/1a2b/mcp.json", "Work"],
        ["User/profiles/3c4d/mcp.json", "3c4d"],
      ],
    );
    assert.deepEqual(editorFiles(join(root, "data", "elsewhere", "globalStorage", "x")), []);
  });

  it("may have comments, trailing commas and addresses with slashes, and lose nothing in texts", () => {
    const path = join(root, "mcp.json");
    writeFiles(root, {
      "mcp.json": [
        '{ // "servers": {}',
        '  /* all of "them" */ "inputs": [],',
        '  "servers": { "web": { "url": "https://example.org/a,}/*b*/", }, "none": 7,',
        '    "local": { "command": "say", "args": ["a // b", ",]"], }, },',
        "}",
      ].join("\n"),
    });
    assert.deepEqual(readEditorServers(path), {
      web: { url: "https://example.org/a,}/*b*/" },
      local: { command: "say", args: ["a // b", ",]"] },
    });
    writeFiles(root, { "mcp.json": '{\n  "servers": {\n    "a" { }\n} }' });
    assert.throws(() => readEditorServers(path), /mcp\.json does not parse: ColonExpected in line 3/);
    writeFiles(root, { "mcp.json": "" });
    assert.deepEqual([readEditorServers(path), editorServers(undefined)], [{}, {}]);
  });

  it("are put into our words, and what only the editor knows is named", () => {
    const places = { folder: '/a "b"/$&', home: "/home/me" };
    const server = { command: "${userHome}/x", args: ["${workspaceFolder}/y", "${HOME}"], env: { A: "${env:B}" } };
    assert.deepEqual(translatedServer(server, places), {
      command: "/home/me/x",
      args: ['/a "b"/$&/y', "${HOME}"],
      env: { A: "{env:B}" },
    });
    const refused = (one: Record<string, unknown>, words: RegExp) =>
      assert.throws(() => translatedServer(one, places), words);
    refused({ url: "https://x", headers: { K: "${input:key}" } }, /asks for “key”/);
    refused({ command: "${config:a.b}" }, /uses \$\{config:a\.b\}/);
    refused({ command: "x", envFile: ".env" }, /reads variables from a file/);
  });
});

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  exits,
  listScript,
  parseList,
  parseStat,
  readScript,
  statScript,
} from "../../src/ui/workspaces/containerScripts.ts";

describe("the scripts that look at a container's files", function () {
  let folder: string;
  before(function () {
    // They are for Linux inside, which is asked here in its place.
    if (process.platform !== "linux") this.skip();
    folder = mkdtempSync(join(tmpdir(), "scripts-"));
    mkdirSync(join(folder, "sub"));
    writeFileSync(join(folder, "plain"), Buffer.from([0, 255, 10, 65]));
    writeFileSync(join(folder, "-n two\nlines '$x' ü"), "");
    symlinkSync("sub", join(folder, "to sub"));
    symlinkSync("plain", join(folder, "to plain"));
    symlinkSync("nowhere", join(folder, "to nothing"));
    execFileSync("mkfifo", [join(folder, "pipe")]);
    utimesSync(join(folder, "plain"), 5, 1_000_000);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const run = (script: string, path: string, limit = 4) => {
    const { status, stdout } = spawnSync("/bin/sh", ["-c", script, "files", path, String(limit)], { encoding: "utf8" });
    return status === 0 ? stdout : String(status);
  };
  const at = (name: string) => join(folder, name);

  it("list any name, with what links lead to", () => {
    const entries = parseList(run(listScript, folder)).map(({ name, kind, isLink }) => [name, kind, isLink]);
    assert.deepEqual(entries.sort(), [
      ["-n two\nlines '$x' ü", "file", false],
      ["pipe", "other", false],
      ["plain", "file", false],
      ["sub", "folder", false],
      ["to nothing", "other", true],
      ["to plain", "file", true],
      ["to sub", "folder", true],
    ]);
    assert.deepEqual(parseList(run(listScript, at("to sub"))), []);
    assert.ok(parseList(run(listScript, "/")).some(({ name, kind }) => name === "proc" && kind === "folder"));
  });

  it("tell what a file is, by what it links to", () => {
    for (const name of ["plain", "to plain"]) {
      const { kind, size, changedAt } = parseStat(run(statScript, at(name)));
      assert.deepEqual({ kind, size, changedAt }, { kind: "file", size: 4, changedAt: 1_000_000_000 });
    }
    assert.equal(parseStat(run(statScript, at("to sub"))).kind, "folder");
    assert.equal(parseStat(run(statScript, at("pipe"))).kind, "other");
  });

  it("give every byte of a file", () => {
    assert.deepEqual([...Buffer.from(run(readScript, at("to plain")), "base64")], [0, 255, 10, 65]);
    assert.equal(run(readScript, at("-n two\nlines '$x' ü")), "");
  });

  it("say why something cannot be looked at, and wait for nothing", () => {
    for (const script of [statScript, listScript, readScript])
      for (const name of ["none", "to nothing", "plain/below"]) assert.equal(run(script, at(name)), exits.missing);
    assert.equal(run(listScript, at("plain")), exits.noFolder);
    assert.equal(run(readScript, at("to sub")), exits.folder);
    assert.equal(run(readScript, at("pipe")), exits.noFile);
    assert.equal(run(readScript, at("plain"), 3), exits.large);
  });
});

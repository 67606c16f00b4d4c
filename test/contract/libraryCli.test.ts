import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { repository } from "../fake/bed.ts";
import { makeGitBed, writeInto, type GitBed } from "../fake/gitBed.ts";
import { buildHeadless } from "../fake/headless.ts";

describe("library on the command line", function () {
  this.timeout(60_000);
  let bed: GitBed;
  let url: string;
  let folder: string;
  before(() => buildHeadless());
  beforeEach(() => {
    bed = makeGitBed();
    url = bed.remote("remote");
    folder = join(bed.home, ".openagent", "library");
    bed.git(bed.root, "clone", "--quiet", url, folder);
  });
  afterEach(() => bed.close());

  const library = (...words: string[]) => {
    const program = join(repository, "dist", "headless.cjs");
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, "library", ...words], {
      env: bed.environment,
      cwd: bed.root,
      encoding: "utf8",
    });
    return { code: status, out: stdout, err: stderr };
  };

  it("shows, commits, pushes and syncs the Library of the data folder, without missions and without OpenCode", () => {
    writeInto(folder, { "rule/new.md": "New.\n" });
    const status = library("status", "--json");
    assert.deepEqual(JSON.parse(status.out), {
      path: folder,
      remote: url,
      branch: "main",
      detached: false,
      upstream: "origin/main",
      ahead: 0,
      behind: 0,
      clean: false,
      conflicted: [],
      modified_files: ["?? rule/new.md"],
    });
    assert.match(library("commit", "Add a rule").out, /^[0-9a-f]{7} {2}1 file\n$/);
    assert.equal(library("commit", "Again").out, "There is nothing to commit.\n");
    assert.equal(library("push").out, "main was pushed to origin.\n");
    const other = bed.other(url);
    bed.commit(other, { theirs: "theirs\n" });
    bed.git(other, "push", "--quiet");
    assert.match(library("status").out, /Branch {3}main, 0 ahead of origin\/main, 1 behind\nNothing is changed\.\n/);
    assert.equal(library("sync").out, "1 commit came in.\n");
    assert.ok(!existsSync(join(bed.home, ".openagent", "missions")));
  });

  it("changes nothing when both sides have gone on, and says the way out", () => {
    const other = bed.other(url);
    bed.commit(other, { theirs: "theirs\n" });
    bed.git(other, "push", "--quiet");
    bed.commit(folder, { mine: "mine\n" });
    const { code, out } = library("sync", "--json");
    assert.deepEqual([code, (JSON.parse(out) as { kind: string }).kind], [1, "diverged"]);
    assert.match(library("sync").out, /1 commit only here, 1 only at origin\/main\. Nothing was changed/);
    const push = library("push");
    assert.equal(push.code, 1);
    assert.match(push.err, /remote has commits that are not here.*\[rejected\].*Sync the Library first/s);
    bed.git(folder, "remote", "set-url", "origin", join(bed.root, "gone.git"));
    const status = library("status");
    assert.deepEqual([status.code, status.out.includes("1 ahead")], [0, true]);
    assert.match(status.err, /no repository at the remote/);
  });

  it("fails on what cannot be used, in the Library that is named", () => {
    const named = join(bed.root, "named");
    writeInto(named, { "command/good.md": "---\ndescription: Good.\n---\nDo it.\n" });
    assert.deepEqual(library("lint", "--dir", named), { code: 0, out: "1 item, no problems.\n", err: "" });
    writeInto(named, { "skill/silent/SKILL.md": "No head.\n", "workspace-template/odd.json": "{" });
    const { code, out } = library("lint", "--dir", named);
    assert.equal(code, 1);
    assert.match(out, /^skill\/silent\/SKILL\.md:1:1 {2}error {2}Its head has no description/m);
    assert.match(out, /^workspace-template\/odd\.json:1:2 {2}error {2}It is no JSON/m);
    const lines = library("lint", "--dir", named, "--json").out.trim().split("\n");
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { code: string }).code),
      ["skill-name-missing", "description-missing", "json"],
    );
    assert.equal(library("status", "--dir", named).code, 1);
    for (const words of [[], ["polish"], ["commit"], ["commit", "two", "words"], ["push", "now"]])
      assert.equal(library(...words).code, 2, words.join(" "));
    assert.match(library("lint", "--dir", join(bed.root, "nowhere")).err, /There is no Library/);
  });
});

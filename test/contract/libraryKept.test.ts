import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Repository } from "../../src/library/repository.ts";
import { makeGitBed, writeInto, type GitBed } from "../fake/gitBed.ts";

describe("What a Library has in no commit", () => {
  let bed: GitBed;
  let library: Repository;
  let other: string;
  const text = (path: string) => readFileSync(join(library.folder, path), "utf8");
  const git = (...args: string[]) => bed.git(library.folder, ...args);

  beforeEach(async () => {
    bed = makeGitBed();
    const url = bed.remote("remote");
    other = bed.other(url);
    bed.commit(other, { ".gitignore": "/env\n/build\n/notes\n" }, "Ignore");
    bed.git(other, "push", "--quiet");
    library = await bed.library(url);
  });
  afterEach(() => bed.close());

  const pushed = (files: Readonly<Record<string, string>>) => {
    bed.commit(other, { ".gitignore": "", ...files }, "Theirs");
    bed.git(other, "push", "--quiet");
  };
  const cases: [string, mine: string, theirs: string][] = [
    ["the same file", "env", "env"],
    ["a file where a folder is here", "build/deep/out", "build"],
    ["a folder where a file is here", "notes", "notes/more/x"],
  ];
  for (const [what, mine, theirs] of cases)
    it(`is never overwritten unasked where git ignores it and the remote has it, and stays in the backup: ${what}`, async () => {
      writeInto(library.folder, { [mine]: "mine\n" });
      pushed({ [theirs]: "theirs\n" });
      const refused = { code: "git_failed", message: new RegExp(`${mine}.*would be overwritten.*Move or rename`) };
      await assert.rejects(library.pull(), refused);
      bed.commit(library.folder, { "rule/mine.md": "mine\n" }, "Mine");
      const before = git("rev-parse", "HEAD");
      assert.equal((await library.pull()).kind, "diverged");
      await assert.rejects(library.merge(), refused);
      await assert.rejects(library.rebase(), refused);
      assert.deepEqual(
        [text(mine), git("rev-parse", "HEAD"), git("branch", "--list", "openagent/*")],
        ["mine\n", before, ""],
      );
      const { backup } = await library.takeTheirs();
      assert.deepEqual([git("show", `${backup}:${mine}`), text(theirs)], ["mine\n", "theirs\n"]);
    });

  it("does not stand in the way of a merge that leaves it alone, but of a rebase, which writes it in between", async () => {
    bed.commit(other, { ".gitignore": "", env: "of both\n" }, "Env");
    bed.git(other, "push", "--quiet");
    await library.pull();
    git("rm", "--quiet", "--cached", "env");
    bed.commit(library.folder, { ".gitignore": "/env\n", env: "mine\n" }, "It is mine alone");
    bed.commit(other, { "rule/theirs.md": "theirs\n" }, "Theirs");
    bed.git(other, "push", "--quiet");
    assert.equal((await library.pull()).kind, "diverged");
    await assert.rejects(library.rebase(), { code: "git_failed", message: /env.*would be overwritten/ });
    assert.deepEqual(await library.merge(), { kind: "done" });
    assert.deepEqual([text("env"), existsSync(join(library.folder, "rule/theirs.md"))], ["mine\n", true]);
  });

  it("is not overwritten by a commit of the user's own that a rebase writes again", async () => {
    bed.commit(library.folder, { ".gitignore": "", env: "once\n" }, "Once");
    git("rm", "--quiet", "--cached", "env");
    bed.commit(library.folder, { ".gitignore": "/env\n", env: "mine\n" }, "No more");
    pushed({ "rule/theirs.md": "theirs\n", ".gitignore": "/env\n/build\n/notes\n/more\n" });
    assert.equal((await library.pull()).kind, "diverged");
    await assert.rejects(library.rebase(), { code: "git_failed", message: /env.*would be overwritten/ });
    assert.equal(text("env"), "mine\n");
  });

  it("is kept in a branch when it is asked for, with what git ignores, and only where there is something", async () => {
    const skill = join(library.folder, "rule");
    assert.deepEqual(await library.keep(skill), {});
    writeInto(library.folder, {
      "rule/.gitignore": "own\n",
      "rule/own": "ignored\n",
      "rule/style.md": "changed\n",
      x: "x\n",
    });
    const { backup = "" } = await library.keep(skill);
    assert.deepEqual(
      ["rule/own", "rule/style.md", "x"].map((path) => git("show", `${backup}:${path}`)),
      ["ignored\n", "changed\n", "x\n"],
    );
    assert.equal(git("status", "--porcelain", "-uall"), " M rule/style.md\n?? rule/.gitignore\n?? x\n");
    assert.deepEqual(await new Repository(library.folder, bed.environment).keep(join(library.folder, "absent")), {});
  });
});

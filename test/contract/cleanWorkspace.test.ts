import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Core } from "../../src/orchestrator/core.ts";
import type { MissionHead } from "../../src/protocol/mission.ts";
import { bash, codeOf, makeBed, makeProject, script, transcriptOf, until, untilTurns, type Bed } from "../fake/bed.ts";
import { buildHeadless, finish } from "../fake/headless.ts";

describe("a mission that is resumed in a clean workspace", function () {
  this.timeout(90_000);
  let bed: Bed;
  let core: Core;
  let folder: string;
  let count = 0;

  before(async () => {
    buildHeadless();
    bed = await makeBed();
    core = bed.core();
    await core.run("startServer", {});
  });
  after(() => bed.close());
  beforeEach(() => {
    folder = join(bed.root, `clean-${String(count++)}`);
    makeProject(folder);
  });

  const git = (...words: string[]) =>
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@t", ...words], { cwd: folder, encoding: "utf8" });
  const write = (name: string, text: string) => {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), text);
  };
  const read = (name: string) =>
    existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : undefined;
  const asked = ({ id }: MissionHead) =>
    transcriptOf(core, id).messages.flatMap(({ role, parts }) =>
      role === "user" ? parts.flatMap((part) => (part.kind === "text" ? [part.text] : [])) : [],
    );

  /** A mission whose first turn has ended. */
  async function mission(directory = folder, ...steps: object[]): Promise<MissionHead> {
    const text = script(...steps, { text: "Done." });
    const { id } = await core.run("createMission", { text, directory, title: "Tidy up" });
    return untilTurns(core, id, 1);
  }

  async function refused(head: MissionHead, words: RegExp): Promise<void> {
    for (const command of ["uncleanFiles", "resumeInCleanWorkspace"] as const)
      await assert.rejects(core.run(command, { missionId: head.id }), (error: Error) => {
        assert.deepEqual([codeOf(error), words.test(error.message)], ["workspace_not_cleanable", true], error.message);
        return true;
      });
    assert.deepEqual([asked(head).length, core.store.head(head.id).pending], [1, []]);
  }

  it("finds the last commit; what was there is in a stash of its name, and comes back from it whole", async () => {
    write("gone.txt", "gone\n");
    write(".gitignore", "ignored.txt\n");
    git("add", ".");
    git("commit", "-qm", "two");
    write("ignored.txt", "ignored\n");
    write("own/README.md", "a repository of its own\n");
    execFileSync("git", ["init", "-q", join(folder, "own")]);
    const head = await mission(folder, bash("echo agent > README.md; mkdir -p deep; echo new > 'deep/ö b.txt'"));
    rmSync(join(folder, "gone.txt"));
    const found = await core.run("uncleanFiles", { missionId: head.id });
    assert.deepEqual(
      [found.files.map(({ path, change }) => `${change} ${path}`).sort(), found.kept],
      [["changed README.md", "deleted gone.txt", "new deep/ö b.txt"], ["own/"]],
    );
    assert.equal(read("README.md"), "agent\n", "looking changes nothing");

    const { files, stash = "" } = await core.run("resumeInCleanWorkspace", { missionId: head.id });
    assert.equal(files, 3);
    const names = ["README.md", "gone.txt", "deep/ö b.txt", "ignored.txt", "own/README.md"];
    const kept = ["ignored\n", "a repository of its own\n"];
    assert.deepEqual(names.map(read), ["hello\n", "gone\n", undefined, ...kept]);
    const after = await untilTurns(core, head.id, 2);
    assert.deepEqual([after.sessionId, after.status], [head.sessionId, "active"]);
    assert.match(asked(head).at(-1) ?? "", new RegExp(`^Continue\\..*3 uncommitted files.*${stash.slice(0, 10)}`));
    assert.match(git("stash", "list"), new RegExp(`Open Agent ${head.id.slice(0, 8)}: Tidy up`));
    git("stash", "pop", "-q");
    assert.deepEqual(names.map(read), ["agent\n", undefined, "new\n", ...kept]);
  });

  it("is told before what waits, and makes no stash where all is committed", async () => {
    const slow = script(bash("sleep 30"));
    const { id } = await core.run("createMission", { text: slow, directory: folder });
    const running = await until(core, id, (head) => head.runState === "waiting_for_tool");
    await core.run("sendMessage", { missionId: id, text: "[[hello]] later" });
    await assert.rejects(core.run("resumeInCleanWorkspace", { missionId: id }), { code: "mission_busy" });
    await core.run("stopMission", { missionId: id });
    await untilTurns(core, id, 1);
    assert.equal((await core.run("resumeInCleanWorkspace", { missionId: id })).stash, undefined);
    await untilTurns(core, id, 3);
    assert.deepEqual(asked(running).slice(1), [
      "The workspace holds nothing but what is committed.",
      "[[hello]] later",
    ]);
    assert.equal(git("stash", "list"), "");
  });

  it("leaves the rest of the repository alone when its folder is a part of it", async () => {
    write("part/inside.txt", "inside\n");
    git("add", ".");
    git("commit", "-qm", "two");
    const head = await mission(join(folder, "part"), bash("echo agent > inside.txt; echo new > new.txt"));
    write("README.md", "mine\n");
    await core.run("resumeInCleanWorkspace", { missionId: head.id });
    const names = ["part/inside.txt", "part/new.txt", "README.md"];
    assert.deepEqual(names.map(read), ["inside\n", undefined, "mine\n"]);
    await untilTurns(core, head.id, 2);
  });

  it("is refused, with the reason and without any change, where git could not keep what is there", async () => {
    const head = await mission();
    write("mine.txt", "mine\n");
    const inFolder = await core.run("createMission", { text: script(bash("sleep 30")), directory: folder });
    await until(core, inFolder.id, ({ runState }) => runState === "waiting_for_tool");
    await refused(head, /the mission “.*” is at work in it/);
    await core.run("stopMission", { missionId: inFolder.id });
    await untilTurns(core, inFolder.id, 1);

    git("checkout", "-qb", "other");
    write("README.md", "other\n");
    git("commit", "-qam", "other");
    git("checkout", "-q", "-");
    write("README.md", "this\n");
    git("commit", "-qam", "this");
    assert.throws(() => git("merge", "-q", "other"));
    await refused(head, /a merge is not finished there \(README\.md\)/);

    rmSync(join(folder, ".git"), { recursive: true });
    await refused(head, /it is no git repository.*not a git repository/);
    git("init", "-q", ".");
    await refused(head, /no commit yet/);
    assert.equal(read("mine.txt"), "mine\n");
  });

  it("is what the command line does with --clean-workspace, and without it all stays", async () => {
    const head = await mission(folder, bash("echo agent > README.md"));
    const plain = await finish(bed, ["resume", head.id.slice(0, 8)]);
    assert.deepEqual([plain.code, read("README.md")], [0, "agent\n"], plain.err);
    const clean = await finish(bed, ["resume", head.id.slice(0, 8), "--clean-workspace"]);
    assert.deepEqual([clean.code, read("README.md")], [0, "hello\n"], clean.err);
    assert.match(clean.err, /put away: 1\. They are in the git stash [0-9a-f]{40}/);
    assert.deepEqual(
      asked(head)
        .slice(1)
        .map((text) => text.slice(0, 9)),
      ["Continue.", "Continue."],
    );
    rmSync(join(folder, ".git"), { recursive: true });
    const refusal = await finish(bed, ["resume", head.id, "--clean-workspace"]);
    assert.deepEqual([refusal.code, refusal.err.includes("no git repository")], [1, true], refusal.err);
  });
});

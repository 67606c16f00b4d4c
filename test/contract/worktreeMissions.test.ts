import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitUntil } from "../../src/base/async.ts";
import { OpenAgentError } from "../../src/base/errors.ts";
import type { Core } from "../../src/orchestrator/core.ts";
import type { Workspace } from "../../src/protocol/workspace.ts";
import { bash, codeOf, makeBed, makeProject, script, until, untilTurns, type Bed } from "../fake/bed.ts";

describe("a mission in a git worktree", function () {
  this.timeout(90_000);
  let bed: Bed;
  let core: Core;
  /** The user's checkout, another one for each test. */
  let project: string;
  let tree: Workspace;
  const git = (folder: string, ...args: string[]) =>
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@t", ...args], { cwd: folder, encoding: "utf8" });

  // One server serves all tests: a fresh one costs more than most of them.
  before(async () => {
    bed = await makeBed();
    core = bed.core();
  });
  beforeEach(async () => {
    project = mkdtempSync(join(bed.root, "checkout-"));
    makeProject(project);
    git(project, "config", "user.name", "t");
    git(project, "config", "user.email", "t@t");
    tree = (await core.run("createWorktree", { folder: project, name: "Fix the flaky test" })).workspace;
  });
  afterEach(async () => {
    for (const { id: missionId } of core.store.listRunning()) {
      await core.run("stopMission", { missionId });
      await until(core, missionId, ({ busy }) => !busy);
    }
    for (const { id: workspaceId } of core.workspaces().workspaces)
      await core.run("deleteWorkspace", { workspaceId, discard: true });
  });
  after(() => bed.close());
  const run = async (command: string) => {
    const { id } = await core.run("createMission", {
      text: script(bash(command), { text: "Done." }),
      workspaceId: tree.id,
    });
    return untilTurns(core, id, 1);
  };
  const id = () => ({ workspaceId: tree.id });
  const failure = (promise: Promise<unknown>) =>
    promise.then(
      () => assert.fail("it did not fail"),
      (error: unknown) => (assert.ok(error instanceof OpenAgentError, String(error)), error),
    );

  it("works on a branch of its own and leaves the user's checkout alone", async () => {
    appendFileSync(join(project, "README.md"), "the user's own\n");
    const head = await run("echo ours > made.txt");
    assert.deepEqual([head.failure, head.directory, head.server], [undefined, tree.directory, "own"]);
    assert.match(tree.id, /^fix-the-flaky-test-[0-9a-f]{6}$/);
    assert.equal(git(tree.directory, "branch", "--show-current").trim(), `openagent/${tree.id}`);
    assert.ok(existsSync(join(tree.directory, "made.txt")) && !existsSync(join(project, "made.txt")));
    assert.equal(readFileSync(join(tree.directory, "README.md"), "utf8"), "hello\n");
    const changes = await core.run("changes", { missionId: head.id });
    assert.deepEqual(
      changes.files.map(({ path }) => path),
      [join(tree.directory, "made.txt")],
    );
  });

  it("is merged back when all is committed, and says what is not", async () => {
    await run("echo ours > made.txt");
    const refused = await failure(core.run("mergeWorktree", id()));
    assert.deepEqual([refused.code, refused.detail["uncommitted"]], ["worktree_failed", "made.txt"]);
    assert.equal(await core.run("commitWorktree", { ...id(), message: "Make it" }), true);
    assert.equal(await core.run("commitWorktree", { ...id(), message: "Again" }), false);
    const state = await core.run("worktreeState", id());
    assert.deepEqual(
      [state.uncommitted, state.commits.map((line) => line.replace(/^\w+ /, "")), state.unsaved.length],
      [[], ["Make it"], 1],
    );
    const into = await core.run("mergeWorktree", id());
    assert.equal(into, git(project, "branch", "--show-current").trim());
    assert.equal(readFileSync(join(project, "made.txt"), "utf8"), "ours\n");
    assert.deepEqual((await core.run("worktreeState", id())).unsaved, []);
    await core.run("deleteWorkspace", id());
    assert.ok(!existsSync(tree.directory));
    assert.equal(git(project, "branch", "--list", "openagent/*"), "");
  });

  it("is not merged where both sides changed the same lines, and the checkout stays as it was", async () => {
    await run("echo theirs > README.md");
    await core.run("commitWorktree", { ...id(), message: "Theirs" });
    writeFileSync(join(project, "README.md"), "mine\n");
    git(project, "commit", "-qam", "Mine");
    const refused = await failure(core.run("mergeWorktree", id()));
    assert.deepEqual([refused.code, refused.detail["conflicts"]], ["worktree_failed", "README.md"]);
    assert.equal(readFileSync(join(project, "README.md"), "utf8"), "mine\n");
    assert.equal(git(project, "status", "--porcelain"), "");
  });

  it("is deleted only with what would be lost named, and then only when the user says so", async () => {
    await run(
      "echo ours > made.txt; git add made.txt; git -c user.name=a -c user.email=a@a commit -qm Step; echo x > loose.txt",
    );
    const refused = await failure(core.run("deleteWorkspace", id()));
    assert.equal(refused.code, "workspace_busy");
    assert.match(refused.detail["lost"] ?? "", /^loose\.txt\ncommit \w+ Step$/);
    assert.ok(existsSync(join(tree.directory, "loose.txt")));
    await core.run("deleteWorkspace", { ...id(), discard: true });
    assert.ok(!existsSync(tree.directory));
    assert.equal(git(project, "worktree", "list", "--porcelain").match(/^worktree /gm)?.length, 1);
  });

  it("is found again when its record is lost", async () => {
    await run("echo ours > made.txt");
    await core.dispose();
    rmSync(bed.paths.workspaces, { recursive: true });
    core = bed.core();
    await core.run("startServer", {});
    await waitUntil(() => core.workspaces().workspaces.length > 0, 10_000);
    const [found] = core.workspaces().workspaces;
    assert.deepEqual(
      [found?.id, found?.kind, found?.directory, found?.repository, found?.status],
      [tree.id, "worktree", tree.directory, project, "ready"],
    );
  });

  it("gives a patch with all of it, which can be applied to the checkout whole or not at all", async () => {
    await run("echo ours > made.txt; printf '\\\\000\\\\001' > bytes.bin; rm README.md");
    const patch = await core.run("worktreePatch", id());
    assert.match(patch, /made\.txt[\s\S]*/);
    assert.equal(git(tree.directory, "diff", "--cached", "--name-only"), "");
    await core.run("applyWorktree", id());
    assert.equal(git(project, "status", "--porcelain"), " D README.md\n?? bytes.bin\n?? made.txt\n");
    assert.equal((await failure(core.run("applyWorktree", id()))).code, "worktree_failed");
  });

  it("is pushed as a branch to the remote", async () => {
    await run("echo ours > made.txt");
    await core.run("commitWorktree", { ...id(), message: "Make it" });
    assert.equal(await core.run("pushWorktree", id()).catch(codeOf), "worktree_failed");
    const remote = join(bed.root, "remote.git");
    git(bed.root, "init", "-q", "--bare", remote);
    git(project, "remote", "add", "origin", remote);
    assert.equal((await core.run("pushWorktree", id())).remote, "origin");
    assert.equal(git(remote, "log", "-1", "--format=%s", `openagent/${tree.id}`).trim(), "Make it");
    await core.run("deleteWorkspace", id());
  });

  it("is refused where there is no repository or no commit", async () => {
    const [bare, fresh] = [join(bed.root, "bare"), join(bed.root, "fresh")];
    for (const folder of [bare, fresh]) mkdirSync(folder);
    git(fresh, "init", "-q");
    for (const folder of [bare, fresh])
      assert.equal((await failure(core.run("createWorktree", { folder, name: "x" }))).code, "worktree_failed");
    assert.deepEqual(
      core.workspaces().workspaces.map((one) => one.id),
      [tree.id],
    );
  });
});

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { silentLogger } from "../../src/base/log.ts";
import { fileSecrets } from "../../src/orchestrator/secrets.ts";
import { Workspaces } from "../../src/orchestrator/workspaces.ts";
import type { Workspace } from "../../src/protocol/workspace.ts";
import { Registry } from "../../src/workspace/registry.ts";
import {
  applyWorktree,
  commitWorktree,
  mergeWorktree,
  pushWorktree,
  worktreePatch,
  worktreeState,
} from "../../src/workspace/worktrees.ts";
import { makeWorkspaceBed, type WorkspaceBed } from "../fake/workspaces.ts";

const silent = { output: () => undefined };

describe("A worktree", () => {
  let bed: WorkspaceBed;
  let repository: string;
  let workspace: Workspace;
  const git = (folder: string, ...args: string[]) =>
    execFileSync("git", args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });

  beforeEach(async () => {
    bed = makeWorkspaceBed();
    repository = join(bed.root, "repository");
    mkdirSync(repository);
    git(repository, "init", "-q", "-b", "main");
    git(repository, "config", "user.name", "T");
    git(repository, "config", "user.email", "t@example.org");
    writeFileSync(join(repository, "file"), "text\n");
    git(repository, "add", ".");
    git(repository, "commit", "-qm", "Begin");
    workspace = bed.workspace("worktree", { repository });
    await bed.backends.worktree.prepare(workspace, silent);
  });
  afterEach(() => bed.close());
  /** Commits a text of the file that all branches have. */
  const commit = (folder: string, text: string) => {
    writeFileSync(join(folder, "file"), text);
    git(folder, "commit", "-qam", text.trim());
  };
  const read = (folder: string, name = "file") => readFileSync(join(folder, name), "utf8");

  it("has its own branch and goes with it when nothing would be lost", async () => {
    assert.equal(git(workspace.directory, "branch", "--show-current").trim(), `openagent/${workspace.id}`);
    await bed.backends.worktree.destroy(workspace);
    assert.ok(!existsSync(workspace.directory));
    assert.equal(git(repository, "branch", "--list", "openagent/*"), "");
  });

  it("is not deleted while it has changed files, new files or commits that are nowhere else", async () => {
    const refuses = (lost: RegExp) =>
      assert.rejects(bed.backends.worktree.destroy(workspace), { code: "workspace_busy", message: lost });
    writeFileSync(join(workspace.directory, "new file"), "x");
    await refuses(/new file/);
    git(workspace.directory, "add", ".");
    await refuses(/new file/);
    git(workspace.directory, "commit", "-qm", "Add it");
    await refuses(/commit [0-9a-f]+ Add it/);
    git(repository, "merge", "-q", `openagent/${workspace.id}`);
    await bed.backends.worktree.destroy(workspace);
    assert.ok(!existsSync(workspace.directory));
  });

  it("is not deleted while it has files that git ignores, of which a folder is named as one", async () => {
    writeFileSync(join(repository, ".git", "info", "exclude"), "node_modules/\n*.db\n");
    for (const name of ["node_modules/a/b", "data/results.db"]) {
      mkdirSync(join(workspace.directory, dirname(name)), { recursive: true });
      writeFileSync(join(workspace.directory, name), "x");
    }
    const lost = ["data/results.db (ignored by git)", "node_modules/ (ignored by git)"];
    assert.deepEqual((await worktreeState(workspace)).uncommitted, []);
    assert.deepEqual((await worktreeState(workspace)).unsaved, lost);
    await assert.rejects(bed.backends.worktree.destroy(workspace), {
      code: "workspace_busy",
      detail: { lost: lost.join("\n") },
    });
    assert.ok(existsSync(join(workspace.directory, "data", "results.db")));
    await bed.backends.worktree.discard?.(workspace);
    assert.ok(!existsSync(workspace.directory));
  });

  it("is not deleted while its own branch has commits that nothing else has, whatever is checked out", async () => {
    commit(workspace.directory, "ours\n");
    git(workspace.directory, "checkout", "-q", "--detach", "main");
    await assert.rejects(bed.backends.worktree.destroy(workspace), {
      code: "workspace_busy",
      message: /commit \w+ ours/,
    });
    git(workspace.directory, "checkout", "-q", "-b", "fix");
    await assert.rejects(bed.backends.worktree.destroy(workspace), {
      code: "workspace_busy",
      message: /commit \w+ ours/,
    });
    git(workspace.directory, "branch", "-q", "kept", `openagent/${workspace.id}`);
    await bed.backends.worktree.destroy(workspace);
    assert.ok(!existsSync(workspace.directory));
  });

  it("is deleted with submodules, whose repositories in it are named first", async () => {
    const library = join(bed.root, "library");
    git(bed.root, "clone", "-q", repository, library);
    const local = ["-c", "protocol.file.allow=always", "submodule", "--quiet"];
    git(repository, ...local, "add", library, "sub");
    git(repository, "commit", "-qm", "Add a submodule");
    const plain = bed.workspace("worktree", { repository });
    await bed.backends.worktree.prepare(plain, silent);
    await bed.backends.worktree.destroy(plain);
    assert.ok(!existsSync(plain.directory));
    git(workspace.directory, "merge", "-q", "main");
    git(workspace.directory, ...local, "update", "--init");
    const refused = { code: "workspace_busy", detail: { lost: "sub (repository of a submodule)" } };
    await assert.rejects(bed.backends.worktree.destroy(workspace), refused);
    await bed.backends.worktree.discard?.(workspace);
    assert.ok(!existsSync(workspace.directory));
  });

  it("is forgotten while its repository is away, and its folder stays", async () => {
    renameSync(repository, join(bed.root, "moved"));
    await assert.rejects(worktreeState(workspace), { code: "folder_missing" });
    await bed.backends.worktree.destroy(workspace);
    await bed.backends.worktree.discard?.(workspace);
    assert.ok(existsSync(join(workspace.directory, "file")));
  });

  it("comes back with its commits when its folder was deleted", async () => {
    writeFileSync(join(workspace.directory, "kept"), "x");
    git(workspace.directory, "add", ".");
    git(workspace.directory, "commit", "-qm", "Keep");
    rmSync(workspace.directory, { recursive: true });
    for (const act of [worktreeState, mergeWorktree, worktreePatch])
      await assert.rejects(act(workspace), { code: "folder_missing" });
    assert.match((await bed.backends.worktree.missing(workspace)) ?? "", /does not exist/);
    await bed.backends.worktree.prepare(workspace, silent);
    assert.ok(existsSync(join(workspace.directory, "kept")));
  });

  it("comes back with what was checked out in it, and without a branch where there was none", async () => {
    const again = async () => {
      rmSync(workspace.directory, { recursive: true });
      await bed.backends.worktree.prepare(workspace, silent);
      return git(workspace.directory, "branch", "--show-current").trim();
    };
    git(workspace.directory, "branch", "-qm", "renamed");
    commit(workspace.directory, "ours\n");
    assert.equal(await again(), "renamed");
    git(workspace.directory, "checkout", "-q", "--detach");
    commit(workspace.directory, "detached\n");
    assert.equal(await again(), "");
    assert.equal(read(workspace.directory), "detached\n");
  });

  it("leaves worktrees of others on git's list, whose folders are away", async () => {
    const away = join(bed.root, "drive");
    git(repository, "worktree", "add", "-q", away, "-b", "mine");
    rmSync(away, { recursive: true });
    const listed = () => git(repository, "worktree", "list", "--porcelain").includes(`worktree ${away}\n`);
    const other = bed.workspace("worktree", { repository });
    await bed.backends.worktree.prepare(other, silent);
    assert.ok(listed());
    rmSync(workspace.directory, { recursive: true });
    await bed.backends.worktree.prepare(workspace, silent);
    assert.ok(listed());
    rmSync(workspace.directory, { recursive: true });
    await bed.backends.worktree.destroy(workspace);
    await bed.backends.worktree.discard?.(other);
    assert.ok(listed());
    assert.equal(git(repository, "worktree", "list", "--porcelain").match(/^worktree /gm)?.length, 2);
    assert.equal(git(repository, "branch", "--list", "openagent/*"), "");
  });

  it("takes no folder that is something else", async () => {
    const folder = join(bed.root, "mine");
    mkdirSync(folder);
    const other = { ...workspace, id: "other", directory: folder };
    await assert.rejects(bed.backends.worktree.prepare(other, silent), { code: "workspace_busy" });
  });

  it("is not merged while the user merges or picks something, whose resolutions stay", async () => {
    git(repository, "branch", "theirs");
    commit(repository, "mine\n");
    git(repository, "checkout", "-q", "theirs");
    commit(repository, "theirs\n");
    git(repository, "checkout", "-q", "main");
    writeFileSync(join(workspace.directory, "made"), "x");
    await commitWorktree(workspace, "Make it");
    for (const [word, ...begin] of [
      ["merge", "theirs"],
      ["cherry-pick", "theirs"],
    ] as const) {
      assert.throws(() => git(repository, word, ...begin));
      writeFileSync(join(repository, "file"), "both, by hand\n");
      const refused = { code: "worktree_failed", message: new RegExp(`A ${word} is under way`) };
      await assert.rejects(mergeWorktree(workspace), refused);
      git(repository, "add", ".");
      await assert.rejects(mergeWorktree(workspace), refused);
      assert.equal(read(repository), "both, by hand\n");
      assert.equal(git(repository, "status", "--porcelain"), "M  file\n");
      git(repository, word, "--abort");
    }
    writeFileSync(join(repository, "file"), "put away\n");
    git(repository, "stash", "push", "-q");
    commit(repository, "other\n");
    assert.throws(() => git(repository, "stash", "pop"));
    await assert.rejects(mergeWorktree(workspace), { code: "worktree_failed", message: /unresolved conflicts .*file/ });
    assert.match(read(repository), /put away/);
    git(repository, "reset", "-q", "--hard");
    assert.equal(await mergeWorktree(workspace), "main");
  });

  it("leaves no merge behind that a hook of the user's refused", async () => {
    commit(repository, "mine\n");
    writeFileSync(join(workspace.directory, "made"), "x");
    await commitWorktree(workspace, "Make it");
    const hook = join(repository, ".git", "hooks", "pre-merge-commit");
    mkdirSync(dirname(hook), { recursive: true });
    writeFileSync(hook, "#!/bin/sh\necho not today >&2; exit 1\n", { mode: 0o755 });
    await assert.rejects(mergeWorktree(workspace), { code: "worktree_failed", message: /not today/ });
    assert.ok(!existsSync(join(repository, ".git", "MERGE_HEAD")));
    assert.equal(git(repository, "status", "--porcelain"), "");
  });

  it("is not committed with conflicts that its agent has left", async () => {
    commit(workspace.directory, "ours\n");
    commit(repository, "mine\n");
    assert.throws(() => git(workspace.directory, "merge", "main"));
    await assert.rejects(commitWorktree(workspace, "All"), { code: "worktree_failed", message: /conflicts .*file/ });
    writeFileSync(join(workspace.directory, "file"), "both\n");
    git(workspace.directory, "add", ".");
    assert.equal(await commitWorktree(workspace, "Both"), true);
    await mergeWorktree(workspace);
    assert.equal(read(repository), "both\n");
  });

  it("is merged and pushed with the branch that its agent has checked out, whatever a tag is called", async () => {
    git(repository, "branch", "-q", "later");
    git(workspace.directory, "checkout", "-q", "-b", "fix", "--track", "later");
    git(repository, "tag", "fix");
    commit(workspace.directory, "ours\n");
    const { branch, commits, unsaved } = await worktreeState(workspace);
    assert.deepEqual([branch, commits.map((line) => line.replace(/^\w+ /, "")), unsaved], ["fix", ["ours"], []]);
    const remote = join(bed.root, "remote.git");
    git(repository, "init", "-q", "--bare", remote);
    git(repository, "remote", "add", "origin", remote);
    git(repository, "config", "push.default", "upstream");
    await pushWorktree(workspace);
    assert.equal(git(remote, "log", "--format=%D %s", "--all"), "fix ours\n Begin\n");
    assert.equal(await mergeWorktree(workspace), "main");
    assert.equal(read(repository), "ours\n");
    await bed.backends.worktree.destroy(workspace);
    assert.match(git(repository, "branch", "--list"), /fix/);
  });

  it("is merged, pushed and discarded when its branch was renamed, or no branch is checked out", async () => {
    git(workspace.directory, "branch", "-qm", "renamed");
    commit(workspace.directory, "ours\n");
    assert.deepEqual([(await worktreeState(workspace)).branch, await mergeWorktree(workspace)], ["renamed", "main"]);
    git(workspace.directory, "checkout", "-q", "--detach");
    commit(workspace.directory, "detached\n");
    const { branch, commits, unsaved } = await worktreeState(workspace);
    assert.deepEqual([branch, commits.length, unsaved.length], [`openagent/${workspace.id}`, 1, 1]);
    const remote = join(bed.root, "remote.git");
    git(repository, "init", "-q", "--bare", remote);
    git(repository, "remote", "add", "origin", remote);
    await pushWorktree(workspace);
    assert.equal(git(remote, "log", "-1", "--format=%s", `openagent/${workspace.id}`), "detached\n");
    await mergeWorktree(workspace);
    assert.equal(read(repository), "detached\n");
    writeFileSync(join(workspace.directory, "loose"), "x");
    assert.deepEqual((await worktreeState(workspace)).unsaved, ["loose"]);
    await bed.backends.worktree.discard?.(workspace);
    assert.ok(!existsSync(workspace.directory));
  });

  it("is not merged or pushed half rebased", async () => {
    commit(repository, "mine\n");
    commit(workspace.directory, "ours\n");
    assert.throws(() => git(workspace.directory, "rebase", "main"));
    for (const act of [mergeWorktree, pushWorktree])
      await assert.rejects(act(workspace), { code: "worktree_failed", message: /A rebase is under way/ });
  });

  it("gives a patch in the bytes that its files have, whatever the user has git show differences with", async () => {
    const latin = Buffer.from("gr\xfc\xdfe\n", "latin1");
    const settings = {
      "diff.external": "/bin/true",
      "diff.noprefix": "true",
      "diff.mnemonicPrefix": "true",
      "diff.context": "0",
      "color.ui": "always",
    };
    for (const [name, value] of Object.entries(settings)) git(repository, "config", name, value);
    git(repository, "config", "diff.shout.textconv", "tr a-z A-Z <");
    writeFileSync(join(repository, ".git", "info", "attributes"), "file diff=shout\n");
    writeFileSync(join(workspace.directory, "latin"), latin);
    writeFileSync(join(workspace.directory, "file"), "text\nmore\n");
    assert.match(await worktreePatch(workspace), /^diff --git a\/file b\/file\n[^]*\n text\n\+more\n/);
    await applyWorktree(workspace);
    assert.ok(readFileSync(join(repository, "latin")).equals(latin));
    assert.equal(read(repository), "text\nmore\n");
  });
});

describe("The record of a worktree", () => {
  let bed: WorkspaceBed;
  let repository: string;
  let trees: string;
  const git = (...args: string[]) => execFileSync("git", args, { cwd: repository, stdio: "ignore" });
  const recordOf = ({ id }: Workspace) => join(bed.root, "records", `${id}.json`);
  /** What a leader has on record when it has started. */
  const started = async () => {
    const workspaces = new Workspaces({
      registry: new Registry(join(bed.root, "records")),
      backends: bed.backends,
      folder: join(bed.root, "workspaces"),
      worktrees: trees,
      secrets: fileSecrets(join(bed.root, "secrets.json")),
      log: silentLogger,
      onChange: () => undefined,
    });
    await workspaces.start();
    return workspaces;
  };

  beforeEach(() => {
    bed = makeWorkspaceBed();
    repository = join(bed.root, "repository");
    trees = join(bed.root, "worktrees");
    mkdirSync(repository);
    git("init", "-q");
    git("-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "-q", "--allow-empty", "-m", "Begin");
  });
  afterEach(() => bed.close());

  it("is made anew from git's list when it is lost, whatever its agent has checked out", async () => {
    const lost = await (await started()).createWorktree(repository, "Lost");
    const kept = await (await started()).createWorktree(repository, "Kept");
    const gone = await (await started()).createWorktree(repository, "Gone");
    execFileSync("git", ["checkout", "-q", "-b", "openagent/else/where"], { cwd: lost.directory });
    rmSync(gone.directory, { recursive: true });
    git("worktree", "add", "-q", join(bed.root, "mine"));
    for (const one of [lost, gone]) rmSync(recordOf(one));
    const again = await started();
    const { id, directory } = lost;
    assert.deepEqual(
      again
        .list()
        .map((one) => one.name)
        .sort(),
      [kept.name, gone.id, id].sort(),
    );
    assert.deepEqual([again.get(id).directory, again.get(id).repository], [directory, repository]);
    assert.equal((await again.ready(gone.id)).directory, gone.directory);
    assert.ok(existsSync(gone.directory));
  });

  it("is left alone where it does not parse", async () => {
    const tree = await (await started()).createWorktree(repository, "Named by its user");
    const broken = readFileSync(recordOf(tree), "utf8").replace("{", '{ "environment": "of a later version",');
    writeFileSync(recordOf(tree), `${broken} }`);
    assert.deepEqual((await started()).list(), []);
    assert.equal(readFileSync(recordOf(tree), "utf8"), `${broken} }`);
  });
});

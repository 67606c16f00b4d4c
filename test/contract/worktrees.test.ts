import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Workspace } from "../../src/protocol/workspace.ts";
import { makeWorkspaceBed, type WorkspaceBed } from "../fake/workspaces.ts";

const silent = { output: () => undefined };

describe("A worktree", () => {
  let bed: WorkspaceBed;
  let repository: string;
  let workspace: Workspace;
  const identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"];
  const git = (folder: string, ...args: string[]) =>
    execFileSync("git", [...identity, ...args], { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });

  beforeEach(async () => {
    bed = makeWorkspaceBed();
    repository = join(bed.root, "repository");
    mkdirSync(repository);
    git(repository, "init", "-q", "-b", "main");
    writeFileSync(join(repository, "file"), "text\n");
    git(repository, "add", ".");
    git(repository, "commit", "-qm", "Begin");
    workspace = bed.workspace("worktree", { repository });
    await bed.backends.worktree.prepare(workspace, silent);
  });
  afterEach(() => bed.close());

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

  it("comes back with its commits when its folder was deleted", async () => {
    writeFileSync(join(workspace.directory, "kept"), "x");
    git(workspace.directory, "add", ".");
    git(workspace.directory, "commit", "-qm", "Keep");
    rmSync(workspace.directory, { recursive: true });
    assert.match((await bed.backends.worktree.missing(workspace)) ?? "", /does not exist/);
    await bed.backends.worktree.prepare(workspace, silent);
    assert.ok(existsSync(join(workspace.directory, "kept")));
  });

  it("takes no folder that is something else", async () => {
    const folder = join(bed.root, "mine");
    mkdirSync(folder);
    const other = { ...workspace, id: "other", directory: folder };
    await assert.rejects(bed.backends.worktree.prepare(other, silent), { code: "workspace_busy" });
  });
});

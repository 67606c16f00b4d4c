import { existsSync, readdirSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { OpenAgentError } from "../base/errors.ts";
import type { Probe, Workspace } from "../protocol/workspace.ts";
import type { PrepareOptions } from "./backend.ts";
import { HostBackend } from "./host.ts";
import { findTool, needTool, runTool, type ToolOptions } from "./tools.ts";

/** A git worktree on a branch of its own, on the host. */
export class WorktreeBackend extends HostBackend {
  override readonly kind = "worktree";

  override async probe(): Promise<Probe> {
    if (findTool("git") === undefined)
      return { kind: this.kind, available: false, reason: "git was not found.", remedy: "Install git.", limits: [] };
    const { limits } = await super.probe();
    const version = (await runTool(needTool("git"), ["--version"])).split(" ")[2]?.trim();
    return { kind: this.kind, available: true, ...(version !== undefined && { version }), limits };
  }

  /**
   * Adds the worktree on its branch, which is made from the repository's HEAD when there is none. One whose folder was
   * deleted comes back with what was checked out in it.
   */
  override async prepare(workspace: Workspace, options: PrepareOptions): Promise<void> {
    const { directory } = workspace;
    const repository = repositoryOf(workspace);
    if ((await this.missing(workspace)) === undefined) return;
    const git = (...args: string[]) => runGit(repository, args, options);
    if (existsSync(directory))
      throw new OpenAgentError("workspace_busy", `${directory} is there and no worktree of ${repository}.`);
    const before = await entryOf(workspace);
    const branch = before?.branch ?? branchOf(workspace);
    const known = (await git("branch", "--list", "--format=%(refname:short)", branch)).trim() !== "";
    // What git has on its list without a folder is left there: it may be another's, on a drive that is not mounted.
    const add = ["worktree", "add", ...(before ? ["--force"] : [])];
    if (before?.head !== undefined && before.branch === undefined)
      await git(...add, "--detach", directory, before.head);
    else await git(...add, ...(known ? [directory, branch] : ["-b", branch, directory]));
  }

  override async missing(workspace: Workspace): Promise<string | undefined> {
    const { directory } = workspace;
    if (!existsSync(directory)) return `The folder ${directory} does not exist.`;
    if ((await entryOf(workspace)) !== undefined) return undefined;
    return `${directory} is no worktree of ${repositoryOf(workspace)}.`;
  }

  /**
   * Deletes the worktree, and its branch when it is merged. Refuses when anything would be lost, and says what. Where
   * its repository is away nobody can tell, so its folder stays.
   */
  override async destroy(workspace: Workspace): Promise<void> {
    await this.stop(workspace);
    if (isAway(workspace)) return;
    const repository = repositoryOf(workspace);
    const git = (...args: string[]) => runGit(repository, args);
    const entry = await entryOf(workspace);
    if (entry !== undefined) {
      const lost = existsSync(entry.directory) ? await unsaved(workspace) : [];
      if (lost.length > 0)
        throw new OpenAgentError(
          "workspace_busy",
          `Deleting ${workspace.directory} would lose ${lost.slice(0, 20).join(", ")}. ` +
            "Commit and merge or push it, and copy what git ignores and you need, or discard all of it.",
          { lost: lost.join("\n") },
        );
      // By itself git deletes none with submodules, be they checked out in it or not.
      const force = existsSync(join(entry.directory, ".gitmodules")) ? ["--force"] : [];
      await git("worktree", "remove", ...force, entry.directory);
    }
    // Refused by git itself when it holds what is nowhere else.
    await git("branch", "-d", branchOf(workspace)).catch(() => "");
  }

  /** Deletes the worktree and its branch with all that is nowhere else, unless its repository is away. */
  async discard(workspace: Workspace): Promise<void> {
    await this.stop(workspace);
    if (isAway(workspace)) return;
    const repository = repositoryOf(workspace);
    const entry = await entryOf(workspace);
    if (entry !== undefined) await runGit(repository, ["worktree", "remove", "--force", entry.directory]);
    await runGit(repository, ["branch", "-D", branchOf(workspace)]).catch(() => "");
  }
}

/** A worktree on git's own list; its folder may be missing. */
export interface WorktreeEntry {
  directory: string;
  /** The commit that is checked out; undefined where there is none yet. */
  head?: string;
  /** The branch that is checked out; undefined where none is. */
  branch?: string;
}

/** All worktrees that git knows of a repository, its own checkout first. */
export async function worktreesOf(repository: string): Promise<WorktreeEntry[]> {
  const listed = await runGit(repository, ["worktree", "list", "--porcelain", "-z"]);
  return listed
    .split("\0\0")
    .map((entry) => new Map(entry.split("\0").map((line) => [line.split(" ", 1)[0], line.replace(/^\S+ ?/, "")])))
    .flatMap((entry) => {
      const [directory, head, branch] = [entry.get("worktree"), entry.get("HEAD"), entry.get("branch")];
      if (directory === undefined) return [];
      const isCommit = head !== undefined && /[^0]/.test(head);
      return {
        directory: resolve(directory),
        ...(isCommit && { head }),
        ...(branch !== undefined && { branch: branch.replace("refs/heads/", "") }),
      };
    });
}

async function entryOf(workspace: Workspace): Promise<WorktreeEntry | undefined> {
  const ours = realPath(workspace.directory);
  return (await worktreesOf(repositoryOf(workspace))).find(({ directory }) => directory === ours);
}

/** A path as git names it, without links, also of what is not there. */
export function realPath(path: string): string {
  const parent = dirname(path);
  if (existsSync(path) || parent === path) return realpathSync(path);
  return join(realPath(parent), basename(path));
}

/** What is nowhere but in a worktree: changed, unknown and ignored files, and commits that no branch keeps without it. */
export async function unsaved(workspace: Workspace): Promise<string[]> {
  const { changed, ignored } = await uncommittedFiles(workspace);
  // Its branch goes with it, also where the agent has checked out something else meanwhile.
  const own = branchOf(workspace);
  const tips = ["HEAD", `refs/heads/${own}`];
  const others = ["--not", `--exclude=${own}`, "--branches", "--remotes", "--tags", "--"];
  const log = await runGit(workspace.directory, [
    "log",
    "--ignore-missing",
    "--format=commit %h %s",
    ...tips,
    ...others,
  ]);
  const commits = log.split("\n").filter((line) => line !== "");
  // A worktree's submodules have repositories of their own, which go with it.
  const modules = join((await runGit(workspace.directory, ["rev-parse", "--absolute-git-dir"])).trim(), "modules");
  const submodules = existsSync(modules)
    ? readdirSync(modules).map((name) => `${name} (repository of a submodule)`)
    : [];
  return [...changed, ...commits, ...submodules, ...ignored.map((name) => `${name} (ignored by git)`)];
}

/** Files that are in no commit, from the worktree's folder. Of a folder that git ignores only its name, with a slash. */
export async function uncommittedFiles({ directory }: Workspace): Promise<{ changed: string[]; ignored: string[] }> {
  const wanted = ["--untracked-files=all", "--ignored=matching", "--no-renames"];
  const entries = (await runGit(directory, ["status", "--porcelain", "-z", ...wanted])).split("\0");
  const isIgnored = (entry: string) => entry.startsWith("!! ");
  const named = entries.filter((entry) => entry !== "");
  return {
    changed: named.filter((entry) => !isIgnored(entry)).map((entry) => entry.slice(3)),
    ignored: named.filter(isIgnored).map((entry) => entry.slice(3)),
  };
}

/** The branch of a worktree. */
export function branchOf({ id }: Workspace): string {
  return `openagent/${id}`;
}

function isAway({ repository }: Workspace): boolean {
  return repository !== undefined && !existsSync(repository);
}

function repositoryOf({ repository, name }: Workspace): string {
  if (repository !== undefined && existsSync(repository)) return repository;
  const message = repository === undefined ? "names no repository." : `is of ${repository}, which does not exist.`;
  throw new OpenAgentError("folder_missing", `The workspace ${name} ${message}`, { path: repository ?? "" });
}

function runGit(folder: string, args: readonly string[], options: ToolOptions = {}): Promise<string> {
  return runTool(needTool("git"), args, { ...options, cwd: folder, code: "workspace_build_failed" });
}

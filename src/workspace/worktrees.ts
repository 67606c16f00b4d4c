import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, relative, resolve } from "node:path";
import { OpenAgentError } from "../base/errors.ts";
import { isWithin } from "../base/paths.ts";
import type { Workspace, WorktreeState } from "../protocol/workspace.ts";
import { needTool, runTool, tryTool, type ToolOptions } from "./tools.ts";
import { branchOf, realPath, uncommittedFiles, unsaved, worktreesOf, type WorktreeEntry } from "./worktree.ts";

/** What users do with a worktree once a mission has worked in it. All of it throws `worktree_failed` with git's words. */

function git(folder: string, args: readonly string[], options: ToolOptions = {}): Promise<string> {
  return runTool(needTool("git"), args, { ...options, cwd: folder, code: "worktree_failed" });
}

async function firstLine(folder: string, ...args: string[]): Promise<string> {
  return (await git(folder, args)).split("\n")[0]?.trim() ?? "";
}

/**
 * A worktree for a repository, not made yet, on a branch that is named for it.
 * @param folder any folder of the repository
 * @param parent where worktrees lie
 */
export async function newWorktree(
  folder: string,
  name: string,
  parent: string,
): Promise<Pick<Workspace, "id" | "directory" | "repository">> {
  if (!existsSync(folder))
    throw new OpenAgentError("folder_missing", `The folder ${folder} does not exist.`, { path: folder });
  const repository = await firstLine(folder, "rev-parse", "--show-toplevel").catch(() => "");
  if (repository === "")
    throw new OpenAgentError(
      "worktree_failed",
      `${folder} is in no git repository, so there can be no worktree of it.`,
    );
  if ((await tryTool(needTool("git"), ["rev-parse", "--verify", "HEAD"], { cwd: repository })).exitCode !== 0)
    throw new OpenAgentError("worktree_failed", `${repository} has no commit yet, which a worktree begins with.`);
  const slug = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, 40)
    .replace(/-$/, "");
  const id = `${slug === "" ? "mission" : slug}-${randomBytes(3).toString("hex")}`;
  return { id, repository, directory: join(parent, basename(repository), id) };
}

/** The folder of a worktree that corresponds to a folder of its repository. */
export function folderInWorktree(workspace: Pick<Workspace, "directory" | "repository">, folder: string): string {
  const inside = relative(workspace.repository ?? folder, resolve(folder));
  return inside.startsWith("..") ? workspace.directory : join(workspace.directory, inside);
}

/**
 * Worktrees in our folder that are not on record, as after the loss of it. Git's list of a repository tells them: of each
 * that one on record is of, and of each that a folder there is of.
 */
export async function lostWorktrees(
  parent: string,
  known: readonly Workspace[],
): Promise<Pick<Workspace, "id" | "directory" | "repository">[]> {
  const root = realPath(parent);
  const seen = new Set(known.map(({ directory }) => realPath(directory)));
  const unknown = foldersIn(root)
    .flatMap(foldersIn)
    .filter((folder) => !seen.has(folder) && existsSync(join(folder, ".git")));
  const repositories = known.flatMap(({ repository }) => repository ?? []).filter(existsSync);
  const found: Pick<Workspace, "id" | "directory" | "repository">[] = [];
  for (const folder of new Set([...unknown, ...repositories])) {
    if (seen.has(folder)) continue;
    const [main, ...others] = await worktreesOf(folder).catch((): WorktreeEntry[] => []);
    for (const { directory } of others) {
      if (!main || seen.has(directory) || !isWithin(root, directory)) continue;
      seen.add(directory);
      const place = join(parent, relative(root, directory));
      found.push({ id: basename(directory), directory: place, repository: main.directory });
    }
  }
  return found;
}

function foldersIn(parent: string): string[] {
  if (!existsSync(parent)) return [];
  return readdirSync(parent, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(parent, name));
}

/**
 * What is checked out in the worktree and the repository's own checkout lacks, and what is in no commit. Agents switch
 * and rename branches, so the branch need not be the one that the worktree was made with.
 */
export async function worktreeState(workspace: Workspace): Promise<WorktreeState> {
  const repository = repositoryOf(workspace);
  const { branch = branchOf(workspace), commit } = await headOf(workspace);
  // The checkout may have no commit yet.
  const log = ["log", "--ignore-missing", "--format=%h %s"];
  return {
    branch,
    target: await firstLine(repository, "branch", "--show-current"),
    commits: commit === undefined ? [] : lines(await git(repository, [...log, commit, "--not", "HEAD", "--"])),
    uncommitted: (await uncommittedFiles(workspace)).changed,
    unsaved: await unsaved(workspace),
  };
}

/** What is checked out: a branch unless there is none, and a commit unless there is none yet. */
async function headOf({ directory }: Workspace): Promise<{ branch?: string; commit?: string }> {
  const branch = await firstLine(directory, "branch", "--show-current");
  const commit = await firstLine(directory, "rev-parse", "--verify", "HEAD").catch(() => "");
  return { ...(branch !== "" && { branch }), ...(commit !== "" && { commit }) };
}

/** Puts all that is in no commit into one on the worktree's branch. Gives false when there is nothing. */
export async function commitWorktree(workspace: Workspace, message: string): Promise<boolean> {
  const { directory } = workspace;
  repositoryOf(workspace);
  // Adding them would say that they are resolved, and commit the marks of the conflicts.
  await requireResolved(directory);
  await git(directory, ["add", "--all"]);
  if ((await git(directory, ["status", "--porcelain"])) === "") return false;
  await git(directory, ["commit", "--quiet", "--message", message]);
  return true;
}

/**
 * Merges what is checked out in the worktree into what is checked out in the repository. With conflicts nothing is changed there, and
 * what the user has begun there is never touched. Gives the branch that it went into.
 */
export async function mergeWorktree(workspace: Workspace): Promise<string> {
  const repository = repositoryOf(workspace);
  await requireAtRest(repository);
  await requireAtRest(workspace.directory);
  await requireCommitted(workspace);
  const { branch, commit } = await headOf(workspace);
  if (commit === undefined) throw new OpenAgentError("worktree_failed", `${workspace.name} has no commit to merge.`);
  // By name, which the merge's message tells; git adds to it where a tag has the same name.
  const name = branch && (await firstLine(workspace.directory, "symbolic-ref", "--short", "HEAD"));
  const merged = await tryTool(needTool("git"), ["merge", "--no-edit", name ?? commit], { cwd: repository });
  if (merged.exitCode === 0) return firstLine(repository, "branch", "--show-current");
  const conflicts = await unmerged(repository).catch(() => []);
  // Another's may have begun since we looked.
  const ours = (await firstLine(repository, "rev-parse", "--verify", "MERGE_HEAD").catch(() => "")) === commit;
  if (ours) await git(repository, ["merge", "--abort"]);
  if (!ours || conflicts.length === 0)
    throw new OpenAgentError(
      "worktree_failed",
      `git could not merge: ${(merged.stderr || merged.stdout || merged.ending).trim()}`,
    );
  throw new OpenAgentError(
    "worktree_failed",
    `The same lines were changed on both sides in ${conflicts.slice(0, 10).join(", ")}. Nothing was merged. ` +
      `Have the mission merge ${await firstLine(repository, "branch", "--show-current")} first, or merge by hand.`,
    { conflicts: conflicts.join("\n") },
  );
}

/** Files that a merge or the like has left with conflicts. */
async function unmerged(folder: string): Promise<string[]> {
  const names = await git(folder, ["diff", "--name-only", "-z", "--diff-filter=U"]);
  return names.split("\0").filter((name) => name !== "");
}

/** What git leaves in its folder while something is under way. */
const underWay: readonly (readonly [string, string])[] = [
  ["rebase-merge", "rebase"],
  ["rebase-apply", "rebase"],
  ["MERGE_HEAD", "merge"],
  ["CHERRY_PICK_HEAD", "cherry-pick"],
  ["REVERT_HEAD", "revert"],
];

/** Throws where something was begun and is not finished: it is for the one who began it. */
async function requireAtRest(folder: string): Promise<void> {
  const own = await firstLine(folder, "rev-parse", "--absolute-git-dir");
  const begun = underWay.find(([name]) => existsSync(join(own, name)))?.[1];
  if (begun !== undefined)
    throw new OpenAgentError(
      "worktree_failed",
      `A ${begun} is under way in ${folder}. Finish or abort it first; nothing was changed.`,
    );
  await requireResolved(folder);
}

async function requireResolved(folder: string): Promise<void> {
  const conflicts = await unmerged(folder);
  if (conflicts.length > 0)
    throw new OpenAgentError(
      "worktree_failed",
      `There are unresolved conflicts in ${folder}: ${conflicts.slice(0, 10).join(", ")}. Resolve them first; nothing was changed.`,
      { conflicts: conflicts.join("\n") },
    );
}

/**
 * Pushes the branch that is checked out in the worktree, to be opened as a pull request; where none is, under the name of
 * the one that the worktree was made with. Gives the remote's name, and what it printed.
 */
export async function pushWorktree(workspace: Workspace): Promise<{ remote: string; printed: string }> {
  await requireAtRest(workspace.directory);
  await requireCommitted(workspace);
  const [remote] = lines(await git(repositoryOf(workspace), ["remote"])).sort((one) => (one === "origin" ? -1 : 1));
  if (remote === undefined)
    throw new OpenAgentError("worktree_failed", `${repositoryOf(workspace)} has no remote to push to.`);
  let printed = "";
  const { branch } = await headOf(workspace);
  // To its own name: without that, git may push a branch that follows another to that other.
  const refs = `${branch === undefined ? "HEAD" : `refs/heads/${branch}`}:refs/heads/${branch ?? branchOf(workspace)}`;
  await git(workspace.directory, ["push", ...(branch === undefined ? [] : ["--set-upstream"]), remote, refs], {
    env: { ...process.env, GIT_TERMINAL_PROMPT: "0" },
    output: (text) => (printed += text),
  });
  return { remote, printed };
}

/**
 * All that the worktree has changed since it left the repository's checkout, committed or not, as a patch for git, to be
 * read: bytes that are no UTF-8 are not in it.
 */
export function worktreePatch(workspace: Workspace): Promise<string> {
  return withPatch(workspace, (path) => readFileSync(path, "utf8"));
}

/** Applies the same patch to the files of the repository's checkout, whole or not at all, without a commit. */
export async function applyWorktree(workspace: Workspace): Promise<void> {
  await withPatch(workspace, async (path) => {
    if (statSync(path).size === 0)
      throw new OpenAgentError("worktree_failed", `${workspace.name} has changed nothing.`);
    await git(repositoryOf(workspace), ["apply", "--whitespace=nowarn", path]);
  });
}

/** Does something with a file that holds the patch, in the bytes that the changed files have. */
async function withPatch<T>(workspace: Workspace, use: (path: string) => T | Promise<T>): Promise<T> {
  const { directory } = workspace;
  const target = await firstLine(repositoryOf(workspace), "rev-parse", "HEAD");
  const base = await firstLine(directory, "merge-base", "HEAD", target);
  const folder = await mkdtemp(join(tmpdir(), "open-agent-"));
  const patch = join(folder, "patch");
  try {
    // An index of its own: that of the worktree is the user's and the agent's.
    const env = { ...process.env, GIT_INDEX_FILE: join(folder, "index") };
    await git(directory, ["read-tree", "HEAD"], { env });
    await git(directory, ["add", "--all"], { env });
    // Unlike `git diff`, this heeds nothing that users configure for their own eyes.
    const plain = ["--binary", "--find-renames", "--no-ext-diff", "--no-textconv"];
    await git(directory, ["diff-index", "--cached", "--patch", ...plain, `--output=${patch}`, base], { env });
    return await use(patch);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function requireCommitted(workspace: Workspace): Promise<void> {
  const { changed } = await uncommittedFiles(workspace);
  if (changed.length > 0)
    throw new OpenAgentError(
      "worktree_failed",
      `${changed.slice(0, 10).join(", ")} in ${workspace.directory} are in no commit yet. Commit them first.`,
      { uncommitted: changed.join("\n") },
    );
}

/** Throws `folder_missing` where the repository or the worktree itself is not there. */
function repositoryOf({ repository, name, directory }: Workspace): string {
  if (repository === undefined || !existsSync(repository))
    throw new OpenAgentError(
      "folder_missing",
      `The repository of ${name} is not there: ${repository ?? "none is named"}.`,
    );
  if (existsSync(directory)) return repository;
  throw new OpenAgentError("folder_missing", `The folder ${directory} does not exist.`, { path: directory });
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line.trim() !== "");
}

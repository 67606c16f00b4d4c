import { readFileSync } from "node:fs";
import { join } from "node:path";
import { backUp, ignoredBetween, ignoredIn, isBetween, snapshot } from "./backup.ts";
import { GitFailure, type Git } from "./git.ts";
import { gitError } from "./gitProblem.ts";
import {
  commitOf,
  lines,
  readState,
  upstreamOf,
  type RepositoryState,
  type RepositoryStatus,
} from "./repositoryState.ts";

/** What came of a pull. */
export type PullOutcome =
  | { kind: "up_to_date"; ahead: number }
  | { kind: "updated"; commits: number }
  /** Both sides have commits that the other lacks; without a common one they are unrelated. */
  | { kind: "diverged"; ahead: number; behind: number; upstream: string; unrelated: boolean }
  /** There is no remote, or the branch is not there. */
  | { kind: "no_upstream"; remote?: string };

/** What came of bringing both sides together. */
export type JoinOutcome =
  | { kind: "done"; backup?: string }
  /** In the files named, both sides have changed the same lines: resolve them and continue, or abort. */
  | { kind: "conflicts"; files: string[]; backup?: string };

/** Fetches from the remote that the branch goes with; false where there is none. */
export async function fetchRemote(git: Git): Promise<boolean> {
  return fetchFor(git, await readState(git));
}

async function fetchFor(git: Git, { remote }: RepositoryState): Promise<boolean> {
  if (!remote) return false;
  await git.run(["fetch", "--no-recurse-submodules", remote.name]);
  return true;
}

/**
 * Fetches, and takes over what is new where nothing has to be merged.
 * @param options.fetched somebody else has fetched already
 */
export async function pull(git: Git, options: { fetched?: boolean } = {}): Promise<PullOutcome> {
  const state = await requireRest(git);
  if (!options.fetched) await fetchFor(git, state);
  requireBranch(git, state);
  const upstream = await upstreamOf(git, state);
  if (!upstream)
    return { kind: "no_upstream", ...(state.status.remote !== undefined && { remote: state.status.remote }) };
  const { ahead, behind } = await distance(git, upstream.commit);
  if (behind === 0) return { kind: "up_to_date", ahead };
  if (ahead > 0) {
    const unrelated = (await git.ask("merge-base", "HEAD", upstream.commit)) === undefined;
    return { kind: "diverged", ahead, behind, upstream: upstream.ref.replace("refs/remotes/", ""), unrelated };
  }
  await fastForward(git, upstream.commit);
  return { kind: "updated", commits: behind };
}

async function distance(git: Git, theirs: string): Promise<{ ahead: number; behind: number }> {
  if ((await commitOf(git, "HEAD")) === undefined)
    return { ahead: 0, behind: Number(await git.run(["rev-list", "--count", theirs])) };
  const printed = await git.run(["rev-list", "--left-right", "--count", `HEAD...${theirs}`]);
  const [ahead = 0, behind = 0] = printed.trim().split("\t").map(Number);
  return { ahead, behind };
}

async function fastForward(git: Git, theirs: string): Promise<void> {
  try {
    requireKept(git, await ignoredIn(git, theirs));
    await git.run(["merge", "--ff-only", theirs]);
  } catch (error) {
    const isRefused = error instanceof GitFailure && error.words.includes("would be overwritten by");
    if (!isRefused || !(await isBetween(git, theirs))) throw error;
    // A pull was killed in the middle of this.
    await git.run(["reset", "--hard", theirs]);
  }
}

/** Refuses what would overwrite files that git ignores, and so never speaks of. */
function requireKept(git: Git, lost: readonly string[]): void {
  if (lost.length === 0) return;
  const names = `${lost.slice(0, 10).join(", ")}${lost.length > 10 ? " and others" : ""}`;
  const message = `${names} in ${git.folder}, which git ignores here, would be overwritten by what the remote has.`;
  throw gitError("local_changes", message, "Move or rename them first, or change .gitignore and commit them.");
}

/** Merges the branch at the remote into this one. */
export async function merge(git: Git, options: { unrelated?: boolean } = {}): Promise<JoinOutcome> {
  const { theirs } = await bothSides(git);
  requireKept(git, await ignoredBetween(git, theirs, "merge"));
  const unrelated = options.unrelated ? ["--allow-unrelated-histories"] : [];
  return orConflicts(git, () => git.run(["merge", "--no-edit", "--ff", ...unrelated, theirs]));
}

/** Puts the commits that are only here on top of those of the remote; as they were, they stay in a backup branch. */
export async function rebase(git: Git): Promise<JoinOutcome> {
  const { theirs, status } = await bothSides(git);
  if (status.files.some(({ state }) => state !== "untracked")) throw localChanges(git, status);
  requireKept(git, await ignoredBetween(git, theirs, "rebase"));
  const backup = await backUp(git, "HEAD");
  const outcome = await orConflicts(git, () => git.run(["rebase", "--rebase-merges", "--no-autostash", theirs]));
  return { ...outcome, backup };
}

/** Makes this branch what the remote's is. What is only here, files in no commit too, stays in a backup branch. */
export async function takeTheirs(git: Git): Promise<{ backup: string }> {
  const { theirs } = await bothSides(git);
  const backup = await backUp(git, await snapshot(git, await ignoredIn(git, theirs)));
  await git.run(["reset", "--hard", theirs]);
  return { backup };
}

/** Makes the remote's branch what this one is. What is only there stays in a backup branch here. */
export async function keepMine(git: Git): Promise<{ backup: string }> {
  await fetchFor(git, await requireRest(git));
  const { theirs, there, remote } = await bothSides(git);
  const backup = await backUp(git, theirs);
  // Refused when the remote has moved on from what is in the backup.
  await git.run(["push", "--no-recurse-submodules", `--force-with-lease=${there}:${theirs}`, remote, `HEAD:${there}`]);
  return { backup };
}

/** Goes on with a merge or rebase whose conflicts are resolved. */
export async function continueOperation(git: Git): Promise<JoinOutcome> {
  const { inProgress, conflicted } = (await readState(git)).status;
  if (inProgress === undefined) throw nothingInProgress(git);
  const resolved: string[] = [];
  for (const path of conflicted) if (await isResolved(git, path)) resolved.push(path);
  const open = conflicted.filter((path) => !resolved.includes(path));
  if (open.length > 0) return { kind: "conflicts", files: open };
  if (resolved.length > 0) await git.run(["--literal-pathspecs", "add", "--", ...resolved]);
  const args = inProgress === "merge" ? ["commit", "--no-edit"] : [inProgress, "--continue"];
  return orConflicts(git, () => git.run(args));
}

/** Goes back to before a merge or rebase. */
export async function abortOperation(git: Git): Promise<void> {
  const { inProgress } = (await readState(git)).status;
  if (inProgress === undefined) throw nothingInProgress(git);
  await git.run([inProgress, "--abort"]);
}

/** Whether the user has resolved a file without telling git: a text that both sides have, and no marks left in it. */
async function isResolved(git: Git, path: string): Promise<boolean> {
  const stages = lines(await git.run(["--literal-pathspecs", "ls-files", "--unmerged", "--", path]));
  if (!["2", "3"].every((stage) => stages.some((line) => line.split("\t")[0]?.endsWith(` ${stage}`)))) return false;
  const text = readFileSync(join(git.folder, path), "latin1");
  return !text.includes("\0") && !/^(<{7}|>{7})( |\r?$)/m.test(text);
}

async function orConflicts(git: Git, join: () => Promise<unknown>): Promise<JoinOutcome> {
  try {
    await join();
    return { kind: "done" };
  } catch (error) {
    const { conflicted } = (await readState(git)).status;
    if (!(error instanceof GitFailure) || conflicted.length === 0) throw error;
    return { kind: "conflicts", files: conflicted };
  }
}

interface BothSides {
  status: RepositoryStatus;
  /** The remote's commit, and its branch as a ref there. */
  theirs: string;
  there: string;
  remote: string;
}

async function bothSides(git: Git): Promise<BothSides> {
  const state = await requireRest(git);
  requireBranch(git, state);
  const { status, remote, merge } = state;
  const upstream = await upstreamOf(git, state);
  if (upstream && remote)
    return { status, theirs: upstream.commit, there: merge ?? `refs/heads/${status.branch}`, remote: remote.name };
  throw gitError(
    "unknown_branch",
    `The branch ${status.branch} of the Library in ${git.folder} goes with none at a remote.`,
    "Push it first.",
  );
}

/** Refuses while a merge or rebase waits for the user. */
export async function requireRest(git: Git): Promise<RepositoryState> {
  const state = await readState(git);
  const { inProgress } = state.status;
  if (inProgress === undefined) return state;
  const message = `A ${inProgress} is under way in the Library in ${git.folder}.`;
  throw gitError("in_progress", message, "Resolve its conflicts and continue it, or abort it, first.");
}

/** Refuses where HEAD is on no branch. */
export function requireBranch(git: Git, { status: { branch, detached } }: RepositoryState): void {
  if (!detached) return;
  const message = `The Library in ${git.folder} is on no branch, but at the commit ${branch}.`;
  throw gitError(
    "detached",
    message,
    "Switch to a branch first; commits that are on none are kept in a backup branch.",
  );
}

function localChanges(git: Git, { files }: RepositoryStatus): Error {
  const names = files.filter(({ state }) => state !== "untracked").map(({ path }) => path);
  const message = `${names.slice(0, 10).join(", ")} in ${git.folder} are changed and in no commit.`;
  return gitError("local_changes", message, "Commit them first, or undo them.");
}

function nothingInProgress(git: Git): Error {
  return gitError("other", `No merge or rebase is under way in ${git.folder}.`, "There is nothing to do.");
}

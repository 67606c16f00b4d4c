import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmdirSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { OpenAgentError } from "../base/errors.ts";
import { isAlive } from "../base/processes.ts";
import { gitIn, maskUrls, wrongUrl, type GitOptions } from "./git.ts";
import { asGitError } from "./gitProblem.ts";
import { commitOf, lines } from "./repositoryState.ts";

/** What stands at a remote. */
export interface RemoteBranches {
  branches: string[];
  /** The one that a clone has by default; absent where the repository is empty. */
  usual?: string;
}

/** Asks a remote for its branches, as a check of the address and the login as well. */
export async function remoteBranches(url: string, options: GitOptions = {}): Promise<RemoteBranches> {
  const address = requireUrl(url);
  const git = gitIn(tmpdir(), options);
  try {
    const printed = lines(await git.run(["ls-remote", "--symref", "--", address, "HEAD", "refs/heads/*"]));
    const branches = printed.flatMap((line) => /^[0-9a-f]+\trefs\/heads\/(.+)$/.exec(line)?.[1] ?? []);
    const usual = printed.flatMap((line) => /^ref: refs\/heads\/(.+)\tHEAD$/.exec(line)?.[1] ?? [])[0];
    return { branches, ...(usual !== undefined && branches.includes(usual) && { usual }) };
  } catch (error) {
    throw asGitError(error, { doing: `Asking ${maskUrls(address)}` });
  }
}

/**
 * Clones a remote into a folder that is not there yet, or empty. Until all is there, it is beside the folder.
 * @returns whether the remote has a commit
 */
export async function cloneLibrary(
  url: string,
  folder: string,
  options: GitOptions & { branch?: string } = {},
): Promise<{ empty: boolean }> {
  const address = requireUrl(url);
  const { branch } = options;
  if (branch?.startsWith("-")) throw new OpenAgentError("invalid_input", `“${branch}” is no name of a branch.`);
  const target = resolve(folder);
  requireEmpty(target);
  const parent = dirname(target);
  mkdirSync(parent, { recursive: true });
  await clearLeftovers(target);
  const mark = `${leftover(target)}${String(process.pid)}-${randomBytes(3).toString("hex")}`;
  const draft = join(parent, mark);
  const git = gitIn(parent, options);
  const of = branch === undefined ? [] : [`--branch=${branch}`];
  try {
    // No hook runs, whatever the user's templates hold.
    const config = ["core.hooksPath=/dev/null"];
    await git.run(["clone", "--origin=origin", "--no-recurse-submodules", ...of, "--", address, draft], { config });
    const empty = (await commitOf(gitIn(draft, options), "HEAD")) === undefined;
    requireEmpty(target);
    if (existsSync(target)) rmdirSync(target);
    await rename(draft, target);
    return { empty };
  } catch (error) {
    throw asGitError(error, { doing: `Cloning ${maskUrls(address)} into ${target}` });
  } finally {
    await rm(draft, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Makes a repository without a commit in a folder, which may hold files. One that is there already stays as it is. */
export async function initLibrary(folder: string, options: GitOptions = {}): Promise<void> {
  mkdirSync(folder, { recursive: true });
  if (existsSync(join(folder, ".git"))) return;
  const git = gitIn(folder, options);
  try {
    await git.run(["init", "--quiet"]);
    // Not all git that is in use has `init --initial-branch`.
    await git.run(["symbolic-ref", "HEAD", "refs/heads/main"]);
  } catch (error) {
    throw asGitError(error, { doing: `Making a git repository in ${folder}` });
  }
}

/** Whether there is nothing at a path, or an empty folder. */
export function isFree(folder: string): boolean {
  return !existsSync(folder) || readdirSync(folder).length === 0;
}

function requireEmpty(folder: string): void {
  if (isFree(folder)) return;
  throw new OpenAgentError("invalid_input", `The folder ${folder} is not empty, and nothing in it is overwritten.`, {
    path: folder,
  });
}

function requireUrl(url: string): string {
  const wrong = wrongUrl(url);
  if (wrong !== undefined) throw new OpenAgentError("invalid_input", wrong);
  return url.trim();
}

const leftover = (target: string) => `.${basename(target)}.cloning-`;

/** Deletes what processes have left that were killed while they cloned. */
async function clearLeftovers(target: string): Promise<void> {
  const begins = leftover(target);
  for (const name of readdirSync(dirname(target))) {
    const pid = name.startsWith(begins) ? Number.parseInt(name.slice(begins.length), 10) : NaN;
    if (pid > 0 && !isAlive(pid)) await rm(join(dirname(target), name), { recursive: true, force: true });
  }
}

import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import { Sequence } from "../base/async.ts";
import { OpenAgentError } from "../base/errors.ts";
import { backUp, snapshot } from "./backup.ts";
import { GitFailure, gitIn, realFolder, wrongUrl, type Git, type GitOptions } from "./git.ts";
import { asGitError, gitError } from "./gitProblem.ts";
import { commitOf, lines, readState, upstreamOf, type RepositoryStatus } from "./repositoryState.ts";
import {
  abortOperation,
  continueOperation,
  fetchRemote,
  keepMine,
  merge,
  pull,
  rebase,
  requireBranch,
  requireRest,
  takeTheirs,
  type JoinOutcome,
  type PullOutcome,
} from "./syncing.ts";

export type CommitOutcome = { kind: "committed"; commit: string; files: number } | { kind: "nothing" };

export interface PushOutcome {
  kind: "pushed" | "up_to_date";
  remote: string;
  branch: string;
}

export interface Branch {
  name: string;
  /** Only at the remote; switching to it makes one here that goes with it. */
  remoteOnly: boolean;
  current: boolean;
}

export interface RemoteChange {
  /** The branches that the new remote has. */
  branches: string[];
  /** Branches here that keep what only the remote before had. */
  backups: string[];
}

/** One thing at a time in each repository of this process. */
const queues = new Map<string, Sequence>();

function queueOf(folder: string): Sequence {
  const key = realFolder(folder);
  const queue = queues.get(key) ?? new Sequence();
  queues.set(key, queue);
  return queue;
}

const commitHooks = ["pre-commit", "prepare-commit-msg", "commit-msg"];

/**
 * A Library's git repository, by the user's own git. Nothing commits or pushes by itself, and nothing that is only here
 * is ever thrown away. What fails rejects with an OpenAgentError `git_failed` that has git's words.
 */
export class Repository {
  readonly folder: string;
  readonly #environment: NodeJS.ProcessEnv | undefined;

  constructor(folder: string, environment?: NodeJS.ProcessEnv) {
    this.folder = resolve(folder);
    this.#environment = environment;
  }

  /** @param options.fetch asks the remote first */
  status(options: GitOptions & { fetch?: boolean } = {}): Promise<RepositoryStatus> {
    return this.#do("Reading the state of", options, async (git) => {
      if (options.fetch) await fetchRemote(git);
      return (await readState(git)).status;
    });
  }

  /** Fetches; false where there is no remote. */
  fetch(options: GitOptions = {}): Promise<boolean> {
    return this.#do("Fetching", options, fetchRemote);
  }

  /** Fetches and takes over what is new, where nothing has to be merged. */
  pull(options: GitOptions & { fetched?: boolean } = {}): Promise<PullOutcome> {
    return this.#do("Syncing", options, (git) => pull(git, options));
  }

  merge(options: GitOptions & { unrelated?: boolean } = {}): Promise<JoinOutcome> {
    return this.#do("Merging in", options, (git) => merge(git, options), commitHooks);
  }

  /** As they were, the commits that are only here stay in a backup branch. */
  rebase(options: GitOptions = {}): Promise<JoinOutcome> {
    return this.#do("Rebasing", options, rebase, ["pre-rebase"]);
  }

  /** Makes the branch here what the remote's is; what is only here stays in a backup branch. */
  takeTheirs(options: GitOptions = {}): Promise<{ backup: string }> {
    return this.#do("Taking over the remote's state of", options, takeTheirs);
  }

  /** Makes the remote's branch what the one here is; what is only there stays in a backup branch here. */
  keepMine(options: GitOptions = {}): Promise<{ backup: string }> {
    return this.#do("Pushing", options, keepMine, ["pre-push"]);
  }

  /** Where a file or folder has what is in no commit, keeps all that is in none in a backup branch, with what git ignores there. */
  keep(path: string, options: GitOptions = {}): Promise<{ backup?: string }> {
    return this.#do("Keeping what is in no commit of", options, (git) => keep(git, path));
  }

  continue(options: GitOptions = {}): Promise<JoinOutcome> {
    return this.#do("Continuing in", options, continueOperation, commitHooks);
  }

  abort(options: GitOptions = {}): Promise<void> {
    return this.#do("Aborting in", options, abortOperation);
  }

  /**
   * Commits all that has changed, or the paths that are named.
   * @param options.author in place of the one of git's configuration: `Name <address>`
   */
  commit(
    message: string,
    options: GitOptions & { paths?: readonly string[]; author?: string } = {},
  ): Promise<CommitOutcome> {
    return this.#do("Committing", options, (git) => commit(git, message, options), commitHooks);
  }

  /** Pushes the branch to the one it goes with, else to one of the same name, which it then goes with. */
  push(options: GitOptions = {}): Promise<PushOutcome> {
    return this.#do("Pushing", options, push, ["pre-push"]);
  }

  branches(options: GitOptions = {}): Promise<Branch[]> {
    return this.#do("Reading the branches of", options, listBranches);
  }

  /**
   * Switches to a branch; one that is only at the remote is made here. Refuses what would overwrite files that are in no
   * commit. Commits that are on no branch are kept in the one that is named in the answer.
   */
  switchBranch(name: string, options: GitOptions & { create?: boolean } = {}): Promise<{ backup?: string }> {
    return this.#do("Switching the branch of", options, (git) => switchBranch(git, name, options));
  }

  /** A file as the last commit has it; empty where that has none. */
  committedText(path: string, options: GitOptions = {}): Promise<string> {
    return this.#do("Reading a file of", options, async (git) => {
      const has = await git.ask("rev-parse", "--verify", "--quiet", `HEAD:${path}`);
      return has === undefined ? "" : git.run(["cat-file", "--textconv", `HEAD:${path}`]);
    });
  }

  /**
   * Gives the Library another remote. With one that cannot be reached all stays as it was.
   * @param options.unasked somebody else fetches from it
   */
  setRemote(url: string, options: GitOptions & { unasked?: boolean } = {}): Promise<RemoteChange> {
    return this.#do("Changing the remote of", options, (git) => setRemote(git, url.trim(), options.unasked === true));
  }

  #do<T>(doing: string, options: GitOptions, job: (git: Git) => Promise<T>, hooks: readonly string[] = []): Promise<T> {
    const context = { doing: `${doing} the Library in ${this.folder}` };
    return queueOf(this.folder).run(async () => {
      const git = gitIn(this.folder, { environment: this.#environment, ...options });
      try {
        return await job(git);
      } catch (error) {
        const refusing = error instanceof GitFailure ? await present(git, hooks).catch(() => []) : [];
        throw asGitError(error, { ...context, hooks: refusing });
      }
    });
  }
}

/** Those of the hooks that the repository has. */
async function present(git: Git, hooks: readonly string[]): Promise<string[]> {
  if (hooks.length === 0) return [];
  const folder = (await git.run(["rev-parse", "--git-path", "hooks"])).replace(/\r?\n$/, "");
  return hooks.filter((name) => {
    try {
      accessSync(resolve(git.folder, folder, name), constants.X_OK);
      return true;
    } catch {
      // It is not there, or switched off.
      return false;
    }
  });
}

async function commit(
  git: Git,
  message: string,
  { paths, author }: { paths?: readonly string[]; author?: string },
): Promise<CommitOutcome> {
  if (message.trim() === "") throw new OpenAgentError("invalid_input", "A commit needs a message.");
  if (author !== undefined && !/^[^<>\n]+ <[^<>\s]+>$/.test(author))
    throw new OpenAgentError("invalid_input", `“${author}” is no author; write Name <address>.`);
  const wrong = paths?.find((path) => path === "" || /^([/\\]|[a-z]:)|(^|[/\\])\.\.([/\\]|$)/i.test(path));
  if (wrong !== undefined) throw new OpenAgentError("invalid_input", `“${wrong}” is no path in the Library.`);
  const { conflicted, inProgress } = (await readState(git)).status;
  if (conflicted.length > 0)
    throw gitError(
      "conflict",
      `${conflicted.slice(0, 10).join(", ")} in ${git.folder} have conflicts.`,
      "Resolve them and continue, or abort.",
    );
  if (author === undefined) await git.run(["var", "GIT_AUTHOR_IDENT"]);
  await git.run(["--literal-pathspecs", "add", "--all", ...(paths ? ["--", ...paths] : [])]);
  const only = paths ? ["--", ...paths] : [];
  const staged = await git.run(["--literal-pathspecs", "diff", "--cached", "--name-only", "-z", ...only]);
  if (staged === "" && inProgress !== "merge") return { kind: "nothing" };
  const by = author === undefined ? [] : [`--author=${author}`];
  const args = ["--literal-pathspecs", "commit", "--file=-", ...by, ...(paths ? ["--only", ...only] : [])];
  await git.run(args, { input: message });
  const made = (await git.run(["rev-parse", "--short", "HEAD"])).trim();
  return { kind: "committed", commit: made, files: staged.split("\0").length - 1 };
}

async function keep(git: Git, path: string): Promise<{ backup?: string }> {
  await readState(git);
  // Without a commit there is nothing that a branch could begin at.
  if ((await commitOf(git, "HEAD")) === undefined) return {};
  const list = async (...args: string[]) => git.run(["--literal-pathspecs", ...args, "-z", "--", path]);
  const ignored = await list("ls-files", "--others", "--ignored", "--exclude-standard");
  if (ignored + (await list("status", "--porcelain", "--untracked-files=all")) === "") return {};
  const files = ignored.split("\0").filter((one) => one !== "");
  return { backup: await backUp(git, await snapshot(git, files)) };
}

async function push(git: Git): Promise<PushOutcome> {
  const state = await requireRest(git);
  requireBranch(git, state);
  const { status, remote, merge = `refs/heads/${status.branch}` } = state;
  if (remote === undefined)
    throw gitError("no_remote", `The Library in ${git.folder} has no remote.`, "Give it one: Change Library Remote….");
  const head = await commitOf(git, "HEAD");
  if (head === undefined)
    throw gitError("no_commits", `The Library in ${git.folder} has no commit yet.`, "Commit it first.");
  const upstream = await upstreamOf(git, state);
  await git.run(["push", "--no-recurse-submodules", "--set-upstream", remote.name, `HEAD:${merge}`]);
  const kind = upstream?.commit === head ? "up_to_date" : "pushed";
  return { kind, remote: remote.name, branch: merge.replace("refs/heads/", "") };
}

async function listBranches(git: Git): Promise<Branch[]> {
  const { branch: current } = (await readState(git)).status;
  const names = async (pattern: string, cut: number) =>
    lines(await git.run(["for-each-ref", `--format=%(refname:lstrip=${String(cut)})`, pattern]));
  const here = await names("refs/heads", 2);
  const there = (await names("refs/remotes", 3)).filter((name) => name !== "HEAD" && !here.includes(name));
  // A branch without a commit has no ref.
  const all = here.includes(current) || (await commitOf(git, "HEAD")) !== undefined ? here : [current, ...here];
  return [
    ...all.map((name) => ({ name, remoteOnly: false, current: name === current })),
    ...[...new Set(there)].map((name) => ({ name, remoteOnly: true, current: false })),
  ];
}

async function switchBranch(git: Git, name: string, { create }: { create?: boolean }): Promise<{ backup?: string }> {
  await requireBranchName(git, name);
  const { status, remote: own } = await requireRest(git);
  const { detached } = status;
  const only = detached ? lines(await git.run(["log", "--format=%h", "HEAD", "--not", "--branches", "--remotes"])) : [];
  const backup = only.length > 0 ? { backup: await backUp(git, "HEAD") } : {};
  const remote = own?.name ?? "origin";
  const has = async (ref: string) => (await commitOf(git, ref)) !== undefined;
  const track = ["--track", "--create", name, `refs/remotes/${remote}/${name}`];
  const how = (await has(`refs/heads/${name}`))
    ? [name]
    : (await has(`refs/remotes/${remote}/${name}`))
      ? track
      : create
        ? ["--no-track", "--create", name]
        : undefined;
  if (how === undefined)
    throw gitError("unknown_branch", `The Library has no branch “${name}”.`, "Choose one of those that there are.");
  await git.run(["switch", "--no-overwrite-ignore", "--no-recurse-submodules", ...how]);
  return backup;
}

async function requireBranchName(git: Git, name: string): Promise<void> {
  if (!name.startsWith("-") && (await git.ask("check-ref-format", "--branch", name)) === name) return;
  throw new OpenAgentError("invalid_input", `“${name}” is no name of a branch.`);
}

async function setRemote(git: Git, url: string, unasked: boolean): Promise<RemoteChange> {
  const wrong = wrongUrl(url);
  if (wrong !== undefined) throw new OpenAgentError("invalid_input", wrong);
  const own = (await readState(git)).remote;
  const { name: remote, url: before } = own ?? { name: "origin" };
  // Asked before anything is changed; an empty repository has no heads.
  if (!unasked) await git.run(["ls-remote", "--heads", "--", url]);
  const backups = before === undefined ? [] : await keepRemoteBranches(git, remote);
  await git.run(["remote", ...(before === undefined ? ["add", remote, url] : ["set-url", remote, url])]);
  try {
    if (!unasked) await git.run(["fetch", "--prune", "--no-recurse-submodules", remote]);
  } catch (error) {
    await git.run(["remote", ...(before === undefined ? ["remove", remote] : ["set-url", remote, before])]);
    throw error;
  }
  // One of its own would still take what is pushed.
  await git.ask("config", "--unset-all", `remote.${remote}.pushurl`);
  const refs = lines(await git.run(["for-each-ref", "--format=%(refname:lstrip=3)", `refs/remotes/${remote}`]));
  return { branches: refs.filter((name) => name !== "HEAD"), backups };
}

/** What was fetched from a remote and is in no branch here would go with it. */
async function keepRemoteBranches(git: Git, remote: string): Promise<string[]> {
  const format = "--format=%(objectname) %(refname:lstrip=3)";
  const heads = lines(await git.run(["for-each-ref", format, `refs/remotes/${remote}`]));
  const backups: string[] = [];
  for (const line of heads) {
    const [commit = "", name = ""] = line.split(" ");
    const only = name === "HEAD" ? "" : await git.run(["log", "-1", "--format=%h", commit, "--not", "--branches"]);
    if (only.trim() !== "") backups.push(await backUp(git, commit, name));
  }
  return backups;
}

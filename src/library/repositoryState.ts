import { existsSync } from "node:fs";
import { join } from "node:path";
import { maskUrls, realFolder, type Git } from "./git.ts";
import { gitError } from "./gitProblem.ts";

export type FileState = "modified" | "untracked" | "conflict";
export type Operation = "merge" | "rebase" | "cherry-pick" | "revert";

/** How a Library's repository stands. */
export interface RepositoryStatus {
  path: string;
  /** Without a password that it may hold. */
  remote?: string;
  /** Of a detached HEAD the commit, cut short. */
  branch: string;
  detached: boolean;
  /** The branch at the remote that this one goes with; it may not be there any more. */
  upstream?: string;
  /** Commits that are only here. */
  ahead: number;
  /** Commits that are only at the remote, as far as was fetched. */
  behind: number;
  clean: boolean;
  /** As `git status --porcelain` prints them. */
  modifiedFiles: string[];
  /** Paths in the repository, with slashes. */
  files: { path: string; state: FileState }[];
  conflicted: string[];
  inProgress?: Operation;
}

/** The same with what git itself needs to know. */
export interface RepositoryState {
  status: RepositoryStatus;
  /** The remote that the branch goes with: its own, else `origin`, else the first. */
  remote?: { name: string; url: string };
  /** The branch there that is set for this one, as a ref of the remote. */
  merge?: string;
}

/**
 * Refuses a folder that lies in another repository: a commit of all its files would take in that one's.
 * @returns git's own folder
 * @throws OpenAgentError `git_failed`, with `not_a_repository` as the problem
 */
async function requireRepository(git: Git): Promise<string> {
  const [own = "", top = ""] = lines(await git.run(["rev-parse", "--absolute-git-dir", "--show-toplevel"]));
  if (top !== "" && realFolder(top) === realFolder(git.folder)) return own;
  throw gitError(
    "not_a_repository",
    `${git.folder} is no git repository of its own; it lies in ${top}.`,
    "Set up the Library (Open Agent: Set Up Library…), or run git init there.",
  );
}

export async function readState(git: Git): Promise<RepositoryState> {
  const own = await requireRepository(git);
  const status = await readFiles(git);
  const { remote, merge } = await readRemote(git, status);
  const inProgress = operationIn(own);
  Object.assign(status, inProgress && { inProgress }, remote && { remote: maskUrls(remote.url) });
  return { status, ...(remote && { remote }), ...(merge !== undefined && { merge }) };
}

async function readFiles(git: Git): Promise<RepositoryStatus> {
  const printed = await git.run(["status", "--porcelain=v2", "--branch", "--untracked-files=all", "-z"]);
  const status: RepositoryStatus = {
    path: git.folder,
    branch: "",
    detached: false,
    ahead: 0,
    behind: 0,
    clean: true,
    modifiedFiles: [],
    files: [],
    conflicted: [],
  };
  let commit = "";
  const entries = printed.split("\0");
  for (let entry = entries.shift(); entry !== undefined; entry = entries.shift()) {
    const head = /^# branch\.(\S+) (.*)$/.exec(entry);
    if (head) {
      const [, name, value = ""] = head;
      if (name === "oid") commit = value;
      if (name === "head") status.branch = value;
      if (name === "upstream") status.upstream = value;
      const counts = name === "ab" ? /^\+(\d+) -(\d+)$/.exec(value) : null;
      if (counts) Object.assign(status, { ahead: Number(counts[1]), behind: Number(counts[2]) });
      continue;
    }
    // The second name of a renamed file comes as an entry of its own.
    if (entry.startsWith("2 ")) addFile(status, entry, entries.shift());
    else if (entry !== "") addFile(status, entry, undefined);
  }
  if (status.branch === "(detached)") Object.assign(status, { branch: commit.slice(0, 7), detached: true });
  status.clean = status.files.length === 0;
  return status;
}

async function readRemote(git: Git, { branch, detached }: RepositoryStatus): Promise<Omit<RepositoryState, "status">> {
  const wanted = String.raw`^(remote\..*\.url|branch\..*\.(remote|merge))$`;
  const printed = (await git.ask("config", "--null", "--get-regexp", wanted)) ?? "";
  const values = new Map<string, string>();
  for (const entry of printed.split("\0").filter((one) => one.includes("\n"))) {
    const end = entry.indexOf("\n");
    // The first of a remote's addresses is the one that is fetched from.
    if (!values.has(entry.slice(0, end))) values.set(entry.slice(0, end), entry.slice(end + 1));
  }
  const names = [...values.keys()].flatMap((key) => /^remote\.(.*)\.url$/.exec(key)?.[1] ?? []);
  const own = detached ? undefined : values.get(`branch.${branch}.remote`);
  const name = [own, "origin", names[0]].find((one) => one !== undefined && names.includes(one));
  if (name === undefined) return {};
  const merge = name === own ? values.get(`branch.${branch}.merge`) : undefined;
  return { remote: { name, url: values.get(`remote.${name}.url`) ?? "" }, ...(merge !== undefined && { merge }) };
}

/** How many fields stand before the path, by the kind of entry. */
const fieldsBefore: Readonly<Record<string, number>> = { "1": 8, "2": 9, u: 10, "?": 1 };

function addFile(status: RepositoryStatus, entry: string, before: string | undefined): void {
  const kind = entry.charAt(0);
  const count = fieldsBefore[kind];
  if (count === undefined) return;
  const parts = entry.split(" ");
  const path = parts.slice(count).join(" ");
  const letters = kind === "?" ? "??" : (parts[1] ?? "").replaceAll(".", " ");
  const state: FileState = kind === "u" ? "conflict" : kind === "?" ? "untracked" : "modified";
  status.modifiedFiles.push(`${letters} ${before === undefined ? "" : `${before} -> `}${path}`);
  status.files.push({ path, state });
  if (state === "conflict") status.conflicted.push(path);
}

/** What was begun and waits for the user. */
function operationIn(folder: string): Operation | undefined {
  const has = (name: string) => existsSync(join(folder, name));
  if (has("rebase-merge") || has("rebase-apply")) return "rebase";
  if (has("MERGE_HEAD")) return "merge";
  if (has("CHERRY_PICK_HEAD")) return "cherry-pick";
  return has("REVERT_HEAD") ? "revert" : undefined;
}

/** The branch at the remote that the current one goes with, where it is there: the one that is set, else of the same name. */
export async function upstreamOf(
  git: Git,
  { status, remote, merge }: RepositoryState,
): Promise<{ ref: string; commit: string } | undefined> {
  if (status.detached || !remote) return undefined;
  const there = merge ?? `refs/heads/${status.branch}`;
  const ref = there.replace(/^refs\/heads\//, `refs/remotes/${remote.name}/`);
  const commit = await commitOf(git, ref);
  if (commit === undefined) return undefined;
  if (merge === undefined) {
    await git.run(["config", `branch.${status.branch}.remote`, remote.name]);
    await git.run(["config", `branch.${status.branch}.merge`, there]);
  }
  return { ref, commit };
}

/** The commit of a ref, or undefined where it names none. */
export function commitOf(git: Git, ref: string): Promise<string | undefined> {
  return git.ask("rev-parse", "--verify", "--quiet", `${ref}^{commit}`);
}

export function lines(text: string): string[] {
  return text.split("\n").filter((line) => line.trim() !== "");
}

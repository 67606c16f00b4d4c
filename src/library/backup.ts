import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Git } from "./git.ts";
import { commitOf } from "./repositoryState.ts";

/** Keeps a commit in a branch that is named for now; gives the name. */
export async function backUp(git: Git, commit: string, of = ""): Promise<string> {
  const now = new Date();
  const two = (number: number) => String(number).padStart(2, "0");
  const day = `${String(now.getFullYear())}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  const time = `${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
  const slug = of.replaceAll(/[^\w.-]+/g, "-").replaceAll(/\.+(?=\.|$)|\.lock$/g, "");
  const first = `openagent/backup-${day}-${time}${slug === "" ? "" : `-${slug}`}`;
  for (let name = first, count = 2; ; name = `${first}-${String(count++)}`) {
    if ((await commitOf(git, `refs/heads/${name}`)) !== undefined) continue;
    await git.run(["branch", "--no-track", name, commit]);
    return name;
  }
}

/**
 * A commit on HEAD with all files as they are on disk, in no branch yet; HEAD itself where nothing differs. What is
 * staged and differs from both is in a commit between them. The user's index stays as it is.
 * @param also files that git ignores and that are to be in it all the same
 */
export async function snapshot(git: Git, also: readonly string[] = []): Promise<string> {
  let commit = (await git.run(["rev-parse", "HEAD"])).trim();
  const files = await treeOfFiles(git, also);
  const staged = await git.ask("write-tree");
  const known = (await git.ask("var", "GIT_COMMITTER_IDENT")) !== undefined;
  // What is kept for the user must not fail for want of a name.
  const config = known ? [] : ["user.name=Open Agent", "user.email=open-agent@localhost"];
  const trees: [string | undefined, string][] = [
    [staged === files ? undefined : staged, "What was staged\n"],
    [files, "What was in no commit\n"],
  ];
  for (const [tree, input] of trees)
    if (tree !== undefined && tree !== (await git.run(["rev-parse", `${commit}^{tree}`])).trim())
      commit = (await git.run(["commit-tree", "-p", commit, "-F", "-", tree], { input, config })).trim();
  return commit;
}

/** The files as they are on disk, as a tree of git. */
async function treeOfFiles(git: Git, also: readonly string[] = []): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "open-agent-"));
  try {
    const variables = { GIT_INDEX_FILE: join(folder, "index") };
    const head = await commitOf(git, "HEAD");
    if (head !== undefined) await git.run(["read-tree", head], { variables });
    await git.run(["add", "--all"], { variables });
    if (also.length > 0) await git.run(["--literal-pathspecs", "add", "--force", "--", ...also], { variables });
    return (await git.run(["write-tree"], { variables })).trim();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Files that git ignores here and that a commit holds: they would be overwritten without a word. */
export async function ignoredIn(git: Git, commit: string): Promise<string[]> {
  return ignoredFor(git, await git.run(["ls-tree", "-r", "--name-only", "-z", commit]));
}

/**
 * The same for what joins two sides: a merge writes the files that the other side has changed, a rebase all of its files
 * and then those of each commit that is only here.
 */
export async function ignoredBetween(git: Git, theirs: string, how: "merge" | "rebase"): Promise<string[]> {
  const names = ["--name-only", "--no-renames", "--diff-filter=d", "-z"];
  if (how === "rebase") {
    const own = await git.run(["log", "--format=", "-m", ...names, `${theirs}..HEAD`]);
    return ignoredFor(git, `${own}\0${await git.run(["ls-tree", "-r", "--name-only", "-z", theirs])}`);
  }
  const base = await git.ask("merge-base", "HEAD", theirs);
  return base === undefined ? ignoredIn(git, theirs) : ignoredFor(git, await git.run(["diff", ...names, base, theirs]));
}

/** Files that git ignores and that are in the way of others: the same ones, folders of theirs, or files in their place. */
async function ignoredFor(git: Git, names: string): Promise<string[]> {
  const files = new Set(names.split("\0").filter((path) => path !== ""));
  const folders = new Set([...files].flatMap(foldersOf));
  const ignored = await git.run(["ls-files", "--others", "--ignored", "--exclude-standard", "-z"]);
  return ignored.split("\0").filter((path) => {
    // A repository in a folder ends with a slash.
    const own = path.replace(/\/$/, "");
    return own !== "" && (folders.has(own) || [own, ...foldersOf(own)].some((one) => files.has(one)));
  });
}

/** The folders that a path with slashes lies in. */
function foldersOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

/**
 * Whether each file, on disk and staged, is as in HEAD or as in the other commit, so that nothing of the user's would be
 * lost: a git that was killed while it updated the files leaves them like that.
 */
export async function isBetween(git: Git, commit: string): Promise<boolean> {
  if ((await ignoredIn(git, commit)).length > 0) return false;
  const head = (await commitOf(git, "HEAD")) ?? (await git.run(["hash-object", "-t", "tree", "/dev/null"])).trim();
  const differing = async (from: string, tree: string) => {
    const printed = await git.run(["diff", "--name-status", "--no-renames", "-z", from, tree]);
    return [...printed.matchAll(/([A-Z])\0([^\0]+)\0/g)].map(([, letter = "", path = ""]) => ({ letter, path }));
  };
  const [files, staged] = [await treeOfFiles(git), await git.ask("write-tree")];
  for (const tree of [files, staged]) {
    if (tree === undefined) return false;
    const theirs = new Map((await differing(commit, tree)).map(({ letter, path }) => [path, letter]));
    const own = (await differing(head, tree)).filter(({ path }) => theirs.has(path));
    // A file that neither has stays, but for one that git knows of.
    const stays = ({ letter, path }: (typeof own)[number]) =>
      tree === files && letter === "A" && theirs.get(path) === "A";
    if (!own.every(stays)) return false;
  }
  return true;
}

import { execFile } from "node:child_process";
import { isAbsolute, relative } from "node:path";
import { promisify } from "node:util";
import { describeError, OpenAgentError, systemCode } from "../base/errors.ts";
import { ownServer, type MissionHead } from "../protocol/mission.ts";
import type { Leader } from "./leader.ts";

/** What a clean workspace takes out of a mission's folder. Paths are relative to the repository. */
export interface UncleanFiles {
  /** Branch, or the commit where there is none. */
  branch: string;
  /** Files that differ from the last commit, in what git calls it. They go into a stash. */
  files: { path: string; change: "changed" | "new" | "deleted" }[];
  /** Folders that are git repositories of their own. They stay as they are. */
  kept: string[];
}

/** How a clean workspace was made. */
export interface CleanReport {
  /** How many files were put away. */
  files: number;
  /** The stash's commit, which `git stash list` names after the mission; undefined where there was nothing to put away. */
  stash: string | undefined;
}

/**
 * Lists what is not committed in a mission's folder.
 *
 * @throws OpenAgentError `workspace_not_cleanable` where nothing could be put away without losing it
 */
export async function uncleanFiles(leader: Leader, missionId: string): Promise<UncleanFiles> {
  const head = leader.store.head(missionId);
  requireFree(leader, head);
  return (await look(head)).found;
}

/**
 * Puts all that is not committed in a mission's folder into a stash named after the mission, new files as well, and
 * resumes the mission, which is told of it. What git ignores stays.
 *
 * @throws OpenAgentError `mission_busy` or `workspace_not_cleanable`; the files are as they were then
 */
export function resumeInCleanWorkspace(leader: Leader, missionId: string): Promise<CleanReport> {
  const runner = leader.runner(missionId);
  return runner.alone(async () => {
    const { head } = runner;
    requireFree(leader, head);
    const { found, isWhole } = await look(head);
    const report = await putAway(head, found, isWhole);
    runner.resume(noteOf(report));
    return report;
  });
}

/** What the agent is told: it would otherwise look for files that it wrote. */
function noteOf({ files, stash }: CleanReport): string {
  if (stash === undefined) return "The workspace holds nothing but what is committed.";
  const count = files === 1 ? "1 uncommitted file was" : `${String(files)} uncommitted files were`;
  return `The workspace is back at the last commit: ${count} put away in the git stash ${stash.slice(0, 10)}. Do not bring it back.`;
}

function requireFree(leader: Leader, head: MissionHead): void {
  if (head.server !== ownServer)
    throw refusal(head, "the mission lives on another OpenCode server, which may be on another machine.");
  const others = leader.store
    .listRunning()
    .filter((other) => isWithin(other.directory, head.directory) || isWithin(head.directory, other.directory));
  const [busy] = others;
  if (busy?.id === head.id)
    throw new OpenAgentError("mission_busy", "The mission is at work. Stop it first.", { missionId: head.id });
  if (busy) throw refusal(head, `the mission “${busy.title}” is at work in it. Stop it or wait for it.`);
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return !isAbsolute(way) && way !== ".." && !/^\.\.[/\\]/.test(way);
}

async function look(head: MissionHead): Promise<{ found: UncleanFiles; isWhole: boolean }> {
  const { directory } = head;
  const inFolder = (...words: string[]) => git(directory, ...words);
  let prefix: string;
  try {
    prefix = (await inFolder("rev-parse", "--show-prefix")).trim();
  } catch (error) {
    const missing = systemCode(error) === "ENOENT";
    throw refusal(
      head,
      missing
        ? "the folder is gone, or git is not installed."
        : `it is no git repository, so nothing in it could be kept (${gitWords(error)}).`,
      error,
    );
  }
  if (!(await inFolder("rev-parse", "--verify", "--quiet", "HEAD").catch(() => "")))
    throw refusal(head, "its git repository has no commit yet. Commit once, and try again.");
  const branch = await inFolder("symbolic-ref", "--short", "--quiet", "HEAD").catch(() =>
    inFolder("rev-parse", "--short", "HEAD"),
  );
  const status = await inFolder("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--", ".");
  const entries = status.split("\0").flatMap((entry) => {
    return entry.length < 4 ? [] : [{ letters: entry.slice(0, 2), path: entry.slice(3) }];
  });
  const unmerged = entries.find(({ letters }) => /U|AA|DD/.test(letters));
  if (unmerged) throw refusal(head, `a merge is not finished there (${unmerged.path}). Finish or abort it first.`);
  const isNested = ({ path }: { path: string }) => path.endsWith("/");
  const kept = entries.filter(isNested).map(({ path }) => path);
  const isWhole = prefix === "";
  // A stash of a part of a repository stumbles over them.
  if (!isWhole && kept.length > 0)
    throw refusal(head, `it is a part of a git repository and holds another one (${kept.join(", ")}).`);
  const files = entries
    .filter((entry) => !isNested(entry))
    .map(({ path, letters }) => ({ path, change: changeOf(letters) }));
  return { found: { branch: branch.trim(), files, kept }, isWhole };
}

function changeOf(letters: string): UncleanFiles["files"][number]["change"] {
  if (letters === "??" || letters.startsWith("A")) return "new";
  return letters.includes("D") ? "deleted" : "changed";
}

async function putAway(head: MissionHead, found: UncleanFiles, isWhole: boolean): Promise<CleanReport> {
  if (found.files.length === 0) return { files: 0, stash: undefined };
  const { directory, id, title } = head;
  const newest = () => git(directory, "rev-parse", "--verify", "--quiet", "refs/stash").catch(() => "");
  const before = await newest();
  const message = `Open Agent ${id.slice(0, 8)}: ${title.replace(/\s+/g, " ").slice(0, 100)}`;
  const part = isWhole ? [] : ["--", "."];
  try {
    await git(directory, "stash", "push", "--include-untracked", "--message", message, ...part);
  } catch (error) {
    const kept = (await newest()) === before ? "" : " The stash that it made before is kept.";
    throw refusal(head, `git could not put its files away: ${gitWords(error)}.${kept}`, error);
  }
  const stash = (await newest()).trim();
  if (stash === before.trim()) throw refusal(head, "git put nothing away.");
  return { files: found.files.length, stash };
}

function refusal(head: MissionHead, why: string, cause?: unknown): OpenAgentError {
  const message = `${head.directory} cannot be cleaned: ${why}`;
  return new OpenAgentError("workspace_not_cleanable", message, { path: head.directory }, cause);
}

const run = promisify(execFile);

async function git(directory: string, ...words: string[]): Promise<string> {
  // A git around this process would otherwise decide which repository is meant.
  const foreign = /^GIT_(DIR|WORK_TREE|INDEX_FILE|PREFIX|OBJECT_DIRECTORY|COMMON_DIR)$/;
  const own = Object.entries(process.env).filter(([name]) => !foreign.test(name));
  const env = { ...Object.fromEntries(own), LC_ALL: "C", GIT_TERMINAL_PROMPT: "0" };
  const { stdout } = await run("git", words, { cwd: directory, env, maxBuffer: 2 ** 28 });
  return stdout;
}

/** What git itself said of a failure, on one line. */
function gitWords(error: unknown): string {
  const said = error instanceof Error && "stderr" in error && typeof error.stderr === "string" ? error.stderr : "";
  const lines = said.split("\n").filter((line) => /^(fatal|error):/.test(line));
  return lines.length > 0 ? lines.join(" ").replace(/^fatal: /, "") : describeError(error);
}

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { LibraryVersion } from "../protocol/mission.ts";

const run = promisify(execFile);

/** The commit that a Library is at; undefined where it is in no git repository, or has no commit. */
export async function libraryVersion(root: string): Promise<LibraryVersion | undefined> {
  // Looking must not take the index' lock from what the user does.
  const args = ["--no-optional-locks", "-C", root, "status", "--porcelain=v2", "--branch", "--no-renames"];
  const { stdout } = await run("git", args, { maxBuffer: 50_000_000 }).catch(() => ({ stdout: "" }));
  const commit = /^# branch\.oid ([0-9a-f]+)$/m.exec(stdout)?.[1];
  return commit === undefined ? undefined : { commit, changed: /^[^#]/m.test(stdout) };
}

import { randomBytes } from "node:crypto";
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { OpenAgentError } from "../base/errors.ts";
import { initLibrary, isFree } from "./cloning.ts";
import { gitIn, type GitOptions } from "./git.ts";
import { Repository } from "./repository.ts";

export interface Started {
  /** Absent where git would not commit it, as for want of a name: then all is staged. */
  commit?: string;
  /** Why there is no commit, in words with a way out. */
  problem?: string;
}

/**
 * Makes a Library that can be used at once, with a first commit. Needs no network.
 * @param source the folder of the starter, which comes with Open Agent
 * @param folder not there yet, empty, or a repository without a file
 */
export async function createFromStarter(source: string, folder: string, options: GitOptions = {}): Promise<Started> {
  const target = resolve(folder);
  if (!isFree(target)) {
    if (readdirSync(target).some((name) => name !== ".git"))
      throw new OpenAgentError(
        "invalid_input",
        `The folder ${target} is not empty, and nothing in it is overwritten.`,
        {
          path: target,
        },
      );
    return fill(source, target, options);
  }
  mkdirSync(dirname(target), { recursive: true });
  const draft = join(dirname(target), `.${basename(target)}.starting-${randomBytes(4).toString("hex")}`);
  try {
    const started = await fill(source, draft, options);
    if (existsSync(target)) rmdirSync(target);
    await rename(draft, target);
    const { problem } = started;
    return { ...started, ...(problem !== undefined && { problem: problem.replaceAll(draft, target) }) };
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function fill(source: string, folder: string, options: GitOptions): Promise<Started> {
  cpSync(source, folder, { recursive: true });
  // What runs in a container must not get the ends of lines of Windows.
  writeFileSync(join(folder, ".gitattributes"), "* text=auto eol=lf\n");
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) chmodSync(join(entry.parentPath, entry.name), entry.name.endsWith(".sh") ? 0o755 : 0o644);
  await initLibrary(folder, options);
  try {
    const made = await new Repository(folder, options.environment).commit("Begin with the starter", options);
    return made.kind === "committed" ? { commit: made.commit } : {};
  } catch (error) {
    if (!(error instanceof OpenAgentError)) throw error;
    await gitIn(folder, options).run(["add", "--all"]);
    return { problem: error.message };
  }
}

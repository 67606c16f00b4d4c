import { z } from "zod";
import { systemCode } from "../base/errors.ts";
import type { RunResult } from "./commands.ts";
import { folderIn, pathIn, tool, ToolError, type Answer, type Call } from "./tool.ts";

const mostChars = 50_000;
const path = z.string().min(1).describe("File or folder; all of the repository by default");
const revision = z.string().regex(/^[^-]/, "must not begin with -").describe("A commit, branch or tag");

interface Done {
  exitCode: number | undefined;
  text: string;
  note: string | undefined;
  errors: string;
}

/** Runs git in the workspace's folder, without questions, pagers and colours. */
async function git(call: Call, args: readonly string[], stdin?: string): Promise<Done> {
  const all = [
    "git",
    "--no-pager",
    "--literal-pathspecs",
    "-c",
    "color.ui=false",
    "-c",
    "core.quotePath=false",
    ...args,
  ];
  const env = { ...call.environment, GIT_TERMINAL_PROMPT: "0", GIT_EDITOR: "true" };
  const options = { cwd: folderIn(call, "."), env, signal: call.signal, ...(stdin !== undefined && { stdin }) };
  let ran: RunResult;
  try {
    ran = await call.commands.run(all, options);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    throw new ToolError("git is not installed in this workspace. Install it, for example with apt-get install git.");
  }
  const { text, note } = ran.stdout.shown(mostChars);
  return { exitCode: ran.exitCode, text, note, errors: ran.stderr.shown(mostChars).text.trim() };
}

/** The answer of a call of git that must succeed. */
async function ask(call: Call, args: readonly string[], otherwise: string, stdin?: string): Promise<Answer> {
  const { exitCode, text, note, errors } = await git(call, args, stdin);
  if (exitCode !== 0)
    throw new ToolError([`git ${args[0] ?? ""} failed.`, errors, text.trim()].filter(Boolean).join("\n"));
  return { text: text || otherwise, note };
}

const status = tool(
  "git_status",
  "Says on which branch the workspace is and which files have changed.",
  z.strictObject({}),
  (_, call) => ask(call, ["status", "--short", "--branch", "--untracked-files=all"], "Nothing has changed."),
);

const diff = tool(
  "git_diff",
  "Shows what has changed: since the last staging, with `staged` since the last commit, or between commits.",
  z.strictObject({
    path: path.optional(),
    staged: z.boolean().optional().describe("What a commit would hold"),
    from: revision.optional(),
    to: revision.optional(),
  }),
  (args, call) => {
    if (args.staged === true && args.to !== undefined)
      throw new ToolError("`staged` compares with what is staged, so it cannot be had together with `to`.");
    const from = args.from ?? (args.to === undefined ? undefined : "HEAD");
    const revisions = [from, args.to].filter((name) => name !== undefined);
    const paths = args.path === undefined ? [] : [pathIn(call, args.path)];
    const words = [
      "diff",
      "--no-ext-diff",
      ...(args.staged === true ? ["--cached"] : []),
      ...revisions,
      "--",
      ...paths,
    ];
    return ask(call, words, "There is no difference.");
  },
);

const commit = tool(
  "git_commit",
  "Stages files, or all changes, and commits what is staged.",
  z.strictObject({
    message: z.string().trim().min(1).describe("The commit's message"),
    paths: z.array(z.string().min(1)).min(1).optional().describe("What is staged; all changes by default"),
  }),
  async ({ message, paths }, call) => {
    for (const who of ["GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"]) {
      const { exitCode, errors } = await git(call, ["-c", "user.useConfigOnly=true", "var", who]);
      if (exitCode !== 0)
        throw new ToolError(
          "git does not know who commits here. Set it with `git config user.name …` and `git config user.email …`. " +
            `git says: ${errors.split("\n").at(-1) ?? ""}`,
        );
    }
    await ask(call, ["add", "--all", ...(paths ? ["--", ...paths.map((path) => pathIn(call, path))] : [])], "");
    return ask(call, ["commit", "--file=-"], "", message);
  },
);

const log = tool(
  "git_log",
  "Lists commits, the newest first.",
  z.strictObject({
    max_count: z.int().positive().default(20).describe("How many at most"),
    path: path.optional().describe("Only those that changed this file or folder"),
  }),
  async ({ max_count: count, path }, call) => {
    const { exitCode } = await git(call, ["rev-parse", "--verify", "--quiet", "HEAD"]);
    if (exitCode === 1) return { text: "There are no commits yet." };
    const paths = path === undefined ? [] : [pathIn(call, path)];
    const format = "--format=%h %ad %an: %s";
    return ask(
      call,
      ["log", `--max-count=${String(count)}`, "--date=iso", format, "--", ...paths],
      "No commit changed it.",
    );
  },
);

export const gitTools = [status, diff, commit, log];

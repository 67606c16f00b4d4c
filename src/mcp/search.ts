import { accessSync, constants, statSync } from "node:fs";
import { basename, delimiter, dirname, join, relative } from "node:path";
import { z } from "zod";
import type { RunResult } from "./commands.ts";
import { globExpression } from "./glob.ts";
import { mostOfLine, type Search } from "./plainSearch.ts";
import { doing, folderIn, pathIn, tool, ToolError, type Call } from "./tool.ts";
import { filesIn, skipped } from "./walk.ts";

const mostFiles = 1000;
const mostLines = 500;
const mostChars = 50_000;
const leftOut = "What is in .git and node_modules is left out, unless the path leads there.";

const searchFiles = tool(
  "search_files",
  `Finds files by their name or path, by a glob such as *.ts or src/**/*.test.ts. ${leftOut}`,
  z.strictObject({
    pattern: z
      .string()
      .min(1)
      .describe("A glob; without / it is for the name of a file, otherwise for its path below `path`"),
    path: z.string().min(1).default(".").describe("Folder to look in; the workspace's folder by default"),
  }),
  async ({ pattern, path }, call) => {
    const folder = folderIn(call, path);
    const expression = globExpression(pattern);
    const found: string[] = [];
    for await (const file of filesIn(folder)) {
      call.signal.throwIfAborted();
      if (expression.test(file)) found.push(shownPath(call, folder, file));
      if (found.length > mostFiles) break;
    }
    if (found.length === 0) return { text: `No file in ${folder} fits ${pattern}.` };
    if (found.length <= mostFiles) return { text: found.join("\n") };
    return { text: found.slice(0, mostFiles).join("\n"), note: "There are more. Narrow the pattern or the path." };
  },
);

const grepSearch = tool(
  "grep_search",
  `Finds lines of text files by a regular expression; gives path:line:text for each. ${leftOut}`,
  z.strictObject({
    pattern: z.string().min(1).describe("A regular expression"),
    path: z.string().min(1).optional().describe("Folder or file to look in; the workspace's folder by default"),
    file_pattern: z.string().min(1).optional().describe("A glob for files, as for search_files"),
    case_sensitive: z.boolean().default(false),
  }),
  async (args, call) => {
    const place = pathIn(call, args.path ?? ".");
    const isFolder = doing("search", place, () => statSync(place)).isDirectory();
    const search: Search = {
      pattern: args.pattern,
      ignoreCase: !args.case_sensitive,
      folder: isFolder ? place : dirname(place),
      ...(!isFolder && { file: basename(place) }),
      ...(args.file_pattern !== undefined && { filePattern: args.file_pattern }),
    };
    const { lines, all } = await linesFound(search, call);
    if (lines.length === 0) return { text: `No line in ${place} fits ${args.pattern}.` };
    const text = lines.map((line) => shownPath(call, search.folder, line)).join("\n");
    return { text, note: all ? undefined : "There are more. Narrow the pattern, the path or the file_pattern." };
  },
);

/** Looks with ripgrep, or without it where it is missing or does not know the expression. */
async function linesFound(search: Search, call: Call): Promise<{ lines: string[]; all: boolean }> {
  const ripgrep = onPath("rg", call.environment);
  let ran = ripgrep === undefined ? undefined : await run(ripgrepWords(ripgrep, search), call, search);
  if (ran === undefined || (ran.exitCode === 2 && ran.stdout.bytes === 0)) {
    const words = [process.execPath, process.argv[1] ?? "", "--search"];
    ran = await run(words, call, search, JSON.stringify(search));
  }
  if (ran.exitCode === 2 && ran.stdout.bytes === 0)
    throw new ToolError(`${search.pattern} is no regular expression: ${ran.stderr.shown(1000).text.trim()}`);
  if (ran.exitCode === undefined && ran.stdout.bytes === 0)
    throw new ToolError(`The search was ended by ${ran.endedBy ?? "the system"}.`);
  const text = ran.stdout.start(mostChars);
  const lines = text.split("\n").map((line) => line.replace(/^\.\//, "").replace(/\r$/, ""));
  // The last one is empty, or cut.
  lines.pop();
  return {
    lines: lines.slice(0, mostLines),
    all: lines.length <= mostLines && ran.stdout.bytes <= Buffer.byteLength(text),
  };
}

function run(words: readonly string[], call: Call, { folder }: Search, stdin?: string): Promise<RunResult> {
  const env = { ...call.environment, ...(stdin !== undefined && { BUN_BE_BUN: "1" }) };
  const { signal } = call;
  return call.commands.run(words, {
    cwd: folder,
    env,
    signal,
    enough: 4 * mostChars,
    ...(stdin !== undefined && { stdin }),
  });
}

function ripgrepWords(program: string, { pattern, ignoreCase, file, filePattern }: Search): string[] {
  // A glob of ripgrep's that begins with ! is the opposite; one with a / before it never does.
  const globs =
    filePattern === undefined
      ? []
      : [`${filePattern.includes("/") ? "/" : "**/"}${filePattern.replace(/^(\.?\/)+/, "")}`];
  return [
    program,
    ...["--no-config", "--no-ignore", "--hidden", "--no-messages", "--color=never", "--sort=path"],
    ...[
      "--no-heading",
      "--with-filename",
      "--line-number",
      `--max-columns=${String(mostOfLine)}`,
      "--max-columns-preview",
    ],
    ...(ignoreCase ? ["--ignore-case"] : []),
    ...[...globs, ...skipped.map((name) => `!**/${name}/**`)].map((glob) => `--glob=${glob}`),
    ...["--regexp", pattern, "--", file === undefined ? "." : `./${file}`],
  ];
}

function onPath(name: string, environment: NodeJS.ProcessEnv): string | undefined {
  const folders = (environment["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders
    .map((folder) => join(folder, name))
    .find((program) => {
      try {
        accessSync(program, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** How a path below a searched folder is given: relative to the workspace's folder where it is in it. */
function shownPath({ folder: workspace }: Call, folder: string, path: string): string {
  const below = relative(workspace, folder);
  return below.startsWith("..") ? `${folder}/${path}` : join(below, path);
}

export const searchTools = [searchFiles, grepSearch];

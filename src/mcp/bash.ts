import { existsSync } from "node:fs";
import { z } from "zod";
import { systemCode } from "../base/errors.ts";
import type { RunResult } from "./commands.ts";
import { folderIn, tool, ToolError } from "./tool.ts";

const defaultChars = 10_000;
const mostChars = 50_000;

export const bash = tool(
  "bash",
  "Runs a command in a shell of the workspace and gives its exit code, its output and its errors. It runs until it ends " +
    "by itself; give a timeout if it should not. What it leaves running in the background ends with the session; write " +
    "the output of such programs to a file. Output that is too long is cut, and kept whole in a file that is named.",
  z.strictObject({
    command: z.string().min(1).describe("The command line"),
    cwd: z.string().optional().describe("Folder to run in; the workspace's folder by default"),
    timeout_secs: z.number().positive().optional().describe("Ends the command after so many seconds"),
    timeout_ms: z.number().positive().optional().describe("The same in milliseconds"),
    timeout: z.number().positive().optional().describe("The same as timeout_secs"),
    env: z.record(z.string(), z.string()).optional().describe("Variables that are added to the environment"),
    clear_env: z.boolean().optional().describe("Runs it with no environment but `env`"),
    stdin: z.string().optional().describe("What the command reads from its standard input; nothing by default"),
    shell: z
      .string()
      .min(1)
      .optional()
      .describe("Path of the shell; /bin/bash by default, /bin/sh where that is missing"),
    max_output_chars: z
      .int()
      .positive()
      .default(defaultChars)
      .describe(`How much is shown of each output; at most ${String(mostChars)}`),
    raw: z.boolean().optional().describe("Gives only what the command wrote to its standard output"),
  }),
  async (args, call) => {
    const timeoutMs = args.timeout_ms ?? seconds(args.timeout_secs ?? args.timeout);
    const shell = args.shell ?? (existsSync("/bin/bash") ? "/bin/bash" : "/bin/sh");
    const options = {
      cwd: folderIn(call, args.cwd ?? "."),
      env: { ...(args.clear_env !== true && call.environment), ...args.env },
      signal: call.signal,
      ...(args.stdin !== undefined && { stdin: args.stdin }),
      ...(timeoutMs !== undefined && { timeoutMs }),
    };
    const ran = await call.commands.run([shell, "-c", args.command], options).catch((error: unknown) => {
      throw notStarted(error, shell);
    });
    const chars = Math.min(args.max_output_chars, mostChars);
    const [stdout, stderr] = [ran.stdout.shown(chars), ran.stderr.shown(chars)];
    const ended = ending(ran, timeoutMs);
    if (args.raw === true) {
      const notes = [stdout.note, ran.timedOut ? ended : undefined];
      return { text: stdout.text, note: notes.filter(Boolean).join("\n"), failed: ran.timedOut };
    }
    const sections = [
      ended,
      section("stdout", stdout),
      section("stderr", stderr),
      ran.leftRunning !== undefined &&
        `What it started in the background still runs, as process group ${String(ran.leftRunning)}.`,
    ];
    return { text: sections.filter(Boolean).join("\n\n"), failed: ran.timedOut };
  },
);

function seconds(count: number | undefined): number | undefined {
  return count === undefined ? undefined : count * 1000;
}

function ending({ exitCode, endedBy, timedOut }: RunResult, timeoutMs = 0): string {
  if (timedOut)
    return `The command had not ended after ${String(timeoutMs / 1000)} s, its timeout, and was ended with all it started.`;
  return endedBy === undefined ? `Exit code: ${String(exitCode)}` : `Ended by ${endedBy}`;
}

function section(name: string, { text, note }: { text: string; note?: string }): string | undefined {
  if (text === "" && note === undefined) return undefined;
  const lines = [`${name}:`, text === "" ? undefined : text.replace(/\n$/, ""), note && `[${note}]`];
  return lines.filter((line) => line !== undefined).join("\n");
}

function notStarted(error: unknown, shell: string): unknown {
  switch (systemCode(error)) {
    case "ENOENT":
      return new ToolError(`There is no shell ${shell}. Leave out \`shell\`, or name one that is installed.`);
    case "EACCES":
      return new ToolError(`${shell} cannot be run as a program. Leave out \`shell\`, or name another one.`);
    case "E2BIG":
      return new ToolError("The command is longer than the system takes: write it to a file and run that.");
    default:
      return error;
  }
}

import { execFile } from "node:child_process";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { describeError } from "../../base/errors.ts";
import { isExecutable } from "../../base/paths.ts";
import { ToolError } from "../tool.ts";

const execute = promisify(execFile);

/** The path of a program that an environment's PATH leads to. */
export function findProgram(name: string, environment: NodeJS.ProcessEnv): string | undefined {
  const paths = (environment["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return paths.map((folder) => join(folder, name)).find(isExecutable);
}

/** What Chromium has to be told here: it refuses to run as root with its sandbox. */
export function sandboxWords(): string[] {
  return process.getuid?.() === 0 ? ["--no-sandbox"] : [];
}

/** Runs a program to its end; gives what it printed. Rejects when it fails. */
export async function output(
  program: string,
  args: readonly string[],
  options: { env: NodeJS.ProcessEnv; signal: AbortSignal; timeout: number },
): Promise<string> {
  const { stdout } = await execute(program, args, { ...options, maxBuffer: 8 * 2 ** 20, killSignal: "SIGKILL" });
  return stdout;
}

/** For what a program's failure is told with. */
export function saying(program: string): (error: unknown) => never {
  return (error) => {
    throw new ToolError(`${program} failed: ${describeError(error)}`);
  };
}

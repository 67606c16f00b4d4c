import { execFile } from "node:child_process";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { isExecutable } from "../../base/paths.ts";

const execute = promisify(execFile);

/** The path of a program that an environment's PATH leads to. */
export function findProgram(name: string, environment: NodeJS.ProcessEnv): string | undefined {
  const paths = (environment["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return paths.map((folder) => join(folder, name)).find(isExecutable);
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

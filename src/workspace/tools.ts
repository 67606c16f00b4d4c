import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";
import { Readable, type Writable } from "node:stream";
import { OpenAgentError, systemCode, type ErrorCode } from "../base/errors.ts";
import { isExecutable } from "../base/paths.ts";

/** The absolute path of a program of the host, or undefined. Folders that users often lack in PATH are searched as well. */
export function findTool(name: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin", "/usr/bin", "/bin"];
  for (const folder of folders) {
    const path = join(folder, name);
    if (folder !== "" && isExecutable(path)) return path;
  }
  return undefined;
}

/** As `findTool`; throws what the user can do where it is missing. `package_` names the package that brings it. */
export function needTool(name: string, package_ = name): string {
  const path = findTool(name);
  if (path !== undefined) return path;
  throw new OpenAgentError("workspace_unavailable", `${name} was not found. Install the package ${package_}.`);
}

export interface ToolOptions {
  cwd?: string;
  /** The whole environment; by default that of this process. */
  env?: NodeJS.ProcessEnv;
  input?: string | Readable;
  /** Called with what it prints on either output. */
  output?: (text: string) => void;
  signal?: AbortSignal;
  /** Ends it after that many milliseconds. */
  timeoutMs?: number;
  /** What a failure is thrown as. */
  code?: ErrorCode;
}

/** The last that is kept of an output for an error's message. */
const tailChars = 2000;

/** Runs a program of ours on the host, in a group that is ended as a whole; gives its standard output. */
export async function runTool(command: string, args: readonly string[], options: ToolOptions = {}): Promise<string> {
  const { code = "workspace_unavailable" } = options;
  const result = await tryTool(command, args, options);
  options.signal?.throwIfAborted();
  if (result.exitCode === 0) return result.stdout;
  const said = lastWords(result.stderr) || lastWords(result.stdout) || result.ending;
  throw new OpenAgentError(code, `${command.split("/").at(-1) ?? command} failed: ${said}`);
}

/** As `runTool`, but what came of it is for the caller to judge. */
export async function tryTool(
  command: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<{ exitCode: number | null; stdout: string; stderr: string; ending: string }> {
  const { input, output, signal, timeoutMs } = options;
  signal?.throwIfAborted();
  const child = spawn(command, args, {
    cwd: options.cwd ?? "/",
    env: options.env ?? process.env,
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  let [stdout, stderr, timedOut] = ["", "", false];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    output?.(text);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-4 * tailChars);
    output?.(text);
  });
  feed(child.stdin, input);
  const end = () => killGroup(child.pid);
  const expire = () => {
    timedOut = true;
    end();
  };
  const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs);
  signal?.addEventListener("abort", end, { once: true });
  try {
    return await new Promise((resolve) => {
      child.on("error", (error) => {
        resolve({ exitCode: null, stdout, stderr, ending: error.message });
      });
      child.on("close", (exitCode, by) => {
        const ending = timedOut ? "it took too long" : by ? `ended by ${by}` : `exit code ${String(exitCode)}`;
        resolve({ exitCode, stdout, stderr, ending });
      });
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
    // What it may have started and left.
    end();
  }
}

/** Ends a process that leads a group, and the group. */
export function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if (systemCode(error) !== "ESRCH") throw error;
  }
}

function feed(stdin: Writable, input: string | Readable | undefined): void {
  // A program that ends without reading breaks the pipe, which is its own business.
  stdin.on("error", () => undefined);
  if (input instanceof Readable) input.pipe(stdin);
  else stdin.end(input);
}

function lastWords(text: string): string {
  return text.trim().slice(-tailChars).split("\n").slice(-8).join("\n");
}

// Starts a process as a file says, with exactly the environment that is in it, and is it from then on: what OpenCode
// starts would otherwise have all of OpenCode's own environment. Runs on OpenCode's own runtime.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

/** What is in the file, which only its owner can read. */
export interface Launch {
  command: string;
  args: string[];
  /** The folder to start it in. */
  cwd: string;
  env: Record<string, string>;
}

const { command, args, cwd, env } = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Launch;
const child = spawn(command, args, { cwd, env, stdio: "inherit" });
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
child.on("error", (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
child.on("exit", (code) => process.exit(code ?? 1));

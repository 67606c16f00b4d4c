import { execFileSync, spawn, type ChildProcessByStdio } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { waitUntil } from "../../src/base/async.ts";
import { opencodeBinary, repository, type Bed } from "./bed.ts";

const program = join(repository, "dist", "headless.cjs");

/** Builds `dist/headless.cjs` where it is missing or older than what it is made of. */
export function buildHeadless(): void {
  const made = existsSync(program) ? statSync(program).mtimeMs : 0;
  const sources = readdirSync(join(repository, "src"), { recursive: true, encoding: "utf8" });
  if (sources.some((path) => statSync(join(repository, "src", path)).mtimeMs > made))
    execFileSync(process.execPath, [join(repository, "esbuild.mjs")], { cwd: repository, stdio: "ignore" });
}

export interface Finished {
  /** A number, or the signal that ended it. */
  code: number | string;
  out: string;
  err: string;
}

/** A headless process on the bed's data folder. */
export interface Headless {
  pid: number;
  stdin: Writable;
  /** What it has written so far; on a terminal both are one. */
  out: () => string;
  err: () => string;
  /** Waits for a text in either; fails with both. */
  says: (words: RegExp) => Promise<void>;
  kill: (signal: NodeJS.Signals) => void;
  /** Closes the other end of its standard output. */
  stopReading: () => void;
  finished: Promise<Finished>;
}

export interface HeadlessOptions {
  /** On a terminal, as a person has one. */
  terminal?: boolean;
  environment?: Record<string, string>;
  /** In place of the bed's. */
  data?: string;
}

export function headless(bed: Bed, words: readonly string[], options: HeadlessOptions = {}): Headless {
  const opencode = words.includes("--opencode") ? [] : ["--opencode", opencodeBinary];
  const all = [program, "--data-dir", options.data ?? bed.data, ...opencode, ...words];
  const line = [process.execPath, ...all].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  const [command, args] = options.terminal
    ? ["script", ["-qefc", `exec ${line}`, "/dev/null"]]
    : [process.execPath, all];
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn(command, args, {
    env: { ...bed.environment, ...options.environment },
    cwd: bed.project,
    stdio: ["pipe", "pipe", "pipe"],
  });
  if (!options.terminal) child.stdin.end();
  const written = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (written.out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (written.err += text));
  const finished = new Promise<Finished>((resolve) =>
    child.once("close", (code, signal) => resolve({ code: code ?? signal ?? "", ...written })),
  );
  return {
    pid: child.pid ?? 0,
    stdin: child.stdin,
    out: () => written.out,
    err: () => written.err,
    says: async (wanted) => {
      if (await waitUntil(() => wanted.test(written.out + written.err), 60_000, 10)) return;
      throw new Error(`It did not say ${String(wanted)}:\n${written.out}\n${written.err}`);
    },
    stopReading: () => void child.stdout.destroy(),
    kill: (signal) => void child.kill(signal),
    finished,
  };
}

/** Runs a command to its end. */
export function finish(bed: Bed, words: readonly string[], options?: HeadlessOptions): Promise<Finished> {
  return headless(bed, words, options).finished;
}

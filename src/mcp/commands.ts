import { spawn, type ChildProcess } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";
import { sleep } from "../base/async.ts";
import { endGroup, isGroupAlive } from "./groups.ts";
import { Output } from "./output.ts";

export interface RunOptions {
  /** An existing folder. */
  cwd: string;
  /** All of the environment. */
  env: NodeJS.ProcessEnv;
  /** Ends the command, with its group, when it aborts. */
  signal: AbortSignal;
  /** Without it the command reads nothing. */
  stdin?: string;
  /** Milliseconds; without it there is no end but its own. */
  timeoutMs?: number;
  /** Bytes of its output that are enough: with more the command is ended. */
  enough?: number;
}

export interface RunResult {
  /** Undefined when it was ended by a signal. */
  exitCode: number | undefined;
  endedBy: NodeJS.Signals | undefined;
  timedOut: boolean;
  stdout: Output;
  stderr: Output;
  /** Number of its process group, when processes of it still run. */
  leftRunning: number | undefined;
}

/** Milliseconds between the first request to end and the KILL. */
const graceMs = 2000;
const longestTimerMs = 2 ** 31 - 1;

/** The commands of this server, each with a process group of its own, which is known until nothing of it runs. */
export class Commands {
  readonly #groups = new Set<number>();

  /**
   * Runs a program to its end, and not to that of what it left behind. Rejects when it cannot be started, and with the
   * signal's reason when that aborts, once its group is gone.
   */
  async run([program = "", ...args]: readonly string[], options: RunOptions): Promise<RunResult> {
    const { cwd, env, signal, stdin, timeoutMs, enough = Infinity } = options;
    signal.throwIfAborted();
    this.#forgetEnded();
    const stdio = [stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"] as const;
    const child = spawn(program, args, { cwd, env, stdio: [...stdio], detached: true, windowsHide: true });
    const pid = child.pid;
    if (pid !== undefined) this.#groups.add(pid);
    const [stdout, stderr] = [new Output("stdout.txt"), new Output("stderr.txt")];
    let ending: Promise<void> | undefined;
    const end = () => {
      if (pid !== undefined) ending ??= endGroup(pid, graceMs);
    };
    const expiry = { timedOut: false };
    const expire = () => {
      expiry.timedOut = true;
      end();
    };
    const timer = timeoutMs === undefined ? undefined : setTimeout(expire, Math.min(timeoutMs, longestTimerMs));
    signal.addEventListener("abort", end, { once: true });
    child.stdout?.on("data", (bytes: Buffer) => {
      stdout.add(bytes);
      if (stdout.bytes > enough) end();
    });
    child.stderr?.on("data", (bytes: Buffer) => {
      stderr.add(bytes);
    });
    // It may end without having read all of it.
    child.stdin?.on("error", () => undefined).end(stdin);
    try {
      const pipes = closed(child);
      const { exitCode, endedBy } = await exited(child);
      clearTimeout(timer);
      await Promise.race([pipes, silence(() => stdout.bytes + stderr.bytes)]);
      await ending;
      signal.throwIfAborted();
      const leftRunning = pid !== undefined && isGroupAlive(pid) ? pid : undefined;
      return { exitCode, endedBy, timedOut: expiry.timedOut, stdout, stderr, leftRunning };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      stdout.close();
      stderr.close();
      this.#forgetEnded();
    }
  }

  /** Ends all that still runs, and what ended commands have left in their groups. */
  async endAll(): Promise<void> {
    this.#forgetEnded();
    await Promise.allSettled([...this.#groups].map((group) => endGroup(group, graceMs / 2)));
  }

  #forgetEnded(): void {
    for (const group of this.#groups) if (!isGroupAlive(group)) this.#groups.delete(group);
  }
}

function exited(child: ChildProcess): Promise<Pick<RunResult, "exitCode" | "endedBy">> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      resolve({ exitCode: code ?? undefined, endedBy: signal ?? undefined });
    });
  });
}

function closed(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once("close", () => {
      resolve();
    });
  });
}

/** Resolves when nothing more comes from what a command has left behind, which may hold its pipes open; after 2 s at most. */
async function silence(bytes: () => number): Promise<void> {
  for (let round = 0, before = -1; round < 10 && before !== bytes(); round++) {
    before = bytes();
    await sleep(200);
    // What has come while this process was busy is read first.
    await wait(0);
  }
}

import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import type { Readable } from "node:stream";
import { TextDecoder } from "node:util";
import { sleep } from "../base/async.ts";
import type { Workspace } from "../protocol/workspace.ts";
import type { Backend, Wrapped, WrapOptions } from "./backend.ts";
import { killGroup } from "./tools.ts";

export interface ExecOptions extends Omit<WrapOptions, "terminal" | "outlives"> {
  stdin?: string;
  /** Milliseconds; without it there is no end but its own. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Bytes that are kept of each output: its beginning and, of the rest, its end. 1 MB by default. */
  maxOutput?: number;
}

export interface ExecResult {
  /** Undefined when it did not end by itself. */
  exitCode: number | undefined;
  stdout: string;
  stderr: string;
  timedOut: boolean;
  /** Bytes of the outputs that were left out. */
  omitted: number;
}

/** Runs a command in a workspace to its end. Rejects with the signal's reason when it aborts, once all has ended. */
export async function exec(
  backend: Backend,
  workspace: Workspace,
  argv: readonly string[],
  options: ExecOptions,
): Promise<ExecResult> {
  const { stdin, timeoutMs, signal, maxOutput = 1_000_000 } = options;
  signal?.throwIfAborted();
  const wrapped = await backend.wrap(workspace, argv, options);
  signal?.throwIfAborted();
  const child = start(wrapped, ["pipe", "pipe", "pipe"]);
  const [stdout, stderr] = [new Kept(maxOutput), new Kept(maxOutput)];
  child.stdout?.on("data", (bytes: Buffer) => stdout.add(bytes));
  child.stderr?.on("data", (bytes: Buffer) => stderr.add(bytes));
  child.stdin?.on("error", () => undefined).end(stdin);
  let timedOut = false as boolean;
  const end = () => killGroup(child.pid);
  const expire = () => {
    timedOut = true;
    end();
  };
  const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs);
  signal?.addEventListener("abort", end, { once: true });
  try {
    const exitCode = await new Promise<number | undefined>((resolve, reject) => {
      child.on("error", reject);
      // Its end, and not that of the pipes, which what it left behind may hold open.
      child.on("exit", (code) => {
        void (wrapped.cleanUp?.(code === null) ?? Promise.resolve()).finally(end);
        resolve(code ?? undefined);
      });
    });
    await drained(child, () => timedOut || signal?.aborted === true);
    signal?.throwIfAborted();
    return {
      exitCode: timedOut ? undefined : exitCode,
      stdout: stdout.text(),
      stderr: stderr.text(),
      timedOut,
      omitted: stdout.omitted + stderr.omitted,
    };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}

/**
 * Starts something that stays in a workspace. It leads a group of its own; `end` kills all of it. It dies with this
 * process unless it `outlives` it.
 */
export async function spawnIn(
  backend: Backend,
  workspace: Workspace,
  argv: readonly string[],
  options: WrapOptions & { stdio?: StdioOptions },
): Promise<{ child: ChildProcess; end: () => Promise<void> }> {
  const wrapped = await backend.wrap(workspace, argv, options);
  const child = start(wrapped, options.stdio ?? ["pipe", "pipe", "pipe"]);
  const end = async () => {
    killGroup(child.pid);
    await wrapped.cleanUp?.(true);
  };
  child.once("exit", (code) => void wrapped.cleanUp?.(code === null));
  return { child, end };
}

/** What a terminal runs to be in the workspace: its login shell in a folder of it. `env` is the whole environment. */
export async function shellCommand(
  backend: Backend,
  workspace: Workspace,
  options: Pick<WrapOptions, "cwd" | "env" | "binds">,
): Promise<Wrapped> {
  const find = 'for shell in "$SHELL" /bin/bash /bin/sh; do [ -x "$shell" ] && exec "$shell" -l; done';
  return backend.wrap(workspace, ["/bin/sh", "-c", find], { ...options, terminal: true });
}

function start(wrapped: Wrapped, stdio: StdioOptions): ChildProcess {
  return spawn(wrapped.command, wrapped.args, { cwd: wrapped.cwd, env: wrapped.env, stdio, detached: true });
}

/** Milliseconds for which what a command has left behind may be silent and still hold the pipes. */
const silence = 500;

/**
 * Resolves when the pipes of a command that has ended were read to their end. What it has left behind may hold them open
 * for ever: they are closed when they have been silent for a while, and as soon as the command's own time is over.
 */
async function drained(child: ChildProcess, isOver: () => boolean): Promise<void> {
  const open = [child.stdout, child.stderr].filter((stream): stream is Readable => stream?.closed === false);
  const closed = Promise.all(open.map((stream) => new Promise((resolve) => stream.once("close", resolve))));
  let [heard, isClosed] = [true, false];
  for (const stream of open) stream.on("data", () => (heard = true));
  void closed.then(() => (isClosed = true));
  while (heard && !isClosed) {
    heard = false;
    await Promise.race([closed, sleep(silence)]);
    // What has come while this process was busy is read before it is judged.
    await new Promise(setImmediate);
    if (isOver()) break;
  }
  for (const stream of open) stream.destroy();
}

/** Keeps the first half and the last half of at most `limit` bytes. */
class Kept {
  readonly #half: number;
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  omitted = 0;

  constructor(limit: number) {
    this.#half = Math.ceil(limit / 2);
  }

  add(bytes: Buffer): void {
    const room = this.#half - this.#headBytes;
    if (room > 0) {
      const first = bytes.subarray(0, room);
      this.#head.push(first);
      this.#headBytes += first.length;
      if (first.length === bytes.length) return;
      this.add(bytes.subarray(first.length));
      return;
    }
    this.#tail.push(bytes);
    this.#tailBytes += bytes.length;
    if (this.#tailBytes > 4 * this.#half) this.#cut();
  }

  #cut(): void {
    const all = Buffer.concat(this.#tail);
    const kept = all.subarray(Math.max(0, all.length - this.#half));
    this.omitted += all.length - kept.length;
    this.#tail = [Buffer.from(kept)];
    this.#tailBytes = kept.length;
  }

  text(): string {
    this.#cut();
    const decode = (parts: Buffer[]) => new TextDecoder().decode(Buffer.concat(parts));
    if (this.omitted === 0) return decode([...this.#head, ...this.#tail]);
    return `${decode(this.#head)}\n[${String(this.omitted)} bytes left out]\n${decode(this.#tail)}`;
  }
}

import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { sleep } from "../../base/async.ts";
import { describeError } from "../../base/errors.ts";
import { endGroup } from "../groups.ts";
import { readMessages, written, type Id, type Message } from "./messages.ts";

export interface PlaywrightOptions {
  command: readonly string[];
  env: NodeJS.ProcessEnv;
  /** What it is asked to speak. */
  protocolVersion: string;
  /** Gets its answers and its notices of progress. */
  deliver: (message: Message) => void;
  /** Gets what it has not answered when it has ended, and why it has. */
  fail: (ids: Id[], reason: string) => void;
}

/** Milliseconds that it has to close its browser, and then to end by signals. */
const [closeMs, signalsMs] = [5000, 2000];
const mostSaid = 500;

/** A process of Playwright's MCP server. Its input's end ends it with its browser, so it does not outlive this process. */
export class Playwright {
  /** Resolves when it has ended. */
  readonly finished: Promise<void>;
  readonly #options: PlaywrightOptions;
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #unanswered = new Set<Id>();
  /** What it is to be told as soon as it has answered for the first time; undefined from then on. */
  #later: Message[] | undefined = [];
  #said = "";
  #reason: string | undefined;
  #isLeft = false;
  #hasEnded = false;

  constructor(options: PlaywrightOptions) {
    const { command, env, protocolVersion, fail } = options;
    const [program = "", ...args] = command;
    this.#options = options;
    // A group of its own, in which it can be ended with what it was started by.
    this.#process = spawn(program, args, { env, stdio: "pipe", detached: true });
    this.#process.stdin.on("error", () => undefined);
    this.#process.stderr.on("data", (bytes: Buffer) => (this.#said = (this.#said + bytes.toString()).slice(-mostSaid)));
    readMessages(this.#process.stdout, (message) => this.#take(message));
    this.finished = new Promise((resolve) => {
      const end = () => {
        if (this.#hasEnded) return;
        this.#hasEnded = true;
        fail([...this.#unanswered], this.#reason ?? `Playwright's MCP server has ended. ${this.#said.trim()}`.trim());
        resolve();
      };
      this.#process.once("close", end).once("error", (error) => {
        this.#said = describeError(error);
        end();
      });
    });
    const clientInfo = { name: "open-agent", version: "1" };
    this.#write({ id: 0, method: "initialize", params: { protocolVersion, capabilities: {}, clientInfo } });
  }

  /** Passes on a request under the id that it has. */
  ask(message: Message & { id: Id }): void {
    this.#unanswered.add(message.id);
    this.#tell(message);
  }

  /** Passes on that nobody waits for an answer any more; says whether it was the one that was asked. */
  cancel(id: Id, notice: Message): boolean {
    if (!this.#unanswered.delete(id)) return false;
    this.#tell(notice);
    this.#endIfLeft();
    return true;
  }

  /** Ends it once it has answered what it was asked. */
  leave(): void {
    this.#isLeft = true;
    this.#endIfLeft();
  }

  /** Ends it; `reason` is said to those who wait for its answers. */
  async end(reason?: string): Promise<void> {
    this.#reason ??= reason;
    this.#process.stdin.end();
    await Promise.race([this.finished, sleep(closeMs)]);
    const { pid } = this.#process;
    if (!this.#hasEnded && pid !== undefined) await endGroup(pid, signalsMs);
  }

  #endIfLeft(): void {
    if (this.#isLeft && this.#unanswered.size === 0) void this.end();
  }

  #take(message: Message): void {
    const { id, method } = message;
    if (method === "notifications/progress") this.#options.deliver(message);
    else if (method === "ping") this.#write({ ...(id !== undefined && { id }), result: {} });
    else if (method !== undefined) this.#refuse(id);
    else if (this.#later) this.#begin(this.#later);
    else if (id !== undefined && this.#unanswered.delete(id)) {
      this.#options.deliver(message);
      this.#endIfLeft();
    }
  }

  #refuse(id: Id | undefined): void {
    if (id !== undefined) this.#write({ id, error: { code: -32601, message: "Nobody is here to ask." } });
  }

  #begin(later: readonly Message[]): void {
    this.#later = undefined;
    this.#write({ method: "notifications/initialized" });
    for (const message of later) this.#write(message);
  }

  #tell(message: Message): void {
    if (this.#later) this.#later.push(message);
    else this.#write(message);
  }

  #write(message: Message): void {
    this.#process.stdin.write(written(message));
  }
}

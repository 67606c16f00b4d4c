import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Sequence, sleep } from "../../base/async.ts";
import { describeError } from "../../base/errors.ts";
import type { Disposable } from "../../base/lifetime.ts";
import { isInHand } from "../../desktop/control.ts";
import { displayLog, endDisplay, type Display } from "../../desktop/display.ts";
import { apart } from "../../desktop/guard.ts";
import { Keyboard } from "../../desktop/keyboard.ts";
import { RfbClient } from "../../desktop/rfb.ts";
import { endGroup } from "../groups.ts";
import { ToolError } from "../tool.ts";
import { AgentHand } from "./hand.ts";

/** How long the agent's hand waits for the user's. */
const mostPatienceMs = 20_000;

/** A desktop of this server's agent: its display, and this server's connection to it. One call at a time uses it. */
export class Session {
  readonly display: Display;
  readonly folder: string;
  readonly #hold: Disposable;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #hand: AgentHand;
  readonly #calls = new Sequence();
  readonly #programs: number[] = [];
  #client: RfbClient | undefined;
  #keyboard: Promise<Keyboard | undefined> | undefined;

  constructor(display: Display, folder: string, hold: Disposable, environment: NodeJS.ProcessEnv) {
    [this.display, this.folder, this.#hold] = [display, folder, hold];
    this.#hand = new AgentHand(folder);
    this.#environment = { ...environment, ...display.variables };
  }

  /** What programs that are started here find in their environment. */
  get environment(): NodeJS.ProcessEnv {
    return this.#environment;
  }

  /** Looks at the display. */
  async look<T>(work: (client: RfbClient) => Promise<T>): Promise<T> {
    return this.#calls.run(async () => work(await this.#connect()));
  }

  /** Uses the display's mouse and keyboard, once the user does not. The signal that `work` gets also says when the user does. */
  async act<T>(signal: AbortSignal, work: (client: RfbClient, signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#calls.run(async () => {
      await this.#wait(signal);
      return this.#hand.use(await this.#connect(), signal, work);
    });
  }

  /** The keyboard behind RFB; undefined where it cannot be reached. */
  keyboard(): Promise<Keyboard | undefined> {
    this.#keyboard ??= Keyboard.of(this.display).catch(() => undefined);
    return this.#keyboard;
  }

  /** Starts a program that is there, is shown here and ends with the display; gives its process. */
  async start(argv: readonly string[], cwd: string): Promise<number> {
    const [shell = "", ...args] = apart(argv, true);
    const { stdout } = await promisify(execFile)(shell, args, { cwd, env: this.#environment });
    const pid = Number(stdout);
    this.#programs.push(pid);
    return pid;
  }

  /** Ends the display and what this server has started in it; gives the processes. */
  async end(): Promise<number[]> {
    const { pid, windowManager } = this.display;
    await Promise.all(this.#programs.map((group) => endGroup(group, 1000)));
    await endDisplay(this.folder);
    this.letGo();
    rmSync(this.folder, { recursive: true, force: true });
    return [pid, ...(windowManager ? [windowManager.pid] : []), ...this.#programs];
  }

  /** Leaves the display to itself. */
  letGo(): void {
    this.#hand.dispose();
    this.#client?.dispose();
    void this.#keyboard?.then((keyboard) => keyboard?.dispose());
    this.#hold.dispose();
  }

  async #connect(): Promise<RfbClient> {
    if (this.#client && !this.#client.error) return this.#client;
    try {
      return (this.#client = await RfbClient.to(join(this.folder, "vnc.sock")));
    } catch (error) {
      const log = displayLog(this.folder);
      const reason = log === "" ? describeError(error) : `its X server said last: ${log}`;
      throw new ToolError(
        `The desktop ${this.display.name} has ended; ${reason}. Start another one with desktop_start_session.`,
        { cause: error },
      );
    }
  }

  async #wait(signal: AbortSignal): Promise<void> {
    for (const end = Date.now() + mostPatienceMs; isInHand(this.folder);) {
      if (Date.now() > end)
        throw new ToolError(
          "The user is using this desktop's mouse and keyboard now. A screenshot shows what happens; try again later.",
        );
      await sleep(250, signal);
    }
  }
}

import { Sequence } from "../../base/async.ts";
import { describeError } from "../../base/errors.ts";
import { answers } from "../../desktop/display.ts";
import { playwrightCommand } from "./commands.ts";
import { displaysOf, isShown, type Shown } from "./displays.ts";
import type { Id, Message } from "./messages.ts";
import { Playwright } from "./playwright.ts";

export interface BrowsersOptions {
  /** Where the displays of this machine lie. */
  folder: string;
  /** What Playwright and the browsers find in their environment. */
  environment: NodeJS.ProcessEnv;
  /** Says a message to the client. */
  say: (message: Message) => void;
}

/** How often it is looked whether displays are still there. */
const lookMs = 1000;

/** The browsers of all missions: each has a Playwright of its own, for the desktop that it has started last. */
export class Browsers {
  readonly #options: BrowsersOptions;
  /** By mission. */
  readonly #current = new Map<string, { playwright: Playwright; shown: Shown }>();
  /** Those that have not ended yet. */
  readonly #all = new Set<Playwright>();
  /** What is passed on stays in its order. */
  readonly #passing = new Sequence();
  readonly #looking: NodeJS.Timeout;
  #tools: Promise<unknown> | undefined;
  /** As the client speaks it. */
  protocolVersion = "2025-06-18";

  constructor(options: BrowsersOptions) {
    this.#options = options;
    this.#looking = setInterval(() => this.#look(), lookMs);
  }

  /** The tools, as a Playwright without a display tells them. Rejects with why it cannot. */
  tools(): Promise<unknown> {
    this.#tools ??= this.#askForTools().catch((error: unknown) => {
      this.#tools = undefined;
      throw error;
    });
    return this.#tools;
  }

  /** Passes on the call of a tool to the mission that it names. */
  call(message: Message & { id: Id }): void {
    const { mission, ...args } = (message.params?.["arguments"] ?? {}) as Record<string, unknown>;
    void this.#passing.run(async () => {
      try {
        const playwright = await this.#of(typeof mission === "string" ? mission : "");
        playwright.ask({ ...message, params: { ...message.params, arguments: args } });
      } catch (error) {
        this.#fail([message.id], describeError(error));
      }
    });
  }

  /** Passes on that nobody waits for an answer any more. */
  cancel(id: Id, notice: Message): void {
    void this.#passing.run(() => {
      for (const playwright of this.#all) if (playwright.cancel(id, notice)) break;
      return Promise.resolve();
    });
  }

  /** Ends all of them. */
  async end(): Promise<void> {
    clearInterval(this.#looking);
    await this.#passing.settled();
    await Promise.all([...this.#all].map((playwright) => playwright.end()));
  }

  async #of(mission: string): Promise<Playwright> {
    for (const shown of displaysOf(this.#options.folder, mission)) {
      const known = this.#current.get(mission);
      if (known?.shown.folder === shown.folder) return known.playwright;
      if (await answers(shown.display.socket)) return this.#startFor(mission, shown);
    }
    throw new Error("There is no desktop. Start one with desktop_start_session.");
  }

  #startFor(mission: string, shown: Shown): Playwright {
    const { environment, say } = this.#options;
    this.#current.get(mission)?.playwright.leave();
    const playwright = this.#start(playwrightCommand(environment, shown), say, (ids, reason) => {
      if (this.#current.get(mission)?.playwright === playwright) this.#current.delete(mission);
      this.#fail(ids, reason);
    });
    this.#current.set(mission, { playwright, shown });
    return playwright;
  }

  #start(
    command: ReturnType<typeof playwrightCommand>,
    deliver: (message: Message) => void,
    fail: (ids: Id[], reason: string) => void,
  ): Playwright {
    const playwright = new Playwright({ ...command, protocolVersion: this.protocolVersion, deliver, fail });
    this.#all.add(playwright);
    void playwright.finished.then(() => this.#all.delete(playwright));
    return playwright;
  }

  async #askForTools(): Promise<unknown> {
    const command = playwrightCommand(this.#options.environment);
    return new Promise((resolve, reject) => {
      const playwright = this.#start(
        command,
        ({ result, error }) => (error ? reject(new Error(error.message)) : resolve(result)),
        (_, reason) => reject(new Error(reason)),
      );
      playwright.ask({ id: 1, method: "tools/list" });
      playwright.leave();
    });
  }

  #look(): void {
    for (const [mission, { playwright, shown }] of this.#current)
      if (!isShown(shown)) {
        this.#current.delete(mission);
        void playwright.end("The desktop of this browser has ended. Start another one with desktop_start_session.");
      }
  }

  #fail(ids: readonly Id[], text: string): void {
    for (const id of ids) this.#options.say({ id, result: { content: [{ type: "text", text }], isError: true } });
  }
}

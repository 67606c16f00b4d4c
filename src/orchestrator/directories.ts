import type { Choices, Engine } from "../opencode/engine.ts";
import { serverKey } from "./engines.ts";

/** The directories that servers may have open, by `serverKey`. OpenCode reads what it knows of one when it opens it. */
export class Directories {
  readonly #open = new Map<string, Set<string>>();
  /** Those to be opened anew once nothing runs in them. */
  readonly #outdated = new Map<string, Set<string>>();
  readonly #choices = new Map<string, Promise<Choices>>();

  note(server: string, directory: string): void {
    const key = serverKey(server);
    this.#open.set(key, (this.#open.get(key) ?? new Set()).add(directory));
  }

  /** Agents and models for a directory, remembered until what a server knows changes. */
  choices(engine: Engine, directory: string): Promise<Choices> {
    const key = `${serverKey(engine.id)} ${directory}`;
    const known = this.#choices.get(key);
    if (known) return known;
    this.note(engine.id, directory);
    const asked = engine.choices(directory);
    this.#choices.set(key, asked);
    asked.catch(() => this.#choices.delete(key));
    return asked;
  }

  /** The server ended: whatever it opens then is new. */
  forget(server: string): void {
    const key = serverKey(server);
    this.#open.delete(key);
    this.#outdated.delete(key);
    this.#forgetChoices(key);
  }

  /** What the server knows has changed. */
  outdate(server: string): void {
    const key = serverKey(server);
    this.#outdated.set(key, new Set(this.#open.get(key)));
    this.#forgetChoices(key);
  }

  /** Has a server open anew what is outdated, but for the directories that are busy. */
  async reload(server: string, engine: Engine, busy: ReadonlySet<string>): Promise<void> {
    const outdated = this.#outdated.get(serverKey(server)) ?? new Set();
    for (const directory of [...outdated].filter((one) => !busy.has(one))) {
      outdated.delete(directory);
      this.#choices.delete(`${serverKey(server)} ${directory}`);
      await engine.reload(directory);
    }
  }

  /** Those that may have any directory open. */
  get servers(): string[] {
    return [...this.#open.keys()];
  }

  #forgetChoices(key: string): void {
    for (const known of [...this.#choices.keys()]) if (known.startsWith(`${key} `)) this.#choices.delete(known);
  }
}

import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { privateFolder } from "../../base/files.ts";
import {
  holdDisplay,
  ownDisplay,
  parseSize,
  screenshotsFolder,
  seenDisplay,
  startDisplay,
} from "../../desktop/display.ts";
import { ToolError } from "../tool.ts";
import { Session } from "./session.ts";

export interface SessionOptions {
  /** Where the folders of displays lie; without it a folder that nobody else knows. */
  folder: string | undefined;
  /** Where the agent works. */
  workspace: string;
  /** Such as `1280x720`. */
  size: string;
  /** Seconds that a display is kept when this server has ended. */
  graceSeconds: number;
  /** What programs find in their environment. */
  environment: NodeJS.ProcessEnv;
}

/** One agent needs one desktop, or two; one that has lost count must not fill the machine. */
const mostSessions = 8;

/** The desktops of one mission's agents: those of this server, and those that one before it has left in the same folder. */
export class Sessions {
  readonly workspace: string;
  readonly #options: SessionOptions;
  readonly #owner: string;
  readonly #known = new Map<string, Session>();
  #made: string | undefined;
  readonly #others: Map<string, Sessions>;

  constructor(options: SessionOptions, owner = "", others = new Map<string, Sessions>()) {
    this.#options = options;
    this.workspace = options.workspace;
    this.#owner = owner;
    this.#others = others.set(owner, this);
  }

  /** Those of a mission; all that name none share theirs. */
  of(owner: string): Sessions {
    return this.#others.get(owner) ?? new Sessions(this.#options, owner, this.#others);
  }

  /** Where screenshots are saved. */
  get pictures(): string {
    return privateFolder(screenshotsFolder(this.#folder(), this.#owner));
  }

  async start(): Promise<Session> {
    await this.#adopt();
    if (this.#known.size >= mostSessions)
      throw new ToolError(
        `There are ${String(mostSessions)} desktops already: ${this.#names()}. Stop one of them first.`,
      );
    const folder = join(this.#folder(), randomBytes(4).toString("hex"));
    const { size, graceSeconds, environment } = this.#options;
    await startDisplay({ folder, ...parseSize(size), graceSeconds, environment });
    if (this.#owner !== "") ownDisplay(folder, this.#owner);
    const session = await this.#take(folder);
    if (session) return session;
    throw new ToolError("The desktop ended as soon as it was started. Try again.");
  }

  /** The desktop of that display; without a name, the only one that there is. */
  async find(name?: string): Promise<Session> {
    if (!this.#known.has(name ?? "")) await this.#adopt();
    const wanted = name?.startsWith(":") === false ? `:${name}` : name;
    const only = this.#known.size === 1 ? [...this.#known.values()][0] : undefined;
    const found = wanted === undefined ? only : this.#known.get(wanted);
    if (found) return found;
    if (this.#known.size === 0) throw new ToolError("There is no desktop. Start one with desktop_start_session.");
    if (wanted === undefined) throw new ToolError(`Say which display: ${this.#names()}.`);
    throw new ToolError(`${wanted} is no desktop of yours. There is ${this.#names()}.`);
  }

  async stop(session: Session): Promise<number[]> {
    this.#known.delete(session.display.name);
    return session.end();
  }

  /** Leaves all displays to themselves, those of all missions. */
  letGo(): void {
    for (const sessions of this.#others.values()) for (const session of sessions.#known.values()) session.letGo();
  }

  /** Takes up what is there, and forgets what has ended. */
  async #adopt(): Promise<void> {
    for (const [name, session] of [...this.#known])
      if (!seenDisplay(session.folder)) {
        this.#known.delete(name);
        session.letGo();
      }
    const base = this.#options.folder;
    if (base === undefined || !existsSync(base)) return;
    const known = new Set([...this.#known.values()].map(({ folder }) => folder));
    for (const folder of readdirSync(base).map((entry) => join(base, entry)))
      if (!known.has(folder)) await this.#take(folder);
  }

  async #take(folder: string): Promise<Session | undefined> {
    const seen = seenDisplay(folder);
    if (!seen || (seen.owner ?? "") !== this.#owner) return undefined;
    const hold = await holdDisplay(folder);
    if (!hold) return undefined;
    const session = new Session(seen.display, folder, hold, this.#options.environment);
    this.#known.set(seen.display.name, session);
    return session;
  }

  #folder(): string {
    if (this.#options.folder !== undefined) return privateFolder(this.#options.folder);
    // Only its owner can enter what mkdtemp makes.
    return (this.#made ??= mkdtempSync(join(tmpdir(), "open-agent-")));
  }

  #names(): string {
    return [...this.#known.keys()].join(", ");
  }
}

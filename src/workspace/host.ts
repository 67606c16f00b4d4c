import { existsSync } from "node:fs";
import { OpenAgentError } from "../base/errors.ts";
import type { Probe, Workspace } from "../protocol/workspace.ts";
import type { Backend, PrepareOptions, Wrapped, WrapOptions } from "./backend.ts";
import type { Limits } from "./limits.ts";

/** The machine itself, without a wall around anything. */
export class HostBackend implements Backend {
  readonly kind: "host" | "worktree" = "host";
  readonly #limits: Limits;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  async probe(): Promise<Probe> {
    return { kind: this.kind, available: true, limits: await this.#limits.offered() };
  }

  async prepare(workspace: Workspace, _: PrepareOptions): Promise<void> {
    const gone = await this.missing(workspace);
    if (gone !== undefined) throw new OpenAgentError("folder_missing", gone, { path: workspace.directory });
  }

  missing({ directory }: Workspace): Promise<string | undefined> {
    return Promise.resolve(existsSync(directory) ? undefined : `The folder ${directory} does not exist.`);
  }

  log(_: Workspace): string | undefined {
    return undefined;
  }

  /** Binds mean nothing here: everything is where it is. */
  async wrap(workspace: Workspace, argv: readonly string[], options: WrapOptions): Promise<Wrapped> {
    if (options.binds.some(({ source, target }) => source !== target))
      throw new OpenAgentError("invalid_input", "On the host, a file cannot be seen at another path.");
    const { outside, inside } = await this.#limits.limiter(workspace);
    const [command = "", ...args] = [...outside, ...inside, ...argv];
    const own = Object.fromEntries(
      Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    return { command, args, cwd: options.cwd, env: { ...own, ...workspace.environment, ...options.env } };
  }

  stop(workspace: Workspace): Promise<void> {
    this.#limits.forget(workspace);
    return Promise.resolve();
  }

  async destroy(workspace: Workspace): Promise<void> {
    await this.stop(workspace);
  }
}

import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { describeError, OpenAgentError, systemCode } from "../base/errors.ts";
import { readJsonIfPresent, writePrivateFile } from "../base/files.ts";
import { partKinds } from "../protocol/configuration.ts";
import { backendKinds, distros, type Workspace } from "../protocol/workspace.ts";

const idPattern = /^[A-Za-z0-9_-]{1,64}$/;

const schema = z.object({
  id: z.string().regex(idPattern),
  name: z.string().min(1),
  kind: z.enum(backendKinds),
  directory: z.string().min(1),
  repository: z.string().optional(),
  status: z.enum(["pending", "building", "ready", "error"]),
  error: z.string().optional(),
  distro: z.enum(distros).optional(),
  devContainer: z.string().optional(),
  packages: z.array(z.string()).default([]),
  initScript: z.string().optional(),
  network: z.enum(["host", "private"]).default("host"),
  limits: z
    .object({ memoryMb: z.number().optional(), cpus: z.number().optional(), processes: z.number().optional() })
    .default({}),
  environment: z.record(z.string(), z.string()).default({}),
  secrets: z.array(z.string()).default([]),
  selection: z.partialRecord(z.enum(partKinds), z.array(z.string())).default({}),
  template: z.string().optional(),
  createdAt: z.number(),
  builtAt: z.number().optional(),
});

/** The workspaces on record, a file each, which only the leader writes. A file that does not parse is left alone. */
export class Registry {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** All that parse, by name, and what is wrong with the others. */
  list(): { workspaces: Workspace[]; problems: string[] } {
    const workspaces: Workspace[] = [];
    const problems: string[] = [];
    for (const name of this.#files()) {
      try {
        const workspace = this.#read(name);
        if (workspace) workspaces.push(workspace);
      } catch (error) {
        problems.push(describeError(error));
      }
    }
    workspaces.sort((one, other) => one.name.localeCompare(other.name) || one.createdAt - other.createdAt);
    return { workspaces, problems };
  }

  #files(): string[] {
    try {
      return readdirSync(this.#folder).filter((name) => name.endsWith(".json"));
    } catch (error) {
      if (systemCode(error) === "ENOENT") return [];
      throw error;
    }
  }

  /** Throws `workspace_not_found`, or `invalid_input` when its file does not parse. */
  get(id: string): Workspace {
    const workspace = idPattern.test(id) ? this.#read(`${id}.json`) : undefined;
    if (workspace) return workspace;
    throw new OpenAgentError("workspace_not_found", `There is no workspace ${id}.`, { workspaceId: id });
  }

  /** Whether one of this id can be put without writing over a file, be it one that does not parse. */
  isFree(id: string): boolean {
    return idPattern.test(id) && !existsSync(join(this.#folder, `${id}.json`));
  }

  #read(name: string): Workspace | undefined {
    return readJsonIfPresent(join(this.#folder, name), (value) => schema.parse(value));
  }

  put(workspace: Workspace): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    writePrivateFile(join(this.#folder, `${workspace.id}.json`), `${JSON.stringify(workspace, null, 2)}\n`);
  }

  remove(id: string): void {
    rmSync(join(this.#folder, `${id}.json`), { force: true });
  }
}

import { dirname } from "node:path";
import { Sequence } from "../base/async.ts";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { fields } from "../base/fields.ts";
import type { Logger } from "../base/log.ts";
import { Catalogue } from "../library/catalogue.ts";
import { readLibrary, type Contents } from "../library/library.ts";
import { readAgentSettings, readPluginFiles, type AgentSettings } from "../library/productSettings.ts";
import type { Key } from "../library/sealed.ts";
import { changeServer, readRegistry, readServers, serversIn, writeServer } from "../library/servers.ts";
import { configurationIn, writeConfiguration } from "../opencode/configuration.ts";
import type { Executable } from "../opencode/locate.ts";
import {
  describeProblem,
  isSame,
  isSelected,
  knownPart,
  partKinds,
  type GeneratedConfiguration,
  type McpServer,
  type Part,
  type PartProblem,
} from "../protocol/configuration.ts";
import { isContainer, type Workspace } from "../protocol/workspace.ts";
import type { LibraryKey } from "./libraryKey.ts";

export interface ConfigurationsOptions {
  /** The Library's folder, which need not be there. */
  library: () => string;
  /** The folder of a workspace's own server, or of the one that all others share. */
  folder: (workspace: Workspace | undefined) => string;
  /** The file of the MCP servers that are not of the Library. */
  servers: string;
  /** Opens what is encrypted in both. */
  key: LibraryKey;
  /** What stands in for the package that tools import from. */
  toolPackage: string;
  /** The environment that the user's own tools see. */
  environment: NodeJS.ProcessEnv;
  /** Whether OpenCode runs outside of a workspace's container. */
  isOutside: (workspace: Workspace) => boolean;
  log: Logger;
}

/** What a server has besides what is chosen. */
export interface More {
  /** In place of those of the same names. */
  parts?: readonly Part[];
  permission?: Readonly<Record<string, "deny" | "ask">>;
  /** Of an OpenCode that runs outside of its workspace's container. */
  outside?: Outside;
}

interface Outside {
  /** MCP servers that the user's own configuration of OpenCode would start on this machine. */
  servers: readonly Part[];
  /** How OpenCode starts a local server inside. */
  started: (server: Part) => Promise<Part>;
}

const toolOutside =
  "it would run on this machine, since OpenCode runs outside of the container (openAgent.container.opencode)";

/** What agents know and can do, as OpenCode servers are given it: chosen from the Library and the list of MCP servers. */
export class Configurations {
  readonly #options: ConfigurationsOptions;
  readonly #writing = new Sequence();
  #catalogue: Catalogue | undefined;
  /** What the servers refused, by the folder of their configuration. */
  readonly #refused = new Map<string, PartProblem[]>();

  constructor(options: ConfigurationsOptions) {
    this.#options = options;
  }

  /** What opens the Library's encrypted values. */
  get key(): LibraryKey {
    return this.#options.key;
  }

  /** The folder of the Library, which need not be there. */
  get library(): string {
    return this.#options.library();
  }

  /** What the Library says about the agents that are offered: nothing where that does not parse, which is logged. */
  get agentSettings(): AgentSettings {
    try {
      return readAgentSettings(this.library);
    } catch (error) {
      this.#options.log.warn(describeError(error));
      return { hidden: [] };
    }
  }

  /** No mission fails for want of it: what it would open is a problem of its own. */
  async #usableKey(): Promise<Key | undefined> {
    try {
      return await this.key.load();
    } catch (error) {
      this.#options.log.warn(`The key of the Library cannot be used: ${describeError(error)}`);
      return undefined;
    }
  }

  /** What it all comes from. */
  get folders(): string[] {
    return [this.library, dirname(this.#options.servers)];
  }

  /** The user's own list of MCP servers, with the Library's that are not in it. */
  async servers(): Promise<McpServer[]> {
    const key = await this.#usableKey();
    const { servers } = readRegistry(this.#options.servers, key);
    const own = servers.map((server) => ({ ...server, path: this.#options.servers, own: true }));
    const path = serversIn(this.library);
    const others = readServers(path, key).servers.filter(({ name }) => !own.some((one) => one.name === name));
    return [...own, ...others.map((server) => ({ ...server, scope: "workspace" as const, path, own: false }))];
  }

  /** Adds, replaces or (undefined) deletes one of the user's own MCP servers. Throws `invalid_input`. */
  setServer(name: string, value: Record<string, unknown> | undefined): void {
    writeServer(this.#options.servers, name, value);
  }

  /** Enables or disables an MCP server where it is written down. Throws `invalid_input`. */
  async enableServer(name: string, enabled: boolean): Promise<void> {
    const server = (await this.servers()).find((one) => one.name === name);
    if (!server) throw new OpenAgentError("invalid_input", `There is no MCP server “${name}”.`, { name });
    changeServer(server.path, name, { enabled }, server.own ? undefined : this.library);
  }

  /** All there is to choose from, wherever missions run. */
  async all(): Promise<Contents> {
    const { parts, problems } = this.#read(await this.#usableKey());
    return { parts, problems };
  }

  /** The same, with the names of the MCP servers that run with the host's missions only. */
  #read(key: Key | undefined): Contents & { onHost: ReadonlySet<string> } {
    if (this.#catalogue?.root !== this.library) this.#catalogue = new Catalogue(this.library);
    const { parts, problems } = readLibrary(this.library, key, this.#catalogue);
    const path = this.#options.servers;
    const { servers, problems: unusable } = readRegistry(path, key);
    const own = servers.map(({ name, entry, description }): Part => ({
      kind: "mcps",
      name,
      path,
      entry,
      ...(description !== undefined && { description }),
    }));
    const others = parts.filter((part) => !own.some((server) => isSame(server, part)));
    return {
      parts: [...others, ...own],
      problems: [...problems, ...unusable.map((problem) => ({ kind: "mcps" as const, path, ...problem }))],
      onHost: new Set(servers.filter(({ scope }) => scope === "global").map(({ name }) => name)),
    };
  }

  /** What the missions of a workspace have, or those of no workspace that has a server of its own. */
  async #partsFor(
    workspace: Workspace | undefined,
    isOutside: boolean,
  ): Promise<Contents & { onHost: ReadonlySet<string> }> {
    const { parts, problems, onHost } = this.#read(await this.#usableKey());
    const { selection = {}, kind = "host" } = workspace ?? {};
    const chosen = parts.filter((part) => isSelected(part, selection));
    const tools = isOutside ? chosen.filter((part) => part.kind === "tools") : [];
    const mayHave = (part: Part) =>
      isOutside ? part.kind !== "tools" : part.kind !== "mcps" || !isContainer(kind) || !onHost.has(part.name);
    const wanted = partKinds.flatMap((one) => (selection[one] ?? []).map((name) => ({ kind: one, name })));
    const missing = wanted.filter((one) => ![...parts, ...problems].some((other) => isSame(one, other)));
    return {
      parts: chosen.filter(mayHave),
      problems: [
        ...problems.filter((problem) => isSelected(problem, selection)),
        ...missing.map((one) => ({ ...one, path: this.library, message: "there is none of this name" })),
        ...tools.map(({ kind: one, name, path }) => ({ kind: one, name, path, message: toolOutside })),
      ],
      onHost,
    };
  }

  /** What is generated for a server: a workspace's own, or the one that all others share. */
  async generated(workspace: Workspace | undefined): Promise<GeneratedConfiguration> {
    const folder = this.#options.folder(workspace);
    const isOutside = workspace !== undefined && this.#options.isOutside(workspace);
    const { parts, problems } = await this.#partsFor(workspace, isOutside);
    const all = [...problems, ...(this.#refused.get(folder) ?? [])];
    return {
      folder: configurationIn(folder),
      parts: parts.filter((part) => !all.some((problem) => !problem.given && isSame(problem, part))).map(knownPart),
      problems: all,
    };
  }

  /**
   * Writes it for the OpenCode that will read it. Gives the folder to read, and whether it is another than before. When
   * nothing can be written the last one serves on; but with permissions, which nobody may be without, it throws.
   */
  async write(
    workspace: Workspace | undefined,
    executable: Executable,
    more: More = {},
  ): Promise<{ folder?: string; changed: boolean }> {
    const folder = this.#options.folder(workspace);
    const { log, environment, toolPackage } = this.#options;
    const { parts: ours = [], outside } = more;
    const { parts: all, problems, onHost } = await this.#partsFor(workspace, outside !== undefined);
    const others = all.filter((part) => !ours.some((other) => isSame(part, other)));
    const chosen = outside ? await startedInside(others, ours, onHost, outside) : { parts: others, problems: [] };
    const parts = [...chosen.parts, ...ours];
    const users = environment["OPENCODE_CONFIG_DIR"] ?? "";
    if (users !== "" && (!workspace || !isContainer(workspace.kind))) {
      if (parts.length > 0) log.warn(`OPENCODE_CONFIG_DIR is ${users}: OpenCode reads that in place of the Library.`);
      return { changed: false };
    }
    try {
      const { permission } = more;
      const files = readPluginFiles(this.library);
      const options = { folder, parts, files, executable, environment, toolPackage, ...(permission && { permission }) };
      const written = await this.#writing.run(() => writeConfiguration(options));
      const { changed } = written;
      const refused = [...chosen.problems, ...written.problems];
      this.#refused.set(folder, refused);
      if (changed) for (const problem of [...problems, ...refused]) log.warn(describeProblem(problem));
      return { folder: configurationIn(folder), changed };
    } catch (error) {
      if (more.permission) throw error;
      log.error(`The configuration for OpenCode could not be written, the last one stays: ${describeError(error)}`);
      return { folder: configurationIn(folder), changed: false };
    }
  }
}

/** The parts with the servers that are to run inside of a container as OpenCode starts them from outside of it. */
async function startedInside(
  chosen: readonly Part[],
  ours: readonly Part[],
  onHost: ReadonlySet<string>,
  { servers, started }: Outside,
): Promise<Contents> {
  const runsInside = ({ kind, name, entry }: Part) =>
    kind === "mcps" && fields(entry)["type"] === "local" && !onHost.has(name);
  const contents: Contents = { parts: chosen.filter((part) => !runsInside(part)), problems: [] };
  const users = servers.filter((server) => ![...chosen, ...ours].some((part) => isSame(part, server)));
  for (const part of [...chosen.filter(runsInside), ...users])
    try {
      contents.parts.push(await started(part));
    } catch (error) {
      const { kind, name, path } = part;
      contents.problems.push({ kind, name, path, message: describeError(error) });
      // The user's own configuration of OpenCode may have it as well, and would start it here.
      contents.parts.push({ ...part, entry: { type: "local", command: ["false"], enabled: false } });
    }
  return contents;
}

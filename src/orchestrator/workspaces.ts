import { randomUUID } from "node:crypto";
import { appendFileSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { privateFolder } from "../base/files.ts";
import type { Disposable } from "../base/lifetime.ts";
import type { Logger } from "../base/log.ts";
import { isContainer, type BackendKind, type Probe, type Workspace } from "../protocol/workspace.ts";
import type { Backend, Layer, Wrapped } from "../workspace/backend.ts";
import { exec, shellCommand, type ExecOptions, type ExecResult } from "../workspace/exec.ts";
import { WorkspaceSecrets, type SecretStore } from "./secrets.ts";
import type { Registry } from "../workspace/registry.ts";
import { copyTree, removeTree } from "../workspace/template.ts";
import { lostWorktrees, newWorktree } from "../workspace/worktrees.ts";

export type Backends = Readonly<Record<BackendKind, Backend>>;

export interface WorkspacesOptions {
  registry: Registry;
  backends: Backends;
  /** Holds a folder for each workspace, and the logs of their builds. */
  folder: string;
  /** Where git worktrees lie. */
  worktrees: string;
  secrets: SecretStore;
  log: Logger;
  /** Something about a workspace has changed. */
  onChange: () => void;
}

/** What the user says of a workspace; the rest follows. */
export type WorkspaceWish = Pick<Workspace, "name" | "kind"> &
  Partial<
    Pick<
      Workspace,
      | "directory"
      | "distro"
      | "devContainer"
      | "packages"
      | "initScript"
      | "network"
      | "limits"
      | "environment"
      | "selection"
      | "template"
    >
  >;

/** The log of a workspace's latest build. */
export function buildLogPath(folder: string, workspaceId: string): string {
  return join(folder, `${workspaceId}.build.log`);
}

/** The workspaces as the leader has them: makes, builds and deletes them, one build of each at a time. */
export class Workspaces implements Disposable {
  readonly #options: WorkspacesOptions;
  readonly secrets: WorkspaceSecrets;
  readonly #builds = new Map<string, { done: Promise<Workspace>; abort: AbortController }>();
  readonly #probes = new Map<BackendKind, Promise<Probe>>();

  constructor(options: WorkspacesOptions) {
    this.#options = options;
    this.secrets = new WorkspaceSecrets(options.secrets);
  }

  /** Takes up what an earlier leader left: a build that was cut off is to be done anew. */
  async start(): Promise<void> {
    for (const workspace of this.list())
      if (workspace.status === "building") this.#put({ ...workspace, status: "pending" });
    for (const place of await lostWorktrees(this.#options.worktrees, this.list())) {
      // One whose record does not parse is no lost one, and one may have been made just now.
      if (!this.#options.registry.isFree(place.id)) continue;
      this.#options.log.info(`The worktree ${place.directory} was found again.`);
      this.#put(this.#worktree(place.id, place));
    }
    // What runs in them on may say them at any time.
    for (const workspace of this.list())
      await this.secrets.environment(workspace).catch((error: unknown) => {
        this.#options.log.warn(describeError(error));
      });
  }

  list(): Workspace[] {
    const { workspaces, problems } = this.#options.registry.list();
    for (const problem of problems) this.#options.log.warn(problem);
    return workspaces;
  }

  get(id: string): Workspace {
    return this.#options.registry.get(id);
  }

  /** False for one that is not there any more. */
  isContainer(id: string): boolean {
    return this.list().some((workspace) => workspace.id === id && isContainer(workspace.kind));
  }

  backendOf({ kind }: Workspace): Backend {
    return this.#options.backends[kind];
  }

  /** What can be used on this machine: found out once of what can, and anew of what may have been installed since. */
  probes(): Promise<Probe[]> {
    return Promise.all(Object.values(this.#options.backends).map((backend) => this.#probe(backend)));
  }

  #probe(backend: Backend): Promise<Probe> {
    const { kind } = backend;
    const probing = this.#probes.get(kind) ?? backend.probe();
    this.#probes.set(kind, probing);
    return probing.then((probe) => {
      if (!probe.available && this.#probes.get(kind) === probing) this.#probes.delete(kind);
      return probe;
    });
  }

  create(wish: WorkspaceWish): Workspace {
    const id = randomUUID();
    const { name, kind, ...rest } = wish;
    if (this.list().some((other) => other.name === name))
      throw new OpenAgentError("invalid_input", `There is a workspace “${name}” already.`, { name });
    const directory = rest.directory ?? join(this.folderOf(id), "work");
    if (!isAbsolute(directory))
      throw new OpenAgentError("invalid_input", `The folder “${directory}” is not an absolute path.`);
    if (rest.directory === undefined) privateFolder(directory);
    else if (!existsSync(directory))
      throw new OpenAgentError("folder_missing", `The folder ${directory} does not exist.`, { path: directory });
    if (rest.devContainer !== undefined && kind !== "podman" && kind !== "docker")
      throw new OpenAgentError("invalid_input", "A dev container is made by podman or docker, and by nothing else.");
    const workspace: Workspace = {
      packages: [],
      network: isContainer(kind) ? "private" : "host",
      limits: {},
      environment: {},
      selection: {},
      ...rest,
      id,
      name,
      kind,
      directory,
      status: isContainer(kind) ? "pending" : "ready",
      secrets: [],
      createdAt: Date.now(),
    };
    this.#put(workspace);
    return workspace;
  }

  /** Makes a git worktree on a branch of its own. */
  async createWorktree(folder: string, name: string): Promise<Workspace> {
    const place = await newWorktree(folder, name, this.#options.worktrees);
    const workspace = this.#put({ ...this.#worktree(name, place), status: "pending" });
    this.build(workspace.id, false);
    try {
      return await this.ready(workspace.id);
    } catch (error) {
      this.#options.registry.remove(workspace.id);
      this.#options.onChange();
      throw error;
    }
  }

  #worktree(name: string, place: Pick<Workspace, "id" | "directory" | "repository">): Workspace {
    return {
      ...place,
      name,
      kind: "worktree",
      status: "ready",
      packages: [],
      network: "host",
      limits: {},
      environment: {},
      secrets: [],
      selection: {},
      createdAt: Date.now(),
    };
  }

  /** A change of what it is built of takes effect with the next build. */
  update(id: string, change: Partial<Omit<WorkspaceWish, "kind">>): Workspace {
    const { name } = change;
    if (name !== undefined && this.list().some((other) => other.name === name && other.id !== id))
      throw new OpenAgentError("invalid_input", `There is a workspace “${name}” already.`, { name });
    return this.#put({ ...this.get(id), ...change });
  }

  /** Sets a secret that whatever runs in the workspace has in its environment; undefined deletes it. */
  async setSecret(id: string, name: string, value: string | undefined): Promise<Workspace> {
    const workspace = this.get(id);
    const others = workspace.secrets.filter((other) => other !== name);
    // The name is on record as long as there is a value: one without a name would be found by nobody.
    if (value !== undefined) this.#put({ ...workspace, secrets: [...others, name].sort() });
    await this.secrets.set(id, name, value);
    return value === undefined ? this.#put({ ...workspace, secrets: others }) : this.get(id);
  }

  /** Begins a build, which goes on after this. Throws `workspace_busy` when one is under way. */
  build(id: string, rebuild: boolean): void {
    if (this.#builds.has(id))
      throw new OpenAgentError("workspace_busy", `${this.get(id).name} is being built.`, { workspaceId: id });
    const workspace = this.get(id);
    const abort = new AbortController();
    const done = this.#build(workspace, rebuild, abort.signal).finally(() => this.#builds.delete(id));
    this.#builds.set(id, { done, abort });
    done.catch((error: unknown) => {
      this.#options.log.warn(`${workspace.name} was not built: ${describeError(error)}`);
    });
  }

  async #build(workspace: Workspace, rebuild: boolean, signal: AbortSignal): Promise<Workspace> {
    const logPath = buildLogPath(this.#options.folder, workspace.id);
    privateFolder(this.#options.folder);
    writeFileSync(logPath, "", { mode: 0o600 });
    const { error: _, ...building } = workspace;
    this.#put({ ...building, status: "building" });
    try {
      const backend = this.backendOf(workspace);
      await backend.prepare(workspace, { output: (text) => appendFileSync(logPath, text), signal, rebuild });
      return this.#put({ ...this.#unfailed(workspace.id), status: "ready", builtAt: Date.now() });
    } catch (error) {
      const message = signal.aborted ? "The build was cancelled." : describeError(error);
      appendFileSync(logPath, `\n${message}\n`);
      this.#put({ ...this.#unfailed(workspace.id), status: signal.aborted ? "pending" : "error", error: message });
      throw error instanceof OpenAgentError
        ? error
        : new OpenAgentError("workspace_build_failed", message, { workspaceId: workspace.id }, error);
    }
  }

  #unfailed(id: string): Workspace {
    const { error: _, ...workspace } = this.get(id);
    return workspace;
  }

  cancelBuild(id: string): void {
    this.#builds.get(id)?.abort.abort(new Error("cancelled"));
  }

  /** The workspace when it can be used, built if need be. */
  async ready(id: string): Promise<Workspace> {
    const workspace = this.get(id);
    if (!this.#builds.has(id)) {
      const missing = workspace.status === "ready" ? await this.backendOf(workspace).missing(workspace) : "";
      if (missing === undefined) return workspace;
      if (missing !== "") this.#options.log.warn(`${workspace.name} is built again: ${missing}`);
      if (!this.#builds.has(id)) this.build(id, false);
    }
    return (await this.#builds.get(id)?.done) ?? this.get(id);
  }

  /** Does something with what missions have changed in a container, built first if need be. Nothing runs in it meanwhile. */
  async onLayer<T>(id: string, act: (layer: Layer, workspace: Workspace) => Promise<T>): Promise<T> {
    const workspace = await this.ready(id);
    const { layer } = this.backendOf(workspace);
    if (!layer)
      throw new OpenAgentError("invalid_input", `${workspace.name} is no container: it has no file system of its own.`);
    if (this.#builds.has(id))
      throw new OpenAgentError("workspace_busy", `${workspace.name} is being changed.`, { workspaceId: id });
    const acting = act(layer, workspace).finally(() => this.#builds.delete(id));
    const after = () => this.get(id);
    this.#builds.set(id, { done: acting.then(after, after), abort: new AbortController() });
    return acting;
  }

  /** Bytes that the changes of a container take on disk. */
  async usage(id: string): Promise<number> {
    const workspace = this.get(id);
    if (workspace.status !== "ready" || this.#builds.has(id)) return 0;
    return (await this.backendOf(workspace).layer?.usage(workspace)) ?? 0;
  }

  /** Makes a workspace like another container, with its changes. A folder that belongs to the other alone is copied. */
  async fork(id: string, name: string): Promise<Workspace> {
    const { directory, ...like } = this.get(id);
    const owned = directory.startsWith(`${this.folderOf(id)}/`);
    return this.onLayer(id, async (layer, from) => {
      const made = this.create({ ...like, name, ...(!owned && { directory }) });
      try {
        await layer.fork(from, made);
        if (owned) {
          rmSync(made.directory, { recursive: true });
          await copyTree(directory, made.directory);
        }
        for (const [secret, value] of Object.entries(await this.secrets.environment(from)))
          await this.setSecret(made.id, secret, value);
        return this.#put({ ...this.get(made.id), status: "ready", builtAt: Date.now() });
      } catch (error) {
        await this.remove(made.id, true);
        throw error;
      }
    });
  }

  /** Runs a command in it to its end, built first if need be. */
  async exec(
    id: string,
    {
      argv,
      cwd,
      ...options
    }: Omit<ExecOptions, "cwd" | "binds" | "signal"> & { argv: readonly string[]; cwd?: string },
    signal: AbortSignal,
  ): Promise<ExecResult> {
    const workspace = await this.ready(id);
    const backend = this.backendOf(workspace);
    const env = { ...(await this.secrets.environment(workspace)), ...options.env };
    return exec(backend, workspace, argv, { ...options, env, cwd: cwd ?? workspace.directory, binds: [], signal });
  }

  /** Runs its init script again, as builds do: by the same shell, with the host's network, and with nothing to read. */
  async runInitScript(id: string, signal: AbortSignal): Promise<ExecResult> {
    const { name, initScript = "", devContainer, directory } = this.get(id);
    if (initScript === "") throw new OpenAgentError("invalid_input", `${name} has no init script.`);
    const fromFile =
      'script=$(mktemp) && cat >"$script" && { "$1" -e "$script" </dev/null; code=$?; rm -f "$script"; exit $code; }';
    const [shell, cwd] = devContainer === undefined ? ["/bin/bash", "/root"] : ["/bin/sh", directory];
    const argv = ["/bin/sh", "-c", fromFile, "init", shell];
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    return this.exec(id, { argv, cwd, env, stdin: initScript, network: "host" }, signal);
  }

  /** What a terminal runs to be in it. */
  async shell(id: string): Promise<Wrapped> {
    const workspace = await this.ready(id);
    const env = await this.secrets.environment(workspace);
    return shellCommand(this.backendOf(workspace), workspace, { cwd: workspace.directory, env, binds: [] });
  }

  /** Ends what runs in it, and deletes it; with `discard` also what is nowhere else. */
  async remove(id: string, discard: boolean): Promise<void> {
    const build = this.#builds.get(id);
    build?.abort.abort(new Error("deleted"));
    await build?.done.catch(() => undefined);
    const workspace = this.get(id);
    const backend = this.backendOf(workspace);
    await (discard && backend.discard ? backend.discard(workspace) : backend.destroy(workspace));
    // Agents may have given files in it to other users of the container. The record stays until all is gone.
    await removeTree(this.folderOf(id));
    for (const name of workspace.secrets) await this.secrets.set(id, name, undefined);
    this.#options.registry.remove(id);
    rmSync(buildLogPath(this.#options.folder, id), { force: true });
    this.#options.onChange();
  }

  /** The folder that holds what belongs to a workspace. */
  folderOf(id: string): string {
    return join(this.#options.folder, id);
  }

  #put(workspace: Workspace): Workspace {
    this.#options.registry.put(workspace);
    this.#options.onChange();
    return workspace;
  }

  /** Cuts off the builds; the next leader does them anew. */
  dispose(): void {
    for (const { abort } of this.#builds.values()) abort.abort(new Error("The process that built it ended."));
  }
}

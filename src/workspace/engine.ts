import { spawn, type ChildProcess } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Sequence } from "../base/async.ts";
import { OpenAgentError } from "../base/errors.ts";
import { fields, list, number, optional, text, texts } from "../base/fields.ts";
import { isAlive } from "../base/processes.ts";
import type { LimitKind, Probe, Workspace, WorkspaceLimits } from "../protocol/workspace.ts";
import type { Backend, Bind, Layer, PrepareOptions, Wrapped, WrapOptions } from "./backend.ts";
import { probing } from "./bwrap.ts";
import { buildImage, completionOf } from "./devContainer.ts";
import { EngineClient } from "./engineClient.ts";
import { handOver } from "./handover.ts";
import { capabilities, checkBinds, contained, containerEnvironment, hostnameOf, markName } from "./sandbox.ts";
import type { Templates } from "./template.ts";

/** A container as it was made; another is made when more is asked of it. */
interface Shape {
  binds: readonly Bind[];
  network: "host" | "private";
  limits: WorkspaceLimits;
}

interface Running extends Shape {
  pid: number;
  /** Where its image has programs. */
  path?: string;
}

interface Start {
  workspace: Workspace;
  name: string;
  image: string;
  /** Kept in images that are made of it. */
  environment: Readonly<Record<string, string>>;
}

/** Ends all processes that it sees whose environment has a mark that begins like the one given. */
const reap = `for round in 1 2; do for entry in /proc/[0-9]*; do
  tr "\\0" "\\n" 2>/dev/null <"$entry/environ" | grep -qs "^${markName}=$1" && kill -9 "\${entry#/proc/}" 2>/dev/null
done; done; :`;

/** The first process of a container: it takes in orphans and does nothing. */
const idle = 'trap "exit 0" TERM; while :; do sleep 1000000 & wait; done';

/**
 * A container of podman or docker that goes on running, with commands executed in it. Its image is made of a template, so
 * nothing is fetched from a registry.
 */
export class EngineBackend implements Backend {
  readonly kind: "podman" | "docker";
  readonly layer: Layer;
  readonly #client: EngineClient;
  readonly #owner: string;
  readonly #templates: Templates;
  /** All that this process executes bears it; a watcher ends what bears it when this process has gone. */
  readonly #mark = randomUUID();
  #count = 0;
  readonly #watchers = new Map<string, ChildProcess>();
  readonly #running = new Map<string, Running>();
  /** Containers are made and unmade one at a time. */
  readonly #changes = new Sequence();

  constructor(kind: "podman" | "docker", folder: string, templates: Templates) {
    this.kind = kind;
    this.#client = new EngineClient(kind);
    this.#owner = createHash("sha256").update(folder).digest("hex").slice(0, 8);
    this.#templates = templates;
    this.layer = {
      reset: (workspace) => this.#changes.run(() => this.#remove(workspace, true)),
      snapshot: async (workspace, name) => this.#commit(workspace, checkTag(name)),
      snapshots: (workspace) => this.#snapshots(workspace),
      forget: async (workspace, name) => {
        await this.#client.try(["rmi", "-f", `${this.#repository(workspace)}:${checkTag(name)}`]);
      },
      restore: async (workspace, name) => this.#restore(workspace, checkTag(name)),
      fork: (from, to) => this.#fork(from, to),
      usage: (workspace) => this.#usage(workspace),
    };
  }

  async probe(): Promise<Probe> {
    const limits: LimitKind[] = ["memoryMb", "cpus", "processes"];
    return probing(this.kind, limits, () => this.#client.probe());
  }

  async prepare(workspace: Workspace, options: PrepareOptions): Promise<void> {
    if (workspace.devContainer !== undefined) {
      await this.#prepareDevContainer(workspace, workspace.devContainer, options);
      return;
    }
    await this.#templates.build(workspace, options);
    options.signal?.throwIfAborted();
    if (options.rebuild) await this.destroy(workspace);
    const image = this.#templateImage(workspace);
    if (!options.rebuild && (await this.#hasImage(image))) return;
    options.output(`Importing the file system into ${this.kind}\n`);
    const [tar, ...args] = contained(["tar", "-C", this.#templates.rootOf(workspace), "-c", "."]);
    const packing = spawn(tar, args, { cwd: "/", stdio: ["ignore", "pipe", "ignore"] });
    const packed = new Promise<number | null>((resolve) => packing.on("close", resolve));
    await this.#client.run([], ["import", "-", image], {
      input: packing.stdout,
      code: "workspace_build_failed",
      ...(options.signal && { signal: options.signal }),
    });
    if ((await packed) === 0) return;
    await this.#client.run([], ["rmi", image]);
    throw new OpenAgentError("workspace_build_failed", `The file system of ${workspace.name} could not be packed.`);
  }

  /** Makes the image that all containers of it begin with: as the file says, with what it runs once done. */
  async #prepareDevContainer(workspace: Workspace, file: string, options: PrepareOptions): Promise<void> {
    const image = this.#templateImage(workspace);
    if (!options.rebuild && (await this.#hasImage(image))) return;
    const { directory: folder, initScript, limits } = workspace;
    const [plain, name] = [`${image}-plain`, `${this.#nameOf(workspace)}-build`];
    const tool = { output: options.output, code: "workspace_build_failed", ...optionalSignal(options) } as const;
    try {
      const wishes = await buildImage(this.#client, { file, folder }, plain, options);
      const own = environmentIn(list(JSON.parse(await this.#client.run([], ["image", "inspect", plain])))[0]);
      const { environment, commands, left } = completionOf(wishes, own, folder);
      if (left.length > 0) options.output(`${left.join(" ")}\n`);
      if (initScript) commands.push(["/bin/sh", "-ec", initScript]);
      await this.#client.try(["rm", "-f", name]);
      const binds = [{ source: folder, target: folder, writable: true }];
      await this.#run({ workspace, name, image: plain, environment }, { binds, network: "host", limits });
      const { global } = await this.#client.flags();
      for (const argv of commands) {
        options.output(`$ ${argv.join(" ")}\n`);
        await this.#client.run(global, ["exec", "--workdir", folder, name, ...argv], tool);
      }
      if (options.rebuild) await this.destroy(workspace);
      await this.#client.run([], ["commit", name, image], tool);
    } finally {
      await this.#client.try(["rm", "-f", "-t", "0", name], ["rm", "-f", name]);
      await this.#client.try(["rmi", plain]);
    }
  }

  async missing(workspace: Workspace): Promise<string | undefined> {
    const image = this.#templateImage(workspace);
    return (await this.#hasImage(image)) ? undefined : `The image ${image} is missing.`;
  }

  log(workspace: Workspace): string {
    return this.#templates.logOf(workspace);
  }

  async wrap(workspace: Workspace, argv: readonly string[], options: WrapOptions): Promise<Wrapped> {
    const binds = [{ source: workspace.directory, target: workspace.directory, writable: true }, ...options.binds];
    checkBinds(binds);
    const { limits, network } = workspace;
    const shape = { binds, network: options.network ?? network, limits };
    const running = await this.#changes.run(() => this.#ensure(workspace, shape));
    const container = this.#nameOf(workspace);
    const mark = options.outlives ? undefined : `${this.#mark}.${String(this.#count++)}`;
    if (mark !== undefined) this.#watch(container, running);
    const usual = { ...containerEnvironment, ...workspace.environment, ...options.env };
    // A dev container may have its tools anywhere.
    const path = workspace.devContainer === undefined ? undefined : running.path;
    const given = handOver(argv, path === undefined ? usual : { ...usual, PATH: withPath(usual["PATH"], path) });
    const flags = await this.#client.flags();
    const line = [
      ...flags.global,
      ...["exec", "-i", ...(options.terminal ? ["-t"] : []), "--workdir", options.cwd],
      ...Object.keys(given.env).flatMap((name) => ["--env", name]),
      ...(mark === undefined ? [] : ["--env", `${markName}=${mark}`]),
      container,
      ...given.argv,
    ];
    return {
      command: this.#client.path(),
      args: line,
      cwd: "/",
      env: { ...this.#client.environment(), ...given.env },
      ...(mark !== undefined && { cleanUp: () => this.#client.quietly(...this.#reaper(container, running, mark)) }),
    };
  }

  async stop(workspace: Workspace): Promise<void> {
    this.#running.delete(workspace.id);
    await this.#changes.run(() => this.#client.try(["stop", "-t", "0", this.#nameOf(workspace)]));
  }

  async destroy(workspace: Workspace): Promise<void> {
    await this.#changes.run(() => this.#remove(workspace, true));
    for (const name of await this.#snapshots(workspace))
      await this.#client.try(["rmi", "-f", `${this.#repository(workspace)}:${name}`]);
    // Unless another workspace runs on it.
    if (workspace.devContainer !== undefined) await this.#client.try(["rmi", this.#templateImage(workspace)]);
  }

  /** Makes or starts the container where it does not run as it is needed. What it has changed is kept. */
  async #ensure(workspace: Workspace, wanted: Shape): Promise<Running> {
    const known = this.#running.get(workspace.id);
    if (known && isAlive(known.pid) && serves(known, wanted)) return known;
    const container = this.#nameOf(workspace);
    const found = await this.#inspect(container);
    if (found && !serves(found.shape, wanted)) {
      await this.#client.run([], ["commit", container, `${this.#repository(workspace)}:${currentTag}`]);
      await this.#remove(workspace, false);
    }
    if (found && serves(found.shape, wanted)) {
      if (!found.pid) await this.#client.run([], ["start", container]);
    } else await this.#create(workspace, { ...wanted, binds: union(wanted.binds, found?.shape.binds ?? []) });
    const now = await this.#inspect(container);
    if (!now?.pid) throw new OpenAgentError("workspace_not_ready", `The container of ${workspace.name} does not run.`);
    const running = { ...now.shape, pid: now.pid, ...optional("path", now.path) };
    this.#running.set(workspace.id, running);
    return running;
  }

  async #create(workspace: Workspace, shape: Shape): Promise<void> {
    const current = `${this.#repository(workspace)}:${currentTag}`;
    const template = this.#templateImage(workspace);
    const image = (await this.#hasImage(current)) ? current : template;
    if (!(await this.#hasImage(image)))
      throw new OpenAgentError(
        "workspace_not_ready",
        `The workspace ${workspace.name} has to be built anew: the image ${image} is missing.`,
      );
    await this.#run({ workspace, name: this.#nameOf(workspace), image, environment: {} }, shape);
  }

  /** Starts a container that does nothing. Its variables come by a file: the engine's command would heed its own. */
  async #run({ workspace, name, image, environment }: Start, shape: Shape): Promise<void> {
    const { memoryMb, cpus, processes } = shape.limits;
    const flags = await this.#client.flags();
    const args = [
      ...["run", "--detach", "--name", name, "--hostname", hostnameOf(workspace.name)],
      // As its image may say otherwise.
      ...["--user", "0:0", "--entrypoint", ""],
      ...["--network", shape.network === "private" ? "none" : "host"],
      ...["--cap-drop", "ALL", ...capabilities.flatMap((name) => ["--cap-add", name.slice("CAP_".length)])],
      ...["--security-opt", "no-new-privileges"],
      ...(existsSync("/sys/fs/selinux/enforce") ? ["--security-opt", "label=disable"] : []),
      ...(memoryMb === undefined ? [] : ["--memory", `${String(memoryMb)}m`]),
      ...(cpus === undefined ? [] : ["--cpus", String(cpus)]),
      ...(processes === undefined ? [] : ["--pids-limit", String(processes)]),
      ...["--label", `open-agent.shape=${JSON.stringify(shape)}`],
      ...shape.binds.flatMap(({ source, target, writable }) => [
        "--mount",
        `type=bind,${csv(`source=${source}`)},${csv(`target=${target}`)}${writable ? "" : ",readonly"}`,
      ]),
    ];
    const folder = mkdtempSync(join(tmpdir(), "open-agent-run-"));
    try {
      const file = join(folder, "environment");
      const lines = Object.entries(environment).map(([variable, value]) => `${variable}=${value}\n`);
      writeFileSync(file, lines.join(""), { mode: 0o600 });
      const variables = lines.length === 0 ? [] : ["--env-file", file];
      const all = [...args, ...variables, ...flags.run, image, "/bin/sh", "-c", idle];
      await this.#client.run(flags.global, all);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async #inspect(container: string): Promise<{ pid: number; shape: Shape; path?: string } | undefined> {
    const said = await this.#client.try(["container", "inspect", container]);
    if (said === undefined) return undefined;
    const found = fields(list(JSON.parse(said))[0]);
    const state = fields(found["State"]);
    const label = text(fields(fields(found["Config"])["Labels"])["open-agent.shape"]);
    const { PATH: path } = environmentIn(found);
    const pid = state["Running"] === true ? number(state["Pid"]) : 0;
    return { pid, shape: readShape(label), ...optional("path", path) };
  }

  /** Deletes the container, and when `changes` is true also what it had changed. */
  async #remove(workspace: Workspace, changes: boolean): Promise<void> {
    this.#running.delete(workspace.id);
    await this.#client.try(["rm", "-f", "-t", "0", this.#nameOf(workspace)], ["rm", "-f", this.#nameOf(workspace)]);
    if (changes) await this.#client.try(["rmi", "-f", `${this.#repository(workspace)}:${currentTag}`]);
  }

  async #commit(workspace: Workspace, tag: string): Promise<void> {
    await this.stop(workspace);
    await this.#changes.run(async () => {
      const image = `${this.#repository(workspace)}:${tag}`;
      const [container, current] = [this.#nameOf(workspace), `${this.#repository(workspace)}:${currentTag}`];
      if (await this.#inspect(container)) await this.#client.run([], ["commit", container, image]);
      else {
        const from = (await this.#hasImage(current)) ? current : this.#templateImage(workspace);
        await this.#client.run([], ["tag", from, image]);
      }
    });
  }

  async #snapshots(workspace: Workspace): Promise<string[]> {
    const said = await this.#client.try(["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    const prefix = `${this.#repository(workspace)}:`;
    const names = (said ?? "").split("\n").filter((line) => line.startsWith(prefix));
    return names
      .map((line) => line.slice(prefix.length))
      .filter((tag) => tag !== currentTag)
      .sort();
  }

  async #restore(workspace: Workspace, tag: string): Promise<void> {
    const image = `${this.#repository(workspace)}:${tag}`;
    if (!(await this.#hasImage(image))) throw new OpenAgentError("invalid_input", `There is no snapshot ${tag}.`);
    await this.#changes.run(async () => {
      await this.#remove(workspace, true);
      await this.#client.run([], ["tag", image, `${this.#repository(workspace)}:${currentTag}`]);
    });
  }

  async #fork(from: Workspace, to: Workspace): Promise<void> {
    if (this.#templates.keyOf(from) !== this.#templates.keyOf(to))
      throw new OpenAgentError("invalid_input", "A fork has the distribution, packages and init script of its origin.");
    if (await this.#inspect(this.#nameOf(to)))
      throw new OpenAgentError("invalid_input", "The workspace has a file system already.");
    const passing = "open-agent-fork";
    await this.#commit(from, passing);
    const image = `${this.#repository(from)}:${passing}`;
    await this.#client.run([], ["tag", image, `${this.#repository(to)}:${currentTag}`]);
    await this.#client.try(["rmi", image]);
  }

  /** What the container has written, and what lies above the template in the images made of it. */
  async #usage(workspace: Workspace): Promise<number> {
    const sizeOf = async (...words: string[]) => Number.parseInt((await this.#client.try(words)) ?? "0", 10) || 0;
    const written = await sizeOf("container", "inspect", "--size", "--format", "{{.SizeRw}}", this.#nameOf(workspace));
    const image = (name: string) => sizeOf("image", "inspect", "--format", "{{.Size}}", name);
    const template = await image(this.#templateImage(workspace));
    const tags = [currentTag, ...(await this.#snapshots(workspace))];
    const sizes = await Promise.all(tags.map((tag) => image(`${this.#repository(workspace)}:${tag}`)));
    return sizes.reduce((sum, size) => sum + Math.max(0, size - template), written);
  }

  /** Starts what ends our processes in a container when this process has gone: it sees its input end. */
  #watch(container: string, running: Running): void {
    const there = this.#watchers.get(container);
    if (there?.exitCode === null && there.signalCode === null) return;
    const [command, args] = this.#reaper(container, running, this.#mark);
    const watcher = spawn("/bin/sh", ["-c", 'cat >/dev/null; exec "$@"', "watch", command, ...args], {
      cwd: "/",
      env: this.#client.environment(),
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
    });
    watcher.on("error", () => undefined);
    watcher.unref();
    if (watcher.stdin instanceof Socket) watcher.stdin.unref();
    this.#watchers.set(container, watcher);
  }

  /** From the host where its processes can be seen, which is quicker, else from inside. */
  #reaper(container: string, running: Running, mark: string): [string, string[]] {
    const script = ["/bin/sh", "-c", reap, "reap", mark] as const;
    if (canSee(running.pid)) return [script[0], script.slice(1)];
    return [this.#client.path(), ["exec", container, ...script]];
  }

  async #hasImage(image: string): Promise<boolean> {
    return (await this.#client.try(["image", "inspect", image])) !== undefined;
  }

  #nameOf({ id }: Workspace): string {
    return `open-agent-${this.#owner}-${id}`;
  }

  /** Names of repositories have no capitals. */
  #repository({ id }: Workspace): string {
    const hash = createHash("sha256").update(`${this.#owner} ${id}`).digest("hex").slice(0, 16);
    return `localhost/open-agent-${hash}`;
  }

  #templateImage(workspace: Workspace): string {
    return `localhost/open-agent:${this.#templates.keyOf(workspace)}`;
  }
}

/** The environment of an image or a container, of what the engine tells of it. */
function environmentIn(inspected: unknown): Record<string, string> {
  const lines = texts(fields(fields(inspected)["Config"])["Env"]);
  return Object.fromEntries(lines.map((line) => [line.split("=", 1)[0] ?? "", line.slice(line.indexOf("=") + 1)]));
}

/** A PATH with the folders of an image in place of the usual ones. */
function withPath(path: string | undefined, images: string): string {
  return (path ?? "").replace(containerEnvironment["PATH"] ?? "", () => images) || images;
}

function optionalSignal({ signal }: PrepareOptions): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

/** The image that a container is made anew of. */
const currentTag = "open-agent-current";

function checkTag(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name) && !name.startsWith("open-agent-")) return name;
  throw new OpenAgentError("invalid_input", `“${name}” is no name of a snapshot: letters, digits, “-”, “_” and “.”.`);
}

function serves(shape: Shape, wanted: Shape): boolean {
  const has = (bind: Bind) => shape.binds.some((other) => sameBind(other, bind));
  const isLimited = JSON.stringify(shape.limits) === JSON.stringify(wanted.limits);
  return shape.network === wanted.network && isLimited && wanted.binds.every(has);
}

function sameBind(one: Bind, other: Bind): boolean {
  return one.source === other.source && one.target === other.target && one.writable === other.writable;
}

/** The first wins where two have the same target; what is gone is left out. */
function union(wanted: readonly Bind[], before: readonly Bind[]): Bind[] {
  const kept = before.filter(
    ({ source, target }) => existsSync(source) && !wanted.some((bind) => bind.target === target),
  );
  return [...wanted, ...kept];
}

function readShape(label: string): Shape {
  try {
    const { binds, network, limits } = fields(JSON.parse(label));
    return {
      binds: list(binds).map((value) => {
        const { source, target, writable } = fields(value);
        return { source: text(source), target: text(target), writable: writable === true };
      }),
      network: network === "private" ? "private" : "host",
      limits: fields(limits),
    };
  } catch {
    return { binds: [], network: "private", limits: {} };
  }
}

/** A value of `--mount`, which is a line of comma separated values. */
function csv(value: string): string {
  return /[",]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

function canSee(pid: number): boolean {
  try {
    readFileSync(`/proc/${String(pid)}/environ`);
    return true;
  } catch {
    return false;
  }
}

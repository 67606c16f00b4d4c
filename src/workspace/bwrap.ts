import { randomUUID } from "node:crypto";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { processesWith } from "../base/processes.ts";
import type { LimitKind, Probe, Workspace } from "../protocol/workspace.ts";
import type { Backend, Layer, PrepareOptions, Wrapped, WrapOptions } from "./backend.ts";
import { handOver, helperEnvironment } from "./handover.ts";
import type { Limits } from "./limits.ts";
import { rootFolder, tryKill, WorkspaceRoot } from "./root.ts";
import { checkBinds, contained, containerEnvironment, hostnameOf, isRoot, markName, sandbox } from "./sandbox.ts";
import type { Templates } from "./template.ts";
import { findTool, needTool, runTool } from "./tools.ts";

/** What Linux containers without an engine have in common: a file system made of a template, kept by a holder. */
export class Roots implements Layer {
  readonly #folder: string;
  readonly #templates: Templates;
  readonly #limits: Limits;

  constructor(folder: string, templates: Templates, limits: Limits) {
    this.#folder = folder;
    this.#templates = templates;
    this.#limits = limits;
  }

  of(workspace: Workspace): WorkspaceRoot {
    return new WorkspaceRoot(rootFolder(this.#folder, workspace), this.#templates.rootOf(workspace));
  }

  log(workspace: Workspace): string {
    return this.#templates.logOf(workspace);
  }

  async prepare(workspace: Workspace, options: PrepareOptions): Promise<void> {
    const root = this.of(workspace);
    const limiter = workspace.initScript ? await this.#limits.limiter(workspace) : undefined;
    await this.#templates.build(workspace, options, limiter);
    options.signal?.throwIfAborted();
    if (options.rebuild) await root.destroy();
    // What it is made of may be another file system than before: the mount of that one ends.
    else await root.stop();
    await root.create();
  }

  missing(workspace: Workspace): string | undefined {
    return this.#templates.missing(workspace) ?? this.of(workspace).missing();
  }

  async stop(workspace: Workspace): Promise<void> {
    await this.of(workspace).stop();
    this.#limits.forget(workspace);
  }

  async destroy(workspace: Workspace): Promise<void> {
    await this.of(workspace).destroy();
    this.#limits.forget(workspace);
  }

  async reset(workspace: Workspace): Promise<void> {
    await this.of(workspace).reset();
  }

  async snapshot(workspace: Workspace, name: string): Promise<void> {
    await this.of(workspace).snapshot(name);
  }

  snapshots(workspace: Workspace): Promise<string[]> {
    return Promise.resolve(this.of(workspace).snapshots());
  }

  forget(workspace: Workspace, name: string): Promise<void> {
    return this.of(workspace).forget(name);
  }

  async restore(workspace: Workspace, name: string): Promise<void> {
    await this.of(workspace).restore(name);
  }

  usage(workspace: Workspace): Promise<number> {
    return this.of(workspace).usage();
  }

  async fork(from: Workspace, to: Workspace): Promise<void> {
    if (this.#templates.keyOf(from) !== this.#templates.keyOf(to))
      throw new OpenAgentError("invalid_input", "A fork has the distribution, packages and init script of its origin.");
    await this.of(to).fork(this.of(from));
  }

  /** What comes before a command that is to see the file system, and the path at which it does. */
  async enter(workspace: Workspace): Promise<{ prefix: string[]; root: string }> {
    const gone = this.missing(workspace);
    if (gone !== undefined)
      throw new OpenAgentError("workspace_not_ready", `The workspace ${workspace.name} has to be built anew: ${gone}`);
    const root = this.of(workspace);
    const { outside, inside } = await this.#limits.limiter(workspace);
    return { prefix: [...outside, ...inside, ...(await root.entering())], root: root.path };
  }
}

/** A container by bubblewrap: no daemon, no root, and nothing of it is left when the process that started it is gone. */
export class BwrapBackend implements Backend {
  readonly kind = "bwrap";
  readonly layer: Layer;
  readonly #roots: Roots;
  readonly #limits: Limits;

  constructor(roots: Roots, limits: Limits) {
    this.#roots = roots;
    this.layer = roots;
    this.#limits = limits;
  }

  async probe(): Promise<Probe> {
    const limits = await this.#limits.offered();
    return probing("bwrap", limits, async () => {
      const bwrap = needTool("bwrap", "bubblewrap");
      const version = (await runTool(bwrap, ["--version"])).split(" ").at(-1)?.trim();
      const inside = sandbox({ root: "/", cwd: "/", binds: [], network: "private", hostname: "probe" });
      const [command, ...args] = contained([...inside, "/bin/true"]);
      await runTool(command, args, { timeoutMs: 20_000 });
      needBootstrap();
      return version;
    });
  }

  prepare(workspace: Workspace, options: PrepareOptions): Promise<void> {
    return this.#roots.prepare(workspace, options);
  }

  missing(workspace: Workspace): Promise<string | undefined> {
    return Promise.resolve(this.#roots.missing(workspace));
  }

  log(workspace: Workspace): string {
    return this.#roots.log(workspace);
  }

  async wrap(workspace: Workspace, argv: readonly string[], options: WrapOptions): Promise<Wrapped> {
    const binds = [{ source: workspace.directory, target: workspace.directory, writable: true }, ...options.binds];
    checkBinds(binds);
    const { prefix, root } = await this.#roots.enter(workspace);
    const given = handOver(argv, { ...containerEnvironment, ...workspace.environment, ...options.env });
    const line = [
      ...prefix,
      ...sandbox({
        root,
        cwd: options.cwd,
        binds,
        network: options.network ?? workspace.network,
        hostname: hostnameOf(workspace.name),
        ...(options.terminal && { terminal: true }),
        ...(options.outlives && { outlives: true }),
      }),
      ...given.argv,
    ];
    return toWrapped(line, given.env, options.outlives);
  }

  stop(workspace: Workspace): Promise<void> {
    return this.#roots.stop(workspace);
  }

  destroy(workspace: Workspace): Promise<void> {
    return this.#roots.destroy(workspace);
  }
}

/**
 * A command behind helpers of the host, whose environment is theirs and what is handed over. What is killed while the
 * helpers still prepare it may have left their group already, and not yet die with them: it is found by its mark.
 */
export function toWrapped(line: readonly string[], given: Record<string, string>, outlives = false): Wrapped {
  const env = { ...helperEnvironment(), ...given };
  const [command = "", ...args] = line;
  if (outlives) return { command, args, cwd: "/", env };
  const mark = randomUUID();
  const cleanUp = async (killed: boolean) => {
    if (killed) for (const pid of await processesWith(markName, mark)) tryKill(pid);
  };
  return { command, args, cwd: "/", env: { ...env, [markName]: mark }, cleanUp };
}

/** Runs a probe and puts what it throws into words. */
export async function probing(
  kind: Probe["kind"],
  limits: readonly LimitKind[],
  use: () => Promise<string | undefined>,
): Promise<Probe> {
  try {
    if (process.platform !== "linux" && (kind === "bwrap" || kind === "nspawn"))
      throw new OpenAgentError("workspace_unavailable", `It needs Linux. Use podman or docker.`);
    const version = await use();
    return { kind, available: true, ...(version !== undefined && { version }), limits };
  } catch (error) {
    const said = describeError(error);
    // A sentence about the way out comes last where there is one.
    const [, reason = said, remedy] = /^(.*?)\s*((?:Install|Use|Run|Start) .*)?$/s.exec(said) ?? [];
    return { kind, available: false, reason, limits: [], remedy: remedy ?? remedyFor(said) };
  }
}

function remedyFor(said: string): string {
  if (/user namespace|uid map|newuidmap|Operation not permitted|Permission denied/i.test(said) && !isRoot())
    return (
      "Allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, and on Ubuntu an AppArmor profile for bwrap), " +
      "and have users set aside with: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 <you>"
    );
  return "Use another kind of workspace.";
}

/** Something that makes a file system has to be there. */
export function needBootstrap(): void {
  if (findTool("mmdebstrap") ?? findTool("debootstrap") ?? findTool("pacstrap")) return;
  throw new OpenAgentError(
    "workspace_unavailable",
    "Nothing makes a Linux system here. Install the package mmdebstrap.",
  );
}

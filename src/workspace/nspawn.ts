import { OpenAgentError } from "../base/errors.ts";
import type { Probe, Workspace } from "../protocol/workspace.ts";
import type { Backend, Bind, Layer, PrepareOptions, Wrapped, WrapOptions } from "./backend.ts";
import { needBootstrap, probing, toWrapped, type Roots } from "./bwrap.ts";
import { handOver, helperEnvironment } from "./handover.ts";
import type { Limits } from "./limits.ts";
import { checkBinds, containerEnvironment, hostnameOf, isRoot } from "./sandbox.ts";
import { needTool, runTool } from "./tools.ts";

/** Of what nspawn leaves to root, all that reaches out of a container. */
const dropped = [
  "CAP_AUDIT_CONTROL",
  "CAP_DAC_READ_SEARCH",
  "CAP_IPC_OWNER",
  "CAP_LEASE",
  "CAP_LINUX_IMMUTABLE",
  "CAP_MKNOD",
  "CAP_NET_ADMIN",
  "CAP_NET_BROADCAST",
  "CAP_NET_RAW",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_PTRACE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TTY_CONFIG",
];

/** nspawn warns at each end when its folder is on a disk. The mount is in a namespace of this command alone. */
const quiet = '"$1" -p /run/systemd/nspawn && "$2" -t tmpfs tmpfs /run/systemd/nspawn && shift 2 && exec "$@"';

/** Several commands run in one file system, and `/tmp` is a part of it. */
const nspawnEnvironment = { SYSTEMD_NSPAWN_LOCK: "0", SYSTEMD_NSPAWN_TMPFS_TMP: "0" };

/** A container by systemd-nspawn, one for each command, on the file system that bubblewrap would use. Needs root. */
export class NspawnBackend implements Backend {
  readonly kind = "nspawn";
  readonly layer: Layer;
  readonly #roots: Roots;
  readonly #limits: Limits;

  constructor(roots: Roots, limits: Limits) {
    this.#roots = roots;
    this.layer = roots;
    this.#limits = limits;
  }

  async probe(): Promise<Probe> {
    return probing("nspawn", await this.#limits.offered(), async () => {
      const nspawn = needTool("systemd-nspawn", "systemd-container");
      if (!isRoot())
        throw new OpenAgentError("workspace_unavailable", "systemd-nspawn needs root. Use a bubblewrap container.");
      const version = /\d[\d.]*/.exec(await runTool(nspawn, ["--version"]))?.[0];
      const line = [...supervised(false), ...options({ root: "/", cwd: "/", hostname: "probe", network: "private" })];
      const [command, ...args] = [...line, "--volatile=yes", "--", "/bin/true"];
      await runTool(command, args, { timeoutMs: 30_000, env: { ...helperEnvironment(), ...nspawnEnvironment } });
      needBootstrap();
      return version;
    });
  }

  prepare(workspace: Workspace, prepareOptions: PrepareOptions): Promise<void> {
    return this.#roots.prepare(workspace, prepareOptions);
  }

  missing(workspace: Workspace): Promise<string | undefined> {
    return Promise.resolve(this.#roots.missing(workspace));
  }

  log(workspace: Workspace): string {
    return this.#roots.log(workspace);
  }

  async wrap(workspace: Workspace, argv: readonly string[], wrapOptions: WrapOptions): Promise<Wrapped> {
    const binds = [{ source: workspace.directory, target: workspace.directory, writable: true }, ...wrapOptions.binds];
    checkBinds(binds);
    const { prefix, root } = await this.#roots.enter(workspace);
    const given = handOver(argv, { ...containerEnvironment, ...workspace.environment, ...wrapOptions.env });
    const line = [
      ...prefix,
      ...supervised(wrapOptions.outlives ?? false),
      ...options({
        root,
        cwd: wrapOptions.cwd,
        hostname: hostnameOf(workspace.name),
        network: wrapOptions.network ?? workspace.network,
      }),
      wrapOptions.terminal ? "--console=interactive" : "--console=pipe",
      ...binds.map(bindOption),
      ...Object.keys(given.env).map((name) => `--setenv=${name}`),
      "--",
      ...given.argv,
    ];
    return toWrapped(line, { ...given.env, ...nspawnEnvironment }, wrapOptions.outlives);
  }

  stop(workspace: Workspace): Promise<void> {
    return this.#roots.stop(workspace);
  }

  destroy(workspace: Workspace): Promise<void> {
    return this.#roots.destroy(workspace);
  }
}

/** Killing nspawn leaves what runs inside, so it is the first process of a namespace that ends as a whole. */
function supervised(outlives: boolean): string[] {
  return [
    ...(outlives ? [] : [needTool("setpriv", "util-linux"), "--pdeathsig=KILL"]),
    needTool("unshare", "util-linux"),
    ...["--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"],
    ...["/bin/sh", "-c", quiet, "nspawn", needTool("mkdir", "coreutils"), needTool("mount")],
  ];
}

function options(of: { root: string; cwd: string; hostname: string; network: "host" | "private" }): string[] {
  return [
    needTool("systemd-nspawn", "systemd-container"),
    ...["--quiet", "--register=no", "--keep-unit", "--as-pid2"],
    ...[`--directory=${of.root}`, `--chdir=${of.cwd}`, `--hostname=${of.hostname}`],
    ...["--timezone=off", "--link-journal=no", "--no-new-privileges=yes"],
    `--drop-capability=${dropped.join(",")}`,
    ...(of.network === "private" ? ["--private-network", "--resolv-conf=off"] : ["--resolv-conf=bind-host"]),
  ];
}

function bindOption({ source, target, writable }: Bind): string {
  const escape = (path: string) => path.replaceAll("\\", "\\\\").replaceAll(":", "\\:");
  return `--bind${writable ? "" : "-ro"}=${escape(source)}:${escape(target)}`;
}

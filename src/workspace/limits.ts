import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { readTextIfPresent } from "../base/files.ts";
import type { LimitKind, Workspace, WorkspaceLimits } from "../protocol/workspace.ts";
import { helperEnvironment } from "./handover.ts";
import { isRoot } from "./sandbox.ts";
import { findTool, needTool, runTool, tryTool } from "./tools.ts";

/** Has systemd-run make a scope of the user's. */
const scope = ["--user", "--scope", "--quiet", "--collect"] as const;

const allLimits = ["memoryMb", "cpus", "processes"] as const satisfies readonly LimitKind[];

/** What is put before a command to have it limited; nothing for a workspace without limits. */
export interface Limiter {
  /** Before all else. */
  outside: readonly string[];
  /** In the user namespace of the container: what the system counts for a user outside, it counts for all of his processes. */
  inside: readonly string[];
}

/**
 * Limits of all that runs in a workspace together: control groups where we may make them, else a slice of the user's
 * systemd, else what the system counts for a user of the container.
 */
export class Limits {
  readonly #owner: string;
  #systemd: Promise<boolean> | undefined;

  /** `folder` tells the workspaces of one data folder from those of others. */
  constructor(folder: string) {
    this.#owner = createHash("sha256").update(folder).digest("hex").slice(0, 8);
  }

  /** Which of them hold here. */
  async offered(): Promise<LimitKind[]> {
    if (process.platform !== "linux") return [];
    const groups = controlGroups();
    const byGroup = allLimits.filter((kind) => groups?.folders[kind] !== undefined);
    if (byGroup.length > 0) return byGroup;
    if (await this.#hasSystemd()) return [...allLimits];
    return isRoot() ? [] : ["processes"];
  }

  async limiter(workspace: Workspace): Promise<Limiter> {
    const { limits } = workspace;
    const none: Limiter = { outside: [], inside: [] };
    if (allLimits.every((kind) => limits[kind] === undefined)) return none;
    const groups = controlGroups();
    if (groups) return { ...none, outside: this.#joining(groups, workspace) };
    if (await this.#hasSystemd()) return { ...none, outside: await this.#scope(workspace) };
    if (isRoot() || limits.processes === undefined) return none;
    return { ...none, inside: [needTool("prlimit", "util-linux"), `--nproc=${String(limits.processes)}`] };
  }

  /** Removes what was made for a workspace in which nothing runs any more. */
  forget(workspace: Pick<Workspace, "id">): void {
    const groups = controlGroups();
    for (const folder of new Set(Object.values(groups?.folders ?? {})))
      removeGroup(join(folder, this.#name(workspace)));
  }

  #name({ id }: Pick<Workspace, "id">): string {
    return `${this.#owner}-${id}`;
  }

  #joining(groups: ControlGroups, workspace: Workspace): string[] {
    const joined = new Set<string>();
    for (const kind of allLimits) {
      const parent = groups.folders[kind];
      const value = workspace.limits[kind];
      if (parent === undefined || value === undefined) continue;
      const folder = join(parent, this.#name(workspace));
      mkdirSync(folder, { recursive: true });
      for (const [file, text] of groups.settings(kind, value))
        if (existsSync(join(folder, file))) writeFileSync(join(folder, file), text);
      joined.add(join(folder, "cgroup.procs"));
    }
    const join_ = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo 0 >"$1" || exit 125; shift; n=$((n-1)); done; exec "$@"';
    return joined.size === 0 ? [] : ["/bin/sh", "-c", join_, "limited", String(joined.size), ...joined];
  }

  /** Each command has a scope of its own in the workspace's slice, which bears the limits of all of them. */
  async #scope(workspace: Workspace): Promise<string[]> {
    const slice = `openagent-${this.#name(workspace).replaceAll("-", "_")}.slice`;
    const set = ["--user", "--runtime", "set-property", slice, ...properties(workspace.limits)];
    await runTool(needTool("systemctl", "systemd"), set, { env: helperEnvironment(), timeoutMs: 10_000 });
    return [needTool("systemd-run", "systemd"), ...scope, `--slice=${slice}`, "--"];
  }

  #hasSystemd(): Promise<boolean> {
    return (this.#systemd ??= (async () => {
      const run = findTool("systemd-run");
      if (run === undefined || findTool("systemctl") === undefined || isRoot()) return false;
      const args = [...scope, "--property=TasksMax=50", "--", "/bin/true"];
      return (await tryTool(run, args, { env: helperEnvironment(), timeoutMs: 5000 })).exitCode === 0;
    })());
  }
}

/** All of them, since the slice may have had others before. */
function properties({ memoryMb, cpus, processes }: WorkspaceLimits): string[] {
  return [
    `MemoryMax=${memoryMb === undefined ? "infinity" : `${String(memoryMb)}M`}`,
    `MemorySwapMax=${memoryMb === undefined ? "infinity" : "0"}`,
    `CPUQuota=${cpus === undefined ? "" : `${String(Math.round(cpus * 100))}%`}`,
    `TasksMax=${processes === undefined ? "infinity" : String(processes)}`,
  ];
}

interface ControlGroups {
  /** A folder of ours for each limit, in which groups can be made. */
  folders: Partial<Record<LimitKind, string>>;
  /** Files of a group and what is written to them. */
  settings(kind: LimitKind, value: number): [string, string][];
}

const base = "/sys/fs/cgroup";
const period = 100_000;

let found: { groups: ControlGroups | undefined } | undefined;

function controlGroups(): ControlGroups | undefined {
  found ??= { groups: existsSync(join(base, "cgroup.controllers")) ? unified() : separate() };
  return found.groups;
}

/** Version 2: one tree. */
function unified(): ControlGroups | undefined {
  const ours = join(base, "open-agent");
  const controllers = { memoryMb: "memory", cpus: "cpu", processes: "pids" } as const;
  try {
    for (const name of Object.values(controllers)) enable(base, name);
    mkdirSync(ours, { recursive: true });
    accessSync(ours, constants.W_OK);
    for (const name of Object.values(controllers)) enable(ours, name);
  } catch {
    return undefined;
  }
  const given = (readTextIfPresent(join(ours, "cgroup.subtree_control")) ?? "").trim().split(" ");
  const folders = Object.fromEntries(
    allLimits.filter((kind) => given.includes(controllers[kind])).map((kind) => [kind, ours]),
  );
  if (Object.keys(folders).length === 0) return undefined;
  return {
    folders,
    settings(kind, value) {
      if (kind === "memoryMb")
        return [
          ["memory.max", String(value * 1024 * 1024)],
          ["memory.swap.max", "0"],
        ];
      if (kind === "cpus") return [["cpu.max", `${String(Math.round(value * period))} ${String(period)}`]];
      return [["pids.max", String(value)]];
    },
  };
}

function enable(folder: string, controller: string): void {
  const available = readFileSync(join(folder, "cgroup.controllers"), "utf8").trim().split(" ");
  if (available.includes(controller)) writeFileSync(join(folder, "cgroup.subtree_control"), `+${controller}`);
}

/** Version 1: a tree for each controller. */
function separate(): ControlGroups | undefined {
  const controllers = { memoryMb: "memory", cpus: "cpu", processes: "pids" } as const;
  const folders: Partial<Record<LimitKind, string>> = {};
  for (const kind of allLimits) {
    const ours = join(base, controllers[kind], "open-agent");
    if (canMake(ours)) folders[kind] = ours;
  }
  if (Object.keys(folders).length === 0) return undefined;
  return {
    folders,
    settings(kind, value) {
      if (kind === "memoryMb") return [["memory.limit_in_bytes", String(value * 1024 * 1024)]];
      if (kind === "cpus")
        return [
          ["cpu.cfs_period_us", String(period)],
          ["cpu.cfs_quota_us", String(Math.round(value * period))],
        ];
      return [["pids.max", String(value)]];
    },
  };
}

function canMake(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    return existsSync(join(folder, "cgroup.procs"));
  } catch {
    return false;
  }
}

/** False when there is none, or its last process is just ending; an empty group costs nothing. */
function removeGroup(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch {
    return false;
  }
}

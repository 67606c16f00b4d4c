import type { Selection } from "./configuration.ts";
import { titleOf } from "./mission.ts";

/** What a mission works in: a folder, and the machine that the folder is on as the mission sees it. */
export interface Workspace {
  /** Letters, digits, `-` and `_`: it names folders, control groups and containers. */
  id: string;
  name: string;
  kind: BackendKind;
  /** The absolute folder that missions work in. Inside a container it has the same path. */
  directory: string;
  /** A worktree's repository: an absolute folder of it. */
  repository?: string;
  status: WorkspaceStatus;
  /** Why `status` is `error`: a sentence for the user. */
  error?: string;
  /** A container's distribution; Debian where it is left out. */
  distro?: Distro;
  /** The absolute path of a `devcontainer.json` that a container of podman or docker is made by, in place of those. */
  devContainer?: string;
  /** Packages of the distribution that a container has from the start. */
  packages: readonly string[];
  /** A shell script that a container's file system is completed with, as root inside. */
  initScript?: string;
  /** `private`: nothing but a loopback of its own. The host and its worktrees always have the host's. */
  network: WorkspaceNetwork;
  limits: WorkspaceLimits;
  /** Added to the environment of whatever runs in it. No secrets. */
  environment: Readonly<Record<string, string>>;
  /** Names of secrets that are added to that environment; their values are kept elsewhere. */
  secrets: readonly string[];
  /** The Library's template that it was made from. */
  template?: string;
  /** What its missions have of what agents can be given. */
  selection: Selection;
  /** Milliseconds since 1970. */
  createdAt: number;
  builtAt?: number;
}

/** What the processes of a workspace may use together. Where the system cannot limit it, `Probe.limits` lacks it. */
export interface WorkspaceLimits {
  memoryMb?: number;
  /** Processors' worth of time; fractions are allowed. */
  cpus?: number;
  processes?: number;
}

/** All that a workspace can be built on. */
export const backendKinds = ["host", "worktree", "bwrap", "podman", "docker", "nspawn"] as const;
export type BackendKind = (typeof backendKinds)[number];

/** All that a container can be made of. */
export const distros = ["debian-bookworm", "ubuntu-noble", "ubuntu-jammy", "arch-linux"] as const;
export type Distro = (typeof distros)[number];

export type WorkspaceStatus = "pending" | "building" | "ready" | "error";
export type WorkspaceNetwork = "host" | "private";
export type LimitKind = keyof WorkspaceLimits;

/** Whether a backend can be used on this machine, found out by using it. */
export interface Probe {
  kind: BackendKind;
  available: boolean;
  /** The version of what it is built on. */
  version?: string;
  /** Why it is not available, and how to get it: sentences for the user. */
  reason?: string;
  remedy?: string;
  /** Which limits hold here. */
  limits: readonly LimitKind[];
}

/** What an environment variable of a workspace can be called. */
export const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** What a snapshot of a workspace can be called. */
export const snapshotName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** What a worktree is called that is made for a mission with these words. */
export function worktreeName(text: string): string {
  const name = titleOf(text, 40)
    .replaceAll(/[/\\]|\.{2,}|^\.+/g, " ")
    .trim();
  return name === "" ? "mission" : name;
}

/** What is to be known of a worktree before it is merged, pushed or deleted. */
export interface WorktreeState {
  /** The branch that is checked out; where none is, the one that the worktree was made with. */
  branch: string;
  /** The branch that is checked out in the repository; empty when none is. */
  target: string;
  /** Commits that the target lacks, newest first: short hash and subject. */
  commits: string[];
  /** Files that differ from the last commit, from the worktree's folder. */
  uncommitted: string[];
  /** What deleting it would lose: files, also ignored ones, and commits that are on no other branch. */
  unsaved: string[];
}

/** Whether its missions run on an OpenCode server of its own, not on the one that all others share. */
export function hasOwnServer({ kind, selection, environment, secrets }: Workspace): boolean {
  const isSpecial = [selection, environment, secrets].some((own) => Object.keys(own).length > 0);
  return isContainer(kind) || isSpecial;
}

/** Whether what runs in it sees another file system than the host's. */
export function isContainer(kind: BackendKind): boolean {
  return kind !== "host" && kind !== "worktree";
}

import type { BackendKind, Distro, Workspace } from "../../protocol/workspace.ts";
import { limitsWord } from "./limitWords.ts";
import { ago } from "../words.ts";

/** What a private network means, by where the OpenCode of a container runs. */
export const privateNetworkWords = {
  inside:
    "Agents reach other machines by an HTTP proxy, and of this one only its model servers. Terminals reach nothing.",
  outside: "Agents and terminals reach nothing. OpenCode, outside, reaches the providers of its models.",
};

/** What a kind of workspace is called where there is room, and what is to be known of it. */
export const kindWords: Readonly<Record<BackendKind, { label: string; detail: string; icon: string }>> = {
  host: {
    label: "Host",
    detail: "This machine itself, in a folder of your choice. Nothing separates the agent from your files.",
    icon: "device-desktop",
  },
  worktree: {
    label: "Git Worktree",
    detail: "This machine itself, on a branch of its own.",
    icon: "git-branch",
  },
  bwrap: {
    label: "Container (bubblewrap)",
    detail: "A Linux of its own. Needs neither root nor a service.",
    icon: "package",
  },
  podman: {
    label: "Container (podman)",
    detail: "A Linux of its own, in podman.",
    icon: "server-environment",
  },
  docker: {
    label: "Container (docker)",
    detail: "A Linux of its own, in docker.",
    icon: "server-environment",
  },
  nspawn: {
    label: "Container (systemd-nspawn)",
    detail: "A Linux of its own, as the original Open Agent has it. Needs root.",
    icon: "server",
  },
};

export const distroWords: Readonly<Record<Distro, string>> = {
  "debian-bookworm": "Debian 12 (bookworm)",
  "ubuntu-noble": "Ubuntu 24.04 (noble)",
  "ubuntu-jammy": "Ubuntu 22.04 (jammy)",
  "arch-linux": "Arch Linux",
};

/** How far a workspace is, in a few words; empty where there is nothing to build and nothing is wrong. */
function workspaceState({ status, kind, builtAt }: Workspace, now: number): string {
  switch (status) {
    case "pending":
      return builtAt === undefined ? "not built" : "to be built again";
    case "building":
      return "building";
    case "ready":
      if (kind === "host" || kind === "worktree") return "";
      return builtAt === undefined ? "ready" : `built ${sinceWord(builtAt, now)}`;
    case "error":
      return "build failed";
  }
}

/** Kind, how many missions are at work in it, what it takes on disk (`usage`, in bytes) where that is worth a word, and state. */
export function workspaceDescription(workspace: Workspace, now: number, running = 0, usage = 0): string {
  return joined(
    workspace.kind,
    running === 0 ? "" : `${String(running)} running`,
    usage < 1e6 ? "" : sizeWord(usage),
    workspaceState(workspace, now),
  );
}

/** The facts of a workspace, a line each: what they are, and what they are here. `usage`: bytes of its changes on disk. */
export function workspaceFacts(workspace: Workspace, now: number, usage: number): [name: string, value: string][] {
  const {
    kind,
    directory,
    repository,
    distro,
    devContainer,
    packages,
    network,
    limits,
    environment,
    initScript,
    builtAt,
  } = workspace;
  const isContainer = kind !== "host" && kind !== "worktree";
  const facts: [string, string][] = [
    ["Folder", directory],
    ["Repository", repository ?? ""],
    ["System", isContainer ? (devContainer ?? distroWords[distro ?? "debian-bookworm"]) : ""],
    ["Packages", packages.join(", ")],
    ["Init script", initScript ? `${String(initScript.trimEnd().split("\n").length)} lines` : ""],
    ["Network", !isContainer ? "" : network === "private" ? "private" : "that of this machine"],
    ["Limits", limitsWord(limits)],
    ["Environment", Object.keys(environment).join(", ")],
    ["Secrets", workspace.secrets.join(", ")],
    ["On disk", usage === 0 ? "" : `${sizeWord(usage)} besides what was built`],
    ["Built", builtAt === undefined ? "" : builtWord(builtAt, now)],
  ];
  return facts.filter(([, value]) => value !== "");
}

/** "120 MB": a size on disk in one unit. */
export function sizeWord(bytes: number): string {
  const megabytes = bytes / 1e6;
  if (megabytes < 1) return `${String(Math.ceil(bytes / 1e3))} kB`;
  return megabytes < 1000 ? `${megabytes.toFixed(megabytes < 10 ? 1 : 0)} MB` : `${(megabytes / 1000).toFixed(1)} GB`;
}

function builtWord(builtAt: number, now: number): string {
  return `${new Date(builtAt).toLocaleString()} (${sinceWord(builtAt, now)})`;
}

function sinceWord(time: number, now: number): string {
  const since = ago(time, now);
  return since === "now" ? "just now" : `${since} ago`;
}

/** The names of packages in what the user typed, and what of it is none. */
export function parsePackages(text: string): { packages: string[]; wrong: string | undefined } {
  const packages = [...new Set(text.split(/[\s,]+/).filter((name) => name !== ""))];
  return { packages, wrong: packages.find((name) => !/^[a-z0-9][a-z0-9+._-]*$/.test(name)) };
}

/** Why something is no name of a workspace, as a sentence; undefined when it is one. */
export function wrongName(name: string, others: readonly string[]): string | undefined {
  const trimmed = name.trim();
  if (trimmed === "") return "A workspace needs a name.";
  if (trimmed.length > 100) return "A name has a hundred characters at most.";
  if (/[/\\]|\.\.|^\./.test(trimmed)) return "A name has no slashes, no two dots and no dot at its beginning.";
  return others.includes(trimmed) ? `There is a workspace “${trimmed}” already.` : undefined;
}

function joined(...words: string[]): string {
  return words.filter((word) => word !== "").join(" · ");
}

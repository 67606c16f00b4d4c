import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { OpenAgentError } from "../base/errors.ts";
import { readTextIfPresent } from "../base/files.ts";
import type { Distro } from "../protocol/workspace.ts";
import { findTool } from "./tools.ts";

interface Release {
  id: "debian" | "ubuntu";
  codename: string;
  mirror: string;
  security: string;
  components: string;
  keyring: string;
  keyringPackage: string;
}

const debian = {
  id: "debian",
  mirror: "http://deb.debian.org/debian",
  security: "http://deb.debian.org/debian-security",
  components: "main",
  keyring: "/usr/share/keyrings/debian-archive-keyring.gpg",
  keyringPackage: "debian-archive-keyring",
} as const;
const ubuntu = {
  id: "ubuntu",
  mirror: "http://archive.ubuntu.com/ubuntu",
  security: "http://archive.ubuntu.com/ubuntu",
  components: "main universe",
  keyring: "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
  keyringPackage: "ubuntu-keyring",
} as const;

const releases: Readonly<Record<Exclude<Distro, "arch-linux">, Release>> = {
  "debian-bookworm": { ...debian, codename: "bookworm" },
  "ubuntu-noble": { ...ubuntu, codename: "noble" },
  "ubuntu-jammy": { ...ubuntu, codename: "jammy" },
};

/** What is of no use to an agent, and a third of a small system. */
const leftOut = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*"];

/** A program that makes a distribution's file system at `target`, which is an empty folder, as its root. */
export interface Bootstrap {
  command: string;
  args: string[];
}

/**
 * How to make the file system of a distribution here. Throws what is missing and how to get it.
 * `mirror` is asked instead of the one that the host uses for the same distribution, or else the distribution's own.
 */
export function bootstrapOf(distro: Distro, packages: readonly string[], target: string, mirror?: string): Bootstrap {
  if (distro === "arch-linux") return pacstrap(packages, target);
  const release = releases[distro];
  if (readTextIfPresent(release.keyring) === undefined)
    throw unavailable(`The keys of ${distro} are not on this machine. Install the package ${release.keyringPackage}.`);
  const uri = mirror ?? hostMirror(release) ?? release.mirror;
  const mmdebstrap = findTool("mmdebstrap");
  if (mmdebstrap !== undefined) {
    const line = (base: string, suite: string) =>
      `deb [signed-by=${release.keyring}] ${base} ${suite} ${release.components}`;
    const security = mirror ?? (release.id === "ubuntu" ? uri : release.security);
    const sources = [line(uri, release.codename)];
    if (mirror === undefined) sources.push(line(security, `${release.codename}-security`));
    return {
      command: mmdebstrap,
      args: [
        "--mode=root",
        "--variant=minbase",
        "--format=directory",
        "--skip=output/dev",
        "--dpkgopt=force-unsafe-io",
        ...leftOut.map((path) => `--dpkgopt=path-exclude=${path}`),
        ...(packages.length > 0 ? [`--include=${packages.join(",")}`] : []),
        release.codename,
        target,
        ...sources,
      ],
    };
  }
  const debootstrap = findTool("debootstrap");
  if (debootstrap === undefined)
    throw unavailable("Neither mmdebstrap nor debootstrap was found. Install the package mmdebstrap.");
  return {
    command: debootstrap,
    args: [
      "--variant=minbase",
      `--keyring=${release.keyring}`,
      `--components=${release.components.replaceAll(" ", ",")}`,
      ...(packages.length > 0 ? [`--include=${packages.join(",")}`] : []),
      release.codename,
      target,
      uri,
    ],
  };
}

function pacstrap(packages: readonly string[], target: string): Bootstrap {
  const command = findTool("pacstrap");
  if (command === undefined)
    throw unavailable("pacstrap was not found. Install the package arch-install-scripts, with pacman and its keys.");
  return { command, args: ["-c", "-K", target, "base", ...packages] };
}

/** The mirror that the host's own apt uses for the release's distribution. */
function hostMirror(release: Release): string | undefined {
  const system = new Map(
    (readTextIfPresent("/etc/os-release") ?? "")
      .split("\n")
      .map((line) => line.split("=", 2))
      .map(([name = "", value = ""]) => [name, value.replaceAll('"', "")]),
  );
  if (system.get("ID") !== release.id) return undefined;
  return mirrorIn(aptSources("/etc/apt"), [release.codename, system.get("VERSION_CODENAME") ?? ""]);
}

/** The texts of apt's lists of sources below a folder. */
function aptSources(folder: string): string[] {
  const more = join(folder, "sources.list.d");
  return ["sources.list", ...(existsSync(more) ? readdirSync(more).map((name) => join("sources.list.d", name)) : [])]
    .filter((name) => /\.(list|sources)$/.test(name))
    .map((name) => readTextIfPresent(join(folder, name)) ?? "");
}

/** The first address in lists of sources, of either form, that has the main part of one of these releases. */
export function mirrorIn(texts: readonly string[], codenames: readonly string[]): string | undefined {
  for (const text of texts) {
    for (const line of text.split("\n")) {
      const [, uri, suite, parts = ""] = /^deb\s+(?:\[[^\]]*\]\s*)?(\S+)\s+(\S+)\s*(.*)$/.exec(line.trim()) ?? [];
      if (uri && suite && codenames.includes(suite) && parts.split(/\s+/).includes("main")) return usable(uri);
    }
    for (const stanza of text.split(/\n\s*\n/)) {
      const field = (name: string) => (new RegExp(`^${name}:(.*)$`, "im").exec(stanza)?.[1] ?? "").trim().split(/\s+/);
      const wanted = field("Suites").some((suite) => codenames.includes(suite)) && field("Components").includes("main");
      const uri = field("URIs")[0];
      if (wanted && uri && !field("Enabled").includes("no")) return usable(uri);
    }
  }
  return undefined;
}

/** Only what a program that runs as another root can read as well. */
function usable(uri: string): string | undefined {
  return /^https?:/.test(uri) ? uri : undefined;
}

function unavailable(message: string): OpenAgentError {
  return new OpenAgentError("workspace_unavailable", message);
}

import { existsSync } from "node:fs";
import { isAbsolute } from "node:path";
import { OpenAgentError } from "../base/errors.ts";
import type { Bind } from "./backend.ts";
import { needTool } from "./tools.ts";

/** The environment of a container before anything is added. */
export const containerEnvironment: Readonly<Record<string, string>> = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  USER: "root",
  LANG: "C.UTF-8",
  TERM: "xterm-256color",
};

/** A variable of all that one command in a container has started, by which it is found and ended. */
export const markName = "OPEN_AGENT_EXEC";

/** What root may do in a container: enough for its package manager, nothing that reaches out of it. */
export const capabilities = [
  "CAP_AUDIT_WRITE",
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_NET_BIND_SERVICE",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
];

/** Files of the host that name resolution needs where the network is the host's. */
const nameServiceFiles = ["/etc/resolv.conf", "/etc/hosts"];

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/**
 * Puts before a command what makes it root of its own mounts and processes. All of it ends when this process does, and
 * when it is killed. An ordinary user becomes root of the users that the system has set aside for him.
 */
export function contained(argv: readonly string[]): [string, ...string[]] {
  return [
    needTool("setpriv", "util-linux"),
    "--pdeathsig=KILL",
    needTool("unshare", "util-linux"),
    ...userNamespace(),
    "--mount",
    "--pid",
    "--fork",
    "--kill-child=SIGKILL",
    "--mount-proc",
    ...argv,
  ];
}

/** The options of `unshare` with which an ordinary user is root; none for root. */
export function userNamespace(): string[] {
  if (isRoot()) return [];
  needTool("newuidmap", "uidmap");
  return ["--user", "--map-root-user", "--map-auto"];
}

export interface SandboxOptions {
  /** The file system that is `/` inside, writable. */
  root: string;
  cwd: string;
  binds: readonly Bind[];
  network: "host" | "private";
  hostname: string;
  terminal?: boolean;
  outlives?: boolean;
}

/**
 * A bubblewrap command line up to the command itself. It must be run by a root, be it one of a user namespace, whose
 * environment is the command's.
 */
export function sandbox(options: SandboxOptions): string[] {
  const { root, cwd, binds, network } = options;
  return [
    // Bubblewrap and all inside die with the shell before it, which belongs to nobody else.
    ...(options.outlives ? ["/bin/sh", "-c", '"$@"; exit $?', "sh"] : []),
    needTool("bwrap", "bubblewrap"),
    ...["--bind", root, "/"],
    ...["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys"],
    ...["--ro-bind-try", "/proc/sysrq-trigger", "/proc/sysrq-trigger"],
    ...["--dev", "/dev"],
    ...["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"],
    ...["--hostname", options.hostname],
    ...(network === "private" ? ["--unshare-net"] : nameServiceFiles.flatMap((path) => ["--ro-bind-try", path, path])),
    "--die-with-parent",
    ...(options.terminal ? [] : ["--new-session"]),
    ...["--cap-drop", "ALL", ...capabilities.flatMap((name) => ["--cap-add", name])],
    ...binds.flatMap(({ source, target, writable }) => [writable ? "--bind" : "--ro-bind", source, target]),
    ...["--chdir", cwd],
    "--",
  ];
}

/** A workspace's name as that of a machine. */
export function hostnameOf(name: string): string {
  return (
    name
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, "-")
      .replaceAll(/^-+|-+$/g, "")
      .slice(0, 63) || "workspace"
  );
}

/** What is bound has to be there, and its path absolute. */
export function checkBinds(binds: readonly Bind[]): void {
  for (const { source, target } of binds) {
    if (!isAbsolute(source) || !isAbsolute(target))
      throw new OpenAgentError("invalid_input", `${source} can be seen inside only by absolute paths.`);
    if (!existsSync(source)) throw new OpenAgentError("folder_missing", `${source} does not exist.`, { path: source });
  }
}

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { loginsFile } from "./home.ts";

/** A file or folder of the host that is seen inside under a path. */
interface Bind {
  source: string;
  target: string;
  writable: boolean;
}

export interface InsideOptions {
  /** How to run a command inside so that it goes on when this process has ended. */
  wrap(
    argv: readonly string[],
    options: { cwd: string; env: Record<string, string>; binds: readonly Bind[] },
  ): Promise<{ command: string; args: string[]; env: Record<string, string> }>;
  /** What programs find in their environment inside. */
  environment: NodeJS.ProcessEnv;
  /** The file of the program that connects a container with its host from within (`bridge.ts`, or what is built of it). */
  bridge: string;
  /** Of a container whose network is private: the file of `egress.ts`, and the ports of this machine's that it leads to. */
  egress?: { program: string; localPorts: () => number[] };
}

/** What the bridge prints when it is open. */
export const bridgeIsOpen = "open agent bridge is open\n";

/** The socket that leads to the server whose folder that is. */
export function socketIn(folder: string): string {
  return join(folder, "in.sock");
}

function egressIn(folder: string): string {
  return join(folder, "out.sock");
}

/** The command that runs `argv`, a call of OpenCode's executable, inside, behind a bridge. */
export async function insideCommand(
  place: InsideOptions,
  [executable = "", ...argv]: readonly string[],
  environment: NodeJS.ProcessEnv,
  options: { folder: string; environment: NodeJS.ProcessEnv; ripgrepFolder?: string },
): Promise<{ command: string; args: string[]; env: Record<string, string> }> {
  const { folder, ripgrepFolder } = options;
  const orders = {
    socket: socketIn(folder),
    ...(place.egress && { egress: egressIn(folder) }),
    localPorts: place.egress?.localPorts() ?? [],
  };
  const seen = (path: string): Bind => ({ source: path, target: path, writable: false });
  const binds = [{ ...seen(folder), writable: true }, seen(executable), seen(place.bridge)];
  if (ripgrepFolder !== undefined) binds.push(seen(ripgrepFolder));
  const logins = loginsFile(folder, options.environment);
  if (existsSync(logins.source)) {
    await mkdir(dirname(logins.target), { recursive: true, mode: 0o700 });
    // A file can only be laid over one.
    await writeFile(logins.target, "{}", { mode: 0o600, flag: "a" });
    binds.push({ ...logins, writable: true });
  }
  const env = { ...defined(environment), BUN_BE_BUN: "1", OPEN_AGENT_BRIDGE: JSON.stringify(orders) };
  return place.wrap([executable, place.bridge, ...argv], { cwd: folder, env, binds });
}

function defined(environment: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** Gives a container with a private network its way out, for as long as its process lives. */
export function startEgress({ egress }: InsideOptions, folder: string, pid: number): void {
  if (!egress) return;
  const socket = egressIn(folder);
  const args = [egress.program, socket, String(pid), egress.localPorts().join(",")];
  const env = { ...process.env, ELECTRON_RUN_AS_NODE: "1" };
  spawn(process.execPath, args, { detached: true, stdio: "ignore", env, windowsHide: true }).unref();
}

/** The same for a process that has run for long, unless its way out is there. */
export async function keepEgress(options: InsideOptions, folder: string, pid: number): Promise<void> {
  if (!(await isOpen(egressIn(folder)))) startEgress(options, folder, pid);
}

function isOpen(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => {
      resolve(false);
    });
  });
}

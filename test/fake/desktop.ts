import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { OpenAgentError } from "../../src/base/errors.ts";
import { readTextIfPresent } from "../../src/base/files.ts";
import type { Broker, Viewer } from "../../src/desktop/broker.ts";
import type { Display } from "../../src/desktop/display.ts";
import { eventually } from "../host/eventually.ts";
import type { McpClient } from "./mcpClient.ts";
import { runs } from "./toolBed.ts";

/** Which of these programs are not on PATH. */
export function missingPrograms(...names: string[]): string[] {
  return names.filter((name) => pathsOf(name).length === 0);
}

/** The name of a suite, with what it could not be run without. */
export function unlessMissing(name: string, missing: readonly string[]): string {
  return missing.length > 0 ? `${name} (not tested: ${missing.join(", ")} missing here)` : name;
}

/** Waits until the window of that title is the one that is typed into. */
export async function hasKeyboard(title: string, env: NodeJS.ProcessEnv): Promise<void> {
  const property = (...words: string[]) => execFileSync("xprop", words, { env, encoding: "utf8", stdio: "pipe" });
  await eventually(
    () => {
      try {
        const id = /0x[1-9a-f][0-9a-f]*/.exec(property("-root", "_NET_ACTIVE_WINDOW"))?.[0];
        return id === undefined ? "" : property("-id", id, "WM_NAME");
      } catch {
        // The window that had it has just gone.
        return "";
      }
    },
    (name) => name.includes(`"${title}"`),
    15_000,
  );
}

/** A page that watches, as a viewer without any cleverness does: raw pictures, the next one asked for after each. */
export function watcher(broker: Broker) {
  const ask = (incremental: number) => Buffer.from([3, incremental, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
  const state: {
    ended: OpenAgentError | undefined;
    acknowledges: boolean;
    viewer: Viewer;
    started: () => Promise<void>;
  } = {
    ended: undefined,
    acknowledges: true,
    viewer: broker.open({
      deliver: (bytes) => {
        setImmediate(() => {
          if (state.acknowledges) state.viewer.acknowledge(bytes.length);
          state.viewer.receive(ask(1));
        });
      },
      ended: (error) => (state.ended = error),
    }),
    started: async () => {
      const encodings = Buffer.from([2, 0, 0, 1, 0, 0, 0, 0]);
      state.viewer.receive(Buffer.concat([Buffer.from("RFB 003.008\n"), Buffer.from([1, 1]), encodings, ask(0)]));
      const whole = () => state.viewer.traffic.delivered > 4 * 800 * 600;
      await eventually(whole, (is) => is, 5000);
    },
  };
  return state;
}

/** The picture in the answer of a tool. */
export async function pictureOf(mcp: McpClient, tool: string, args: object): Promise<Buffer> {
  const { result } = await mcp.ask("tools/call", { name: tool, arguments: args });
  const { content } = result as { content: { type: string; data: string; mimeType: string }[] };
  const found = content.find(({ type }) => type === "image");
  assert.equal(found?.mimeType, "image/png");
  return Buffer.from(found.data, "base64");
}

/** The path of a program of this machine. */
export function where(name: string): string {
  return pathsOf(name)[0] ?? assert.fail(`There is no ${name} here`);
}

/** Makes the folder `bin` a PATH with these programs of this machine, and with what every display needs to be started. */
export function makePath(bin: string, ...names: string[]): void {
  const always = ["sh", "mkfifo", "rm", "rmdir", "mv", "cat", "sleep", "grep", "tail", "tr", "setpriv", "xkbcomp"];
  mkdirSync(bin);
  for (const name of [...always, ...names]) symlinkSync(where(name), join(bin, name));
}

function pathsOf(name: string): string[] {
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .filter((path) => existsSync(path));
}

/** The sockets of a kind that there are, such as `unix` or `tcp`: the columns of each. */
export function table(name: string): string[][] {
  const lines = readFileSync(`/proc/net/${name}`, "utf8").trim().split("\n").slice(1);
  return lines.map((line) => line.trim().split(/\s+/));
}

/** The sockets that a process has open, by their numbers. */
export function socketsOf(pid: number): string[] {
  const links = execFileSync("sh", ["-c", `readlink /proc/${String(pid)}/fd/* || true`], { encoding: "utf8" });
  return [...links.matchAll(/^socket:\[(\d+)\]$/gm)].map(([, inode]) => inode ?? "");
}

/** Whether anything of a display is left: its process, its lock or its socket. Its number may be another's by now. */
export function isLeft({ name, pid }: Display): boolean {
  const [lock, socket] = [`/tmp/.X${name.slice(1)}-lock`, `/tmp/.X11-unix/X${name.slice(1)}`];
  const holder = () => readTextIfPresent(lock)?.trim();
  if (runs(pid) || holder() === String(pid)) return true;
  // A server has its lock before its socket, and after it; so a socket without one is nobody's.
  return existsSync(socket) && holder() === undefined && existsSync(socket);
}

/** The processes that have a display's folder on their command line or in their environment. */
export function processesOf(folder: string): { pid: number; name: string }[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      try {
        const known = ["cmdline", "environ"].map((file) => readFileSync(`/proc/${entry}/${file}`, "latin1")).join("\0");
        const name = readFileSync(`/proc/${entry}/comm`, "utf8").trim();
        return known.includes(folder) ? [{ pid: Number(entry), name }] : [];
      } catch {
        // It has ended in between.
        return [];
      }
    });
}

/** The process that a process was started by, or who takes its place. */
export function parentOf(pid: number): number {
  return Number(execFileSync("ps", ["-o", "ppid=", "-p", String(pid)], { encoding: "utf8" }));
}

/** Processes that work in a folder or name it on their command line, but for this one's. */
export function holders(folder: string): string[] {
  const lines = execFileSync("ps", ["-eo", "pid,stat,args"], { encoding: "utf8" }).split("\n");
  return lines.filter(
    (line) => line.includes(folder) && !/^\s*\d+\s+Z/.test(line) && !line.includes("--input-type=module"),
  );
}

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { buildExtension } from "../host/built.ts";
import { eventually } from "../host/eventually.ts";
import { opencodeBinary, repository } from "./bed.ts";
import { startMcp, type McpClient } from "./mcpClient.ts";

/** What the tools of a workspace run on, and with what beside their program. */
export interface Runtime {
  name: string;
  executable: string;
  environment: NodeJS.ProcessEnv;
}

export const runtimes: Runtime[] = [
  { name: "Node.js", executable: process.execPath, environment: {} },
  { name: "OpenCode's own runtime", executable: opencodeBinary, environment: { BUN_BE_BUN: "1" } },
];

/** What the tests run; a `rg` of this machine is not among them. */
const programs = ["bash", "sh", "cat", "env", "git", "head", "printf", "sleep", "tr", "touch", "yes"];

/** A workspace with nothing in it, on a machine that has few programs, and the built tools. */
export interface ToolBed {
  root: string;
  folder: string;
  environment: NodeJS.ProcessEnv;
  /** A server of the tools, for all tests. */
  mcp: McpClient;
  /** Starts another one, with this added to its environment. */
  start: (more?: NodeJS.ProcessEnv) => Promise<McpClient>;
  /** The absolute path of a file of the workspace. */
  path: (file: string) => string;
  write: (file: string, content: string | Buffer) => void;
  /** The pids that a command writes into a file of the workspace, one a line, once there are so many. */
  pidsIn: (file: string, count: number) => Promise<number[]>;
  /** Ends the servers. Fails when one has written what is no message. */
  close: () => Promise<void>;
}

export async function makeToolBed(runtime: Runtime): Promise<ToolBed> {
  buildExtension();
  const root = realpathSync(mkdtempSync(join(tmpdir(), "mcp-")));
  const folder = join(root, "workspace");
  for (const name of ["workspace", "home", "bin", "tmp"]) mkdirSync(join(root, name));
  for (const name of programs) symlinkSync(onPath(name), join(root, "bin", name));
  const environment = {
    PATH: join(root, "bin"),
    HOME: join(root, "home"),
    TMPDIR: join(root, "tmp"),
    LANG: "C.UTF-8",
    GIT_CONFIG_NOSYSTEM: "1",
    OPEN_AGENT_WORKSPACE: folder,
    ...runtime.environment,
  };
  const started: McpClient[] = [];
  const start = async (more: NodeJS.ProcessEnv = {}): Promise<McpClient> => {
    const words = [runtime.executable, join(repository, "dist", "workspaceMcp.js")];
    const client = await startMcp(words, { cwd: root, env: { ...environment, ...more } });
    started.push(client);
    return client;
  };
  const path = (file: string) => join(folder, file);
  return {
    root,
    folder,
    environment,
    mcp: await start(),
    start,
    path,
    write: (file, content) => {
      mkdirSync(dirname(path(file)), { recursive: true });
      writeFileSync(path(file), content);
    },
    pidsIn: async (file, count) => {
      const look = () => (existsSync(path(file)) ? readFileSync(path(file), "utf8").trim().split("\n") : []);
      return (await eventually(look, (lines) => lines.length === count && lines[0] !== "")).map(Number);
    },
    close: async () => {
      for (const client of started) {
        client.hangUp();
        await client.finished;
      }
      rmSync(root, { recursive: true, force: true });
      const stray = started.flatMap((client) => client.stray);
      assert.deepEqual(stray, [], "nothing but messages is on standard output");
    },
  };
}

function onPath(name: string): string {
  const found = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, name));
  return found.find((path) => existsSync(path)) ?? assert.fail(`There is no ${name} on PATH`);
}

/** Whether a process runs; one that nobody has collected yet does not. */
export function runs(pid: number): boolean {
  try {
    const state = execFileSync("ps", ["-o", "state=", "-p", String(pid)], { encoding: "utf8" });
    return !state.startsWith("Z");
  } catch {
    // There is no such process.
    return false;
  }
}

export function childrenOf(pid: number): number[] {
  try {
    const lines = execFileSync("ps", ["-o", "pid=", "--ppid", String(pid)], { encoding: "utf8" });
    return lines.trim().split("\n").map(Number);
  } catch {
    // It has none.
    return [];
  }
}

/** An OpenCode server with its own web interface, as a user would run it, and a data folder of ours beside it. */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { endProcessGroup, isAlive } from "../../src/base/processes.ts";
import { waitUntil } from "../../src/base/async.ts";
import type { Connection } from "../../src/opencode/connection.ts";
import { makeBed, opencodeBinary, type Bed } from "../fake/bed.ts";

export interface ServerBed {
  bed: Bed;
  connection: Connection;
  /** OpenCode's own database. To be touched only while the server is stopped. */
  database: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Calls the API in the bed's project. */
  call(path: string, body?: object): Promise<unknown>;
  close(): Promise<void>;
}

/** What OpenCode would do on the network by itself. */
const quiet = {
  OPENCODE_DISABLE_AUTOUPDATE: "1",
  OPENCODE_DISABLE_MODELS_FETCH: "1",
  OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
  OPENCODE_DISABLE_SHARE: "1",
  npm_config_fetch_retries: "0",
};

export async function makeServerBed(): Promise<ServerBed> {
  const bed = await makeBed();
  promisePackages(join(bed.home, ".config", "opencode"));
  const database = join(bed.root, "opencode.db");
  const port = await freePort();
  const connection = { url: `http://127.0.0.1:${String(port)}`, username: "opencode", password: "bench" };
  const env = { ...bed.environment, ...quiet, OPENCODE_DB: database, OPENCODE_SERVER_PASSWORD: connection.password };
  let pid: number | undefined;
  const stop = async () => {
    const running = pid;
    pid = undefined;
    if (running !== undefined) await endProcessGroup(running, () => !isAlive(running), 1_000);
  };
  // It is in a process group of its own, and would outlive a measure that fails.
  process.on("exit", () => {
    if (pid !== undefined && isAlive(pid)) process.kill(-pid, "SIGKILL");
  });
  return {
    bed,
    connection,
    database,
    start: async () => {
      const args = ["serve", "--hostname", "127.0.0.1", "--port", String(port)];
      const server = spawn(opencodeBinary, args, {
        env,
        cwd: bed.project,
        detached: true,
        stdio: ["ignore", "pipe", "ignore"],
      });
      pid = server.pid;
      let printed = "";
      server.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
      await waitUntil(() => printed.includes("listening on"), 20_000, 20);
      if (!printed.includes("listening on")) throw new Error(`OpenCode did not start: ${printed}`);
    },
    stop,
    call: async (path, body) => {
      const response = await fetch(`${connection.url}${path}?directory=${encodeURIComponent(bed.project)}`, {
        headers: { authorization: authorization(connection), "content-type": "application/json" },
        ...(body && { method: "POST", body: JSON.stringify(body) }),
      });
      if (!response.ok) throw new Error(`${path}: ${String(response.status)} ${await response.text()}`);
      return response.status === 204 ? undefined : ((await response.json()) as unknown);
    },
    close: async () => {
      await stop();
      await bed.close();
    },
  };
}

export function authorization({ username, password }: Connection): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/** OpenCode installs packages into its configuration folder unless a lock file promises them. */
function promisePackages(folder: string): void {
  const dependencies = { "@opencode-ai/plugin": "1.18.33" };
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ dependencies }));
  const lock = { lockfileVersion: 3, packages: { "": { dependencies } } };
  writeFileSync(join(folder, "package-lock.json"), JSON.stringify(lock));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

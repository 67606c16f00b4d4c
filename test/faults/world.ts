import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sleep, waitUntil } from "../../src/base/async.ts";
import type { CommandName } from "../../src/orchestrator/commands.ts";
import { readLeaderRecord } from "../../src/orchestrator/endpoint.ts";
import { askLeader } from "../../src/orchestrator/follower.ts";
import { Store } from "../../src/store/store.ts";
import { makeBed, opencodeBinary, repository, type Bed } from "../fake/bed.ts";
import { startProxy, type Proxy } from "../fake/proxy.ts";
import { mountSmallDisk, type SmallDisk } from "../fake/smallDisk.ts";

/** A headless process of the product, on the world's data folder. */
export interface Headless {
  process: ChildProcess;
  url: string;
  /** What it logged. */
  log: string[];
}

/** What a fault can be done to. */
export interface World {
  kind: "own" | "attached";
  bed: Bed;
  /** Between the product and an OpenCode server that it does not own; only in the world `attached`. */
  proxy: Proxy | undefined;
  disk: SmallDisk | undefined;
  processes: Headless[];
  /** Read as another process of the product would. */
  store: Store;
  leader(): Headless | undefined;
  start(): Promise<Headless>;
  /** Ends a process without a warning. */
  kill(victim: Headless): Promise<void>;
  /** Moves the clock of all processes by so many milliseconds. */
  shiftClock(ms: number): void;
  /** URL and headers of the OpenCode server, past the proxy. */
  server(): { url: string; authorization: string } | undefined;
  /** Asks the leader, as another window does. */
  command(name: CommandName, input: object): Promise<void>;
  /** Asks any process that lives. Undefined when none answered. */
  ask(path: string, input: object): Promise<unknown>;
  close(): Promise<void>;
}

/** The product as it is after an installation: two headless processes on one data folder. */
export async function makeWorld(kind: World["kind"]): Promise<World> {
  await using made = new AsyncDisposableStack();
  const disk = kind === "own" ? mountSmallDisk(200_000) : undefined;
  if (disk) made.defer(() => disk.unmount());
  const bed = made.adopt(await makeBed(disk ? { data: join(disk.folder, "data") } : {}), (used) => used.close());
  const attached = kind === "attached" ? made.use(await startAttached()) : undefined;
  const clock = join(bed.root, "clock");
  writeFileSync(clock, "0");
  const processes: Headless[] = [];
  const paths = bed.paths;
  const start = () => startHeadless({ bed, attached, clock, processes });
  made.defer(async () => {
    for (const one of processes) one.process.kill("SIGKILL");
    await waitUntil(
      () => processes.every(({ process: { exitCode, signalCode } }) => exitCode !== null || signalCode !== null),
      5_000,
    );
  });
  await start();
  await start();
  const store = made.adopt(new Store({ path: paths.database }), (used) => used.close());
  const cleanup = made.move();
  return {
    kind,
    bed,
    proxy: attached?.proxy,
    disk,
    processes,
    store,
    leader: () => {
      const pid = readLeaderRecord(paths.leaderRecord)?.pid;
      return processes.find((one) => one.process.pid === pid);
    },
    start,
    kill: async (victim) => {
      processes.splice(processes.indexOf(victim), 1);
      const ended = new Promise((resolve) => victim.process.once("exit", resolve));
      victim.process.kill("SIGKILL");
      await ended;
    },
    shiftClock: (ms) => {
      writeFileSync(clock, String(Number(readFileSync(clock, "utf8")) + ms));
    },
    command: async (name, input) => {
      const record = readLeaderRecord(paths.leaderRecord);
      if (record) await askLeader(record, name, input, AbortSignal.timeout(60_000));
    },
    server: () => attached?.connection ?? connectionIn(paths.serverRecord),
    ask: (path, input) => ask(processes, paths.apiToken, path, input),
    close: () => cleanup.disposeAsync(),
  };
}

interface Attached extends AsyncDisposable {
  proxy: Proxy;
  password: string;
  connection: { url: string; authorization: string };
}

/** An OpenCode server of somebody else, behind a proxy. */
async function startAttached(): Promise<Attached> {
  const host = await makeBed();
  const core = host.core();
  await core.run("startServer", {});
  const { url, password } = JSON.parse(readFileSync(core.paths.serverRecord, "utf8")) as {
    url: string;
    password: string;
  };
  const proxy = await startProxy(url);
  return {
    proxy,
    password,
    connection: { url, authorization: basic(password) },
    [Symbol.asyncDispose]: async () => {
      proxy.close();
      await host.close();
    },
  };
}

function connectionIn(record: string): { url: string; authorization: string } | undefined {
  if (!existsSync(record)) return undefined;
  const { url, password } = JSON.parse(readFileSync(record, "utf8")) as { url: string; password: string };
  return url === "" ? undefined : { url, authorization: basic(password) };
}

function basic(password: string): string {
  return `Basic ${Buffer.from(`opencode:${password}`).toString("base64")}`;
}

interface HeadlessOptions {
  bed: Bed;
  attached: Attached | undefined;
  clock: string;
  processes: Headless[];
}

async function startHeadless({ bed, attached, clock, processes }: HeadlessOptions): Promise<Headless> {
  const program = join(repository, "dist", "headless.cjs");
  const where = attached ? ["--url", attached.proxy.url] : ["--opencode", opencodeBinary];
  const child = spawn(
    process.execPath,
    [
      "--import",
      join(import.meta.dirname, "clock.mjs"),
      program,
      "serve",
      "--verbose",
      "--data-dir",
      bed.data,
      ...where,
    ],
    {
      cwd: bed.project,
      env: {
        ...bed.environment,
        FAULTS_CLOCK: clock,
        ...(attached && { OPENCODE_SERVER_PASSWORD: attached.password }),
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const log: string[] = [];
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => log.push(text));
  const url = () => /listens on (\S+)/.exec(said)?.[1];
  await waitUntil(() => url() !== undefined || child.exitCode !== null, 20_000);
  const found = url();
  if (found === undefined) throw new Error(`The headless process did not start.\n${log.join("")}`);
  const started = { process: child, url: found, log };
  processes.push(started);
  return started;
}

async function ask(processes: readonly Headless[], tokenPath: string, path: string, input: object): Promise<unknown> {
  const [first] = processes;
  if (!first) return undefined;
  const token = readFileSync(tokenPath, "utf8").trim();
  try {
    const response = await fetch(first.url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(input),
      signal: AbortSignal.timeout(15_000),
    });
    if (response.ok) return await response.json();
  } catch {
    // The process ended under the question: the caller looks whether it was heard.
    await sleep(50);
  }
  return undefined;
}

import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync, readFileSync, rmSync, statSync, existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { z } from "zod";
import { sleep } from "../base/async.ts";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { Emitter, type Event } from "../base/event.ts";
import { readTextIfPresent, writePrivateFile } from "../base/files.ts";
import type { Disposable } from "../base/lifetime.ts";
import type { Logger } from "../base/log.ts";
import { endProcessGroup, isAlive, processesWith, startTimeOf } from "../base/processes.ts";
import { authorization, fetchFrom, type Connection } from "./connection.ts";
import { prepareHome } from "./home.ts";
import { bridgeIsOpen, insideCommand, keepEgress, socketIn, startEgress, type InsideOptions } from "./inside.ts";
import { locateOpenCode, type Executable, type LocateOptions } from "./locate.ts";
import { rotateLog } from "../base/logFile.ts";

/** Where a server of ours whose folder that is writes its log. */
export function serverLogPath(folder: string): string {
  return join(folder, "server.log");
}

export interface ServerOptions extends Omit<LocateOptions, "configured"> {
  /** The user's setting: an absolute path. Asked at every start. */
  configured: () => string | undefined;
  /** Variables that the agent's shell may see although their names look like secrets. Asked at every start. */
  passEnvironment: () => readonly string[];
  /** Folder for all that belongs to the server: its database, configuration and log. */
  folder: string;
  /** File in which a running server is on record; 0600, since it holds the password. */
  record: string;
  guard: string;
  ripgrepFolder?: string;
  /** Providers that the user defined in Open Agent. Asked at every start. */
  providers: () => Record<string, unknown>;
  /**
   * Writes what the server is to know besides the user's own configuration. Gives the folder to read, undefined for
   * none, and whether that has changed. Asked at every start.
   */
  configuration?: (executable: Executable) => Promise<{ folder?: string; changed: boolean }>;
  /** Names of OpenCode's tools that no agent may use. */
  deny?: readonly string[];
  /** Variables of its environment besides. Asked at every start. */
  variables?: () => Promise<Record<string, string>>;
  /** Where the server runs, when that is not simply this machine. */
  place?: ServerPlace;
  log: Logger;
}

export type ServerState =
  | { kind: "stopped" }
  | { kind: "starting"; since: number }
  | { kind: "running"; version: string; url: string; pid: number; adopted: boolean }
  | { kind: "failed"; error: OpenAgentError };

/** A container, as a place for a server. The server's folder has the same path in it. */
export interface ServerPlace extends InsideOptions {
  /** Ends what a server that was killed has left running there. */
  clear(): Promise<void>;
}

const recordSchema = z.object({
  pid: z.int().positive(),
  startTime: z.string().min(1),
  /** Empty until the server has said where it listens. */
  url: z.union([z.url(), z.literal("")]),
  username: z.string(),
  password: z.string().min(1),
  socket: z.string().optional(),
  path: z.string(),
  version: z.string(),
});
type ServerRecord = z.infer<typeof recordSchema>;

const startLimitMs = 60_000;
const probeLimitMs = 2_000;
/** A port that is taken so many times in a row is no accident. */
const portAttempts = 3;

/**
 * Our OpenCode server: one process, started on demand on loopback, detached so that missions go on when this process
 * ends, and on record so that the next one finds it. Only the leader may use this.
 */
export class OpenCodeServer implements Disposable {
  readonly logPath: string;
  readonly #options: ServerOptions;
  readonly #changed = new Emitter<ServerState>();
  #state: ServerState = { kind: "stopped" };
  #running: { record: ServerRecord; gone: () => boolean; watch: Disposable } | undefined;
  #starting: Promise<Connection> | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.logPath = serverLogPath(options.folder);
  }

  get onDidChange(): Event<ServerState> {
    return this.#changed.event;
  }

  get state(): ServerState {
    return this.#state;
  }

  /** The running server's connection, if it is known to run. */
  get connection(): Connection | undefined {
    return this.#running?.record;
  }

  /** Finds the server that is on record, or starts one. Concurrent calls share one start. */
  ensure(): Promise<Connection> {
    if (this.#running && !this.#running.gone()) return Promise.resolve(this.#running.record);
    return (this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined;
    }));
  }

  /** Looks for the server on record and takes it over. False when there is none to take over. */
  async adopt(): Promise<boolean> {
    if (this.#running && !this.#running.gone()) return true;
    const record = this.#readRecord();
    if (!record || (await startTimeOf(record.pid)) !== record.startTime) return false;
    if (record.url !== "" && (await answers(record))) {
      if (this.#options.place) await keepEgress(this.#options.place, this.#options.folder, record.pid);
      this.#watch(record, () => !isAlive(record.pid), true);
      return true;
    }
    this.#options.log.warn(`OpenCode (process ${String(record.pid)}) does not answer and is ended.`);
    await endProcessGroup(record.pid, () => !isAlive(record.pid));
    return false;
  }

  async #start(): Promise<Connection> {
    try {
      if (await this.adopt()) {
        const adopted = this.#running;
        if (adopted) return adopted.record;
      }
      this.#set({ kind: "starting", since: Date.now() });
      const executable = await locateOpenCode({ ...this.#options, configured: this.#options.configured() });
      return await this.#spawnAtFreePort(executable);
    } catch (error) {
      const failure =
        error instanceof OpenAgentError
          ? error
          : new OpenAgentError(
              "opencode_start_failed",
              `OpenCode could not be started: ${describeError(error)}`,
              {},
              error,
            );
      this.#set({ kind: "failed", error: failure });
      throw failure;
    }
  }

  /** A free port can be taken by somebody else before OpenCode, which ends then, is there to listen on it. */
  async #spawnAtFreePort(executable: Executable): Promise<ServerRecord> {
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      try {
        return await this.#spawn(executable, port);
      } catch (error) {
        if (attempt === portAttempts || (await isFree(port))) throw error;
        this.#options.log.warn(`Port ${String(port)} was taken while OpenCode started; another one is tried.`);
      }
    }
  }

  async #spawn(executable: Executable, port: number): Promise<ServerRecord> {
    const { folder, log, place } = this.#options;
    const password = randomBytes(32).toString("base64url");
    const configuration = await this.#options.configuration?.(executable);
    const environment = prepareHome(
      {
        folder,
        environment: { ...this.#options.environment, ...(await this.#options.variables?.()) },
        ...(configuration?.folder !== undefined && { configuration: configuration.folder }),
        guard: this.#options.guard,
        ...(place && { inside: place.environment }),
        ...(this.#options.ripgrepFolder !== undefined && { ripgrepFolder: this.#options.ripgrepFolder }),
        passEnvironment: this.#options.passEnvironment(),
        ...(this.#options.deny && { deny: this.#options.deny }),
        providers: this.#options.providers(),
        version: executable.version,
        log,
      },
      password,
    );
    rotateLog(this.logPath);
    const logStart = existsSync(this.logPath) ? statSync(this.logPath).size : 0;
    const serve = ["serve", "--hostname", "127.0.0.1", "--print-logs", "--log-level", "INFO", "--port"];
    await place?.clear();
    const started = place
      ? await insideCommand(place, [executable.path, ...serve, "0"], environment, this.#options)
      : { command: executable.path, args: [...serve, String(port)], env: environment };
    const logFile = openSync(this.logPath, "a", 0o600);
    let child: ChildProcess;
    try {
      // The log goes to a file: a pipe would break, and the server with it, when this process ends.
      child = spawn(started.command, started.args, {
        cwd: folder,
        env: started.env,
        detached: true,
        stdio: ["ignore", logFile, logFile],
        windowsHide: true,
      });
    } finally {
      closeSync(logFile);
    }
    const gone = exitOf(child);
    child.unref();
    const pid = child.pid ?? 0;
    const startTime = (await startTimeOf(pid)) ?? "";
    const { path, version } = executable;
    const socket = place && { socket: socketIn(folder) };
    const unborn = { pid, startTime, url: "", username: "opencode", password, path, version, ...socket };
    // That of the process before may last a moment longer.
    if (place) startEgress(place, folder, pid);
    if (startTime !== "") writePrivateFile(this.#options.record, JSON.stringify(unborn));
    const record = { ...unborn, url: await this.#listening(child, gone, logStart) };
    writePrivateFile(this.#options.record, JSON.stringify(record));
    log.info(`OpenCode ${executable.version} (${executable.path}) listens on ${record.url}, process ${String(pid)}.`);
    this.#watch(record, () => gone() !== undefined, false);
    return record;
  }

  /**
   * Waits for the line in which the server says where it listens. Asking its port instead would hang: a request that
   * arrives between bind and the installation of its handlers is never answered.
   */
  async #listening(child: ChildProcess, gone: () => string | undefined, logStart: number): Promise<string> {
    for (const end = Date.now() + startLimitMs; ;) {
      const fresh = readFileSync(this.logPath).subarray(logStart).toString("utf8");
      const url = /opencode server listening on (http:\/\/\S+)\n/.exec(fresh)?.[1];
      if (url !== undefined && (!this.#options.place || fresh.includes(bridgeIsOpen))) return url;
      const how = gone();
      if (how !== undefined)
        throw new OpenAgentError("opencode_start_failed", `OpenCode ended at its start (${how}).`, {
          log: lastLines(fresh),
        });
      if (Date.now() > end) {
        if (child.pid !== undefined) await endProcessGroup(child.pid, () => gone() !== undefined);
        throw new OpenAgentError("opencode_start_failed", "OpenCode did not say within 60 s that it listens.", {
          log: lastLines(fresh),
        });
      }
      await sleep(20);
    }
  }

  #watch(record: ServerRecord, gone: () => boolean, adopted: boolean): void {
    const timer = setInterval(() => {
      if (!gone()) return;
      clearInterval(timer);
      this.#running = undefined;
      this.#options.log.warn(`OpenCode (process ${String(record.pid)}) has ended.`);
      if (!this.#options.place) void endCommands(record.pid);
      this.#set({ kind: "stopped" });
    }, 250);
    timer.unref();
    const watch = {
      dispose: () => {
        clearInterval(timer);
      },
    };
    this.#running = { record, gone, watch };
    this.#set({ kind: "running", version: record.version, url: record.url, pid: record.pid, adopted });
  }

  /** Writes anew what a running server is to know; whether that has changed. It reads it when it opens a directory. */
  async reconfigure(): Promise<boolean> {
    const record = this.#running?.record;
    return (record && (await this.#options.configuration?.(record))?.changed) ?? false;
  }

  /** Ends the server; missions that run in it are interrupted. */
  async stop(): Promise<void> {
    await this.#starting?.catch(() => undefined);
    const running = this.#running ?? ((await this.adopt()) ? this.#running : undefined);
    if (!running) return;
    running.watch.dispose();
    this.#running = undefined;
    await endProcessGroup(running.record.pid, running.gone);
    await (this.#options.place ? this.#options.place.clear() : endCommands(running.record.pid));
    rmSync(this.#options.record, { force: true });
    this.#set({ kind: "stopped" });
  }

  /** Lets go of the server without ending it. */
  dispose(): void {
    this.#running?.watch.dispose();
    this.#running = undefined;
    this.#changed.dispose();
  }

  #readRecord(): ServerRecord | undefined {
    const text = readTextIfPresent(this.#options.record);
    if (text === undefined) return undefined;
    try {
      return recordSchema.parse(JSON.parse(text));
    } catch (error) {
      this.#options.log.warn(`${this.#options.record} does not parse and is not trusted: ${describeError(error)}`);
      return undefined;
    }
  }

  #set(state: ServerState): void {
    this.#state = state;
    this.#changed.fire(state);
  }
}

function exitOf(child: ChildProcess): () => string | undefined {
  let how: string | undefined;
  child.once("error", (error) => {
    how ??= describeError(error);
  });
  child.once("exit", (code, signal) => {
    how ??= signal ?? `exit code ${String(code)}`;
  });
  return () => how;
}

/** Ends the commands of agents that outlive their server when it is killed. OpenCode marks each with its own pid. */
async function endCommands(serverPid: number): Promise<void> {
  for (const pid of await processesWith("OPENCODE_PID", String(serverPid))) {
    if (pid !== serverPid) await endProcessGroup(pid, () => !isAlive(pid), 200);
  }
}

/** Whether the server lets us in. A fresh connection each time, and a short limit: see `#listening`. */
async function answers(connection: Connection): Promise<boolean> {
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      const response = await fetchFrom(connection)(new URL("/global/health", connection.url), {
        headers: { authorization: authorization(connection), connection: "close" },
        signal: AbortSignal.timeout(probeLimitMs),
      });
      await response.body?.cancel();
      return response.ok;
    } catch {
      await sleep(100);
    }
  }
  return false;
}

function isFree(port: number): Promise<boolean> {
  return freePort(port).then(
    () => true,
    () => false,
  );
}

/** Any free port of loopback, or this one; rejects when it is taken. */
function freePort(wanted = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(wanted, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => {
        if (typeof address === "object" && address) resolve(address.port);
        else reject(new Error("no port"));
      });
    });
  });
}

function lastLines(log: string): string {
  return log.trimEnd().split("\n").slice(-6).join("\n");
}

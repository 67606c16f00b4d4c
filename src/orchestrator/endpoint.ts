import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { privateFolder, readTextIfPresent, writePrivateFile } from "../base/files.ts";
import type { Disposable } from "../base/lifetime.ts";
import type { Logger } from "../base/log.ts";
import { toWire, type Tick } from "./wire.ts";

/** How the leader can be reached; kept in a 0600 file. */
const recordSchema = z.object({
  pid: z.int().positive(),
  socket: z.string().min(1),
  token: z.string().min(1),
  build: z.string(),
});
export type LeaderRecord = z.infer<typeof recordSchema>;

export function readLeaderRecord(path: string): LeaderRecord | undefined {
  const text = readTextIfPresent(path);
  if (text === undefined) return undefined;
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch {
    // Half-written by a leader that died: the next one writes it anew.
    return undefined;
  }
}

export interface EndpointOptions {
  /** Folder for the socket, and the file that says how to reach it. */
  folder: string;
  record: string;
  build: string;
  run: (name: string, input: unknown, signal: AbortSignal) => Promise<unknown>;
  /** Told at the begin of every stream of ticks, to bring its reader up to date. */
  greeting: () => Tick[];
  log: Logger;
}

export interface Endpoint extends Disposable {
  /** Tells all followers. */
  tell(tick: Tick): void;
  readonly followers: number;
}

/** 16 MB: a message of 8 MB in its most escaped form. */
const bodyLimit = 16_000_000;

/**
 * Serves the leader's commands and ticks to the other processes of the user, on a unix socket (a named pipe on Windows)
 * that only the user may open, and only with the token of this leader.
 */
export async function serveEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const token = randomBytes(32).toString("base64url");
  const streams = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    if (!allowed(request, token)) {
      response.writeHead(401).end();
    } else if (request.method === "GET" && request.url === "/ticks") {
      response.writeHead(200, { "content-type": "application/x-ndjson" });
      streams.add(response);
      response.on("close", () => streams.delete(response));
      for (const tick of options.greeting()) write(response, tick);
    } else if (request.method === "POST" && request.url?.startsWith("/command/")) {
      void runFor(request, response, request.url.slice("/command/".length), options);
    } else {
      response.writeHead(404).end();
    }
  });
  // A login in the browser may take minutes, and ticks never end.
  server.requestTimeout = 0;
  server.timeout = 0;
  const socket = await listen(server, options.folder);
  writePrivateFile(options.record, JSON.stringify({ pid: process.pid, socket, token, build: options.build }));
  return {
    get followers() {
      return streams.size;
    },
    tell: (tick) => {
      for (const stream of streams) write(stream, tick);
    },
    dispose: () => {
      server.close();
      server.closeAllConnections();
      if (readLeaderRecord(options.record)?.token === token) rmSync(options.record, { force: true });
    },
  };
}

function write(stream: ServerResponse, tick: Tick): void {
  stream.write(`${JSON.stringify(tick)}\n`);
}

function allowed(request: IncomingMessage, token: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(request.headers.authorization ?? ""), digest(`Bearer ${token}`));
}

async function runFor(
  request: IncomingMessage,
  response: ServerResponse,
  name: string,
  options: EndpointOptions,
): Promise<void> {
  const left = new AbortController();
  response.on("close", () => {
    left.abort(new Error("the caller left"));
  });
  try {
    const input: unknown = JSON.parse(await readBody(request));
    const result = await options.run(decodeURIComponent(name), input, left.signal);
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ result: result ?? null }));
  } catch (error) {
    if (!(error instanceof OpenAgentError)) options.log.warn(`Command ${name}: ${describeError(error)}`);
    response.writeHead(400, { "content-type": "application/json" });
    response.end(JSON.stringify({ error: toWire(error) }));
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bodyLimit) throw new OpenAgentError("invalid_input", "The request is larger than 16 MB.");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function listen(server: Server, folder: string): Promise<string> {
  const socket = socketPath(folder);
  if (process.platform !== "win32" && existsSync(socket)) rmSync(socket);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socket, resolve);
  });
  if (process.platform !== "win32") chmodSync(socket, 0o600);
  return socket;
}

/** A unix socket's path may have about 100 bytes; a longer folder gets its socket in the system's temporary folder. */
function socketPath(folder: string): string {
  const name = `leader-${randomBytes(6).toString("hex")}.sock`;
  if (process.platform === "win32") return `\\\\.\\pipe\\open-agent-${name}`;
  const near = join(privateFolder(folder), name);
  return Buffer.byteLength(near) < 100 ? near : join(mkdtempSync(join(tmpdir(), "open-agent-")), name);
}

/** Removes the sockets that dead leaders left in the folder. Only the leader may call it. */
export function dropSocket(record: LeaderRecord | undefined): void {
  if (!record || process.platform === "win32") return;
  rmSync(record.socket, { force: true });
  if (dirname(record.socket).startsWith(join(tmpdir(), "open-agent-")))
    rmSync(dirname(record.socket), { recursive: true, force: true });
}

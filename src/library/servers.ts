import { z } from "zod";
import { join } from "node:path";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { writePrivateFile } from "../base/files.ts";
import type { ServerScope } from "../protocol/configuration.ts";
import { jsonOver, readJsonFile, writeJson } from "./jsonFiles.ts";
import { valueOf, type Key } from "./sealed.ts";

/** An MCP server as it is written down, and what OpenCode is to be told of it. */
export interface NamedServer {
  name: string;
  description?: string;
  scope?: ServerScope;
  entry: Record<string, unknown>;
}

const words = z.record(z.string(), z.string());
const common = {
  enabled: z.boolean().default(true),
  description: z.string().optional(),
  scope: z.enum(["global", "workspace"]).optional(),
  timeout: z.number().int().positive().optional(),
};

/**
 * The shapes of the original's `mcp/servers.json`, with those of OpenCode and of VS Code's `mcp.json` beside them.
 * Unknown keys are dropped: one alone would make OpenCode refuse all of its configuration.
 */
const server = z.union([
  z.object({
    ...common,
    type: z.enum(["local", "stdio"]).optional(),
    command: z.union([z.array(z.string()).min(1), z.string().min(1)]),
    args: z.array(z.string()).default([]),
    env: words.optional(),
    environment: words.optional(),
  }),
  z.object({
    ...common,
    type: z.enum(["remote", "http", "sse"]).optional(),
    url: z.url(),
    headers: words.optional(),
    oauth: z.unknown().optional(),
  }),
]);

/** What OpenCode is to be told of a server. Throws with a sentence that says what is wrong with it. */
export function serverEntry(value: unknown): Omit<NamedServer, "name"> {
  const parsed = server.safeParse(value);
  if (!parsed.success)
    throw new Error("it needs a command (a list of words) or a URL, and its variables and headers must be texts");
  const { description, scope, enabled, timeout } = parsed.data;
  const shared = { enabled, ...(timeout !== undefined && { timeout }) };
  const named = { ...(description !== undefined && { description }), ...(scope && { scope }) };
  if ("url" in parsed.data) {
    const { url, headers, oauth } = parsed.data;
    const entry = {
      type: "remote",
      url,
      ...shared,
      ...(headers && { headers }),
      ...(oauth !== undefined && { oauth }),
    };
    return { ...named, entry };
  }
  const { command, args, env, environment } = parsed.data;
  const variables = { ...env, ...environment };
  const argv = [...(typeof command === "string" ? [command] : command), ...args];
  const some = Object.keys(variables).length > 0;
  return { ...named, entry: { type: "local", command: argv, ...shared, ...(some && { environment: variables }) } };
}

/**
 * A server with all of its texts as they are to be used. Throws with a sentence where one cannot be decrypted.
 * @param name of what holds the value
 */
function opened(value: unknown, key: Key | undefined, name = ""): unknown {
  if (Array.isArray(value)) return value.map((one) => opened(one, key, name));
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([own, one]) => [own, opened(one, key, own)]));
  if (typeof value !== "string") return value;
  const text = valueOf(value, key);
  if (text !== undefined) return text;
  const why = key === undefined ? "it is encrypted, and there is no key for it" : "it is encrypted with another key";
  throw new Error(`${name} needs your value: ${why}`);
}

/** A file of servers as it is to be written. Throws `invalid_input` with the name of what is no server. */
export function requireServers(value: unknown): Record<string, unknown> {
  const all = z.record(z.string(), z.unknown()).safeParse(value);
  if (!all.success) throw new OpenAgentError("invalid_input", "MCP servers are an object: each one by its name.");
  for (const [name, server] of Object.entries(all.data)) requireServer(name, server);
  return all.data;
}

function requireServer(name: string, value: unknown): void {
  try {
    serverEntry(value);
  } catch (error) {
    throw new OpenAgentError("invalid_input", `The MCP server “${name}” is none: ${describeError(error)}.`, { name });
  }
}

export interface RegisteredServer extends NamedServer {
  scope: ServerScope;
}

/** The user's own list of servers: a file as the Library's, in which each has a scope besides. */
export function readRegistry(path: string, key?: Key): { servers: RegisteredServer[]; problems: ServerProblem[] } {
  const { servers, problems } = readServers(path, key);
  return { servers: servers.map((server) => ({ ...server, scope: server.scope ?? "workspace" })), problems };
}

interface ServerProblem {
  name: string;
  message: string;
}

/** A file of servers by their names. One that is not there has none. */
export function readServers(
  path: string,
  key?: Key,
): {
  servers: NamedServer[];
  problems: ServerProblem[];
} {
  const servers: NamedServer[] = [];
  const problems: ServerProblem[] = [];
  let all: Record<string, unknown> = {};
  try {
    all = readAll(path);
  } catch (error) {
    problems.push({ name: "servers.json", message: describeError(error) });
  }
  for (const [name, value] of Object.entries(all))
    try {
      servers.push({ name, ...serverEntry(opened(value, key)) });
    } catch (error) {
      problems.push({ name, message: describeError(error) });
    }
  return { servers, problems };
}

/** The file of a Library's servers. */
export function serversIn(library: string): string {
  return join(library, "mcp", "servers.json");
}

/**
 * Adds, replaces or (undefined) deletes a server of the user's own list, which nobody else may read. The others stay as
 * they are.
 * @throws OpenAgentError `invalid_input` when the file does not parse, or the server is none
 */
export function writeServer(path: string, name: string, value: Record<string, unknown> | undefined): void {
  if (value) requireServer(name, value);
  const { [name]: _, ...others } = readAll(path);
  writePrivateFile(path, jsonOver(path, { ...others, ...(value && { [name]: value }) }));
}

/**
 * Changes some keys of a server, and nothing else in the file. Throws as `writeServer`.
 * @param library the Library whose file it is, and out of which it may not lead; of the user's own list none
 */
export function changeServer(path: string, name: string, change: Record<string, unknown>, library?: string): void {
  const all = readAll(path);
  const value = { ...(Object(all[name]) as object), ...change };
  if (library === undefined) {
    writeServer(path, name, value);
    return;
  }
  requireServer(name, value);
  writeJson(library, path, { ...all, [name]: value });
}

function readAll(path: string): Record<string, unknown> {
  return readJsonFile(path, (value) => z.record(z.string(), z.unknown()).parse(value)) ?? {};
}

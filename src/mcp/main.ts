/**
 * The tools that a workspace offers to its agent: an MCP server on its standard streams, started by OpenCode where the
 * agent works. Runs on Node.js, and on the runtime that OpenCode's executable carries, with what a container has.
 *
 * `OPEN_AGENT_WORKSPACE` names the workspace's folder; without it that is the current one. `OPEN_AGENT_API_URL` and
 * `OPEN_AGENT_API_TOKEN` lead to the Library. For `OPEN_AGENT_GUARD` see `environment.ts`.
 */
import { resolve } from "node:path";
import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio, StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { describeError } from "../base/errors.ts";
import { bash } from "./bash.ts";
import { Commands } from "./commands.ts";
import { commandEnvironment } from "./environment.ts";
import { fetchUrl } from "./fetchUrl.ts";
import { fileTools } from "./files.ts";
import { gitTools } from "./git.ts";
import { searchPlainly } from "./plainSearch.ts";
import { searchTools } from "./search.ts";
import { updateSkill } from "./skills.ts";
import type { Place } from "./tool.ts";

declare const OPEN_AGENT_VERSION: string;

const tools = [...fileTools, ...searchTools, bash, fetchUrl, updateSkill, ...gitTools];

/** Bytes of one message: a file that is written is in it. The client's end of the pipe is trusted. */
const maxBufferSize = 256 * 2 ** 20;

if (process.argv[2] === "--search") process.exitCode = await searchPlainly();
else serve(process.env);

function serve(environment: NodeJS.ProcessEnv): void {
  const { OPEN_AGENT_WORKSPACE: folder, OPEN_AGENT_API_URL: url, OPEN_AGENT_API_TOKEN: token } = environment;
  const place: Place = {
    folder: resolve(folder ?? "."),
    environment: commandEnvironment(environment),
    commands: new Commands(),
    library: url && token ? { url, token } : undefined,
  };
  let ending = false;
  const end = (): void => {
    if (ending) return;
    ending = true;
    void place.commands.endAll().finally(() => process.exit(0));
  };
  const say = (error: unknown): void => void process.stderr.write(`${describeError(error)}\n`);
  serveStdio(
    () => {
      const server = new McpServer({ name: "workspace", version: OPEN_AGENT_VERSION });
      for (const add of tools) add(server, place);
      return server;
    },
    { transport: new StdioServerTransport(process.stdin, process.stdout, { maxBufferSize }), onerror: say },
  );
  process.stdin.once("end", end).once("close", end).once("error", end);
  process.stdout.once("error", end);
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, end);
  // What one call did not foresee must not end what the others do.
  process.on("uncaughtException", say).on("unhandledRejection", say);
}

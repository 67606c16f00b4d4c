/**
 * The tools that a workspace offers to its agent: an MCP server on its standard streams, started by OpenCode where the
 * agent works. Runs on Node.js, and on the runtime that OpenCode's executable carries, with what a container has.
 *
 * `OPEN_AGENT_WORKSPACE` names the workspace's folder; without it that is the current one. `OPEN_AGENT_API_URL` and
 * `OPEN_AGENT_API_TOKEN` lead to the Library. For `OPEN_AGENT_GUARD` see `environment.ts`.
 */
import { resolve } from "node:path";
import { bash } from "./bash.ts";
import { Commands } from "./commands.ts";
import { commandEnvironment } from "./environment.ts";
import { fetchUrl } from "./fetchUrl.ts";
import { fileTools } from "./files.ts";
import { gitTools } from "./git.ts";
import { searchPlainly } from "./plainSearch.ts";
import { searchTools } from "./search.ts";
import { serve } from "./serve.ts";
import { libraryAt, updateSkill } from "./skills.ts";
import type { Place } from "./tool.ts";

const tools = [...fileTools, ...searchTools, bash, fetchUrl, updateSkill, ...gitTools];

/** Bytes of one message: a file that is written is in it. The client's end of the pipe is trusted. */
const maxBufferSize = 256 * 2 ** 20;

if (process.argv[2] === "--search") process.exitCode = await searchPlainly();
else start(process.env);

function start(environment: NodeJS.ProcessEnv): void {
  const { OPEN_AGENT_WORKSPACE: folder, OPEN_AGENT_API_URL: url, OPEN_AGENT_API_TOKEN: token } = environment;
  const place: Place = {
    folder: resolve(folder ?? "."),
    environment: commandEnvironment(environment),
    commands: new Commands(),
    library: url && token ? libraryAt(url, token) : undefined,
  };
  serve({
    name: "workspace",
    add: (server) => {
      for (const add of tools) add(server, place);
    },
    end: () => place.commands.endAll(),
    maxBufferSize,
  });
}

/**
 * A desktop for the agent: an MCP server on its standard streams, started by OpenCode where the agent works. Runs on
 * Node.js, and on the runtime that OpenCode's executable carries, with what a container has.
 *
 * `OPEN_AGENT_DESKTOP_FOLDER` names a short path where the folders of displays lie, in which a server that is started
 * again finds them; `DESKTOP_RESOLUTION` their size; `OPEN_AGENT_DESKTOP_GRACE` the seconds that a display is kept after
 * this server's end. `OPEN_AGENT_WORKSPACE` is the folder that programs start in. For `OPEN_AGENT_GUARD` see
 * `../environment.ts`.
 */
import { resolve } from "node:path";
import { commandEnvironment } from "../environment.ts";
import { serve } from "../serve.ts";
import { computer } from "./computer.ts";
import { handTools } from "./handTools.ts";
import { Sessions } from "./sessions.ts";
import { startSession, stopSession } from "./sessionTools.ts";
import { getText } from "./textTool.ts";
import { viewTools } from "./viewTools.ts";

const tools = [startSession, stopSession, ...viewTools, getText, ...handTools, computer];
const [defaultSize, defaultGrace] = ["1280x720", 600];

start(process.env);

function start(environment: NodeJS.ProcessEnv): void {
  const grace = Number(environment["OPEN_AGENT_DESKTOP_GRACE"] ?? defaultGrace);
  const folder = environment["OPEN_AGENT_DESKTOP_FOLDER"];
  const sessions = new Sessions({
    folder: folder ? resolve(folder) : undefined,
    workspace: resolve(environment["OPEN_AGENT_WORKSPACE"] ?? "."),
    size: environment["DESKTOP_RESOLUTION"] ?? defaultSize,
    graceSeconds: Number.isFinite(grace) && grace >= 0 ? Math.round(grace) : defaultGrace,
    environment: commandEnvironment(environment),
  });
  serve({
    name: "desktop",
    add: (server) => {
      for (const add of tools) add(server, { sessions });
    },
    end: () => {
      sessions.letGo();
    },
  });
}

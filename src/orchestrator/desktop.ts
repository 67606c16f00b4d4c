import { join } from "node:path";
import type { Executable } from "../opencode/locate.ts";
import type { Part } from "../protocol/configuration.ts";

/**
 * The MCP server with which the agents of this machine start desktops and use them. It runs on the runtime that OpenCode's
 * executable carries.
 * @param runtime the folder of what runs: below it lie the displays, whose sockets' paths must be short
 */
export function desktopTools({ path }: Executable, program: string, runtime: string): Part {
  return {
    kind: "mcps",
    name: "desktop",
    path: program,
    description: "A graphical desktop with mouse, keyboard and screenshots",
    entry: {
      type: "local",
      command: [path, program],
      environment: { BUN_BE_BUN: "1", OPEN_AGENT_DESKTOP_FOLDER: join(runtime, "desktops") },
      enabled: true,
    },
  };
}

import type { Executable } from "../opencode/locate.ts";
import type { Part } from "../protocol/configuration.ts";
import type { Workspace } from "../protocol/workspace.ts";
import type { CoreSettings } from "./coreSettings.ts";
import { ownServer } from "./ownServer.ts";

/** The MCP server with which agents start desktops and use them. */
export interface DesktopServer {
  /** The file of its program. */
  program: string;
  /** Where the displays lie that it starts. */
  folder: string;
  /** What it has in its environment, besides what starts it. */
  environment: Record<string, string>;
  /** The file of the program that has tools for a browser on them, if agents are to have it. */
  browser?: string;
}

export function desktopServer(
  program: string,
  folder: string,
  { desktopSize = "1280x720" }: CoreSettings,
  graceSeconds: number,
  workspace?: Workspace,
): DesktopServer {
  const environment = {
    OPEN_AGENT_DESKTOP_FOLDER: folder,
    OPEN_AGENT_DESKTOP_GRACE: String(Math.round(graceSeconds)),
    DESKTOP_RESOLUTION: workspace?.environment["DESKTOP_RESOLUTION"] ?? desktopSize,
  };
  return { program, folder, environment };
}

/** The server as OpenCode starts it where it runs itself, on the runtime that its executable carries. */
export function desktopTools({ path }: Executable, { program, environment }: DesktopServer): Part {
  return desktopPart(program, [path, program], { BUN_BE_BUN: "1", ...environment });
}

/** The server as OpenCode starts it by a command. */
export function desktopPart(path: string, command: string[], environment: Record<string, string>): Part {
  return {
    kind: "mcps",
    name: "desktop",
    path,
    description: "A graphical desktop with mouse, keyboard and screenshots",
    entry: ownServer(command, environment),
  };
}

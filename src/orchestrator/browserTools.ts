import type { Executable } from "../opencode/locate.ts";
import type { Part } from "../protocol/configuration.ts";
import type { DesktopServer } from "./desktop.ts";
import { ownServer } from "./ownServer.ts";

/** Milliseconds until its tools are known: Playwright may have to be fetched first. */
const startMs = 120_000;

/** What the server of browsers has in its environment. OpenCode's plugin tells by it that the server is ours. */
export function browserEnvironment({ folder }: DesktopServer): Record<string, string> {
  return { OPEN_AGENT_DESKTOP_FOLDER: folder };
}

/** The server as OpenCode starts it where it runs itself, on the runtime that its executable carries. */
export function browserTools({ path }: Executable, program: string, desktop: DesktopServer): Part {
  return browserPart(program, [path, program], desktop);
}

/** Playwright's MCP server for each mission, with its browser on the desktop of that mission; OpenCode starts it by a command. */
export function browserPart(path: string, command: string[], desktop: DesktopServer): Part {
  return {
    kind: "mcps",
    name: "playwright",
    path,
    description: "A browser on the desktop",
    entry: ownServer(command, { BUN_BE_BUN: "1", ...browserEnvironment(desktop) }, startMs),
  };
}

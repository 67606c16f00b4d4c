import { join } from "node:path";
import { privateFolder, writePrivateFile } from "../../base/files.ts";
import { findProgram, sandboxWords } from "../desktop/programs.ts";
import { ToolError } from "../tool.ts";
import type { Shown } from "./displays.ts";

/** The version that the test has seen to work. */
const fetched = ["-y", "@playwright/mcp@0.0.83"];
const installed = ["playwright-mcp", "mcp-server-playwright"];
const browsers = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

export interface Command {
  command: string[];
  env: NodeJS.ProcessEnv;
}

/**
 * How Playwright's MCP server is started for a display; without one it can only say which tools it has.
 * @throws ToolError when what it needs is not installed
 */
export function playwrightCommand(environment: NodeJS.ProcessEnv, shown?: Shown): Command {
  const executablePath = browsers.map((name) => findProgram(name, environment)).find((path) => path !== undefined);
  if (executablePath === undefined) throw new ToolError("There is no browser here. Install the package chromium.");
  const [server] = installed.flatMap((name) => findProgram(name, environment) ?? []);
  const npx = findProgram("npx", environment);
  if (server === undefined && npx === undefined)
    throw new ToolError("There is no Playwright here. Install Node.js with npx, or the package @playwright/mcp.");
  const start = [...(server === undefined ? [npx ?? "", ...fetched] : [server]), "--browser", "chrome", "--isolated"];
  if (!shown) return { command: start, env: environment };
  return {
    command: [...start, "--executable-path", executablePath, ...wordsFor(shown)],
    env: { ...environment, ...shown.display.variables },
  };
}

function wordsFor({ folder, display: { isAccessible } }: Shown): string[] {
  // Otherwise its files land in the folder that the mission works in.
  const output = privateFolder(join(folder, "browser", "playwright"));
  const settings = join(output, "settings.json");
  // For what there are no words.
  const browser = { launchOptions: { args: ["--force-renderer-accessibility"] } };
  if (isAccessible) writePrivateFile(settings, JSON.stringify({ browser }));
  return [...["--output-dir", output], ...(isAccessible ? ["--config", settings] : []), ...sandboxWords()];
}

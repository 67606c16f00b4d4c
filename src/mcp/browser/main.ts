/**
 * A browser on the desktop of each mission: an MCP server on its standard streams, started by OpenCode where the agent
 * works. It is Playwright's to the client, of which it runs one for each mission that calls. Runs on Node.js, and on the
 * runtime that OpenCode's executable carries.
 *
 * `OPEN_AGENT_DESKTOP_FOLDER` names where the folders of displays lie. For `OPEN_AGENT_GUARD` see `../environment.ts`.
 */
import { resolve } from "node:path";
import { describeError } from "../../base/errors.ts";
import { endWithStreams } from "../ending.ts";
import { commandEnvironment } from "../environment.ts";
import { Browsers } from "./browsers.ts";
import { readMessages, written, type Id, type Message } from "./messages.ts";

declare const OPEN_AGENT_VERSION: string;

serve(process.env);

function serve(environment: NodeJS.ProcessEnv): void {
  const say = (message: Message): void => void process.stdout.write(written(message));
  const browsers = new Browsers({
    folder: resolve(environment["OPEN_AGENT_DESKTOP_FOLDER"] ?? "."),
    environment: commandEnvironment(environment),
    say,
  });
  const isEnding = endWithStreams(() => browsers.end());
  readMessages(process.stdin, (message) => {
    const { id, method, params = {} } = message;
    if (method === "notifications/cancelled") browsers.cancel(params["requestId"] as Id, message);
    if (id === undefined || method === undefined || isEnding()) return;
    if (method === "tools/call") browsers.call({ ...message, id });
    else
      answer(browsers, method, params).then(
        (result) => say({ id, result }),
        (error: unknown) => say({ id, error: { code: -32603, message: describeError(error) } }),
      );
  });
}

async function answer(browsers: Browsers, method: string, params: Record<string, unknown>): Promise<unknown> {
  switch (method) {
    case "initialize":
      // Whichever it is: what is said of tools is the same in all, and passed on as it is.
      if (typeof params["protocolVersion"] === "string") browsers.protocolVersion = params["protocolVersion"];
      return {
        protocolVersion: browsers.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: "playwright", version: OPEN_AGENT_VERSION },
      };
    case "ping":
      return {};
    case "tools/list":
      return browsers.tools();
    default:
      throw new Error(`There is no ${method} here.`);
  }
}

import type { OpencodeClient } from "@opencode-ai/sdk/v2/client";
import { answer } from "./client.ts";
import type { CommandChoice } from "./engine.ts";

/** Commands of the user, the project, MCP servers and skills. */
export async function commandList(client: OpencodeClient, directory: string): Promise<CommandChoice[]> {
  const commands = await answer("list its commands", client.command.list({ directory }));
  return commands.map(({ name, description, source, hints, template }) => ({
    name,
    description: description ?? "",
    source: source ?? "command",
    hints,
    // A prompt of an MCP server is made when it is needed.
    runsShell: typeof template === "string" && /!`[^`]+`/.test(template),
  }));
}

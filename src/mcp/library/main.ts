/**
 * What an agent may do to the Library: an MCP server on its standard streams, started by an OpenCode that runs outside
 * of a container, and like that on the user's machine, so that nothing in the container reaches the Library but by it.
 *
 * `OPEN_AGENT_LIBRARY` names the Library's folder.
 */
import { writeItem, writeSkillFile } from "../../library/items.ts";
import { marksIn } from "../../protocol/sealed.ts";
import { serve } from "../serve.ts";
import { updateSkill, type Skill } from "../skills.ts";
import { ToolError } from "../tool.ts";

const root = process.env["OPEN_AGENT_LIBRARY"] ?? ".";

serve({
  name: "library",
  add: (server) => {
    updateSkill(server, { library: write });
  },
});

function write({ name, file, content }: Skill): Promise<void> {
  if (marksIn(content).some(({ version }) => version === undefined))
    throw new ToolError("It has a value that is to be encrypted, which only the user can do. Leave the value out.");
  if (file === undefined) writeItem(root, "skills", name, content);
  else writeSkillFile(root, name, file, content);
  return Promise.resolve();
}

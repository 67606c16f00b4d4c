import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { OpenAgentError } from "./errors.ts";

/**
 * The folder that everything of the user is in.
 * @param configured the setting `openAgent.dataDir`; `~` stands for the home folder
 */
export function dataRoot(configured: string | undefined, environment: NodeJS.ProcessEnv): string {
  const home = environment["HOME"] ?? homedir();
  const named = [configured, environment["OPEN_AGENT_DATA_DIR"]].find((path) => path !== undefined && path !== "");
  const path = named ?? join(home, ".openagent");
  const root = path.replace(/^~(?=$|[/\\])/, home);
  if (!isAbsolute(root))
    throw new OpenAgentError("invalid_input", `The data folder “${path}” is not an absolute path.`, { path });
  return root;
}

/** The Library's folder where the settings name no other. */
export function libraryIn(root: string): string {
  return join(root, "library");
}

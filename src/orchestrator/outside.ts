import { dirname, join } from "node:path";
import { privateFolder, writePrivateFile } from "../base/files.ts";
import { configurationIn } from "../opencode/configuration.ts";
import type { Launch } from "../opencode/launch.ts";
import type { Executable } from "../opencode/locate.ts";
import type { Part } from "../protocol/configuration.ts";
import type { Workspaces } from "./workspaces.ts";

export interface OutsideOptions {
  workspaces: Workspaces;
  workspaceId: string;
  /** The folder of the workspace's OpenCode server. */
  folder: string;
  executable: Executable;
  /** The file of a program of ours. */
  program: (name: string) => string;
}

/**
 * OpenCode's own tools that touch files or run commands: outside of the container they would do so on this machine. As
 * permissions, so that no model is offered them; and as names for the guard, since an agent's own permissions win.
 */
export const deniedOutside = {
  permission: Object.fromEntries(
    ["bash", "read", "edit", "glob", "grep", "list", "lsp"].map((tool) => [tool, "deny" as const]),
  ),
  tools: ["bash", "read", "write", "edit", "multiedit", "patch", "apply_patch", "glob", "grep", "list", "lsp"],
  /** What lies in the folder that missions work in must not run as a plugin, tool or command here either. */
  variables: { OPENCODE_DISABLE_PROJECT_CONFIG: "1" },
};

/**
 * Lets OpenCode run on this machine while what its missions do happens in a container: an MCP server inside has the tools
 * that OpenCode's own stand for. Builds the container where it is not ready.
 */
export async function toolsInside(options: OutsideOptions): Promise<Part> {
  const { workspaces, workspaceId, folder, executable, program } = options;
  const workspace = await workspaces.ready(workspaceId);
  const names = [...workspace.secrets, ...Object.keys(workspace.environment)];
  const env = {
    ...(await workspaces.secrets.environment(workspace)),
    BUN_BE_BUN: "1",
    OPEN_AGENT_WORKSPACE: workspace.directory,
    OPEN_AGENT_GUARD: JSON.stringify({ restore: {}, hide: ["BUN_BE_BUN"], pass: names }),
  };
  const tools = program("workspaceMcp");
  const known = privateFolder(dirname(configurationIn(folder)));
  const binds = [executable.path, tools, known].map((path) => ({ source: path, target: path, writable: false }));
  const argv = [executable.path, tools];
  const wrapped = await workspaces.backendOf(workspace).wrap(workspace, argv, { cwd: workspace.directory, env, binds });
  const path = join(folder, "tools.json");
  const launch: Launch = { command: wrapped.command, args: wrapped.args, cwd: wrapped.cwd, env: wrapped.env };
  writePrivateFile(path, JSON.stringify(launch));
  const command = [executable.path, program("launch"), path];
  return {
    kind: "mcps",
    name: "workspace",
    path,
    description: `The files and commands of ${workspace.name}`,
    entry: { type: "local", command, environment: { BUN_BE_BUN: "1" }, enabled: true },
  };
}

import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { privateFolder, writePrivateFile } from "../base/files.ts";
import { configurationIn } from "../opencode/configuration.ts";
import type { Launch } from "../opencode/launch.ts";
import type { Executable } from "../opencode/locate.ts";
import type { Part } from "../protocol/configuration.ts";
import type { Bind } from "../workspace/backend.ts";
import { ownServer } from "./ownServer.ts";
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

/** OpenCode's name of the tool that writes into the Library. Its permission is not the container's to give. */
export const libraryTool = "library_update_skill";

/**
 * OpenCode's own tools that touch files, run commands or fetch: outside of the container they would do so on this machine. As
 * permissions, so that no model is offered them; and as names for the guard, since an agent's own permissions win.
 */
export const deniedOutside = {
  permission: {
    ...Object.fromEntries(
      ["bash", "read", "edit", "glob", "grep", "list", "lsp", "webfetch"].map((tool) => [tool, "deny" as const]),
    ),
    // The one that works is the Library's own server, which is asked about.
    workspace_update_skill: "deny" as const,
    [libraryTool]: "ask" as const,
  },
  tools: [
    "bash",
    "read",
    "write",
    "edit",
    "multiedit",
    "patch",
    "apply_patch",
    "glob",
    "grep",
    "list",
    "lsp",
    "webfetch",
  ],
  /** What lies in the folder that missions work in must not run as a plugin, tool or command here either. */
  variables: { OPENCODE_DISABLE_PROJECT_CONFIG: "1" },
};

/**
 * Lets OpenCode run on this machine while what its missions do happens in a container: an MCP server inside has the tools
 * that OpenCode's own stand for. Builds the container where it is not ready.
 *
 * @param more what its commands see besides
 */
export async function toolsInside(options: OutsideOptions, more: readonly Bind[]): Promise<Part> {
  const { workspaces, workspaceId, folder, program } = options;
  const workspace = workspaces.get(workspaceId);
  const known = privateFolder(dirname(configurationIn(folder)));
  const tools = program("workspaceMcp");
  const { path, command } = await serverThrough(options, {
    program: tools,
    file: "tools.json",
    environment: {},
    binds: [...[tools, known].map((source) => ({ source, target: source, writable: false })), ...more],
  });
  return {
    kind: "mcps",
    name: "workspace",
    path,
    description: `The files and commands of ${workspace.name}`,
    entry: ownServer(command, { BUN_BE_BUN: "1" }),
  };
}

/** With what an agent changes the Library, which is on this machine. */
export function libraryTools({ executable, program }: OutsideOptions, library: string): Part {
  const path = program("libraryMcp");
  return {
    kind: "mcps",
    name: "library",
    path,
    description: "Skills of the Library",
    entry: ownServer([executable.path, path], { BUN_BE_BUN: "1", OPEN_AGENT_LIBRARY: library }),
  };
}

/** A program of ours to be run in a container as an MCP server. */
interface ServerInside {
  program: string;
  /** The name of the file that says how it is started. */
  file: string;
  environment: Record<string, string>;
  binds: Bind[];
}

/** The command with which OpenCode starts such a server from outside, and the file that says the rest. */
export function serverThrough(
  options: OutsideOptions,
  { program, file, environment, binds }: ServerInside,
): Promise<Through> {
  const { executable, workspaces, workspaceId } = options;
  const workspace = workspaces.get(workspaceId);
  const names = [...workspace.secrets, ...Object.keys(workspace.environment)];
  return through(options, file, {
    argv: [executable.path, program],
    environment: {
      BUN_BE_BUN: "1",
      OPEN_AGENT_WORKSPACE: workspace.directory,
      OPEN_AGENT_GUARD: JSON.stringify({ restore: {}, hide: ["BUN_BE_BUN"], pass: names }),
      ...environment,
    },
    binds: [{ source: executable.path, target: executable.path, writable: false }, ...binds],
  });
}

interface Through {
  path: string;
  command: string[];
}

async function through(
  { workspaces, workspaceId, folder, executable, program: ours }: OutsideOptions,
  file: string,
  { argv, environment, binds }: { argv: readonly string[]; environment: Record<string, string>; binds: Bind[] },
): Promise<Through> {
  const workspace = await workspaces.ready(workspaceId);
  const wrapped = await workspaces.backendOf(workspace).wrap(workspace, argv, {
    cwd: workspace.directory,
    env: { ...(await workspaces.secrets.environment(workspace)), ...environment },
    binds,
  });
  const path = join(folder, file);
  const launch: Launch = { command: wrapped.command, args: wrapped.args, cwd: wrapped.cwd, env: wrapped.env };
  writePrivateFile(path, JSON.stringify(launch));
  return { path, command: [executable.path, ours("launch"), path] };
}

/**
 * A local MCP server of the user's, as OpenCode starts it in the container from outside. `{env:NAME}` stands for what the
 * workspace has, as it does where OpenCode is inside.
 */
export async function startedInside(options: OutsideOptions, server: Part): Promise<Part> {
  const { command, environment = {}, ...entry } = server.entry as LocalEntry;
  const workspace = options.workspaces.get(options.workspaceId);
  const values = new Map(
    Object.entries({ ...workspace.environment, ...(await options.workspaces.secrets.environment(workspace)) }),
  );
  const filled = (text: string) => text.replace(/\{env:([^}]+)\}/g, (_, name: string) => values.get(name) ?? "");
  const known = privateFolder(dirname(configurationIn(options.folder)));
  const started = await through(options, join("servers", `${digest(server.name)}.json`), {
    argv: command.map(filled),
    environment: Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, filled(value)])),
    binds: [{ source: known, target: known, writable: false }],
  });
  // OpenCode starts a server anew only when what it is told of it is another.
  const told = { BUN_BE_BUN: "1", OPEN_AGENT_SERVER: digest(JSON.stringify([command, environment])) };
  return { ...server, entry: { ...entry, command: started.command, environment: told } };
}

interface LocalEntry {
  type: "local";
  command: string[];
  environment?: Record<string, string>;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

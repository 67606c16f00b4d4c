import { join } from "node:path";
import { dataRoot, libraryIn } from "../base/dataRoot.ts";

/** Where everything is. One data folder serves every window, editor and headless process of the user. */
export interface DataPaths {
  root: string;
  /** A folder for each mission, with what is too big for the database. */
  missions: string;
  database: string;
  /** Who leads, and how to reach it; the running server's record. */
  runtime: string;
  lock: string;
  leaderRecord: string;
  serverRecord: string;
  /** Token of the headless HTTP API. */
  apiToken: string;
  /** All that belongs to our OpenCode server. */
  opencode: string;
  /** Secrets of workspaces, for processes without an editor. */
  secrets: string;
  endpoints: string;
  /** What agents know: a git repository, where the settings name no other. */
  library: string;
  /** MCP servers that are not of the Library: a file in a folder of its own. */
  servers: string;
  /** What workspaces there are, a file each, and a folder each for the server inside. */
  workspaces: string;
  /** File systems of containers. */
  containers: string;
  /** Git worktrees that missions work in. */
  worktrees: string;
  /** Graphical desktops of agents: a folder each, with sockets, whose paths must be short. */
  desktops: string;
}

/** Where the file systems of containers come from, when the environment says so: several data folders can share them. */
export function containersIn(environment: NodeJS.ProcessEnv): { templates?: string } {
  const templates = environment["OPEN_AGENT_CONTAINER_TEMPLATES"];
  return templates ? { templates } : {};
}

/**
 * @param configured the setting `openAgent.dataDir`; `~` stands for the home folder
 * @param development keeps a build under development away from the user's missions
 */
export function dataPaths(
  configured: string | undefined,
  environment: NodeJS.ProcessEnv,
  development: boolean,
): DataPaths {
  const root = dataRoot(configured, environment);
  const suffix = development ? "-dev" : "";
  const missions = join(root, "missions");
  const runtime = join(root, `runtime${suffix}`);
  const opencode = join(root, `opencode${suffix}`);
  return {
    root,
    missions,
    database: join(missions, `missions${suffix}.db`),
    runtime,
    lock: join(runtime, "leader.lock"),
    leaderRecord: join(runtime, "leader.json"),
    serverRecord: join(runtime, "opencode.json"),
    apiToken: join(runtime, "api-token"),
    opencode,
    secrets: join(root, `secrets${suffix}.json`),
    endpoints: join(opencode, "endpoints.json"),
    library: libraryIn(root),
    servers: join(root, `mcp${suffix}`, "servers.json"),
    workspaces: join(root, `workspaces${suffix}`),
    containers: join(root, "containers"),
    worktrees: join(root, "worktrees"),
    desktops: join(runtime, "desktops"),
  };
}

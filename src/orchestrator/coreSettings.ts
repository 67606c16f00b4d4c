import type { PermissionMode } from "../protocol/permission.ts";

/** What the user has set, as it is at the moment. */
export interface CoreSettings {
  /** Absolute path of an OpenCode executable. */
  executable: string | undefined;
  /** URL of an OpenCode server to use in place of our own. */
  attachedUrl: string | undefined;
  /** Variables that the agent's shell may see although their names look like secrets. */
  passEnvironment?: readonly string[];
  /** How many missions may run a turn at once; 4 by default. */
  maxParallelMissions?: number;
  /** What is allowed without asking, in missions that have no mode of their own; `ask` by default. */
  permissions?: PermissionMode;
  /** Where OpenCode runs that drives the missions of a container; `inside` by default. */
  containerOpenCode?: "inside" | "outside";
  /** Whether agents have tools for a graphical desktop; they have not by default. */
  desktop?: boolean;
  /** Whether agents that have a desktop have Playwright's tools for a browser on it; not by default. */
  browserTools?: boolean;
  /** The size of desktops, such as `1280x720`, where a workspace's environment names no other. */
  desktopSize?: string;
  /** Whether pictures of what agents do on desktops become part of their missions; they do by default. */
  recordDesktops?: boolean;
  /** The Library's folder; `DataPaths.library` by default. */
  library?: string;
  /** Whether missions go on when no process of ours is there any more; they do by default. */
  keepRunning?: boolean;
}

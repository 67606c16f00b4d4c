import { isAbsolute, relative } from "node:path";
import { OpenAgentError } from "../base/errors.ts";
import type { MissionCreated } from "../protocol/event.ts";
import { serverInside, type LibraryVersion, type ModelRef } from "../protocol/mission.ts";
import { hasOwnServer } from "../protocol/workspace.ts";
import type { Workspaces } from "./workspaces.ts";

/** What is wished of a mission. */
export interface NewMission {
  /** The first message; empty for none. */
  text: string;
  directory?: string;
  workspaceId?: string;
  /** Made of the first message when absent. */
  title?: string;
  agent?: string;
  model?: ModelRef;
}

/** The event that begins a mission. */
export function createdAs(
  { title, agent, model }: Omit<NewMission, "text" | "title"> & { title: string },
  place: ReturnType<typeof placeFor>,
  library: LibraryVersion | undefined,
): MissionCreated {
  return {
    type: "mission_created",
    title,
    ...place,
    ...(agent !== undefined && { agent }),
    ...(model && { model }),
    ...(library && { library }),
  };
}

/**
 * Where a mission works: in a folder, or in the folder of a workspace, or in a folder inside of that.
 * @param server of missions that do not run inside of a container
 */
export function placeFor(
  { directory, workspaceId }: { directory?: string; workspaceId?: string },
  workspaces: Workspaces,
  server: string,
): { directory: string; server: string; workspaceId?: string } {
  if (workspaceId === undefined) {
    if (directory !== undefined) return { directory, server };
    throw new OpenAgentError("invalid_input", "A mission needs a folder or a workspace.");
  }
  const workspace = workspaces.get(workspaceId);
  const place = directory ?? workspace.directory;
  if (!isInside(place, workspace.directory))
    throw new OpenAgentError("invalid_input", `${place} is not in the workspace ${workspace.name}.`);
  return {
    directory: place,
    server: hasOwnServer(workspace) ? serverInside(workspaceId) : server,
    workspaceId,
  };
}

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === "" || (!way.startsWith("..") && !isAbsolute(way));
}

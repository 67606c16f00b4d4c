import { statSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import * as vscode from "vscode";
import { OpenAgentError } from "../base/errors.ts";
import type { App } from "./app.ts";
import { rememberedChoice } from "./missions/choices.ts";
import { placeOf } from "./workspaces/defaultWorkspace.ts";
import type { MissionPanels } from "./missions/panels.ts";
import { report } from "./library/problems.ts";
import { parseLink } from "./uris.ts";
import { folderPaths } from "./folders.ts";

/** Handles `vscode://open-agent.open-agent/mission/<id>` and `/new?prompt=…&workspace=…`. */
export function handleLinks(app: App, panels: MissionPanels): vscode.Disposable {
  return vscode.window.registerUriHandler({
    handleUri: async (uri) => {
      try {
        await follow(app, panels, uri);
      } catch (error) {
        await report(error);
      }
    },
  });
}

async function follow(app: App, panels: MissionPanels, uri: vscode.Uri): Promise<void> {
  const request = parseLink(uri.path, uri.query);
  switch (request.kind) {
    case "refused":
      throw new OpenAgentError("invalid_input", request.reason);
    case "mission":
      await panels.open(await missionByPrefix(app, request.id), { preview: false });
      return;
    case "new":
      await proposeMission(app, panels, request.prompt, request.workspace);
  }
}

/** The one mission whose id begins like that. Throws `mission_not_found`. */
export async function missionByPrefix(app: App, prefix: string): Promise<string> {
  const [found, other] = (await app.core()).store.findByPrefix(prefix);
  if (found === undefined)
    throw new OpenAgentError("mission_not_found", `There is no mission ${prefix} on this machine.`);
  if (other !== undefined)
    throw new OpenAgentError("mission_not_found", `Several missions begin with ${prefix}. Use more of the id.`);
  return found;
}

/** A folder on this machine, as an absolute path. Throws `folder_missing`. */
export function existingFolder(path: string): string {
  const isFolder = isAbsolute(path) && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  if (!isFolder) throw new OpenAgentError("folder_missing", `There is no folder ${path} on this machine.`, { path });
  return resolve(path);
}

/** Shows what a link asks for; only the user's yes runs it. */
async function proposeMission(app: App, panels: MissionPanels, prompt: string, workspace?: string): Promise<void> {
  if (!vscode.workspace.isTrusted)
    throw new OpenAgentError("untrusted", "This workspace is not trusted, so Open Agent runs nothing in it.");
  const [first] = folderPaths();
  const folder = workspace ?? first;
  if (folder === undefined)
    throw new OpenAgentError("invalid_input", "The link names no folder, and none is open in this window.");
  const directory = existingFolder(folder);
  const { place, words } = await placeOf(app, directory);
  const detail = [
    `In ${words}`,
    folderPaths().includes(directory)
      ? ""
      : "This folder is not open in this window. An agent follows the instructions and runs the plugins that it finds in a folder: go on only if you trust it.",
    `Prompt:\n${prompt}`,
  ];
  const chosen = await vscode.window.showWarningMessage(
    "A link asks for a new mission. Start it?",
    { modal: true, detail: detail.filter((part) => part !== "").join("\n\n") },
    "Start Mission",
  );
  if (chosen !== "Start Mission") return;
  const choice = rememberedChoice(app, directory);
  const head = await app.run("createMission", { text: prompt, ...place, ...choice });
  await panels.open(head.id, { preview: false });
}

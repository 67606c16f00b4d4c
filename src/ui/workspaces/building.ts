import * as vscode from "vscode";
import { logTail } from "../../base/logFile.ts";
import type { Core } from "../../orchestrator/index.ts";
import { isContainer, type Workspace } from "../../protocol/workspace.ts";
import type { App } from "../app.ts";
import { report } from "../library/problems.ts";
import { duration } from "../words.ts";
import { nodeOf, workspaceWith } from "./workspaceNodes.ts";

/** How often the progress shows the newest line of the log. */
const everyMs = 500;
/** A build that took less was none to speak of. */
const shownMs = 5_000;
/** Longest line of the log in a notification. */
const longestLine = 80;

/** Builds a workspace, with its progress in a notification, and tells how it ended. Resolves with it. */
export async function buildWorkspace(app: App, workspaceId: string, rebuild: boolean): Promise<Workspace | undefined> {
  const begun = Date.now();
  const workspace = await buildToEnd(app, workspaceId, rebuild);
  // Whoever waits for the workspace goes on at once.
  if (workspace) void tellEnd(workspace, Date.now() - begun).catch(report);
  return workspace;
}

/** The workspace when it is ready for use, built first where it is not. Undefined when that failed, of which the user is told. */
export async function readyWorkspace(app: App, workspace: Workspace): Promise<Workspace | undefined> {
  if (workspace.status === "ready" || !isContainer(workspace.kind)) return workspace;
  const built = await buildToEnd(app, workspace.id, false);
  if (built?.status === "ready") return built;
  if (built) void tellEnd(built, 0).catch(report);
  return undefined;
}

async function buildToEnd(app: App, workspaceId: string, rebuild: boolean): Promise<Workspace | undefined> {
  const core = await app.core();
  const before = workspaceWith(core, workspaceId);
  if (before?.status !== "building") await app.run("buildWorkspace", { workspaceId, rebuild });
  const show = `command:openAgent.showBuildLog?${encodeURIComponent(JSON.stringify([nodeOf(workspaceId)]))}`;
  return vscode.window.withProgress(
    {
      location: vscode.ProgressLocation.Notification,
      title: `Building ${before?.name ?? "workspace"} ([show log](${show}))`,
      cancellable: true,
    },
    (progress, token) => {
      token.onCancellationRequested(() => void app.run("cancelBuild", { workspaceId }).catch(report));
      const timer = setInterval(() => {
        progress.report({ message: newestLine(core.buildLogPath(workspaceId)) });
      }, everyMs);
      return buildEnds(core, workspaceId).finally(() => clearInterval(timer));
    },
  );
}

/** Resolves when a workspace is not being built any more; with undefined when it is gone. */
function buildEnds(core: Core, workspaceId: string): Promise<Workspace | undefined> {
  return new Promise((resolve) => {
    const look = () => {
      const workspace = workspaceWith(core, workspaceId);
      if (workspace?.status === "building") return;
      for (const one of listening) one.dispose();
      resolve(workspace);
    };
    const listening = [core.onWorkspaces(look), core.onReloaded(look)];
    look();
  });
}

function newestLine(path: string): string {
  const lines = logTail(path).split("\n");
  const line = lines.findLast((one) => one.trim() !== "")?.trim() ?? "";
  return line.length > longestLine ? `${line.slice(0, longestLine)}…` : line;
}

async function tellEnd(workspace: Workspace, tookMs: number): Promise<void> {
  const { name, status, error, initScript } = workspace;
  const node = nodeOf(workspace.id);
  const ways = new Map([
    ["New Mission…", "openAgent.newMissionInFolder"],
    ["Open Shell", "openAgent.openWorkspaceShell"],
    ["Show Build Log", "openAgent.showBuildLog"],
    ["Edit Init Script", "openAgent.editInitScript"],
  ]);
  const ask = () => {
    if (status === "ready")
      return vscode.window.showInformationMessage(
        tookMs < shownMs ? `${name} is ready.` : `${name} is ready, in ${duration(tookMs)}.`,
        "New Mission…",
        "Open Shell",
      );
    // The user has cancelled it himself.
    if (status !== "error") return undefined;
    const offered = initScript ? ["Show Build Log", "Edit Init Script"] : ["Show Build Log"];
    return vscode.window.showErrorMessage(error ?? `${name} was not built.`, ...offered);
  };
  const command = ways.get((await ask()) ?? "");
  if (command !== undefined) await vscode.commands.executeCommand(command, node);
}

import * as vscode from "vscode";
import { OpenAgentError } from "../base/errors.ts";
import { followLog, logTail } from "../base/logFile.ts";
import { formatModel, isRunning, verdicts, type MissionHead } from "../protocol/mission.ts";
import { answerRequests } from "./missions/answering.ts";
import type { App } from "./app.ts";
import { pickOne, rememberChoice, rememberedChoice } from "./missions/choices.ts";
import { resumeInCleanWorkspace } from "./missions/cleanWorkspace.ts";
import { composerCommands } from "./missions/composerCommands.ts";
import { connectProvider } from "./connectProvider.ts";
import { historyCommands } from "./missions/historyCommands.ts";
import type { MissionNode, MissionsView } from "./missions/missionsView.ts";
import { newMission, selectionContext } from "./missions/newMission.ts";
import { reveal } from "./missions/openFiles.ts";
import type { MissionPanels } from "./missions/panels.ts";
import { choosePermissions, showRules } from "./missions/permissions.ts";
import { isSubAgentNode, pickSubAgent } from "./missions/subAgents.ts";
import { askAttachedPassword } from "./settings.ts";
import { ago, stateWord, verdictWords } from "./words.ts";
import { isWorkspaceNode } from "./workspaces/workspaceNodes.ts";
import { folderPaths } from "./folders.ts";

export interface Parts {
  app: App;
  missions: MissionsView;
  panels: MissionPanels;
}

export type Handler = (parts: Parts, argument: unknown, selected: unknown) => Promise<unknown>;

/** Every command of the extension, by the part of its id after `openAgent.`. */
export const commandHandlers: Readonly<Record<string, Handler>> = {
  newMission: ({ app, panels }) => newMission(app, panels),
  newMissionFromSelection: ({ app, panels }) => {
    const editor = vscode.window.activeTextEditor;
    if (!editor || editor.selection.isEmpty)
      throw new OpenAgentError("invalid_input", "Select the text in question first.");
    const folder = vscode.workspace.getWorkspaceFolder(editor.document.uri);
    return newMission(app, panels, {
      context: selectionContext(editor),
      ...(folder && { directory: folder.uri.fsPath }),
    });
  },
  newMissionInFolder: ({ app, panels }, argument) => {
    if (isWorkspaceNode(argument)) {
      const { directory, workspaceId } = argument;
      return newMission(app, panels, workspaceId === undefined ? { directory, onHost: true } : { workspaceId });
    }
    if (!(argument instanceof vscode.Uri) || argument.scheme !== "file")
      throw new OpenAgentError("invalid_input", "Choose a folder of this machine in the Explorer first.");
    return newMission(app, panels, { directory: argument.fsPath });
  },
  openMission: async (parts, argument) => {
    const missionId = await missionOf(parts, argument, "Open which mission?");
    if (missionId !== undefined) await parts.panels.open(missionId, { preview: isMissionNode(argument) });
  },
  openSubAgent: async (parts, argument) => {
    const missionId = await missionOf(parts, argument, "Of which mission?", (head) => hasChildren(head));
    if (missionId === undefined) return;
    const head = (await parts.app.core()).store.head(missionId);
    const sessionId = isSubAgentNode(argument) ? argument.sessionId : await pickSubAgent(head);
    if (sessionId !== undefined)
      await parts.panels.open(missionId, { preview: isSubAgentNode(argument), subAgent: sessionId });
  },
  backToMission: ({ panels }) => {
    panels.active?.showSession(undefined);
    return Promise.resolve();
  },
  compactMission: async (parts, argument) => {
    const missionId = await missionOf(parts, argument, "Summarise the conversation of which mission?");
    if (missionId === undefined) return;
    const options = { location: vscode.ProgressLocation.Window, title: "Summarising the conversation" };
    await vscode.window.withProgress(options, () => parts.app.run("compactMission", { missionId }));
  },
  sendMessage: async (parts, argument) => {
    const missionId = await missionOf(parts, argument, "Send a message to which mission?");
    if (missionId !== undefined) await parts.panels.open(missionId, { preview: false, focusComposer: true });
  },
  stopMission: async (parts, argument) => {
    const missionId = await missionOf(
      parts,
      argument,
      "Stop which mission?",
      (head) => head.runState !== "idle" || head.pending.length > 0,
    );
    if (missionId !== undefined) await parts.app.run("stopMission", { missionId });
  },
  resumeMission: async (parts, argument) => {
    const missionId = await missionOf(parts, argument, "Resume which mission?", (head) => !isRunning(head));
    if (missionId !== undefined) await parts.app.run("resumeMission", { missionId });
  },
  resumeInCleanWorkspace: async (parts, argument) => {
    const rests = (head: MissionHead) => !isRunning(head) && head.sessionId !== undefined;
    const missionId = await missionOf(parts, argument, "Resume which mission in a clean workspace?", rests);
    if (missionId !== undefined) await resumeInCleanWorkspace(parts.app, missionId);
  },
  completeMission: async (parts, argument) => {
    const missionId = await missionOf(parts, argument, "Complete which mission?", (head) => !isRunning(head));
    if (missionId !== undefined) await parts.app.run("markMission", { missionId, status: "completed" });
  },
  markMission: async (parts, argument) => {
    const missionId = await missionOf(parts, argument, "Mark which mission?", (head) => !isRunning(head));
    if (missionId === undefined) return;
    const items = verdicts.map((status) => ({ label: verdictWords[status], status }));
    const chosen = await vscode.window.showQuickPick(items, { title: "Mark as" });
    if (chosen) await parts.app.run("markMission", { missionId, status: chosen.status });
  },
  renameMission: async (parts, argument) => {
    const missionId = await missionOf(parts, argument, "Rename which mission?");
    if (missionId === undefined) return;
    const { title } = (await parts.app.core()).store.head(missionId);
    const renamed = await vscode.window.showInputBox({
      title: "Rename Mission",
      value: title,
      // A panel that is just opening takes the focus.
      ignoreFocusOut: true,
      validateInput: (value) => (value.trim() === "" ? "A mission needs a title." : undefined),
    });
    if (renamed !== undefined && renamed !== title) await parts.app.run("renameMission", { missionId, title: renamed });
  },
  archiveMission: (parts, argument) => archive(parts, argument, true),
  unarchiveMission: (parts, argument) => archive(parts, argument, false),
  deleteMission: async (parts, argument) => {
    const missionId = await missionOf(parts, argument, "Delete which mission?");
    if (missionId === undefined) return;
    const { title } = (await parts.app.core()).store.head(missionId);
    const detail =
      "Its history is deleted for good, here and in OpenCode. The files that the agent changed stay as they are.";
    const sure = await vscode.window.showWarningMessage(`Delete “${title}”?`, { modal: true, detail }, "Delete");
    if (sure === "Delete") await parts.app.run("deleteMission", { missionId });
  },
  chooseAgent: (parts, argument) => choose(parts, argument, "agent"),
  chooseModel: (parts, argument) => choose(parts, argument, "model"),
  answerRequest: async (parts, argument) => {
    const waits = (head: MissionHead) => head.runState === "waiting_for_you";
    const missionId = await missionOf(parts, argument, "Answer which mission?", waits);
    const subAgent = isSubAgentNode(argument) ? argument.sessionId : undefined;
    if (missionId !== undefined) await answerRequests(parts.app, parts.panels, missionId, subAgent);
  },
  choosePermissions: async (parts, argument) => {
    const missionId = await missionOf(parts, argument, "Permissions of which mission?");
    if (missionId !== undefined) await choosePermissions(parts.app, missionId);
  },
  permissionRules: ({ app }) => showRules(app),
  connectProvider: async (parts, argument) => {
    const core = await parts.app.core();
    const mission = isMissionNode(argument) ? core.store.head(argument.missionId) : undefined;
    const directory = mission?.directory ?? folderPaths()[0] ?? core.paths.root;
    const connected = await connectProvider(parts.app, directory);
    if (connected && mission?.failure?.name === "no_provider")
      await parts.app.run("resumeMission", { missionId: mission.id });
  },
  restartOpenCode: async ({ app }) => {
    const running = (await app.core()).store.listRunning().length;
    if (running > 0) {
      const question = `Restart OpenCode? ${String(running)} running ${running === 1 ? "mission is" : "missions are"} interrupted.`;
      if ((await vscode.window.showWarningMessage(question, { modal: true }, "Restart")) === undefined) return;
    }
    const options = { location: vscode.ProgressLocation.Notification, title: "Restarting OpenCode" };
    await vscode.window.withProgress(options, () => app.run("restartServer", {}));
  },
  showOpenCodeLog: async (parts) => {
    const core = await parts.app.core();
    showServerLog(parts.app, core.serverLogPath);
    parts.app.output.show();
  },
  showLog: ({ app }) => {
    app.output.show();
    return Promise.resolve();
  },
  showMissions: async (parts) => {
    const { store } = await parts.app.core();
    const waiting = store.listRunning().filter((head) => head.runState === "waiting_for_you");
    const missionId = waiting.length > 1 ? await pickMission(waiting, "Missions That Wait for You") : waiting[0]?.id;
    if (missionId !== undefined) await parts.panels.open(missionId, { preview: false });
    else if (waiting.length === 0) await vscode.commands.executeCommand("openAgent.missions.focus");
  },
  showMoreMissions: ({ missions }, archived) => missions.loadMore(archived === true),
  chooseExecutable: async () => {
    const [chosen] =
      (await vscode.window.showOpenDialog({ title: "OpenCode Executable", openLabel: "Use", canSelectFiles: true })) ??
      [];
    if (!chosen) return;
    await vscode.workspace
      .getConfiguration("openAgent")
      .update("opencode.path", chosen.fsPath, vscode.ConfigurationTarget.Global);
    await vscode.commands.executeCommand("openAgent.restartOpenCode");
  },
  howToInstall: () => Promise.resolve(vscode.env.openExternal(vscode.Uri.parse("https://opencode.ai/docs/#install"))),
  enterPassword: async ({ app }) => {
    if (await askAttachedPassword(app.context.secrets)) await app.run("restartServer", {});
  },
  openSettings: () =>
    Promise.resolve(vscode.commands.executeCommand("workbench.action.openSettings", "@ext:open-agent.open-agent")),
  revealDataFolder: async ({ app }) => {
    const { dataPaths } = await import("../orchestrator/index.ts");
    const { root } = dataPaths(undefined, process.env, app.isDevelopment);
    await reveal(root);
  },
  ...composerCommands(missionOf),
  ...historyCommands(missionOf),
};

function hasChildren(head: MissionHead): boolean {
  return Object.keys(head.children).length > 0;
}

async function archive(parts: Parts, argument: unknown, archived: boolean): Promise<void> {
  const missionId = await missionOf(parts, argument, archived ? "Archive which mission?" : "Bring back which mission?");
  if (missionId !== undefined) await parts.app.run("archiveMission", { missionId, archived });
}

/** For a mission when one is meant, else the default for new missions in the folder. */
async function choose(parts: Parts, argument: unknown, what: "agent" | "model"): Promise<void> {
  const missionId = isMissionNode(argument) ? argument.missionId : parts.panels.active?.missionId;
  const head = missionId === undefined ? undefined : (await parts.app.core()).store.head(missionId);
  const directory = head?.directory ?? folderPaths()[0];
  if (directory === undefined)
    throw new OpenAgentError("invalid_input", "Open a folder first: agents and models are listed for one.");
  const current = head
    ? { ...(head.agent !== undefined && { agent: head.agent }), ...(head.model && { model: formatModel(head.model) }) }
    : rememberedChoice(parts.app, directory);
  const chosen = await pickOne(parts.app, { directory, ...(head && { missionId: head.id }) }, what, current);
  if (chosen === undefined) return;
  await rememberChoice(parts.app, directory, { ...rememberedChoice(parts.app, directory), [what]: chosen });
  if (head) await parts.app.run("setMissionChoice", { missionId: head.id, [what]: chosen });
}

let serverLog: { dispose(): void } | undefined;

/** Writes the end of OpenCode's log to the output channel, and what is added to it from now on. */
function showServerLog(app: App, path: string): void {
  if (serverLog) return;
  for (const line of logTail(path, 20_000).split("\n")) app.output.appendLine(`[opencode] ${line}`);
  serverLog = followLog(path, (line) => app.output.appendLine(`[opencode] ${line}`), { fromStart: false });
  app.context.subscriptions.push(serverLog);
}

function isMissionNode(argument: unknown): argument is MissionNode {
  return (
    typeof argument === "object" &&
    argument !== null &&
    "missionId" in argument &&
    typeof argument.missionId === "string"
  );
}

/** The mission that a command is about: the one it was called on, else the one in view, else one that is asked for. */
export async function missionOf(
  { app, missions, panels }: Parts,
  argument: unknown,
  question: string,
  fits: (head: MissionHead) => boolean = () => true,
): Promise<string | undefined> {
  if (isMissionNode(argument)) return argument.missionId;
  const near = panels.active?.missionId ?? missions.selection[0]?.missionId;
  const { store } = await app.core();
  if (near !== undefined && question !== "Open which mission?" && fits(store.head(near))) return near;
  const heads = store.list().filter(fits);
  if (heads.length === 0) {
    void vscode.window.showInformationMessage("There is no such mission.");
    return undefined;
  }
  return pickMission(heads, question);
}

async function pickMission(heads: readonly MissionHead[], title: string): Promise<string | undefined> {
  const items = heads.map((head) => ({
    label: head.title,
    description: `${stateWord(head)} · ${ago(head.updatedAt, Date.now())}`,
    missionId: head.id,
  }));
  return (await vscode.window.showQuickPick(items, { title, matchOnDescription: true }))?.missionId;
}

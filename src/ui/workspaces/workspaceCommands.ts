import { join } from "node:path";
import * as vscode from "vscode";
import type { CommandResult, Core } from "../../orchestrator/index.ts";
import { isContainer, type Workspace } from "../../protocol/workspace.ts";
import type { App } from "../app.ts";
import type { BuildLogs } from "./buildLog.ts";
import { buildWorkspace, readyWorkspace } from "./building.ts";
import type { Handler, Parts } from "../commands.ts";
import { clearDefault, renameDefault, useAsDefault, withDefault } from "./defaultWorkspace.ts";
import type { DiskUse } from "./diskUse.ts";
import { forkWorkspace, resetWorkspace, restoreWorkspace, snapshotWorkspace } from "../library/layerCommands.ts";
import { showGeneratedConfiguration } from "../library/configuration.ts";
import { mcpServers } from "../library/mcpServers.ts";
import { newWorkspace } from "./newWorkspace.ts";
import { openFiles } from "../missions/openFiles.ts";
import { duration, stateWord } from "../words.ts";
import { isWorkspaceNode, missionsByWorkspace, workspaceOf, workspaceWith } from "./workspaceNodes.ts";
import { newWorkspaceFromTemplate, saveAsTemplate } from "./templateCommands.ts";
import { editInitScript, editWorkspace } from "./workspaceFiles.ts";
import { workspaceSecrets } from "./workspaceSecrets.ts";
import { openShell } from "./workspaceShell.ts";
import { wrongName } from "./workspaceWords.ts";
import { folderPaths } from "../folders.ts";
import { applyWorktree, deleteWorktree, mergeWorktree, pushWorktree, showWorktreePatch } from "./worktreeCommands.ts";

/** How many missions a question names. */
const namedMissions = 10;

/** The commands of workspaces, by the part of their id after `openAgent.`. */
export function workspaceCommands(
  logs: BuildLogs,
  output: CommandOutput,
  usage: DiskUse,
): Readonly<Record<string, Handler>> {
  /** A command that is about one workspace, of those that fit where it has to be asked for. */
  const about =
    (
      question: string,
      run: (parts: Parts, workspace: Workspace) => Promise<unknown>,
      fits?: (workspace: Workspace) => boolean,
    ): Handler =>
    async (parts, argument) => {
      const workspace = await workspaceOf(parts.app, argument, question, fits);
      if (!workspace) return;
      try {
        await run(parts, workspace);
      } finally {
        usage.outdate(workspace.id);
      }
    };
  const container = ({ kind }: Workspace) => isContainer(kind);
  const worktree = ({ kind }: Workspace) => kind === "worktree";
  return {
    newWorkspace: ({ app }) => newWorkspace(app),
    buildWorkspace: about("Build which workspace?", ({ app }, { id }) => buildWorkspace(app, id, false), container),
    rebuildWorkspace: about("Rebuild which workspace?", ({ app }, it) => rebuild(app, it), container),
    cancelBuild: about(
      "Cancel which build?",
      ({ app }, { id }) => app.run("cancelBuild", { workspaceId: id }),
      ({ status }) => status === "building",
    ),
    showBuildLog: about("Show the build log of which workspace?", (_, { id }) => logs.show(id), container),
    openWorkspaceShell: about("Open a shell in which workspace?", ({ app }, it) => openShell(app, it)),
    runInWorkspace: about("Run a command in which workspace?", ({ app }, it) => output.ask(app, it)),
    openWorkspaceFiles: about("Open the files of which workspace?", ({ app }, it) => openFiles(app, it)),
    snapshotWorkspace: about("Snapshot which workspace?", ({ app }, it) => snapshotWorkspace(app, it), container),
    restoreWorkspace: about("Restore which workspace?", ({ app }, it) => restoreWorkspace(app, it), container),
    resetWorkspace: about("Reset which workspace?", ({ app }, it) => resetWorkspace(app, it), container),
    forkWorkspace: about("Fork which workspace?", ({ app }, it) => forkWorkspace(app, it), container),
    useAsDefaultWorkspace: about("Use which workspace as the default?", (_, it) => useAsDefault(it, folderPaths())),
    clearDefaultWorkspace: about("Use which workspace as the default no more?", async ({ app }, it) =>
      clearDefault(it, withDefault(folderPaths(), it, (await app.core()).workspaces().workspaces)),
    ),
    renameWorkspace: about("Rename which workspace?", ({ app }, it) => rename(app, it)),
    editWorkspace: about("Edit the settings of which workspace?", (_, it) => editWorkspace(it)),
    saveAsTemplate: about("Save which workspace as a template?", ({ app }, it) => saveAsTemplate(app, it)),
    newWorkspaceFromTemplate: ({ app }) => newWorkspaceFromTemplate(app),
    mcpServers: async ({ app }, argument) => mcpServers(app, await named(app, argument)),
    showGeneratedConfiguration: async ({ app }, argument) =>
      showGeneratedConfiguration(app, await named(app, argument)),
    workspaceSecrets: about("Set the secrets of which workspace?", ({ app }, it) => workspaceSecrets(app, it)),
    editInitScript: about("Edit the init script of which workspace?", (_, it) => editInitScript(it), container),
    mergeWorktree: about("Merge which worktree?", ({ app }, it) => mergeWorktree(app, it), worktree),
    pushWorktree: about("Push the branch of which worktree?", ({ app }, it) => pushWorktree(app, it), worktree),
    applyWorktree: about("Apply the changes of which worktree?", ({ app }, it) => applyWorktree(app, it), worktree),
    showWorktreePatch: about(
      "Show the changes of which worktree?",
      ({ app }, it) => showWorktreePatch(app, it),
      worktree,
    ),
    deleteWorkspace: about("Delete which workspace?", ({ app }, it) =>
      worktree(it) ? deleteWorktree(app, it) : remove(app, it),
    ),
  };
}

/** The workspace that a command was called on, if it was called on one. */
async function named(app: App, argument: unknown): Promise<Workspace | undefined> {
  const id = isWorkspaceNode(argument) ? argument.workspaceId : undefined;
  return id === undefined ? undefined : workspaceWith(await app.core(), id);
}

async function rebuild(app: App, workspace: Workspace): Promise<void> {
  const detail =
    "Its file system is built anew: what was installed or changed in it since is gone. The folder that missions work in stays as it is.";
  const sure = await vscode.window.showWarningMessage(
    `Rebuild “${workspace.name}”?`,
    { modal: true, detail },
    "Rebuild",
  );
  if (sure === "Rebuild") await buildWorkspace(app, workspace.id, true);
}

async function rename(app: App, workspace: Workspace): Promise<void> {
  const { id, name } = workspace;
  const { workspaces } = (await app.core()).workspaces();
  const others = workspaces.filter((other) => other.id !== id);
  const renamed = await vscode.window.showInputBox({
    title: "Rename Workspace",
    value: name,
    validateInput: (text) =>
      wrongName(
        text,
        others.map((other) => other.name),
      ),
  });
  if (renamed === undefined || renamed.trim() === name) return;
  const folders = withDefault(folderPaths(), workspace, workspaces);
  const updated = await app.run("updateWorkspace", { workspaceId: id, name: renamed });
  await renameDefault(folders, updated.name);
}

async function remove(app: App, workspace: Workspace): Promise<void> {
  const core = await app.core();
  const sure = await vscode.window.showWarningMessage(
    `Delete “${workspace.name}”?`,
    { modal: true, detail: whatGoes(core, workspace) },
    "Delete",
  );
  if (sure === "Delete") await app.run("deleteWorkspace", { workspaceId: workspace.id });
}

/** What is lost with a workspace and what is not. */
function whatGoes(core: Core, { id, kind, directory }: Workspace): string {
  const missions = missionsByWorkspace(core).get(id) ?? [];
  const named = missions.slice(0, namedMissions).map((head) => `${head.title} (${stateWord(head)})`);
  const rest = missions.length - named.length;
  const own = directory.startsWith(join(core.paths.workspaces, id));
  return [
    isContainer(kind) ? "Its file system goes, with all that was installed or changed in it." : "",
    own
      ? `Its folder ${directory} goes as well, with all that is in it.`
      : `The folder ${directory} stays, with all that is in it.`,
    missions.length === 0
      ? ""
      : ["These missions can be read on, and do not go on any more:", ...named]
          .concat(rest > 0 ? [`and ${String(rest)} more`] : [])
          .join("\n"),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

/** Runs commands in workspaces and shows what came of them. */
export class CommandOutput implements vscode.Disposable {
  #channel: vscode.OutputChannel | undefined;
  /** The command that was run last in each workspace. */
  readonly #last = new Map<string, string>();

  async ask(app: App, asked: Workspace): Promise<void> {
    const line = await vscode.window.showInputBox({
      title: `Run in ${asked.name}`,
      prompt: "A command line for the shell, in the workspace’s folder",
      placeHolder: "npm test",
      value: this.#last.get(asked.id) ?? "",
    });
    if (line === undefined || line.trim() === "") return;
    this.#last.set(asked.id, line);
    const workspace = await readyWorkspace(app, asked);
    if (!workspace) return;
    const { id: workspaceId, name } = workspace;
    const channel = (this.#channel ??= vscode.window.createOutputChannel("Open Agent Commands"));
    channel.appendLine(`${name} $ ${line}`);
    channel.show(true);
    const begun = Date.now();
    const result = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title: `Running in ${name}: ${line}`, cancellable: true },
      async (_, token) => {
        const abort = new AbortController();
        token.onCancellationRequested(() => abort.abort());
        try {
          return await app.run("execInWorkspace", { workspaceId, argv: ["/bin/sh", "-c", line] }, abort.signal);
        } catch (error) {
          if (abort.signal.aborted) return undefined;
          channel.appendLine("[was not run]\n");
          throw error;
        }
      },
    );
    channel.appendLine(`${outputOf(result)}[${endOf(result)} after ${duration(Date.now() - begun)}]\n`);
  }

  dispose(): void {
    this.#channel?.dispose();
  }
}

type Result = CommandResult<"execInWorkspace">;

function outputOf(result: Result | undefined): string {
  const ended = (text: string) => (text === "" || text.endsWith("\n") ? text : `${text}\n`);
  return result ? ended(result.stdout) + ended(result.stderr) : "";
}

function endOf(result: Result | undefined): string {
  if (!result) return "cancelled";
  return result.exitCode === undefined ? "was killed" : `exit code ${String(result.exitCode)}`;
}

/** Composition root for VS Code: builds the user interface; the core is made when something first needs it. */
import * as vscode from "vscode";
import { App } from "./ui/app.ts";
import { watchAttention } from "./ui/missions/attention.ts";
import { BuildLogs } from "./ui/workspaces/buildLog.ts";
import { changeHandlers } from "./ui/review/changeCommands.ts";
import { ChangeDocuments } from "./ui/review/changeDocuments.ts";
import { commandHandlers } from "./ui/commands.ts";
import { provideContainerFiles } from "./ui/workspaces/containerFiles.ts";
import { desktopHandlers } from "./ui/desktop/desktopCommands.ts";
import { noticeClosings } from "./ui/desktop/desktopNotices.ts";
import { DesktopsView, DesktopWindows } from "./ui/desktop/desktops.ts";
import { DiskUse } from "./ui/workspaces/diskUse.ts";
import { offerProblems } from "./ui/missions/composerCommands.ts";
import { provideReports } from "./ui/missions/exchange.ts";
import { provideConfigurations } from "./ui/library/configuration.ts";
import { provideWorkspaceFiles } from "./ui/workspaces/workspaceFiles.ts";
import { registerTools } from "./ui/missions/languageModelTools.ts";
import { libraryFeatures } from "./ui/library/libraryFeatures.ts";
import { MissionsView } from "./ui/missions/missionsView.ts";
import { provideOutputs } from "./ui/missions/outputDocuments.ts";
import { MissionPanels } from "./ui/missions/panels.ts";
import { report } from "./ui/library/problems.ts";
import { noticeRequests } from "./ui/missions/requestNotices.ts";
import { Review } from "./ui/review/review.ts";
import { showStatus } from "./ui/statusBar.ts";
import { handleLinks } from "./ui/uriHandler.ts";
import { CommandOutput, workspaceCommands } from "./ui/workspaces/workspaceCommands.ts";
import { provideShells } from "./ui/workspaces/workspaceShell.ts";
import { WorkspacesView } from "./ui/workspaces/workspacesView.ts";

let app: App | undefined;

export function activate(context: vscode.ExtensionContext): void {
  app = new App(context);
  context.subscriptions.push(app);
  const panels = new MissionPanels(app);
  const missions = new MissionsView(app);
  const usage = new DiskUse(app);
  context.subscriptions.push(
    panels,
    missions,
    usage,
    new WorkspacesView(app, usage),
    showStatus(app),
    provideOutputs(app),
    provideReports(),
    noticeRequests(app, panels),
  );
  context.subscriptions.push(
    watchAttention(app, panels),
    handleLinks(app, panels),
    registerTools(app),
    offerProblems(),
  );
  const windows = new DesktopWindows(app);
  context.subscriptions.push(windows, new DesktopsView(app), noticeClosings(app));
  const parts = { app, missions, panels };
  const documents = new ChangeDocuments(app);
  const review = new Review(app, documents);
  context.subscriptions.push(documents, review);
  const [logs, output] = [new BuildLogs(app), new CommandOutput()];
  context.subscriptions.push(
    logs,
    output,
    provideShells(app),
    provideWorkspaceFiles(app),
    provideContainerFiles(app),
    provideConfigurations(app),
  );
  const library = libraryFeatures(app);
  context.subscriptions.push(library.all);
  const handlers = {
    ...commandHandlers,
    ...changeHandlers(documents, review),
    ...workspaceCommands(logs, output, usage),
    ...desktopHandlers(windows),
    ...library.handlers,
  };
  for (const [name, handle] of Object.entries(handlers)) {
    const run = async (argument: unknown, selected: unknown) => {
      try {
        await handle(parts, argument, selected);
      } catch (error) {
        await report(error);
      }
    };
    context.subscriptions.push(vscode.commands.registerCommand(`openAgent.${name}`, run));
  }
  const { onCore } = app;
  context.subscriptions.push(
    onCore((core) => {
      context.subscriptions.push(
        vscode.workspace.onDidGrantWorkspaceTrust(() => core.permissionChanged()),
        vscode.workspace.onDidChangeConfiguration((change) => {
          if (change.affectsConfiguration("openAgent")) core.settingsChanged();
        }),
      );
    }),
  );
}

export async function deactivate(): Promise<void> {
  await app?.close();
}

/** Composition root for VS Code: builds the user interface; the core is made when something first needs it. */
import * as vscode from "vscode";
import { App } from "./ui/app.ts";
import { watchAttention } from "./ui/attention.ts";
import { BuildLogs } from "./ui/buildLog.ts";
import { changeHandlers } from "./ui/changeCommands.ts";
import { ChangeDocuments } from "./ui/changeDocuments.ts";
import { commandHandlers } from "./ui/commands.ts";
import { provideContainerFiles } from "./ui/containerFiles.ts";
import { desktopHandlers } from "./ui/desktopCommands.ts";
import { noticeClosings } from "./ui/desktopNotices.ts";
import { DesktopsView, DesktopWindows } from "./ui/desktops.ts";
import { DiskUse } from "./ui/diskUse.ts";
import { offerProblems } from "./ui/composerCommands.ts";
import { provideReports } from "./ui/exchange.ts";
import { provideConfigurations } from "./ui/configuration.ts";
import { provideWorkspaceFiles } from "./ui/workspaceFiles.ts";
import { registerTools } from "./ui/languageModelTools.ts";
import { libraryFeatures } from "./ui/libraryFeatures.ts";
import { MissionsView } from "./ui/missionsView.ts";
import { provideOutputs } from "./ui/outputDocuments.ts";
import { MissionPanels } from "./ui/panels.ts";
import { report } from "./ui/problems.ts";
import { noticeRequests } from "./ui/requestNotices.ts";
import { Review } from "./ui/review.ts";
import { showStatus } from "./ui/statusBar.ts";
import { handleLinks } from "./ui/uriHandler.ts";
import { CommandOutput, workspaceCommands } from "./ui/workspaceCommands.ts";
import { provideShells } from "./ui/workspaceShell.ts";
import { WorkspacesView } from "./ui/workspacesView.ts";

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

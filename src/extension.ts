/** Composition root for VS Code: builds the user interface; the core is made when something first needs it. */
import * as vscode from "vscode";
import { App } from "./ui/app.ts";
import { commandHandlers } from "./ui/commands.ts";
import { MissionsView } from "./ui/missionsView.ts";
import { provideOutputs } from "./ui/outputDocuments.ts";
import { MissionPanels } from "./ui/panels.ts";
import { report } from "./ui/problems.ts";
import { showStatus } from "./ui/statusBar.ts";
import { WorkspacesView } from "./ui/workspacesView.ts";

let app: App | undefined;

export function activate(context: vscode.ExtensionContext): void {
  app = new App(context);
  context.subscriptions.push(app);
  const panels = new MissionPanels(app);
  const missions = new MissionsView(app);
  context.subscriptions.push(panels, missions, new WorkspacesView(app), showStatus(app), provideOutputs(app));
  const parts = { app, missions, panels };
  for (const [name, handle] of Object.entries(commandHandlers)) {
    const run = async (argument: unknown) => {
      try {
        await handle(parts, argument);
      } catch (error) {
        await report(error);
      }
    };
    context.subscriptions.push(vscode.commands.registerCommand(`openAgent.${name}`, run));
  }
  const { onCore } = app;
  context.subscriptions.push(
    onCore((core) => {
      context.subscriptions.push(vscode.workspace.onDidGrantWorkspaceTrust(() => core.permissionChanged()));
    }),
  );
}

export async function deactivate(): Promise<void> {
  await app?.close();
}

import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import type { CommandResult } from "../../orchestrator/index.ts";
import { isContainer, type Workspace } from "../../protocol/workspace.ts";
import type { App } from "../app.ts";
import { readyWorkspace } from "./building.ts";
import { report } from "../library/problems.ts";
import { kindWords } from "./workspaceWords.ts";
import { workspaceOf } from "./workspaceNodes.ts";

/** Opens a terminal in a workspace, which is built first where it is not. */
export async function openShell(app: App, workspace: Workspace): Promise<void> {
  const shell = await shellOf(app, workspace);
  if (!shell) return;
  const terminal = vscode.window.createTerminal(shell.options);
  terminal.show();
  const { cleanUp } = shell;
  if (!cleanUp) return;
  const closing = vscode.window.onDidCloseTerminal((closed) => {
    if (closed !== terminal) return;
    closing.dispose();
    cleanUp(true).catch(report);
  });
  app.context.subscriptions.push(closing);
}

async function shellOf(
  app: App,
  asked: Workspace,
): Promise<{ options: vscode.TerminalOptions; cleanUp: CommandResult<"workspaceShell">["cleanUp"] } | undefined> {
  const workspace = await readyWorkspace(app, asked);
  if (!workspace) return undefined;
  const wrapped = await app.run("workspaceShell", { workspaceId: workspace.id });
  // On the host the editor's own environment of a terminal is the right one.
  const environment = isContainer(workspace.kind)
    ? { env: wrapped.env, strictEnv: true }
    : { env: { ...workspace.environment } };
  const options: vscode.TerminalOptions = {
    name: workspace.name,
    shellPath: wrapped.command,
    shellArgs: wrapped.args,
    cwd: wrapped.cwd,
    iconPath: new vscode.ThemeIcon(kindWords[workspace.kind].icon),
    // What it runs names processes of this boot, so it cannot be brought back later.
    isTransient: true,
    ...environment,
  };
  return { options, cleanUp: wrapped.cleanUp };
}

/** Offers the shells of workspaces among the profiles of the editor's terminals. */
export function provideShells(app: App): vscode.Disposable {
  return vscode.window.registerTerminalProfileProvider("openAgent.workspace", {
    provideTerminalProfile: async () => {
      try {
        if (!vscode.workspace.isTrusted)
          throw new OpenAgentError("untrusted", "This workspace is not trusted, so Open Agent runs nothing in it.");
        const workspace = await workspaceOf(app, undefined, "Open a shell in which workspace?");
        const shell = workspace && (await shellOf(app, workspace));
        return shell && new vscode.TerminalProfile(shell.options);
      } catch (error) {
        void report(error);
        return undefined;
      }
    },
  });
}

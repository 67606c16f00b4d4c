import { existsSync } from "node:fs";
import * as vscode from "vscode";
import { describeError, OpenAgentError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";

/** What is used of the interface of VS Code's own Git extension, version 1. */
interface GitApi {
  readonly state: "uninitialized" | "initialized";
  readonly onDidChangeState: vscode.Event<GitApi["state"]>;
  getRepository(uri: vscode.Uri): GitRepository | null;
  openRepository(root: vscode.Uri): Promise<GitRepository | null>;
}

export interface GitRepository {
  readonly rootUri: vscode.Uri;
  status(): Promise<void>;
  fetch(options?: { remote?: string }): Promise<void>;
  push(remote?: string, branch?: string, setUpstream?: boolean): Promise<void>;
}

/** How long that extension may take to find git. */
const readyMs = 5_000;

/**
 * The repository in a folder as VS Code's own Git extension has it, so that its changes are in Source Control. Undefined
 * where that extension is missing or switched off.
 */
export async function openInGit(folder: string, log: Logger): Promise<GitRepository | undefined> {
  try {
    const extension = vscode.extensions.getExtension<{ getAPI(version: 1): GitApi }>("vscode.git");
    if (!extension) return undefined;
    const api = (await extension.activate()).getAPI(1);
    await ready(api);
    const uri = vscode.Uri.file(folder);
    return api.getRepository(uri) ?? (await api.openRepository(uri)) ?? undefined;
  } catch (error) {
    // It is switched off, or found no git.
    log.info(`VS Code's Git extension does not open ${folder}: ${describeError(error)}`);
    return undefined;
  }
}

async function ready(api: GitApi): Promise<void> {
  if (api.state === "initialized") return;
  await new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer);
      listening.dispose();
      resolve();
    };
    const timer = setTimeout(end, readyMs);
    const listening = api.onDidChangeState(end);
  });
}

/**
 * Whether git had no login for a remote, and the user wants the one that VS Code's own Git may have.
 * @throws vscode.CancellationError when the user wants neither
 */
export async function wantsLogin(error: unknown, use: string): Promise<boolean> {
  const wanting = error instanceof OpenAgentError && error.detail["problem"] === "no_credentials";
  if (!wanting || !vscode.extensions.getExtension("vscode.git")) return false;
  if ((await vscode.window.showErrorMessage(error.message, use)) === use) return true;
  throw new vscode.CancellationError();
}

/** Opens a file with conflicts in the merge editor, or as it is where there is none. */
export async function openConflict(repository: GitRepository | undefined, uri: vscode.Uri, log: Logger): Promise<void> {
  if (repository)
    try {
      await vscode.commands.executeCommand("git.openMergeEditor", uri);
      // The next one would take its place.
      await vscode.commands.executeCommand("workbench.action.keepEditor");
      return;
    } catch (error) {
      // The marks in the file are resolved by hand then.
      log.info(`The merge editor does not open ${uri.fsPath}: ${describeError(error)}`);
    }
  // One side may have deleted it.
  if (existsSync(uri.fsPath)) await vscode.commands.executeCommand("vscode.open", uri, { preview: false });
}

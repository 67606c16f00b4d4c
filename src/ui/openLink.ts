import { isAbsolute, join } from "node:path";
import * as vscode from "vscode";
import { OpenAgentError } from "../base/errors.ts";

/** Opens a file that a page names, at a line of it; relative to the mission's folder. */
export async function openFile(directory: string, path: string, line: number | undefined): Promise<void> {
  const uri = vscode.Uri.file(isAbsolute(path) ? path : join(directory, path));
  const position = new vscode.Position(Math.max(0, (line ?? 1) - 1), 0);
  try {
    await vscode.workspace.fs.stat(uri);
  } catch (error) {
    throw new OpenAgentError("invalid_input", `${uri.fsPath} is not there any more.`, {}, error);
  }
  await vscode.commands.executeCommand("vscode.open", uri, {
    preview: true,
    selection: new vscode.Range(position, position),
  });
}

/** Opens what a link of a page leads to: a page of the web in the browser, all else as a file. */
export async function openLink(directory: string, href: string): Promise<void> {
  if (/^(https?|mailto):/i.test(href)) {
    await vscode.env.openExternal(vscode.Uri.parse(href, true));
    return;
  }
  const [path = "", line] = decodeURIComponent(href.replace(/^file:\/\//, "")).split(/#L?|:(?=\d+$)/);
  await openFile(directory, path, line === undefined ? undefined : Number.parseInt(line, 10) || undefined);
}

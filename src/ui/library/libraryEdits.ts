import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import type { Catalogue, TextEdit } from "../../orchestrator/index.ts";
import { LineMap } from "../review/lineMap.ts";

type Edit = TextEdit & { metadata?: vscode.WorkspaceEditEntryMetadata };

/** Edits by offsets as the editor knows edits. */
export function workspaceEditOf(catalogue: Catalogue, edits: readonly Edit[]): vscode.WorkspaceEdit {
  const all = new vscode.WorkspaceEdit();
  const maps = new Map<string, LineMap>();
  for (const { path, start, end, text, metadata } of edits) {
    const lines = maps.get(path) ?? new LineMap(catalogue.text(path) ?? "");
    maps.set(path, lines);
    all.replace(vscode.Uri.file(path), lines.range(start, end), text, metadata);
  }
  return all;
}

/** Makes edits in a file, and saves it, whether an editor shows it or not. */
export async function saveEdits(catalogue: Catalogue, path: string, edits: readonly Edit[]): Promise<void> {
  if (edits.length === 0) return;
  const document = await vscode.workspace.openTextDocument(vscode.Uri.file(path));
  await vscode.workspace.applyEdit(workspaceEditOf(catalogue, edits));
  if (!(await document.save())) throw new OpenAgentError("invalid_input", `${path} could not be saved.`, { path });
}

import * as vscode from "vscode";
import type { Catalogue, TextEdit } from "../orchestrator/index.ts";
import { LineMap } from "./lineMap.ts";

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

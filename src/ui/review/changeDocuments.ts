import { basename } from "node:path";
import * as vscode from "vscode";
import type { ChangedFile, Changes, FileText } from "../../protocol/changes.ts";
import type { App } from "../app.ts";

const changeScheme = "open-agent-change";

/** The changes of a mission, or of the turn of one of the user's messages. */
export interface ChangeSource {
  missionId: string;
  messageId?: string;
}

/** `note`: a sentence in place of a change that cannot be shown. */
type Side = "before" | "after" | "note";

interface Place extends ChangeSource {
  side: Side;
  path: string;
}

/** Changes whose texts are kept for the documents that show them. */
const mostKept = 12;

/**
 * The texts of changed files before and after, as read-only documents, and which mission's changes the user looks at.
 * What is no longer kept is asked for again.
 */
export class ChangeDocuments implements vscode.TextDocumentContentProvider, vscode.Disposable {
  readonly #app: App;
  readonly #kept = new Map<string, Changes>();
  readonly #changed = new vscode.EventEmitter<vscode.Uri>();
  readonly #registration: vscode.Disposable;
  readonly #shown = new Map<string, ChangeSource>();
  readonly onDidChange = this.#changed.event;

  constructor(app: App) {
    this.#app = app;
    this.#registration = vscode.workspace.registerTextDocumentContentProvider(changeScheme, this);
  }

  /** Asks for the changes anew. */
  async load(source: ChangeSource): Promise<Changes> {
    const changes = await this.#app.run("changes", source);
    const key = JSON.stringify(source);
    const old = this.#kept.get(key);
    this.#kept.delete(key);
    this.#kept.set(key, changes);
    for (const outdated of [...this.#kept.keys()].slice(0, -mostKept)) this.#kept.delete(outdated);
    for (const file of old?.files ?? [])
      for (const side of ["before", "after"] as const) this.#changed.fire(changeUri(source, file.path, side));
    return changes;
  }

  /** From here on the file counts as one of the changes that the user looks at. */
  async show(source: ChangeSource, files: readonly ChangedFile[]): Promise<void> {
    for (const { path } of files) this.#shown.set(path, source);
    await vscode.commands.executeCommand("setContext", "openAgent.changedFiles", [...this.#shown.keys()]);
  }

  /** The changes that a document belongs to: its own, or those in which the user last saw the file. */
  sourceOf(uri: vscode.Uri): (ChangeSource & { path: string }) | undefined {
    if (uri.scheme === changeScheme) return placeOf(uri);
    const source = uri.scheme === "file" ? this.#shown.get(uri.fsPath) : undefined;
    return source && { ...source, path: uri.fsPath };
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const { side, path, ...source } = placeOf(uri);
    const changes = this.#kept.get(JSON.stringify(source)) ?? (await this.load(source));
    const file = changes.files.find((changed) => changed.path === path);
    if (side === "note") return `Open Agent cannot show this change: ${file ? whyUnknown(file) : "it is gone"}.\n`;
    const text = side === "before" ? file?.before : file?.after;
    return text?.kind === "text" ? text.text : "";
  }

  dispose(): void {
    this.#registration.dispose();
    this.#changed.dispose();
  }
}

export function changeUri(source: ChangeSource, path: string, side: Side): vscode.Uri {
  const { missionId, messageId = "" } = source;
  const query = new URLSearchParams({ missionId, messageId, side }).toString();
  const file = vscode.Uri.file(path);
  return file.with({ scheme: changeScheme, path: side === "note" ? `${file.path}.txt` : file.path, query });
}

/** Whether a document is a text that a turn has left. */
export function isAfterSide(uri: vscode.Uri): boolean {
  return uri.scheme === changeScheme && placeOf(uri).side === "after";
}

function placeOf(uri: vscode.Uri): Place {
  const query = new URLSearchParams(uri.query);
  const [missionId, messageId] = [query.get("missionId") ?? "", query.get("messageId") ?? ""];
  const side = (["before", "after"] as const).find((known) => known === query.get("side")) ?? "note";
  const { fsPath } = uri.with({ scheme: "file", query: "" });
  const path = side === "note" ? fsPath.replace(/\.txt$/, "") : fsPath;
  return { missionId, ...(messageId !== "" && { messageId }), side, path };
}

/** The two sides of a change in the editor: the file itself where it still is what the turn has left. */
export function sidesOf(source: ChangeSource, file: ChangedFile): { before?: vscode.Uri; after?: vscode.Uri } {
  const { path, before, after, present } = file;
  // The changes of a whole mission lead to the files as they are.
  const itself = present === "same" || (source.messageId === undefined && after.kind !== "none");
  return {
    ...(before.kind !== "none" && { before: changeUri(source, path, "before") }),
    ...(after.kind !== "none" && { after: itself ? vscode.Uri.file(path) : changeUri(source, path, "after") }),
  };
}

export function isKnown({ before, after }: ChangedFile): boolean {
  return before.kind !== "unknown" && after.kind !== "unknown";
}

/** Why a change cannot be shown or taken back. */
export function whyUnknown({ path, before, after }: ChangedFile): string {
  const name = basename(path);
  const unknown = (text: FileText) => (text.kind === "unknown" ? text.why : undefined);
  switch (unknown(before) ?? unknown(after)) {
    case "binary":
      return `${name} is a binary file`;
    case "encoding":
      return `${name} is not encoded in UTF-8`;
    case "mode":
      return `only the mode of ${name} was changed`;
    case "untold":
    case undefined:
      return `there is no snapshot of ${name}, and its earlier text does not follow from what the agent's tools have reported`;
  }
}

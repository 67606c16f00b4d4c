import { basename } from "node:path";
import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import type { ChangedFile, Changes } from "../../protocol/changes.ts";
import { titleOf } from "../../protocol/mission.ts";
import { firstChangedLine, parsePatch } from "../../protocol/patch.ts";
import type { App } from "../app.ts";
import { changeUri, isKnown, sidesOf, whyUnknown, type ChangeDocuments, type ChangeSource } from "./changeDocuments.ts";

/** Opens all changes of a mission or of a turn in the editor's multi-file diff. */
export async function showChanges(app: App, documents: ChangeDocuments, source: ChangeSource): Promise<void> {
  const changes = await documents.load(source);
  const { files } = changes;
  if (files.length === 0) {
    const whose = source.messageId === undefined ? "This mission" : "This turn";
    const limit = changes.snapshots ? "" : `, as far as its tools have reported: ${noSnapshots}`;
    void vscode.window.showInformationMessage(`${whose} has changed no files${limit}.`);
    return;
  }
  await documents.show(source, files);
  const name = titleOf((await app.core()).store.head(source.missionId).title, 40);
  const title = source.messageId === undefined ? `Changes: ${name}` : `Changes of a Turn: ${name}`;
  const resources = files.map((file) => {
    const note = changeUri(source, file.path, "note");
    const { before, after } = isKnown(file) ? sidesOf(source, file) : { before: undefined, after: note };
    return [vscode.Uri.file(file.path), before, after];
  });
  await vscode.commands.executeCommand("vscode.changes", title, resources);
  tellOfSnapshots(source.missionId, changes);
}

const noSnapshots = "the folder is no git repository, so OpenCode keeps no snapshots of it";
const told = new Set<string>();

/** Once for a mission. */
function tellOfSnapshots(missionId: string, { snapshots }: Changes): void {
  if (snapshots || told.has(missionId)) return;
  told.add(missionId);
  void vscode.window.showInformationMessage(
    `Only what the agent's tools have written is shown here: ${noSnapshots}. What its commands did to files is not known.`,
  );
}

/** Opens one file's change in a diff editor. */
export async function openFileDiff(
  documents: ChangeDocuments,
  source: ChangeSource,
  file: ChangedFile,
  options: { line?: number; preserveFocus?: boolean } = {},
): Promise<void> {
  if (!isKnown(file)) throw new OpenAgentError("invalid_input", `This change cannot be shown: ${whyUnknown(file)}.`);
  await documents.show(source, [file]);
  const none = (side: "before" | "after") => changeUri(source, file.path, side);
  const { before = none("before"), after = none("after") } = sidesOf(source, file);
  const position = options.line === undefined ? undefined : new vscode.Position(options.line - 1, 0);
  const title = `${basename(file.path)} (${source.messageId === undefined ? "Mission" : "Turn"})`;
  await vscode.commands.executeCommand("vscode.diff", before, after, title, {
    preview: true,
    preserveFocus: options.preserveFocus === true,
    ...(position && { selection: new vscode.Range(position, position) }),
  });
}

/** From a tool call to the line that it changed, in the diff of its turn. */
export async function openCallDiff(
  app: App,
  documents: ChangeDocuments,
  missionId: string,
  partId: string,
): Promise<void> {
  const core = await app.core();
  const call = core.store.part(missionId, partId).findLast(({ body }) => body.type === "tool_result")?.body;
  const path = call?.type === "tool_result" ? call.card.path : undefined;
  if (call?.type !== "tool_result" || path === undefined)
    throw new OpenAgentError("invalid_input", "This step has changed no file.");
  const messageId = core.turnOf(missionId, call.messageId);
  const source = { missionId, ...(messageId !== undefined && { messageId }) };
  const file = (await documents.load(source)).files.find((changed) => changed.path === path);
  if (!file) {
    void vscode.window.showInformationMessage(`Nothing is left of this change of ${basename(path)}.`);
    return;
  }
  const line = firstChangedLine(parsePatch(call.card.diff ?? "")?.[0]?.hunks ?? []);
  await openFileDiff(documents, source, file, line === undefined ? {} : { line });
}

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import type { ExportFormat } from "../../orchestrator/index.ts";
import type { App } from "../app.ts";
import { importDocument, importSentence } from "../library/importReport.ts";
import { folderPaths } from "../folders.ts";

/** Longest text for a document, in UTF-16 units: the editor keeps longer ones from extensions. */
const documentLimit = 20_000_000;

interface Target extends vscode.QuickPickItem {
  format: ExportFormat;
  toFile: boolean;
}

const targets: Target[] = [
  { label: "$(markdown) Markdown in a New Document", detail: "To read and to edit", format: "markdown", toFile: false },
  {
    label: "$(markdown) Markdown File…",
    detail: "The conversation as people read it",
    format: "markdown",
    toFile: true,
  },
  {
    label: "$(json) JSON File…",
    detail: "Everything that is stored of the mission; it can be imported again",
    format: "json",
    toFile: true,
  },
];

const formats: Readonly<Record<ExportFormat, { extension: string; name: string }>> = {
  markdown: { extension: "md", name: "Markdown" },
  json: { extension: "json", name: "JSON" },
};

/** Asks for a form and a place, and writes the mission there. */
export async function exportMission(app: App, missionId: string): Promise<void> {
  const { title } = (await app.core()).store.head(missionId);
  const target = await vscode.window.showQuickPick(targets, { title: `Export “${title}”` });
  if (!target) return;
  const { format, toFile } = target;
  const file = toFile ? await askFile(title, format) : undefined;
  if (toFile && !file) return;
  const text = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: `Exporting “${title}”`, cancellable: true },
    (_, token) => textOf(app, missionId, format, token),
  );
  if (text === undefined) return;
  if (!file) {
    await showMarkdown(text);
    return;
  }
  await vscode.workspace.fs.writeFile(file, new TextEncoder().encode(text));
  const open = "Open";
  const chosen = await vscode.window.showInformationMessage(`Exported to ${file.fsPath}.`, open);
  if (chosen === open) await vscode.commands.executeCommand("vscode.open", file);
}

/** Undefined when the user has cancelled. */
async function textOf(
  app: App,
  missionId: string,
  format: ExportFormat,
  token: vscode.CancellationToken,
): Promise<string | undefined> {
  const core = await app.core();
  const { exportMission: read } = await import("../../orchestrator/index.ts");
  const pieces: string[] = [];
  for await (const piece of read(core.store, missionId, format)) {
    if (token.isCancellationRequested) return undefined;
    pieces.push(piece);
  }
  return pieces.join("");
}

async function askFile(title: string, format: ExportFormat): Promise<vscode.Uri | undefined> {
  const { extension, name } = formats[format];
  const folder = folderPaths()[0] ?? homedir();
  return vscode.window.showSaveDialog({
    title: "Export Mission",
    saveLabel: "Export",
    defaultUri: vscode.Uri.file(join(folder, `${fileName(title)}.${extension}`)),
    filters: { [name]: [extension] },
  });
}

/** What of a title can stand in a file's name on any system. */
function fileName(title: string): string {
  const name = title.replace(/[\\/:*?"<>|\p{C}]+/gu, " ").replace(/\s+/g, " ");
  return (
    name
      .trim()
      .slice(0, 80)
      .replace(/[. ]+$/, "") || "mission"
  );
}

async function showMarkdown(content: string): Promise<void> {
  if (content.length > documentLimit)
    throw new OpenAgentError("invalid_input", "The mission is too long for a document. Export it to a file.");
  const document = await vscode.workspace.openTextDocument({ language: "markdown", content });
  await vscode.window.showTextDocument(document, { preview: false });
}

/** Asks for a database of missions or an exported one, takes in what it holds and says what came of it. */
export async function importMissions(app: App): Promise<void> {
  const usual = join(homedir(), ".openagent", "missions");
  const [file] =
    (await vscode.window.showOpenDialog({
      title: "Import Missions",
      openLabel: "Import",
      filters: { "Missions of Open Agent": ["db", "json"] },
      defaultUri: vscode.Uri.file(existsSync(usual) ? usual : homedir()),
    })) ?? [];
  if (!file) return;
  const result = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: `Importing missions from ${file.fsPath}` },
    () => app.run("importMissions", { path: file.fsPath }),
  );
  const show = "Show Report";
  const sentence = importSentence(result);
  const complete = result.skipped.length === 0 && result.missingFiles.length === 0;
  const tell = complete ? vscode.window.showInformationMessage : vscode.window.showWarningMessage;
  if ((await tell(sentence, show)) === show) await showReport(importDocument(result));
}

const reportScheme = "open-agent-report";
const reports = new Map<string, string>();

/** Reports are documents that are only read: closing one asks nothing. */
export function provideReports(): vscode.Disposable {
  return vscode.workspace.registerTextDocumentContentProvider(reportScheme, {
    provideTextDocumentContent: ({ query }) =>
      reports.get(query) ?? "The report is of an earlier session of the editor.",
  });
}

async function showReport(content: string): Promise<void> {
  const query = String(reports.size + 1);
  reports.set(query, content);
  const uri = vscode.Uri.from({ scheme: reportScheme, path: "/Import of Missions.md", query });
  await vscode.commands.executeCommand("markdown.showPreview", uri);
}

import { basename, isAbsolute, join, relative, sep } from "node:path";
import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import { folderMime, mimeOf, type FileAttachment, type MessageAttachment } from "../../protocol/attachment.ts";
import { fenced } from "../../protocol/compose.ts";

/** Something that a message of a mission can speak of: words for its text, and what comes with them. */
export interface Reference {
  text: string;
  attachments: MessageAttachment[];
}

/** How a path is named in a message: from the mission's folder where it is in there. */
export function shortPath(path: string, directory: string): string {
  const below = relative(directory, path);
  const inside = below !== "" && !below.startsWith("..") && !isAbsolute(below);
  return (inside ? below : path).split(sep).join("/");
}

export function fileReference(path: string, directory: string, isFolder: boolean): FileAttachment {
  const mention = `@${shortPath(path, directory)}${isFolder ? "/" : ""}`;
  return { kind: "file", path, name: basename(path), mime: isFolder ? folderMime : mimeOf(path), mention };
}

/** A file or folder of this machine, as it was dropped or chosen. */
export async function uriReference(uri: vscode.Uri, directory: string): Promise<Reference> {
  if (uri.scheme !== "file")
    throw new OpenAgentError(
      "invalid_input",
      `${uri.toString(true)} is not a file of the machine on which agents work.`,
    );
  const { type } = await vscode.workspace.fs.stat(uri);
  const file = fileReference(uri.fsPath, directory, (type & vscode.FileType.Directory) !== 0);
  return { text: file.mention ?? "", attachments: [file] };
}

/** The lines that are selected in an editor, by their place in the file, or as a block where the file is not on disk. */
export function selectionReference(editor: vscode.TextEditor, directory: string): Reference {
  const { document, selection } = editor;
  const first = selection.start.line + 1;
  const last = Math.max(first, selection.end.character === 0 ? selection.end.line : selection.end.line + 1);
  if (document.uri.scheme !== "file" || document.isDirty)
    return { text: selectionBlock(editor, first, last), attachments: [] };
  return {
    text: linesMention(document.uri.fsPath, directory, [first, last]),
    attachments: [linesReference(document.uri.fsPath, directory, [first, last])],
  };
}

function selectionBlock({ document, selection }: vscode.TextEditor, first: number, last: number): string {
  const place = `${vscode.workspace.asRelativePath(document.uri)}:${span([first, last])}`;
  return `\nFrom ${place}\n${fenced(document.getText(selection), document.languageId)}\n`;
}

/** Some lines of a file. */
export function linesReference(path: string, directory: string, lines: [number, number]): FileAttachment {
  return { ...fileReference(path, directory, false), mention: linesMention(path, directory, lines), lines };
}

function linesMention(path: string, directory: string, lines: [number, number]): string {
  return `@${shortPath(path, directory)}:${span(lines)}`;
}

function span([first, last]: readonly [number, number]): string {
  return first === last ? String(first) : `${String(first)}-${String(last)}`;
}

export interface FileProblems {
  uri: vscode.Uri;
  problems: vscode.Diagnostic[];
}

/** What the editor reports of the files below a folder, files with errors first. */
export function problemsBelow(directory: string): FileProblems[] {
  const worst = ({ problems }: FileProblems) => Math.min(...problems.map(({ severity }) => severity));
  return vscode.languages
    .getDiagnostics()
    .filter(([uri]) => uri.scheme === "file" && `${uri.fsPath}${sep}`.startsWith(join(directory, sep)))
    .map(([uri, all]) => ({
      uri,
      problems: all.filter(({ severity }) => severity <= vscode.DiagnosticSeverity.Warning),
    }))
    .filter(({ problems }) => problems.length > 0)
    .sort((one, other) => worst(one) - worst(other));
}

const mostProblems = 100;
const severities = ["error", "warning", "information", "hint"] as const;

export function problemsReference(files: readonly FileProblems[], directory: string): Reference {
  const lines = files.flatMap(({ uri, problems }) =>
    problems.map(({ range, severity, message, source, code }) => {
      const place = `${shortPath(uri.fsPath, directory)}:${String(range.start.line + 1)}:${String(range.start.character + 1)}`;
      const rule = typeof code === "object" ? code.value : code;
      const by = [source, rule].filter((part) => part !== undefined).join(" ");
      return `${place} ${severities[severity]}: ${message}${by === "" ? "" : ` (${by})`}`;
    }),
  );
  const more = lines.length > mostProblems ? `\n… and ${String(lines.length - mostProblems)} more` : "";
  return { text: `\nProblems:\n${fenced(lines.slice(0, mostProblems).join("\n") + more)}\n`, attachments: [] };
}

/** What is selected in the terminal. The editor gives it by the clipboard alone, whose text is put back. */
export async function terminalReference(): Promise<Reference> {
  const before = await vscode.env.clipboard.readText();
  await vscode.env.clipboard.writeText("");
  try {
    await vscode.commands.executeCommand("workbench.action.terminal.copySelection");
    const text = await vscode.env.clipboard.readText();
    if (text.trim() === "") throw new OpenAgentError("invalid_input", "Nothing is selected in the terminal.");
    return { text: `\nFrom the terminal:\n${fenced(text.trimEnd())}\n`, attachments: [] };
  } finally {
    await vscode.env.clipboard.writeText(before);
  }
}

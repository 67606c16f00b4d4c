import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import type { CommandResult } from "../../orchestrator/index.ts";
import { isContainer, type Workspace } from "../../protocol/workspace.ts";
import type { App } from "../app.ts";
import { exits, listScript, parseList, parseStat, readScript, statScript, type Kind } from "./containerScripts.ts";
import { fixedFiles, refuse } from "./fixedFiles.ts";

const scheme = "open-agent-container";

/** Bytes of the largest file that is opened. */
const fileLimit = 20_000_000;
/** The same in base64. */
const outputLimit = Math.ceil(fileLimit / 3) * 4;
/** What is on a disk that is gone may never answer. */
const answerMs = 30_000;

/** A file as a container itself sees it, by its absolute path inside. */
export function containerUri({ id }: Workspace, path: string): vscode.Uri {
  return vscode.Uri.from({ scheme, authority: id, path });
}

/** The file systems of containers, read-only, as what runs inside sees them. Nothing is built to read it. */
export function provideContainerFiles(app: App): vscode.Disposable {
  const changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  const provider: vscode.FileSystemProvider = {
    ...fixedFiles,
    onDidChangeFile: changed.event,
    stat: async (uri) => {
      const { kind, size, changedAt, alteredAt } = parseStat(await run(app, uri, statScript));
      return { type: types[kind], size, mtime: changedAt, ctime: alteredAt };
    },
    readDirectory: async (uri) => {
      const entries = parseList(await run(app, uri, listScript));
      return entries.map(({ name, kind, isLink }) => [name, isLink ? linkTypes[kind] : types[kind]]);
    },
    readFile: async (uri) => Buffer.from(await run(app, uri, readScript), "base64"),
    writeFile: refuse,
  };
  const isReadonly = new vscode.MarkdownString("The files of a container are only read here.");
  return vscode.Disposable.from(
    changed,
    vscode.workspace.registerFileSystemProvider(scheme, provider, { isCaseSensitive: true, isReadonly }),
  );
}

const { Directory, File, SymbolicLink, Unknown } = vscode.FileType;
const types: Readonly<Record<Kind, vscode.FileType>> = { folder: Directory, file: File, other: Unknown };
const linkTypes: Readonly<Record<Kind, vscode.FileType>> = {
  folder: Directory | SymbolicLink,
  file: File | SymbolicLink,
  other: SymbolicLink,
};

/** Why a file of a container cannot be opened, as a sentence; undefined where it can. */
export async function unopenable(uri: vscode.Uri): Promise<string | undefined> {
  const { type, size } = await vscode.workspace.fs.stat(uri);
  if (type === Unknown) return noFile(uri);
  return size > fileLimit ? tooLarge(uri) : undefined;
}

function noFile({ path }: vscode.Uri): string {
  return `${path} is a device, a pipe or a socket, which has no text to show.`;
}

function tooLarge({ path }: vscode.Uri): string {
  return `${path} is larger than 20 MB, which is the most that is opened.`;
}

/** What a script says of a file. Throws FileSystemError, whose words are meant for the user. */
async function run(app: App, uri: vscode.Uri, script: string): Promise<string> {
  const { workspaces } = (await app.core()).workspaces();
  // The editor writes authorities in small letters.
  const workspace = workspaces.find(({ id }) => id.toLowerCase() === uri.authority.toLowerCase());
  if (!workspace || !isContainer(workspace.kind)) throw vscode.FileSystemError.FileNotFound(uri);
  if (workspace.status !== "ready")
    throw vscode.FileSystemError.Unavailable(`${workspace.name} is not built, so it has no files.`);
  try {
    const argv = ["/bin/sh", "-c", script, "files", uri.path, String(fileLimit)];
    const limits = { maxOutput: outputLimit, timeoutMs: answerMs };
    return outputOf(await app.run("execInWorkspace", { workspaceId: workspace.id, argv, cwd: "/", ...limits }), uri);
  } catch (error) {
    throw error instanceof OpenAgentError ? vscode.FileSystemError.Unavailable(error.message) : error;
  }
}

function outputOf({ exitCode, stdout, stderr, omitted }: CommandResult<"execInWorkspace">, uri: vscode.Uri): string {
  const { path } = uri;
  if (exitCode === undefined)
    throw vscode.FileSystemError.Unavailable(`${path} could not be read in ${String(answerMs / 1000)} s.`);
  switch (String(exitCode)) {
    case "0":
      if (omitted === 0) return stdout;
      throw vscode.FileSystemError.Unavailable(`${path} has more in it than can be shown.`);
    case exits.missing:
      throw vscode.FileSystemError.FileNotFound(uri);
    case exits.noFolder:
      throw vscode.FileSystemError.FileNotADirectory(uri);
    case exits.folder:
      throw vscode.FileSystemError.FileIsADirectory(uri);
    case exits.noFile:
      throw vscode.FileSystemError.Unavailable(noFile(uri));
    case exits.large:
      throw vscode.FileSystemError.Unavailable(tooLarge(uri));
    default:
      throw vscode.FileSystemError.Unavailable(`${path} could not be read: ${stderr.trim()}`);
  }
}

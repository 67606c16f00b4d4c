import { homedir } from "node:os";
import * as vscode from "vscode";
import { describeError, OpenAgentError } from "../../base/errors.ts";
import type { EditorServer } from "../../orchestrator/index.ts";
import type { App } from "../app.ts";

/** A list of MCP servers that the editor has. */
interface Source {
  title: string;
  servers: Readonly<Record<string, EditorServer>>;
}

interface Item extends vscode.QuickPickItem {
  server?: EditorServer;
}

/** Lets the user choose among the servers of all of the editor's lists, and adds them. What asks for an input needs a value first. */
export async function importServers(app: App): Promise<void> {
  const { translatedServer } = await import("../../orchestrator/index.ts");
  const { sources, problems } = await findSources(app);
  if (problems.length > 0) void vscode.window.showWarningMessage(problems.join(" "));
  if (sources.length === 0) {
    if (problems.length > 0) return;
    throw new OpenAgentError("invalid_input", `The editor has no MCP servers${whereNot()}.`);
  }
  const chosen = await vscode.window.showQuickPick(await itemsOf(app, sources), {
    title: "Import MCP Servers",
    placeHolder: `Choose those that missions are to have${whereNot()}`,
    matchOnDescription: true,
    canPickMany: true,
  });
  const places = { folder: vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? "", home: homedir() };
  const failed: string[] = [];
  for (const { label, server } of chosen ?? [])
    try {
      if (server) await app.run("setMcpServer", { name: label, server: translatedServer(server, places) });
    } catch (error) {
      failed.push(`${label}: ${describeError(error)}`);
    }
  if (failed.length > 0) throw new OpenAgentError("invalid_input", `Not imported: ${failed.join("; ")}`);
}

/** What cannot be looked into from a machine that the window is connected to. */
function whereNot(): string {
  return vscode.env.remoteName === undefined
    ? ""
    : " (the mcp.json of the machine that you sit at cannot be read from here)";
}

async function findSources(app: App): Promise<{ sources: Source[]; problems: string[] }> {
  const { editorFiles, editorServers, readEditorServers } = await import("../../orchestrator/index.ts");
  const problems: string[] = [];
  const inFolders = await vscode.workspace.findFiles("**/.vscode/mcp.json", "**/node_modules/**", 20);
  const files = [
    ...inFolders.map((uri) => ({ title: vscode.workspace.asRelativePath(uri), path: uri.fsPath })),
    ...editorFiles(app.context.globalStorageUri.fsPath).map(({ path, profile }) => ({
      title: profile === undefined ? "your mcp.json" : `mcp.json of the profile ${profile}`,
      path,
    })),
  ];
  const read = files.map(({ title, path }): Source => {
    try {
      return { title, servers: readEditorServers(path) };
    } catch (error) {
      problems.push(describeError(error));
      return { title, servers: {} };
    }
  });
  const settings = vscode.workspace.getConfiguration("mcp").inspect("servers");
  const written: Source[] = [
    { title: "your settings", servers: editorServers(settings?.globalValue) },
    { title: "the settings of this workspace", servers: editorServers(settings?.workspaceValue) },
    { title: "the settings of the folder", servers: editorServers(settings?.workspaceFolderValue) },
  ];
  return { sources: [...read, ...written].filter(({ servers }) => Object.keys(servers).length > 0), problems };
}

/** Of several servers of one name the first is chosen, and none that would replace one of ours. */
async function itemsOf(app: App, sources: readonly Source[]): Promise<Item[]> {
  const ours = await app.run("mcpServers", { directory: (await app.core()).paths.root });
  const taken = new Set(ours.filter(({ own }) => own).map(({ name }) => name));
  return sources.flatMap(({ title, servers }) => [
    { label: title, kind: vscode.QuickPickItemKind.Separator },
    ...Object.entries(servers).map(([label, server]): Item => {
      const replaces = taken.has(label);
      taken.add(label);
      return { label, description: wordsOf(server) + (replaces ? " · replaces one" : ""), picked: !replaces, server };
    }),
  ]);
}

function wordsOf({ url, command, args }: EditorServer): string {
  return [url ?? command, ...(url === undefined && Array.isArray(args) ? (args as unknown[]) : [])]
    .map(String)
    .join(" ");
}

import * as vscode from "vscode";
import { describeError, OpenAgentError } from "../base/errors.ts";
import type { McpServer, McpStatus } from "../protocol/configuration.ts";
import { addMcpServer } from "./addMcpServer.ts";
import type { App } from "./app.ts";
import { report } from "./problems.ts";

type Server = McpServer & { status?: McpStatus };
interface Item extends vscode.QuickPickItem {
  server?: Server;
  run?: () => Promise<unknown>;
}

const stateWords: Record<McpStatus["state"], string> = {
  connected: "$(pass) connected",
  disabled: "$(circle-slash) disabled",
  failed: "$(error) failed",
  needs_auth: "$(key) needs you to log in",
  needs_client_registration: "$(key) needs a registered client",
};

const enable = { iconPath: new vscode.ThemeIcon("play"), tooltip: "Enable" };
const disable = { iconPath: new vscode.ThemeIcon("debug-pause"), tooltip: "Disable" };
const edit = { iconPath: new vscode.ThemeIcon("edit"), tooltip: "Edit" };
const reconnect = { iconPath: new vscode.ThemeIcon("refresh"), tooltip: "Connect Anew" };
const remove = { iconPath: new vscode.ThemeIcon("trash"), tooltip: "Delete" };

/** Shows the MCP servers with how OpenCode gets on with them, to add, edit, enable, log in and delete. */
export async function mcpServers(app: App): Promise<void> {
  const directory = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? (await app.core()).paths.root;
  const pick = vscode.window.createQuickPick<Item>();
  pick.title = "MCP Servers";
  pick.placeholder = "Choose one to edit it; a change takes effect on the next mission";
  pick.matchOnDescription = true;
  const draw = async () => {
    pick.busy = true;
    try {
      const servers = await app.run("mcpServers", { directory });
      pick.items = [...servers.map(itemOf), ...actions(app)];
    } finally {
      pick.busy = false;
    }
  };
  const act = async (server: Server, button: vscode.QuickInputButton) => {
    const { name } = server;
    if (button === edit) await editServer(app, server);
    else if (button === remove) await app.run("removeMcpServer", { name });
    else if (button === reconnect)
      if (server.status?.state === "needs_auth") await logIn(app, directory, name);
      else await app.run("connectMcpServer", { directory, name });
    else await app.run("enableMcpServer", { name, enabled: button === enable });
    await draw();
  };
  pick.onDidTriggerItemButton(({ item, button }) => {
    if (item.server) act(item.server, button).catch(report);
  });
  pick.onDidAccept(() => {
    const [chosen] = pick.selectedItems;
    pick.hide();
    const running = chosen?.run?.() ?? (chosen?.server ? editServer(app, chosen.server) : undefined);
    running?.catch(report);
  });
  pick.onDidHide(() => {
    pick.dispose();
  });
  pick.show();
  await draw().catch(report);
}

function itemOf(server: Server): Item {
  const { name, scope, entry, status, own, description = "" } = server;
  const isOn = entry["enabled"] !== false;
  const where = [own ? "" : "Library", scope === "global" ? "on this machine only" : ""];
  const state = status ? stateWords[status.state] : isOn ? "starts with the next mission" : "$(circle-slash) disabled";
  return {
    label: name,
    description: [state, ...where].filter((word) => word !== "").join(" · "),
    detail: status?.error ?? (description === "" ? callOf(entry) : description),
    buttons: [isOn ? disable : enable, ...(status ? [reconnect] : []), edit, ...(own ? [remove] : [])],
    server,
  };
}

function callOf({ command, url }: McpServer["entry"]): string {
  return Array.isArray(command) ? command.join(" ") : String(url);
}

function actions(app: App): Item[] {
  return [
    { label: "", kind: vscode.QuickPickItemKind.Separator },
    { label: "$(add) Add MCP Server…", alwaysShow: true, run: () => addMcpServer(app) },
    { label: "$(cloud-download) Import from the Editor’s mcp.json…", alwaysShow: true, run: () => importServers(app) },
    { label: "$(json) Edit the List", alwaysShow: true, run: () => openList(app) },
  ];
}

async function openList(app: App): Promise<vscode.TextEditor> {
  const uri = vscode.Uri.file((await app.core()).paths.servers);
  const isThere = await vscode.workspace.fs.stat(uri).then(
    () => true,
    () => false,
  );
  if (!isThere) await vscode.workspace.fs.writeFile(uri, new TextEncoder().encode("{}\n"));
  return vscode.window.showTextDocument(uri);
}

async function editServer(app: App, { name, path, own }: Server): Promise<void> {
  const editor = own ? await openList(app) : await vscode.window.showTextDocument(vscode.Uri.file(path));
  const at = editor.document.getText().indexOf(JSON.stringify(name));
  const position = editor.document.positionAt(Math.max(0, at));
  editor.selection = new vscode.Selection(position, position);
  editor.revealRange(new vscode.Range(position, position), vscode.TextEditorRevealType.InCenter);
}

/** The servers of the folder's `.vscode/mcp.json`. What asks for an input there needs a value here first. */
async function importServers(app: App): Promise<void> {
  const found = await vscode.workspace.findFiles("**/.vscode/mcp.json", "**/node_modules/**", 20);
  const [uri] = found;
  if (!uri) throw new OpenAgentError("invalid_input", "There is no .vscode/mcp.json in the folders of this window.");
  const items = Object.entries(await serversOf(uri)).map(([name, server]) => ({
    label: name,
    description: callOf({
      ...server,
      ...(server["url"] === undefined && { command: [server["command"], ...args(server)] }),
    }),
    picked: true,
    server,
  }));
  const chosen = await vscode.window.showQuickPick(items, {
    title: "Import MCP Servers",
    placeHolder: vscode.workspace.asRelativePath(uri),
    canPickMany: true,
  });
  const failed: string[] = [];
  for (const { label, server } of chosen ?? [])
    try {
      await app.run("setMcpServer", { name: label, server: translated(server) });
    } catch (error) {
      failed.push(`${label}: ${describeError(error)}`);
    }
  if (failed.length > 0) throw new OpenAgentError("invalid_input", `Not imported: ${failed.join("; ")}`);
}

const args = (server: Record<string, unknown>) => (Array.isArray(server["args"]) ? (server["args"] as unknown[]) : []);

async function serversOf(uri: vscode.Uri): Promise<Record<string, Record<string, unknown>>> {
  const text = (await vscode.workspace.openTextDocument(uri)).getText();
  // The editor allows comments and trailing commas there.
  const plain = text
    .replaceAll(/("(?:[^"\\]|\\.)*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, "$1")
    .replaceAll(/,(\s*[}\]])/g, "$1");
  try {
    const { servers } = JSON.parse(plain) as { servers?: Record<string, Record<string, unknown>> };
    return servers ?? {};
  } catch (error) {
    throw new OpenAgentError("invalid_input", `${uri.fsPath} does not parse: ${describeError(error)}`);
  }
}

/** The editor’s variables in OpenCode’s words. */
function translated(server: Record<string, unknown>): Record<string, unknown> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? "";
  const text = JSON.stringify(server)
    .replaceAll(/\$\{env:(\w+)\}/g, "{env:$1}")
    .replaceAll("${workspaceFolder}", JSON.stringify(folder).slice(1, -1));
  const input = /\$\{input:([^}]+)\}/.exec(text)?.[1];
  if (input !== undefined)
    throw new OpenAgentError(
      "invalid_input",
      `it asks for “${input}”: put the value into an environment variable or a secret, and name it as {env:NAME}`,
    );
  return JSON.parse(text) as Record<string, unknown>;
}

async function logIn(app: App, directory: string, name: string): Promise<void> {
  const page = await app.run("beginMcpLogin", { directory, name });
  await vscode.env.openExternal(vscode.Uri.parse(page));
  const code = await vscode.window.showInputBox({
    title: `Log In at ${name}`,
    prompt: "When the page shows a code, put it here; when it says that it is done, leave this empty",
    ignoreFocusOut: true,
  });
  if (code === undefined) return;
  if (code.trim() === "") await app.run("connectMcpServer", { directory, name });
  else await app.run("finishMcpLogin", { directory, name, code: code.trim() });
}

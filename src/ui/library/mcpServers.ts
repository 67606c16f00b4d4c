import * as vscode from "vscode";
import type { McpServer, McpStatus } from "../../protocol/configuration.ts";
import type { Workspace } from "../../protocol/workspace.ts";
import { addMcpServer } from "./addMcpServer.ts";
import type { App } from "../app.ts";
import { importServers } from "./importServers.ts";
import { enterClient, logIn } from "./mcpLogin.ts";
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
const signIn = { iconPath: new vscode.ThemeIcon("sign-in"), tooltip: "Log In" };
const signOut = { iconPath: new vscode.ThemeIcon("sign-out"), tooltip: "Log Out" };
const register = { iconPath: new vscode.ThemeIcon("key"), tooltip: "Enter a Registered Client" };
const remove = { iconPath: new vscode.ThemeIcon("trash"), tooltip: "Delete" };

/**
 * Shows the MCP servers with how the OpenCode of a workspace, or of the folder, gets on with them, to add, edit, enable,
 * log in and delete.
 */
export async function mcpServers(app: App, workspace?: Workspace): Promise<void> {
  const place = workspace
    ? { directory: workspace.directory, workspaceId: workspace.id }
    : { directory: vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? (await app.core()).paths.root };
  const pick = vscode.window.createQuickPick<Item>();
  pick.title = workspace ? `MCP Servers in ${workspace.name}` : "MCP Servers";
  pick.placeholder = "Choose one to edit it or to log in; a change takes effect on the next mission";
  pick.matchOnDescription = true;
  const draw = async () => {
    pick.busy = true;
    try {
      const servers = await app.run("mcpServers", place);
      pick.items = [...servers.map(itemOf), ...actions(app)];
    } finally {
      pick.busy = false;
    }
  };
  // What asks for something takes the list's place, which is shown again then.
  const again = () => mcpServers(app, workspace);
  const act = async (server: Server, button: vscode.QuickInputButton): Promise<void> => {
    const { name } = server;
    if (button === edit) return editServer(app, server);
    if (button === signIn) return logIn(app, place, server).then(again);
    if (button === register) return enterClient(app, server, { edit: () => editServer(app, server), entered: again });
    if (button === remove) await app.run("removeMcpServer", { name });
    else if (button === signOut) await app.run("removeMcpLogin", { ...place, name });
    else if (button === reconnect) await app.run("connectMcpServer", { ...place, name });
    else await app.run("enableMcpServer", { name, enabled: button === enable });
    await draw();
  };
  pick.onDidTriggerItemButton(({ item, button }) => {
    if (item.server) act(item.server, button).catch(report);
  });
  pick.onDidAccept(() => {
    const [chosen] = pick.selectedItems;
    pick.hide();
    const running = chosen?.run?.() ?? (chosen?.server ? act(chosen.server, nextStep(chosen.server)) : undefined);
    running?.catch(report);
  });
  pick.onDidHide(() => {
    pick.dispose();
  });
  pick.show();
  await draw().catch(report);
}

/** What a server needs from the user before anything else. */
function nextStep({ status }: Server): vscode.QuickInputButton {
  if (status?.state === "needs_auth") return signIn;
  return status?.state === "needs_client_registration" ? register : edit;
}

function buttonsOf(server: Server): vscode.QuickInputButton[] {
  const { entry, status, own } = server;
  const mayHaveLogin = status?.state === "connected" && entry["type"] === "remote" && entry["oauth"] !== false;
  return [
    entry["enabled"] === false ? enable : disable,
    ...(nextStep(server) === edit ? [] : [nextStep(server)]),
    ...(mayHaveLogin ? [signOut] : []),
    ...(status ? [reconnect] : []),
    edit,
    ...(own ? [remove] : []),
  ];
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
    buttons: buttonsOf(server),
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

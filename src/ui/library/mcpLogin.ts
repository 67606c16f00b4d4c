import * as vscode from "vscode";
import { describeError } from "../../base/errors.ts";
import { fields } from "../../base/fields.ts";
import type { McpServer } from "../../protocol/configuration.ts";
import type { App } from "../app.ts";

/** Where missions would have an MCP server. */
interface McpPlace {
  directory: string;
  workspaceId?: string;
}

/**
 * Logs in at a remote MCP server with the browser. Where that runs on another machine and does not come back by itself,
 * the user brings the address that it ended at.
 */
export async function logIn(app: App, place: McpPlace, { name, entry }: McpServer): Promise<void> {
  const { codeIn, openRedirectDesk, redirectOf } = await import("../../orchestrator/index.ts");
  const redirect = redirectOf(entry);
  const desk = await openRedirectDesk(redirect);
  try {
    const page = await app.run("beginMcpLogin", { ...place, name });
    if (page === "") {
      await app.run("connectMcpServer", { ...place, name });
      return;
    }
    const words = desk && (await comesBack(redirect)) ? waiting : stranded;
    const code = await codeOf({ name, words, page }, desk?.codeFrom(page), (text) => codeIn(text, page));
    if (code === undefined) return;
    await app.run("finishMcpLogin", { ...place, name, code });
    void vscode.window.showInformationMessage(`You are logged in at ${name}.`);
  } finally {
    desk?.dispose();
  }
}

/** Whether the user's browser finds that address of this machine; where it runs elsewhere, the editor forwards the port. */
async function comesBack(redirect: string): Promise<boolean> {
  const uri = vscode.Uri.parse(redirect, true);
  return (await vscode.env.asExternalUri(uri)).authority === uri.authority;
}

const waiting =
  "Waiting for the browser. Should it end at a page that it cannot open, put the address of that page here";
const stranded = "The browser may end at a page that it cannot open: then put the address of that page here";
const copyPage = { iconPath: new vscode.ThemeIcon("copy"), tooltip: "Copy the Address of the Page" };

/** Opens the page, and waits for the browser to come back or the user to bring something. Undefined when the user gives up. */
async function codeOf(
  { name, words, page }: { name: string; words: string; page: string },
  arriving: Promise<string> | undefined,
  read: (text: string) => string,
): Promise<string | undefined> {
  const input = vscode.window.createInputBox();
  input.title = `Log In at ${name}`;
  input.prompt = words;
  input.placeholder = "http://127.0.0.1:…?code=…";
  input.ignoreFocusOut = true;
  input.busy = arriving !== undefined;
  input.buttons = [copyPage];
  try {
    return await new Promise<string | undefined>((resolve, reject) => {
      arriving?.then(resolve, reject);
      input.onDidChangeValue(() => (input.validationMessage = undefined));
      input.onDidAccept(() => {
        if (input.value.trim() === "") return;
        try {
          resolve(read(input.value));
        } catch (error) {
          input.validationMessage = describeError(error);
        }
      });
      input.onDidTriggerButton(() => void vscode.env.clipboard.writeText(page));
      input.onDidHide(() => {
        resolve(undefined);
      });
      input.show();
      vscode.env.openExternal(vscode.Uri.parse(page, true)).then(undefined, reject);
    });
  } finally {
    input.dispose();
  }
}

/** Tells how to be let in by a server that takes registered clients only, and asks for such a client. */
export async function enterClient(
  app: App,
  server: McpServer,
  then: { edit: () => Promise<void>; entered: () => Promise<void> },
): Promise<void> {
  const { name, own } = server;
  const { redirectOf } = await import("../../orchestrator/index.ts");
  const redirect = redirectOf(server.entry);
  const [enter, copy] = [own ? "Enter Its ID…" : "Edit the Entry", "Copy Redirect Address"];
  const detail = `Register a client at the server’s operator, with the redirect address ${redirect}. The server’s entry needs its id as oauth.clientId, and its secret, if it has one, as oauth.clientSecret.`;
  const message = `${name} lets in only clients that it knows.`;
  const chosen = await vscode.window.showInformationMessage(message, { modal: true, detail }, enter, copy);
  if (chosen === copy) await vscode.env.clipboard.writeText(redirect);
  if (chosen !== enter) return;
  if (!own) await then.edit();
  else if (await askClient(app, server)) await then.entered();
}

async function askClient(app: App, { name, entry, scope, description }: McpServer): Promise<boolean> {
  const title = `Registered Client for ${name}`;
  const ask = (prompt: string, password: boolean) =>
    vscode.window.showInputBox({ title, prompt, password, ignoreFocusOut: true });
  const clientId = (await ask("The client’s id", false))?.trim() ?? "";
  if (clientId === "") return false;
  const clientSecret = (await ask("Its secret, or {env:NAME} for a variable’s; empty: none", true))?.trim();
  if (clientSecret === undefined) return false;
  const { clientSecret: _, ...others } = fields(entry["oauth"]);
  const oauth = { ...others, clientId, ...(clientSecret !== "" && { clientSecret }) };
  const server = { ...entry, scope, ...(description !== undefined && { description }), oauth };
  await app.run("setMcpServer", { name, server });
  return true;
}

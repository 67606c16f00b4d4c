import * as vscode from "vscode";
import type { ServerScope } from "../../protocol/configuration.ts";
import type { App } from "../app.ts";
import { askChoice, askSteps, askText, mapped, type Ask, type Choice } from "../steps.ts";

interface Draft {
  name: string;
  /** A command line, or a URL. */
  call: string;
  scope: ServerScope;
}

const title = "Add MCP Server";
const scopes: Choice<ServerScope>[] = [
  { label: "Wherever missions run", detail: "In a container it runs inside.", value: "workspace" },
  {
    label: "On this machine only",
    detail: "Missions in containers have it only where OpenCode runs outside of them.",
    value: "global",
  },
];

/** Asks step by step for an MCP server and adds it. */
export async function addMcpServer(app: App): Promise<void> {
  const names = (await app.run("mcpServers", { directory: (await app.core()).paths.root })).map(({ name }) => name);
  const name: Ask<Draft> = async (step, draft) =>
    mapped(await askText(step, { ...nameWords, value: draft.name }, (text) => wrongName(text, names)), (value) => ({
      name: value,
    }));
  const draft = await askSteps<Draft>(title, { name: "", call: "", scope: "workspace" }, () => [
    name,
    askCall,
    askScope,
  ]);
  if (!draft) return;
  await app.run("setMcpServer", { name: draft.name, server: serverOf(draft) });
  void vscode.window.showInformationMessage(`The next mission has the MCP server ${draft.name}.`);
}

const nameWords = { prompt: "Its name, with which its tools begin", placeholder: "playwright" };
const callWords = {
  prompt: "Its command line, or its URL",
  placeholder: "npx -y @playwright/mcp   or   https://example.org/mcp",
};

function wrongName(text: string, names: readonly string[]): string | undefined {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(text)) return "A name has letters, digits, “-” and “_”.";
  return names.includes(text) ? `There is an MCP server “${text}” already.` : undefined;
}

function wrongCall(text: string): string | undefined {
  return text.trim() === "" ? "A server has a command or a URL." : undefined;
}

const askCall: Ask<Draft> = async (step, draft) =>
  mapped(await askText(step, { ...callWords, value: draft.call }, wrongCall), (call) => ({ call }));

const askScope: Ask<Draft> = async (step, draft) =>
  mapped(await askChoice(step, "Where it runs", scopes, draft.scope), (scope) => ({ scope }));

function serverOf({ call, scope }: Draft): Record<string, unknown> {
  const common = { enabled: true, scope };
  const text = call.trim();
  if (/^https?:\/\//i.test(text)) return { type: "remote", url: text, ...common };
  // Words in quotes stay together.
  const words = [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, one, two, three]) => one ?? two ?? three ?? "",
  );
  return { type: "local", command: words, ...common };
}

import { existsSync } from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import { describeProblem, type GeneratedConfiguration } from "../../protocol/configuration.ts";
import type { Workspace } from "../../protocol/workspace.ts";
import type { App } from "../app.ts";
import { workspaceWith } from "../workspaces/workspaceNodes.ts";

const scheme = "open-agent-configuration";

/** Which side of the comparison a document is, and of which workspace; of missions in none without one. */
interface Side {
  what: "runs" | "generated";
  workspaceId?: string;
}

/** Shows what OpenCode is told for a workspace, or for missions in none, beside what it goes by. */
export async function showGeneratedConfiguration(app: App, workspace: Workspace | undefined): Promise<void> {
  const of = workspace ? { workspaceId: workspace.id } : {};
  const { folder, problems } = await app.run("syncConfiguration", of);
  const name = workspace?.name ?? "this machine";
  const document = (what: Side["what"]) =>
    vscode.Uri.from({ scheme, path: `/${what}/${name}.json`, query: JSON.stringify({ what, ...of }) });
  const title = `OpenCode on ${name}: What Runs ↔ What Is Generated`;
  await vscode.commands.executeCommand("vscode.diff", document("runs"), document("generated"), title);
  const [first, ...others] = problems.map(describeProblem);
  if (first === undefined) return;
  const more = others.length === 0 ? "" : ` And ${String(others.length)} more.`;
  const show = "Show File";
  if ((await vscode.window.showWarningMessage(first + more, show)) !== show) return;
  const path = problems[0]?.path ?? folder;
  await vscode.commands.executeCommand("vscode.open", vscode.Uri.file(fileAt(path)));
}

/** A skill is a folder. */
function fileAt(path: string): string {
  const file = join(path, "SKILL.md");
  return existsSync(file) ? file : path;
}

/** The two sides of that comparison as documents. */
export function provideConfigurations(app: App): vscode.Disposable {
  return vscode.workspace.registerTextDocumentContentProvider(scheme, {
    provideTextDocumentContent: async ({ query }) => {
      const { what, ...of } = JSON.parse(query) as Side;
      const shown = what === "runs" ? await running(app, of) : generated(await app.run("generatedConfiguration", of));
      return `${JSON.stringify(shown, null, 2)}\n`;
    },
  });
}

async function running(app: App, of: { workspaceId?: string }): Promise<unknown> {
  const core = await app.core();
  const workspace = of.workspaceId === undefined ? undefined : workspaceWith(core, of.workspaceId);
  const directory = workspace?.directory ?? vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? core.paths.root;
  const found = await app.run("runningConfiguration", { directory, ...of });
  return found ?? "OpenCode does not run here. It starts with the next mission.";
}

/** In the shape of what runs. */
function generated({ parts, folder, problems }: GeneratedConfiguration): object {
  const of = (...kinds: string[]) => parts.filter(({ kind }) => kinds.includes(kind));
  const names = (...kinds: string[]) =>
    of(...kinds)
      .map(({ name }) => name)
      .sort();
  return {
    agents: names("agents"),
    commands: names("commands", "skills"),
    instructions: names("rules").map((name) => join(folder, "rules", `${name}.md`)),
    plugins: of("plugins").map(({ entry }) => entry),
    mcp: Object.fromEntries(of("mcps").map(({ name, entry }) => [name, entry])) as object,
    tools: names("tools"),
    leftOut: problems.map(describeProblem),
  };
}

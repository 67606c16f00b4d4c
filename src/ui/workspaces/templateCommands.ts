import { basename } from "node:path";
import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import { isContainer, type Workspace } from "../../protocol/workspace.ts";
import type { App } from "../app.ts";
import { buildWorkspace } from "./building.ts";
import { nodeOf } from "./workspaceNodes.ts";
import { wrongName } from "./workspaceWords.ts";
import { folderPaths } from "../folders.ts";

/** Makes a container as a template of the Library says, and asks for the secrets that it needs. */
export async function newWorkspaceFromTemplate(app: App): Promise<void> {
  const { templates, problems } = await app.run("workspaceTemplates", {});
  for (const problem of problems) app.log.warn(problem);
  if (templates.length === 0) {
    const words =
      problems[0] ?? "The Library has no workspace templates. “Save Workspace as Template” makes one of a workspace.";
    throw new OpenAgentError("invalid_input", words);
  }
  const probes = await app.run("probeWorkspaces", {});
  const kind = probes.find((probe) => probe.available && isContainer(probe.kind))?.kind;
  if (!kind) throw new OpenAgentError("workspace_unavailable", "No kind of container can be used on this machine.");
  const items = templates.map((template) => ({
    label: template.name,
    description: template.distro ?? "",
    detail: template.description ?? "",
    template,
  }));
  const title = "New Workspace from Template";
  const chosen = await vscode.window.showQuickPick(items, { title, matchOnDetail: true });
  if (!chosen) return;
  const name = await askName(app, title, chosen.label);
  if (name === undefined) return;
  const [folder] = folderPaths();
  const wish = { name, kind, template: chosen.label, ...(folder !== undefined && { directory: folder }) };
  const { workspace, needed } = await app.run("createFromTemplate", wish);
  await vscode.commands.executeCommand("openAgent.workspaces.focus");
  if (needed.length > 0) void offerSecrets(workspace, needed);
  await buildWorkspace(app, workspace.id, false);
}

async function askName(app: App, title: string, like: string): Promise<string | undefined> {
  const names = (await app.core()).workspaces().workspaces.map(({ name }) => name);
  return vscode.window.showInputBox({
    title,
    prompt: "What the workspace is called",
    value: names.includes(like) ? `${like} ${basename(folderPaths()[0] ?? "2")}` : like,
    validateInput: (text) => wrongName(text, names),
  });
}

async function offerSecrets({ id, name }: Workspace, needed: readonly string[]): Promise<void> {
  const words = `${name} needs your values of ${needed.join(", ")}.`;
  if ((await vscode.window.showInformationMessage(words, "Set Secrets")) === "Set Secrets")
    await vscode.commands.executeCommand("openAgent.workspaceSecrets", nodeOf(id));
}

/** Writes a workspace into the Library as a template; of its secrets the names only. */
export async function saveAsTemplate(app: App, { id: workspaceId, name }: Workspace): Promise<void> {
  const { templates } = await app.run("workspaceTemplates", {});
  const chosen = await vscode.window.showInputBox({
    title: `Save ${name} as Template`,
    prompt: "What the template is called in the Library. Secrets are not in it, only their names.",
    value: name,
    validateInput: (text) => wrongName(text, []),
  });
  if (chosen === undefined) return;
  const isThere = templates.some((template) => template.name === chosen);
  if (isThere) {
    const detail = "What else its file holds stays as it is.";
    const sure = await vscode.window.showWarningMessage(
      `Replace the template “${chosen}”?`,
      { modal: true, detail },
      "Replace",
    );
    if (sure !== "Replace") return;
  }
  await app.run("saveAsTemplate", { workspaceId, name: chosen, replace: isThere });
  void vscode.window.showInformationMessage(`The template ${chosen} is in the Library.`);
}

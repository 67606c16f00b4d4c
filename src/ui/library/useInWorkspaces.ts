import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import { isSelected, type PartKind } from "../../protocol/configuration.ts";
import type { CommandInput } from "../../orchestrator/index.ts";
import type { App } from "../app.ts";
import type { ItemNode } from "./libraryNodes.ts";
import { plainLabel } from "../words.ts";
import { workspaceDescription } from "../workspaces/workspaceWords.ts";

/** Asks which workspaces give an item to their missions. What is on record for others is left as it is. */
export async function useInWorkspaces(app: App, { itemKind, name }: ItemNode): Promise<void> {
  const kind = itemKind as PartKind;
  const { workspaces } = (await app.core()).workspaces();
  if (workspaces.length === 0)
    throw new OpenAgentError(
      "invalid_input",
      `Missions in folders have “${name}” already. Make a workspace to choose what its missions have.`,
    );
  const items = workspaces.map((workspace) => ({
    label: plainLabel(workspace.name),
    description: workspaceDescription(workspace, Date.now()),
    detail:
      workspace.selection[kind] === undefined
        ? "Has all that the Library holds of this kind"
        : "Has a choice of its own",
    picked: isSelected({ kind, name }, workspace.selection),
    workspace,
  }));
  const chosen = await vscode.window.showQuickPick(items, {
    title: `Use “${name}” in Workspaces`,
    placeHolder: "Missions that begin later in the ones that are ticked have it",
    canPickMany: true,
    ignoreFocusOut: true,
  });
  if (!chosen) return;
  const { parts } = await app.run("knownParts", {});
  const all = parts.filter((part) => part.kind === kind).map((part) => part.name);
  for (const item of items) {
    const isWanted = chosen.includes(item);
    if (isWanted === item.picked) continue;
    const before = item.workspace.selection[kind] ?? all;
    const names = isWanted ? [...before, name] : before.filter((one) => one !== name);
    const selection = { ...item.workspace.selection, [kind]: names };
    await app.run("updateWorkspace", { workspaceId: item.workspace.id, selection } as CommandInput<"updateWorkspace">);
  }
}

import { OpenAgentError } from "../base/errors.ts";
import { listTemplates, readTemplate, writeTemplate, type Template } from "../library/templates.ts";
import type { Workspace } from "../protocol/workspace.ts";
import type { Leader } from "./leader.ts";
import type { WorkspaceWish } from "./workspaces.ts";

/** Workspaces that begin as a template of the Library says, and the other way round. */

export function templates(leader: Leader): { templates: Template[]; problems: string[] } {
  return listTemplates(leader.configurations.library);
}

/**
 * Makes a workspace from a template. What is wished wins over it, but for what missions are given: that is both
 * together. Secrets whose values are not known are on nobody's record: `needed` names them.
 * @throws OpenAgentError `invalid_input`
 */
export async function createFrom(
  leader: Leader,
  name: string,
  wish: WorkspaceWish,
): Promise<{ workspace: Workspace; needed: string[] }> {
  const key = await leader.configurations.key.load();
  const {
    description: _,
    secrets,
    environment,
    selection,
    ...rest
  } = readTemplate(leader.configurations.library, name, key);
  const { id } = leader.workspaces.create({
    ...rest,
    ...wish,
    template: name,
    environment: { ...environment, ...wish.environment },
    selection: union(selection, wish.selection),
  });
  const needed: string[] = [];
  for (const [secret, value] of Object.entries(secrets))
    if (value === undefined) needed.push(secret);
    else await leader.workspaces.setSecret(id, secret, value);
  return { workspace: leader.workspaces.get(id), needed };
}

function union(one: Workspace["selection"], other: Workspace["selection"] = {}): Workspace["selection"] {
  const kinds = Object.keys({ ...one, ...other }) as (keyof Workspace["selection"])[];
  return Object.fromEntries(kinds.map((kind) => [kind, [...new Set([...(one[kind] ?? []), ...(other[kind] ?? [])])]]));
}

/** Writes a workspace into the Library as a template. Throws `invalid_input` where one is there that is not to go. */
export function saveAsTemplate(leader: Leader, id: string, name: string, replace: boolean): void {
  const { distro, packages, initScript, network, environment, secrets, selection, ...workspace } =
    leader.workspaces.get(id);
  if (workspace.devContainer !== undefined)
    throw new OpenAgentError(
      "invalid_input",
      `${workspace.name} is made by ${workspace.devContainer}, which is its template.`,
    );
  const template: Template = {
    name,
    ...(distro && { distro }),
    packages,
    ...(initScript !== undefined && { initScript }),
    network,
    environment,
    secrets: Object.fromEntries(secrets.map((secret) => [secret, undefined])),
    selection,
  };
  writeTemplate(leader.configurations.library, template, replace);
}

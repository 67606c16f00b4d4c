import { statSync } from "node:fs";
import { isAbsolute } from "node:path";
import { OpenAgentError } from "../base/errors.ts";
import type { Core, FoundDesktop } from "../orchestrator/index.ts";
import { formatModel, parseModel } from "../protocol/mission.ts";

/**
 * Checks that a mission can work there.
 *
 * @throws OpenAgentError `invalid_input` or `folder_missing`
 */
export function checkFolder(directory: string): void {
  if (!isAbsolute(directory))
    throw new OpenAgentError("invalid_input", `“${directory}” is no absolute path. Name the folder from the root on.`);
  const found = statSync(directory, { throwIfNoEntry: false });
  if (found?.isDirectory()) return;
  const what = found ? `${directory} is a file, not a folder.` : `There is no folder ${directory}.`;
  throw new OpenAgentError("folder_missing", `${what} Make it, or name another one.`, { path: directory });
}

export interface Choice {
  agent?: string;
  model?: string;
}

/**
 * Checks an agent and a model against what OpenCode offers in a folder; both may be left open. Agents are found in any
 * case, and returned as OpenCode spells them.
 *
 * @throws OpenAgentError `unknown_agent`, `unknown_model` or `invalid_input`, naming what there is
 */
export async function checkChoice(core: Core, directory: string, choice: Choice): Promise<Choice> {
  const { agent, model } = choice;
  if (agent === undefined && model === undefined) return {};
  if (model !== undefined && !parseModel(model))
    throw new OpenAgentError("invalid_input", `“${model}” is not of the form provider/model.`, { model });
  const { agents, models } = await core.run("choices", { directory });
  const found = agents.find(({ name }) => name.toLowerCase() === agent?.toLowerCase());
  if (agent !== undefined && !found)
    throw new OpenAgentError(
      "unknown_agent",
      `There is no agent “${agent}”. Agents: ${some(agents.map(({ name }) => name))}.`,
      { agent },
    );
  const names = models.map(formatModel);
  if (model !== undefined && !names.includes(model))
    throw new OpenAgentError("unknown_model", `There is no model “${model}”. Models: ${some(names)}.`, { model });
  return { ...(found && { agent: found.name }), ...(model !== undefined && { model }) };
}

/**
 * The desktop that runs on this display, such as `:99` or `99`, or has this id.
 * @throws OpenAgentError `desktop_not_found`, or `invalid_input` when several are meant
 */
export function desktopNamed(core: Core, name: string): FoundDesktop {
  const all = core.desktops.list();
  const known = all.find(({ id }) => id === name);
  if (known) return known;
  const wanted = name.startsWith(":") ? name : `:${name}`;
  const [found, another] = all.filter(({ display }) => display === wanted);
  if (!found)
    throw new OpenAgentError(
      "desktop_not_found",
      `There is no desktop ${wanted}. GET /api/desktop/sessions lists those that there are.`,
    );
  if (!another) return found;
  const ids = all.flatMap(({ id, display }) => (display === wanted ? [id] : [])).join(", ");
  throw new OpenAgentError(
    "invalid_input",
    `Several desktops are ${wanted}, in different containers. Name one: ${ids}.`,
  );
}

function some(names: readonly string[]): string {
  if (names.length === 0) return "none; no provider is connected";
  const rest = names.length - 30;
  return names.slice(0, 30).join(", ") + (rest > 0 ? ` and ${String(rest)} more` : "");
}

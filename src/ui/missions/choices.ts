import { basename } from "node:path";
import * as vscode from "vscode";
import { formatModel, parseModel } from "../../protocol/mission.ts";
import type { Choices } from "../../orchestrator/index.ts";
import type { Workspace } from "../../protocol/workspace.ts";
import type { App } from "../app.ts";
import { defaultWorkspaceSetting } from "../workspaces/defaultWorkspace.ts";
import { plainLabel } from "../words.ts";
import { workspaceDescription } from "../workspaces/workspaceWords.ts";

/** What a mission runs with, as the user chose it. Absent: whatever OpenCode's configuration says. */
export interface Choice {
  agent?: string;
  /** `provider/model` */
  model?: string;
}

/** The choice made last for missions in a folder. */
export function rememberedChoice(app: App, directory: string): Choice {
  return app.context.workspaceState.get<Choice>(choiceKey(directory)) ?? {};
}

export async function rememberChoice(app: App, directory: string, choice: Choice): Promise<void> {
  await app.context.workspaceState.update(choiceKey(directory), choice);
}

function choiceKey(directory: string): string {
  return `choice:${directory}`;
}

/** Where a mission can work: in a folder on the host, or in a workspace on record. */
export interface Place {
  directory: string;
  workspace?: Workspace;
  /** In a git worktree that is made for the mission, of the repository that the folder is in. */
  newWorktree?: boolean;
  /** The workspace is the default of the folder that the mission is begun from. */
  isDefault?: boolean;
}

export interface Launch {
  place: Place;
  choice: Choice;
}

type Item = vscode.QuickPickItem &
  (
    | { does: "start" }
    | { does: "place"; place: Place }
    | { does: "agent"; agent: string }
    | { does: "model"; model: string }
    | { does: "nothing" }
  );

/**
 * Asks in one quick pick for workspace, agent and model, with what was chosen last time preset: Enter starts. Asks nothing
 * when there is nothing to choose from. Undefined when the user thinks better of it.
 *
 * @param lostDefault what should be preset and is not there: then a place has to be chosen before anything starts
 */
export function askLaunch(
  app: App,
  places: readonly Place[],
  first: Place,
  lostDefault?: string,
): Promise<Launch | undefined> {
  return new Promise((resolve) => {
    const pick = vscode.window.createQuickPick<Item>();
    pick.title = "New Mission (2 of 2)";
    pick.matchOnDescription = true;
    pick.ignoreFocusOut = true;
    let launch: Launch = { place: first, choice: rememberedChoice(app, first.directory) };
    let choices: Choices | undefined;
    let lost = lostDefault;
    const draw = () => {
      pick.placeholder =
        lost === undefined
          ? "Enter starts the mission; choose another workspace, agent or model first if you like"
          : "Choose where the mission works";
      pick.items = launchItems(launch, places, choices, lost);
      pick.value = "";
    };
    const load = () => {
      const { directory, workspace } = launch.place;
      pick.busy = true;
      app
        .run("choices", { directory, ...(workspace && { workspaceId: workspace.id }) })
        .then((found) => {
          if (launch.place.directory !== directory || launch.place.workspace !== workspace) return;
          choices = found;
          if (lost === undefined && places.length < 2 && found.agents.length < 2 && found.models.length < 2)
            finish(launch);
          else draw();
        })
        // The mission itself will say why OpenCode cannot be asked.
        .catch(() => {
          if (lost === undefined) finish(launch);
        })
        .finally(() => {
          pick.busy = false;
        });
    };
    const finish = (result: Launch | undefined) => {
      resolve(result);
      pick.dispose();
    };
    pick.onDidAccept(() => {
      // While the list is drawn anew nothing may be selected: then Enter means its first line.
      const item = pick.selectedItems[0] ?? pick.activeItems[0] ?? pick.items[0];
      if (!item || item.does === "nothing") return;
      if (item.does === "start") {
        void rememberChoice(app, launch.place.directory, launch.choice);
        finish(launch);
        return;
      }
      if (item.does === "place") {
        const { place } = item;
        lost = undefined;
        const isElsewhere = place.directory !== launch.place.directory;
        const knowsOthers = isElsewhere || place.workspace !== launch.place.workspace;
        launch = { place, choice: isElsewhere ? rememberedChoice(app, place.directory) : launch.choice };
        if (knowsOthers) {
          choices = undefined;
          load();
        }
      } else {
        const { choice } = launch;
        launch = {
          ...launch,
          choice: item.does === "agent" ? { ...choice, agent: item.agent } : { ...choice, model: item.model },
        };
      }
      draw();
    });
    pick.onDidHide(() => {
      finish(undefined);
    });
    draw();
    pick.show();
    load();
  });
}

function launchItems(
  { place, choice }: Launch,
  places: readonly Place[],
  choices: Choices | undefined,
  lost: string | undefined,
): Item[] {
  const model = choice.model ?? (choices?.defaultModel && formatModel(choices.defaultModel));
  const facts = [placeWord(place), choice.agent ?? choices?.defaultAgent ?? "", modelName(choices, model)].filter(
    (fact) => fact !== "",
  );
  const items: Item[] = [
    lost === undefined
      ? { does: "start", label: "$(play) Start", description: facts.join(" · "), alwaysShow: true }
      : lostItem(lost),
  ];
  if (places.length > 1 || lost !== undefined)
    items.push(
      heading("Workspace"),
      ...places.map((other) => placeItem(other, lost === undefined ? place : undefined)),
    );
  if (choices && choices.agents.length > 1) items.push(heading("Agent"), ...agentItems(choices, choice.agent));
  if (choices && choices.models.length > 1) items.push(heading("Model"), ...modelItems(choices, choice.model));
  return items;
}

function lostItem(named: string): Item {
  return {
    does: "nothing",
    label: `$(warning) The default workspace “${plainLabel(named)}” is not there`,
    detail: `Choose where this mission works, or change ${defaultWorkspaceSetting} in the settings.`,
    alwaysShow: true,
  };
}

function placeItem(place: Place, chosen: Place | undefined): Item {
  const { directory, workspace } = place;
  const isChosen =
    directory === chosen?.directory &&
    workspace?.id === chosen.workspace?.id &&
    place.newWorktree === chosen.newWorktree;
  const host = place.newWorktree ? "a git worktree on a branch of its own" : "host";
  const facts = `${workspace ? workspaceDescription(workspace, Date.now()) : host} · ${directory}`;
  const label = mark(isChosen, plainLabel(workspace?.name ?? placeWord(place)));
  return { does: "place", place, label, description: place.isDefault ? `default · ${facts}` : facts };
}

function placeWord({ directory, workspace, newWorktree }: Place): string {
  if (newWorktree) return `${basename(directory)} · new worktree`;
  return workspace ? plainLabel(`${workspace.name} · ${workspace.kind}`) : basename(directory);
}

function agentItems(choices: Choices, chosen = choices.defaultAgent): Item[] {
  return choices.agents.map(({ name, description }) => {
    return { does: "agent", agent: name, label: mark(name === chosen, name), description };
  });
}

function modelItems(choices: Choices, chosen = choices.defaultModel && formatModel(choices.defaultModel)): Item[] {
  return choices.models.map((model) => {
    const id = formatModel(model);
    const note = model.keyless ? `${model.providerName} · free, needs no login` : model.providerName;
    return { does: "model", model: id, label: mark(id === chosen, model.name), description: note, detail: id };
  });
}

function modelName(choices: Choices | undefined, id: string | undefined): string {
  const parsed = id === undefined ? undefined : parseModel(id);
  const known = choices?.models.find(
    (model) => model.providerId === parsed?.providerId && model.modelId === parsed.modelId,
  );
  return known?.name ?? parsed?.modelId ?? "";
}

function heading(label: string): Item {
  return { does: "nothing", label, kind: vscode.QuickPickItemKind.Separator };
}

function mark(chosen: boolean, label: string): string {
  return chosen ? `$(check) ${label}` : label;
}

/** Asks for the agent or the model alone. */
export async function pickOne(
  app: App,
  of: { directory: string; missionId?: string },
  what: "agent" | "model",
  choice: Choice,
): Promise<string | undefined> {
  const loading = app
    .run("choices", of)
    .then((choices) => (what === "agent" ? agentItems(choices, choice.agent) : modelItems(choices, choice.model)));
  const item = await vscode.window.showQuickPick<Item>(loading, {
    title: what === "agent" ? "Choose Agent" : "Choose Model",
    placeHolder: `For missions in ${basename(of.directory)}`,
    matchOnDescription: true,
    matchOnDetail: true,
  });
  if (item?.does === "agent") return item.agent;
  return item?.does === "model" ? item.model : undefined;
}

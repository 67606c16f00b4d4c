import { basename, relative } from "node:path";
import * as vscode from "vscode";
import type { CommandInput } from "../../orchestrator/index.ts";
import {
  distros,
  isContainer,
  type BackendKind,
  type Distro,
  type Probe,
  type WorkspaceLimits,
} from "../../protocol/workspace.ts";
import type { App } from "../app.ts";
import { buildWorkspace } from "./building.ts";
import { askLimits } from "./limitSteps.ts";
import { askChoice, askSteps, askText, mapped, type Answer, type Ask, type Choice, type Step } from "../steps.ts";
import { settings } from "../settings.ts";
import { distroWords, kindWords, parsePackages, privateNetworkWords, wrongName } from "./workspaceWords.ts";
import { folderPaths } from "../folders.ts";

const title = "New Workspace";

/** What is asked for. An empty folder stands for one that is made for the workspace alone. */
interface Draft {
  kind: BackendKind;
  name: string;
  folder: string;
  distro: Distro;
  /** A `devcontainer.json` in place of a distribution and its packages. */
  devContainer: string | undefined;
  packages: string[];
  network: "private" | "host";
  limits: WorkspaceLimits;
}

/** Asks step by step for a workspace, makes it, and builds it where it is a container. */
export async function newWorkspace(app: App): Promise<void> {
  const core = await app.core();
  const probing = app.run("probeWorkspaces", {});
  const probes = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Window, title: "Looking for what workspaces can be made of" },
    () => probing,
  );
  const names = core.workspaces().workspaces.map(({ name }) => name);
  const draft = await ask(probes, names);
  if (!draft) return;
  const wish: CommandInput<"createWorkspace"> = {
    name: draft.name,
    kind: draft.kind,
    ...(draft.folder !== "" && { directory: draft.folder }),
    ...(isContainer(draft.kind) && {
      ...(draft.devContainer === undefined
        ? { distro: draft.distro, packages: draft.packages }
        : { devContainer: draft.devContainer }),
      network: draft.network,
      limits: draft.limits,
    }),
  };
  const { id } = await app.run("createWorkspace", wish);
  await vscode.commands.executeCommand("openAgent.workspaces.focus");
  if (isContainer(draft.kind)) await buildWorkspace(app, id, false);
}

/** Undefined when the user gives up. */
function ask(probes: readonly Probe[], names: readonly string[]): Promise<Draft | undefined> {
  const first = probes.find(({ kind, available }) => available && isContainer(kind))?.kind ?? "host";
  const draft: Draft = {
    kind: first,
    name: "",
    folder: folderPaths()[0] ?? "",
    distro: "debian-bookworm",
    devContainer: undefined,
    packages: ["git"],
    network: "private",
    limits: {},
  };
  return askSteps(title, draft, (soFar) => [...always(probes, names), ...ofKind(soFar, probes)]);
}

function always(probes: readonly Probe[], names: readonly string[]): Ask<Draft>[] {
  return [(step, draft) => askKind(step, draft, probes), (step, draft) => askName(step, draft, names), askFolder];
}

function ofKind({ kind, devContainer }: Draft, probes: readonly Probe[]): Ask<Draft>[] {
  if (!isContainer(kind)) return [];
  const limits = probes.find((probe) => probe.kind === kind)?.limits ?? [];
  const ask: Ask<Draft> = async (step, draft) =>
    mapped(await askLimits(step, draft.limits, limits), (value) => ({ limits: value }));
  const packages = devContainer === undefined ? [askPackages] : [];
  return [askDistro, ...packages, askNetwork, ...(limits.length > 0 ? [ask] : [])];
}

async function askKind(step: Step, { kind }: Draft, probes: readonly Probe[]): Promise<Answer<Partial<Draft>>> {
  // A worktree is made with the mission that works in it.
  const offered = probes.filter((probe) => probe.kind !== "worktree");
  const item = (probe: Probe): Choice<BackendKind> => {
    const { label, detail, icon } = kindWords[probe.kind];
    if (!probe.available) return { label: `$(circle-slash) ${label}`, detail: probe.reason ?? "", value: probe.kind };
    return { label: `$(${icon}) ${label}`, description: probe.version ?? "", detail, value: probe.kind };
  };
  const byKind = (one: Probe, other: Probe) => Number(isContainer(other.kind)) - Number(isContainer(one.kind));
  const available = offered.filter((probe) => probe.available).sort(byKind);
  const others = offered.filter((probe) => !probe.available);
  const items = available.map(item);
  if (others.length > 0)
    items.push({ label: "Not Available Here", kind: vscode.QuickPickItemKind.Separator }, ...others.map(item));
  for (let current = kind; ;) {
    const answer = await askChoice(step, "What the workspace is built on", items, current);
    if (answer === undefined || answer === "back") return answer;
    const missing = others.find((probe) => probe.kind === answer.value);
    // Not every limit holds in every kind.
    if (!missing)
      return { value: { kind: answer.value, devContainer: undefined, ...(answer.value !== kind && { limits: {} }) } };
    current = answer.value;
    const detail = [missing.reason, missing.remedy].filter((part) => part !== undefined).join("\n\n");
    await vscode.window.showInformationMessage(`${kindWords[missing.kind].label} is not available here.`, {
      modal: true,
      detail,
    });
  }
}

async function askName(step: Step, { name }: Draft, names: readonly string[]): Promise<Answer<Partial<Draft>>> {
  const words = { prompt: "What the workspace is called", value: name, placeholder: "box" };
  const answer = await askText(step, words, (text) => wrongName(text, names));
  return mapped(answer, (text) => ({ name: text.trim() }));
}

const other = "?";

async function askFolder(step: Step, draft: Draft): Promise<Answer<Partial<Draft>>> {
  const { folder, name } = draft;
  const inWindow = folderPaths();
  const items: Choice<string>[] = [...new Set([...inWindow, ...(folder === "" ? [] : [folder])])].map((path) => ({
    label: `$(folder) ${basename(path)}`,
    description: path,
    value: path,
  }));
  items.push(
    { label: "$(folder-opened) Another Folder…", value: other },
    { label: "$(new-folder) A New, Empty Folder", description: `for ${name} alone, deleted with it`, value: "" },
  );
  const answer = await askChoice(step, "The folder that missions work in", items, folder);
  if (answer === undefined || answer === "back") return answer;
  if (answer.value !== other) return { value: { folder: answer.value, devContainer: undefined } };
  const options = { title: "Folder of the Workspace", canSelectFolders: true, canSelectFiles: false, openLabel: "Use" };
  const [chosen] = (await vscode.window.showOpenDialog(options)) ?? [];
  return chosen ? { value: { folder: chosen.fsPath, devContainer: undefined } } : askFolder(step, draft);
}

async function askDistro(step: Step, { kind, folder, distro, devContainer }: Draft): Promise<Answer<Partial<Draft>>> {
  const { findDevContainers } = await import("../../orchestrator/index.ts");
  const isEngine = kind === "podman" || kind === "docker";
  const files = isEngine && folder !== "" ? findDevContainers(folder) : [];
  const items: Choice<string>[] = [
    ...files.map((value) => ({
      label: "$(remote-explorer) Dev Container of This Folder",
      description: relative(folder, value),
      detail: "Built by the Dev Containers CLI. What the file runs once is run when the workspace is built.",
      value,
    })),
    ...distros.map((value) => ({ label: distroWords[value], description: value, value })),
  ];
  const current = devContainer ?? (files.length > 0 ? undefined : distro);
  return mapped(await askChoice(step, "The Linux inside", items, current), (value) => {
    const named = distros.find((one) => one === value);
    return named ? { distro: named, devContainer: undefined } : { devContainer: value };
  });
}

async function askPackages(step: Step, { packages }: Draft): Promise<Answer<Partial<Draft>>> {
  const words = {
    prompt: "Packages to install, with spaces between. What a turn changes is only tracked where there is git.",
    value: packages.join(" "),
    placeholder: "git curl build-essential",
  };
  const answer = await askText(step, words, (text) => {
    const { wrong } = parsePackages(text);
    return wrong === undefined ? undefined : `“${wrong}” is no name of a package.`;
  });
  return mapped(answer, (text) => ({ packages: parsePackages(text).packages }));
}

async function askNetwork(step: Step, { network }: Draft): Promise<Answer<Partial<Draft>>> {
  const items: Choice<Draft["network"]>[] = [
    {
      label: "$(lock) Private",
      detail: privateNetworkWords[settings().containerOpenCode],
      value: "private",
    },
    {
      label: "$(globe) This Machine’s",
      detail: "Commands of the agent reach whatever this machine does, its own services too.",
      value: "host",
    },
  ];
  return mapped(await askChoice(step, "The network inside", items, network), (value) => ({ network: value }));
}

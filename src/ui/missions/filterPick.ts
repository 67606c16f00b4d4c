import { basename } from "node:path";
import * as vscode from "vscode";
import type { MissionHead, MissionStatus } from "../../protocol/mission.ts";
import { agentOf, filterWords, statusLabels, withStatus, withValue, type MissionFilter } from "./missionFilter.ts";

type Item = vscode.QuickPickItem & { next?: MissionFilter };

/**
 * Asks what to narrow the tree of missions to. What is chosen already is marked, and left out when it is chosen again.
 * Undefined when the user thinks better of it.
 *
 * @param heads missions whose folders and agents are offered
 */
export async function pickFilter(
  filter: MissionFilter,
  heads: readonly MissionHead[],
): Promise<MissionFilter | undefined> {
  const pick = vscode.window.createQuickPick<Item>();
  pick.title = "Filter Missions";
  pick.placeholder = "Type words of a title, or choose a status, a workspace or an agent";
  pick.matchOnDescription = true;
  const offered = [
    ...titleItem(filter),
    ...statusItems(filter),
    ...folderItems(filter, heads),
    ...agentItems(filter, heads),
  ];
  const draw = () => {
    const words = pick.value.trim();
    const typed: Item = {
      label: `$(search) Title contains “${words}”`,
      alwaysShow: true,
      next: { ...filter, text: words },
    };
    pick.items = words === "" ? offered : [typed, ...offered];
  };
  pick.onDidChangeValue(draw);
  draw();
  try {
    return await new Promise((resolve) => {
      pick.onDidAccept(() => {
        const [item] = pick.selectedItems;
        const words = pick.value.trim();
        // Who types fast is done before the list has heard of it.
        if (item?.next) resolve(item.next);
        else if (words !== "") resolve({ ...filter, text: words });
      });
      pick.onDidHide(() => {
        resolve(undefined);
      });
      pick.show();
    });
  } finally {
    pick.dispose();
  }
}

function separator(label: string): Item {
  return { label, kind: vscode.QuickPickItemKind.Separator };
}

function marked(chosen: boolean, label: string): string {
  return `${chosen ? "$(check)" : "$(blank)"} ${label}`;
}

function titleItem(filter: MissionFilter): Item[] {
  const clear: Item[] =
    filterWords(filter) === ""
      ? []
      : [{ label: "$(clear-all) Clear Filter", description: filterWords(filter), next: {} }];
  const { text } = filter;
  if (text === undefined) return clear;
  return [...clear, separator("title"), { label: marked(true, `“${text}”`), next: withValue(filter, "text", text) }];
}

function statusItems(filter: MissionFilter): Item[] {
  const statuses = Object.entries(statusLabels) as [MissionStatus, string][];
  return [
    separator("status"),
    ...statuses.map(([status, label]) => ({
      label: marked(filter.status?.includes(status) === true, label),
      next: withStatus(filter, status),
    })),
  ];
}

function folderItems(filter: MissionFilter, heads: readonly MissionHead[]): Item[] {
  const folders = [...new Set([...chosen(filter.directory), ...heads.map((head) => head.directory)])].sort();
  if (folders.length === 0) return [];
  return [
    separator("workspace"),
    ...folders.map((directory) => ({
      label: marked(filter.directory === directory, basename(directory)),
      description: directory,
      next: withValue(filter, "directory", directory),
    })),
  ];
}

function agentItems(filter: MissionFilter, heads: readonly MissionHead[]): Item[] {
  const agents = [...new Set([...chosen(filter.agent), ...heads.flatMap((head) => chosen(agentOf(head)))])].sort();
  if (agents.length === 0) return [];
  return [
    separator("agent"),
    ...agents.map((agent) => ({
      label: marked(filter.agent === agent, agent),
      next: withValue(filter, "agent", agent),
    })),
  ];
}

function chosen(value: string | undefined): string[] {
  return value === undefined || value === "" ? [] : [value];
}

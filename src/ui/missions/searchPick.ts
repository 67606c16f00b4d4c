import * as vscode from "vscode";
import type { Core } from "../../orchestrator/index.ts";
import { searchTerms, type SearchHit } from "../../protocol/search.ts";
import type { App } from "../app.ts";
import type { MissionPanels } from "./panels.ts";
import { describeError } from "../../base/errors.ts";
import { report } from "../library/problems.ts";
import { ago, plainLabel } from "../words.ts";

interface HitItem extends vscode.QuickPickItem {
  hit?: SearchHit;
  more?: boolean;
}

/** Of typing before it is searched, in milliseconds. */
const restMs = 120;
const firstHits = 50;
const mostHits = 500;

/**
 * Searches what was said, run and changed while the user types, in all missions or in one, and takes him to the place
 * that he chooses. Resolves when the list is closed.
 */
export async function searchMissions(app: App, panels: MissionPanels, missionId?: string): Promise<void> {
  const core = await app.core();
  const pick = vscode.window.createQuickPick<HitItem>();
  let scope = missionId;
  let limit = firstHits;
  let timer: NodeJS.Timeout | undefined;
  const name = () => {
    pick.title = scope === undefined ? "Search Missions" : `Search in “${core.store.head(scope).title}”`;
    pick.buttons = missionId === undefined ? [] : [scope === undefined ? narrow : widen];
  };
  const search = () => {
    clearTimeout(timer);
    timer = undefined;
    pick.busy = false;
    pick.items = itemsFor(core, pick.value, scope, limit);
  };
  pick.placeholder = "Words that all occur, or “a phrase” in double quotes";
  pick.keepScrollPosition = true;
  pick.onDidChangeValue(() => {
    limit = firstHits;
    pick.busy = true;
    clearTimeout(timer);
    timer = setTimeout(search, restMs);
  });
  pick.onDidTriggerButton(() => {
    scope = scope === undefined ? missionId : undefined;
    name();
    search();
  });
  name();
  try {
    await new Promise<void>((closed) => {
      pick.onDidAccept(() => {
        const [item] = pick.selectedItems;
        if (timer !== undefined) {
          // What is listed is of what was typed before.
          search();
        } else if (item?.more) {
          limit = mostHits;
          search();
        } else if (item?.hit) {
          pick.hide();
          void openHit(core, panels, item.hit, pick.value).catch(report);
        }
      });
      pick.onDidHide(() => {
        closed();
      });
      pick.show();
    });
  } finally {
    clearTimeout(timer);
    pick.dispose();
  }
}

const widen: vscode.QuickInputButton = {
  iconPath: new vscode.ThemeIcon("list-tree"),
  tooltip: "Search in All Missions",
};
const narrow: vscode.QuickInputButton = {
  iconPath: new vscode.ThemeIcon("go-to-search"),
  tooltip: "Search in This Mission",
};

function itemsFor(core: Core, text: string, missionId: string | undefined, limit: number): HitItem[] {
  if (text.trim() === "") return [];
  try {
    const hits = core.store.search({ text, limit, ...(missionId !== undefined && { missionId }) });
    if (hits.length === 0) return [{ label: `Nothing was found for “${plainLabel(text)}”.`, alwaysShow: true }];
    const items = hits.map((hit) => itemOf(hit, missionId === undefined));
    const isCut = hits.length === limit && limit < mostHits;
    return isCut ? [...items, { label: "Show more…", alwaysShow: true, more: true }] : items;
  } catch (error) {
    return [{ label: `$(error) ${plainLabel(describeError(error))}`, alwaysShow: true }];
  }
}

function itemOf(hit: SearchHit, isOfAny: boolean): HitItem {
  const { icon, word } = placeOf(hit);
  const title = isOfAny && hit.type !== "title" ? plainLabel(hit.title) : "";
  const facts = [word, ago(hit.time, Date.now()), title];
  return {
    label: `$(${icon}) ${plainLabel(hit.snippet.text)}`,
    detail: facts.filter((fact) => fact !== "").join(" · "),
    // The editor's own filter knows nothing of quotes and of words in any order.
    alwaysShow: true,
    hit,
  };
}

function placeOf({ type }: SearchHit): { icon: string; word: string } {
  switch (type) {
    case "title":
      return { icon: "rocket", word: "mission" };
    case "user_message":
    case "message_queued":
      return { icon: "account", word: "you" };
    case "assistant_message":
      return { icon: "comment", word: "answer" };
    case "thinking":
      return { icon: "lightbulb", word: "thought" };
    case "tool_call":
    case "tool_result":
      return { icon: "tools", word: "step" };
    default:
      return { icon: "circle-small", word: "" };
  }
}

async function openHit(core: Core, panels: MissionPanels, hit: SearchHit, query: string): Promise<void> {
  const { missionId, sessionId, messageId, partId } = hit;
  const isChild = sessionId !== undefined && core.store.head(missionId).children[sessionId] !== undefined;
  const target = messageId !== undefined && {
    messageId,
    words: searchTerms(query),
    ...(partId !== undefined && { partId }),
  };
  await panels.open(missionId, {
    preview: true,
    ...(isChild && { subAgent: sessionId }),
    ...(target && { reveal: target }),
  });
}

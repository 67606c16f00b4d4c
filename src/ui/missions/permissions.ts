import { basename } from "node:path";
import * as vscode from "vscode";
import type { Core } from "../../orchestrator/index.ts";
import { permissionModes, type PermissionMode, type PermissionRule } from "../../protocol/permission.ts";
import { modeWords, scopeWords } from "../../protocol/requestWords.ts";
import type { App } from "../app.ts";
import { report } from "../library/problems.ts";
import { settings } from "../settings.ts";
import { ago } from "../words.ts";

const modeDetails: Readonly<Record<PermissionMode, string>> = {
  ask: "OpenCode’s configuration decides what is asked, and you answer.",
  "allow-edits": "Edits of files in the mission’s folder are allowed, but not of git’s and OpenCode’s own files there.",
  "allow-all": "Everything that would be asked is allowed: any command, any file.",
};

/** Lets the user choose what a mission may do without asking. */
export async function choosePermissions(app: App, missionId: string): Promise<void> {
  const { store } = await app.core();
  const own = store.head(missionId).permissions;
  const mark = (chosen: boolean, label: string) => (chosen ? `$(check) ${label}` : label);
  const items = [
    {
      label: mark(own === undefined, `As in the Settings: ${modeWords[settings().permissions]}`),
      mode: null,
      detail: modeDetails[settings().permissions],
    },
    ...permissionModes.map((mode) => ({
      label: mark(own === mode, modeWords[mode]),
      mode,
      detail: modeDetails[mode],
    })),
  ];
  const chosen = await vscode.window.showQuickPick(items, {
    title: "Permissions of This Mission",
    placeHolder: "What the agent may do without asking you; it applies at once",
  });
  if (chosen) await app.run("setMissionPermissions", { missionId, mode: chosen.mode });
}

type RuleItem = vscode.QuickPickItem & { rule?: PermissionRule };

const revoke: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon("trash"), tooltip: "Revoke" };

/** Lists all that the user allowed for good, and revokes what he likes of it. Resolves when the list is closed. */
export async function showRules(app: App): Promise<void> {
  const core = await app.core();
  const pick = vscode.window.createQuickPick<RuleItem>();
  pick.title = "Permission Rules";
  pick.placeholder = "What agents may do without asking; Enter or the bin revokes a rule";
  pick.matchOnDescription = true;
  pick.matchOnDetail = true;
  pick.ignoreFocusOut = true;
  const draw = () => {
    const items = core.store.rules().map((rule) => ruleItem(core, rule));
    pick.items =
      items.length > 0 ? items : [{ label: "There are no rules.", detail: "“Always” on a request makes one." }];
  };
  const remove = async ({ rule }: RuleItem) => {
    if (!rule) return;
    await app.run("revokeRule", { ruleId: rule.id });
    draw();
  };
  await new Promise<void>((closed) => {
    pick.onDidTriggerItemButton(({ item }) => void remove(item).catch(report));
    pick.onDidAccept(() => {
      const [item] = pick.selectedItems;
      if (item?.rule) void remove(item).catch(report);
      else pick.hide();
    });
    pick.onDidHide(() => closed());
    draw();
    pick.show();
  });
  pick.dispose();
}

function ruleItem(core: Core, rule: PermissionRule): RuleItem {
  const made = new Date(rule.createdAt);
  return {
    label: rule.pattern,
    description: `${rule.permission} · ${scopeOf(core, rule)}`,
    detail: `Allowed ${made.toLocaleString()} (${ago(rule.createdAt, Date.now())})`,
    buttons: [revoke],
    rule,
  };
}

function scopeOf(core: Core, rule: PermissionRule): string {
  if (rule.missionId !== undefined) return `mission “${core.store.head(rule.missionId).title}”`;
  if (rule.directory !== undefined) return `workspace ${basename(rule.directory)} (${rule.directory})`;
  return scopeWords.all;
}

import * as vscode from "vscode";
import { describeError } from "../../base/errors.ts";
import type { Core } from "../../orchestrator/index.ts";
import type { App } from "../app.ts";

const lookMs = 20_000;

/** Tells the user a while before the desktop of a mission that rests is closed. Of all windows one tells, once. */
export function noticeClosings(app: App): vscode.Disposable {
  let timer: NodeJS.Timeout | undefined;
  const listening = app.onCore((core) => {
    clearInterval(timer);
    timer = setInterval(() => {
      consider(app, core).catch((error: unknown) => app.log.warn(`No notice of a desktop: ${describeError(error)}`));
    }, lookMs);
  });
  return vscode.Disposable.from(listening, { dispose: () => clearInterval(timer) });
}

async function consider(app: App, core: Core): Promise<void> {
  if (!vscode.workspace.isTrusted) return;
  const soon = core.desktops.list().filter(({ closesAt }) => closesAt !== undefined && closesAt > Date.now());
  if (soon.length === 0) return;
  for (const { id, missionId, closesAt = 0 } of soon) {
    if (missionId === undefined || closesAt - Date.now() > core.desktops.warningMs) continue;
    if (await core.run("claimNotice", { missionId, key: `desktop:${id}:${String(closesAt)}` }))
      tell(app, core, id, missionId);
  }
}

function tell(app: App, core: Core, desktopId: string, missionId: string): void {
  const words = `The desktop of “${core.store.head(missionId).title}” is closed soon, since its mission rests.`;
  void vscode.window.showInformationMessage(words, "Keep", "Show").then(async (chosen) => {
    if (chosen === "Keep") await app.run("keepDesktop", { desktopId });
    if (chosen === "Show") await vscode.commands.executeCommand("openAgent.showDesktop", { desktopId });
  });
}

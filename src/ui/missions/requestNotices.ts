import { isAbsolute, relative } from "node:path";
import * as vscode from "vscode";
import { sleep } from "../../base/async.ts";
import { describeError } from "../../base/errors.ts";
import type { Core } from "../../orchestrator/index.ts";
import { requestKey } from "../../protocol/event.ts";
import type { MissionHead, UserRequest } from "../../protocol/mission.ts";
import { openRequests } from "../../protocol/permission.ts";
import { noticeOf, type NoticeButton } from "../../protocol/requestWords.ts";
import { unlessAnswered } from "./answering.ts";
import type { App } from "../app.ts";
import type { MissionPanels } from "./panels.ts";
import { report } from "../library/problems.ts";
import { settings } from "../settings.ts";
import { folderPaths } from "../folders.ts";

/**
 * Tells the user of what waits for him in a mission that he does not look at, with the answers as buttons. Of all
 * windows one does it, and once: the leader gives each request to the first that asks for it.
 */
export function noticeRequests(app: App, panels: MissionPanels): vscode.Disposable {
  /** Requests that this window has taken care of. */
  const seen = new Set<string>();
  const look = (core: Core, head: MissionHead) => {
    if (!vscode.workspace.isTrusted || !settings().notify.waiting) return;
    for (const request of openRequests(head)) {
      if (seen.has(request.id)) continue;
      seen.add(request.id);
      notice(app, panels, core, head, request).catch((error: unknown) => {
        app.log.warn(`A request could not be notified: ${describeError(error)}`);
      });
    }
  };
  const waiting = (core: Core) => {
    for (const head of core.store.listRunning()) look(core, head);
  };
  return app.onCore((core) => {
    core.onHead((head) => look(core, head));
    core.onReloaded(() => waiting(core));
  });
}

async function notice(app: App, panels: MissionPanels, core: Core, head: MissionHead, request: UserRequest) {
  await sleep(patience(panels, head));
  const { id: missionId, title } = head;
  if (!openRequests(core.store.head(missionId)).some(({ id }) => id === request.id)) return;
  if (!(await app.run("claimNotice", { missionId, key: requestKey(request.id) }))) return;
  if (panels.isVisible(missionId)) return;
  const { message, buttons } = noticeOf(title, request);
  const pressed = await vscode.window.showInformationMessage(message, ...buttons.map(({ label }) => label));
  const button = buttons.find(({ label }) => label === pressed);
  if (button) await press(app, panels, missionId, request.id, button).catch(report);
}

/** How long a window leaves a request to the others, in ms: the one that shows the mission, or has its folder, is first. */
function patience(panels: MissionPanels, head: MissionHead): number {
  if (panels.isVisible(head.id)) return 0;
  const near = folderPaths().some((folder) => isWithin(folder, head.directory));
  return (near ? 300 : 900) + (vscode.window.state.focused ? 0 : 300);
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return !way.startsWith("..") && !isAbsolute(way);
}

async function press(
  app: App,
  panels: MissionPanels,
  missionId: string,
  requestId: string,
  { does }: NoticeButton,
): Promise<void> {
  if (does.kind === "open") {
    await panels.open(missionId, { preview: false });
    return;
  }
  await unlessAnswered(() =>
    does.kind === "permission"
      ? app.run("answerPermission", { missionId, requestId, reply: does.reply })
      : app.run("answerQuestion", { missionId, requestId, answers: [[does.answer]] }),
  );
}

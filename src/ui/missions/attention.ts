import * as vscode from "vscode";
import { sleep } from "../../base/async.ts";
import { describeError } from "../../base/errors.ts";
import type { Core } from "../../orchestrator/index.ts";
import type { MissionHead } from "../../protocol/mission.ts";
import { endingOf, partOf } from "./attentionRules.ts";
import type { App } from "../app.ts";
import type { MissionPanels } from "./panels.ts";
import { report } from "../library/problems.ts";
import { settings } from "../settings.ts";
import { SpendAlert } from "./spendAlert.ts";

/** How long the windows that the user is not in leave a notice to the one that the user is in. */
const precedenceMs = 1_500;

/** Tells the user of what happens to missions that are not looked at. Of all windows one tells, once. */
export function watchAttention(app: App, panels: MissionPanels): vscode.Disposable {
  return app.onCore((core) => {
    const attention = new Attention(app, core, panels);
    core.onHead((head) => {
      attention.consider(head);
    });
  });
}

class Attention {
  readonly #app: App;
  readonly #core: Core;
  readonly #panels: MissionPanels;
  readonly #spend: SpendAlert;
  /** What ended before this is history. Epoch milliseconds. */
  readonly #since = Date.now();
  /** What was considered last, by mission. */
  readonly #last = new Map<string, string>();

  constructor(app: App, core: Core, panels: MissionPanels) {
    this.#app = app;
    this.#core = core;
    this.#panels = panels;
    this.#spend = new SpendAlert(app, (head, key) => this.#claim(head, key, () => false));
  }

  consider(head: MissionHead): void {
    if (!vscode.workspace.isTrusted) return;
    if ((head.turnEndedAt ?? 0) >= this.#since || head.busy) this.#spend.consider(head);
    const ending = endingOf(head);
    if (!ending || (head.turnEndedAt ?? 0) < this.#since || this.#last.get(head.id) === ending.key) return;
    this.#last.set(head.id, ending.key);
    if (!settings().notify[ending.kind]) return;
    this.#claim(head, ending.key, () => this.#panels.isVisible(head.id))
      .then((tells) => (tells ? this.#tell(head, ending.kind) : undefined))
      .catch((error: unknown) => {
        this.#app.log.warn(`A notification was not shown: ${describeError(error)}`);
      });
  }

  /** Whether this window is to tell. One that shows the thing to the user claims it as well, so that no other tells. */
  async #claim(head: MissionHead, key: string, missionInView: () => boolean): Promise<boolean> {
    const part = () => partOf({ focused: vscode.window.state.focused, missionInView: missionInView() });
    if (part() === "tell_if_nobody_else") await sleep(precedenceMs);
    const won = await this.#core.run("claimNotice", { missionId: head.id, key });
    return won && part() !== "seen";
  }

  async #tell(head: MissionHead, kind: "done" | "failed"): Promise<void> {
    const open = "Open Mission";
    const line = kind === "done" ? head.lastLine : head.failure?.message;
    const words = `“${head.title}” ${kind === "done" ? "is done" : "failed"}${line === undefined ? "." : `: ${line}`}`;
    const chosen =
      kind === "done"
        ? await vscode.window.showInformationMessage(words, open)
        : await vscode.window.showErrorMessage(words, open);
    if (chosen === open) await this.#panels.open(head.id, { preview: false }).catch(report);
  }
}

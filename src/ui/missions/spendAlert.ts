import * as vscode from "vscode";
import { isRunning, totalCost, type MissionHead } from "../../protocol/mission.ts";
import type { App } from "../app.ts";
import { passedAmount } from "./attentionRules.ts";
import { report } from "../library/problems.ts";
import { settings } from "../settings.ts";
import { costOf, money } from "../words.ts";

/** Asks when a mission passes an amount of money, once for each multiple of it. What goes on is the user's to say. */
export class SpendAlert {
  readonly #app: App;
  readonly #claim: (head: MissionHead, key: string) => Promise<boolean>;
  /** The amount that was considered last, by mission. */
  readonly #last = new Map<string, number>();

  /** @param claim whether this window is the one to ask, once for a key for all time */
  constructor(app: App, claim: (head: MissionHead, key: string) => Promise<boolean>) {
    this.#app = app;
    this.#claim = claim;
  }

  consider(head: MissionHead): void {
    const step = settings().spendAlert;
    const passed = passedAmount(totalCost(head), step);
    if (passed === undefined || passed <= (this.#last.get(head.id) ?? 0)) return;
    this.#last.set(head.id, passed);
    this.#claim(head, `spend:${String(passed)}`)
      .then((asks) => (asks ? this.#ask(head, passed) : undefined))
      .catch(report);
  }

  async #ask(head: MissionHead, passed: number): Promise<void> {
    const words = `“${head.title}” has cost ${costOf(head)} so far, more than ${money(passed)}.`;
    const ways = [...(isRunning(head) ? ["Stop"] : []), "Continue", "Raise…"];
    const chosen = await vscode.window.showWarningMessage(words, ...ways);
    if (chosen === "Stop") await this.#app.run("stopMission", { missionId: head.id });
    if (chosen === "Raise…") await raise(passed);
  }
}

async function raise(passed: number): Promise<void> {
  const text = await vscode.window.showInputBox({
    title: "Spend Alert",
    prompt: "US dollars for each mission; 0 asks no more.",
    value: String(passed * 2),
    validateInput: (value) => (amountIn(value) === undefined ? "An amount such as 20 or 2.50." : undefined),
  });
  const amount = text === undefined ? undefined : amountIn(text);
  if (amount === undefined) return;
  await vscode.workspace.getConfiguration("openAgent").update("spendAlert", amount, vscode.ConfigurationTarget.Global);
}

function amountIn(text: string): number | undefined {
  const amount = text.trim() === "" ? Number.NaN : Number(text.trim().replace(/^\$/, "").replace(",", "."));
  return Number.isFinite(amount) && amount >= 0 ? amount : undefined;
}

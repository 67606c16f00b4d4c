import * as vscode from "vscode";
import type { EngineState } from "../protocol/engineState.ts";
import type { App } from "./app.ts";
import { groupOf } from "./missions/missionsView.ts";
import { signalsTooltip } from "./signals.ts";

/** Times in the tooltip go on while missions run. */
const clockMs = 15_000;

/** The one status bar item: how many missions run, and how many wait for the user. */
export function showStatus(app: App): vscode.Disposable {
  const item = vscode.window.createStatusBarItem("openAgent.status", vscode.StatusBarAlignment.Left, 1);
  item.name = "Open Agent";
  item.command = "openAgent.showMissions";
  let engine: EngineState = { kind: "stopped" };
  let fault: string | undefined;
  let clock: NodeJS.Timeout | undefined;
  const listening = app.onCore((core) => {
    const draw = () => {
      const heads = core.store.listRunning();
      const waiting = heads.filter((head) => groupOf(head) === "waiting").length;
      const running = heads.length - waiting;
      const parts = [
        running > 0 ? `$(loading~spin) ${String(running)} running` : "",
        waiting > 0 ? `$(bell-dot) ${String(waiting)} waiting for you` : "",
        fault === undefined ? "" : "$(error) Open Agent",
      ].filter((part) => part !== "");
      item.text = parts.length > 0 ? parts.join("  ") : "$(rocket) Open Agent";
      item.tooltip = signalsTooltip({ engine, fault, heads, lastActivity: (id) => core.store.lastActivity(id) });
      clearTimeout(clock);
      if (heads.length > 0) clock = setTimeout(draw, clockMs);
      const background = fault !== undefined ? "error" : waiting > 0 ? "warning" : undefined;
      item.backgroundColor = background && new vscode.ThemeColor(`statusBarItem.${background}Background`);
      item.show();
    };
    core.onHead(draw);
    core.onRemoved(draw);
    core.onReloaded(draw);
    core.onEngineState(() => {
      engine = core.engineState;
      draw();
    });
    core.onStoreFault((message) => {
      fault = message;
      draw();
    });
    draw();
  });
  return vscode.Disposable.from(item, listening, { dispose: () => clearTimeout(clock) });
}

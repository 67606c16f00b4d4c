import * as vscode from "vscode";
import type { EngineState } from "../protocol/engineState.ts";
import { isRunning, type MissionHead } from "../protocol/mission.ts";
import { duration, engineWord } from "./words.ts";

/** Without a sign of life for this long, it is said how long. */
const silentMs = 120_000;

export interface Signals {
  engine: EngineState;
  fault: string | undefined;
  /** The missions that are at work. */
  heads: readonly MissionHead[];
  /** When a mission's agent last gave a sign of life, in epoch milliseconds. */
  lastActivity: (missionId: string) => number | undefined;
}

/** The connection, the agents' last sign of life and what waits for the user: three lines, since none implies another. */
export function signalsTooltip({ engine, fault, heads, lastActivity }: Signals): vscode.MarkdownString {
  const text = new vscode.MarkdownString("", true);
  text.isTrusted = { enabledCommands: ["openAgent.openMission", "openAgent.stopMission"] };
  const line = (icon: string, words: string) => text.appendMarkdown(`$(${icon}) `).appendText(words);
  if (fault !== undefined) line("error", fault).appendMarkdown("\n\n");
  line(engine.kind === "lost" || engine.kind === "failed" ? "debug-disconnect" : "plug", engineWord(engine));
  const now = Date.now();
  for (const head of heads.filter((one) => isRunning(one) && one.runState !== "waiting_for_you").slice(0, 10)) {
    const silence = now - (lastActivity(head.id) ?? head.turnStartedAt ?? now);
    const silent = silence > silentMs;
    text.appendMarkdown("\n\n");
    line(
      "pulse",
      `${head.title}: ${silent ? "no activity for" : "active"} ${duration(silence)}${silent ? "" : " ago"} `,
    );
    if (silent) text.appendMarkdown(`[Stop](${command("stopMission", head)})`);
  }
  for (const head of heads.filter((one) => one.runState === "waiting_for_you").slice(0, 10)) {
    text.appendMarkdown("\n\n");
    line("bell-dot", `${head.title} waits for you. `);
    text.appendMarkdown(`[Open](${command("openMission", head)})`);
  }
  return text;
}

function command(name: string, head: MissionHead): string {
  const argument = { kind: "mission", missionId: head.id };
  return `command:openAgent.${name}?${encodeURIComponent(JSON.stringify([argument]))}`;
}

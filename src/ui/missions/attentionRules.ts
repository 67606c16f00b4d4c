/** When the user is to be told of something. Nothing here shows or stores anything. */
import { isOpen, isRunning, nextMessage, type MissionHead } from "../../protocol/mission.ts";

/** That a mission's work came to an end. `key` is the same for the same end in every window. */
export interface Ending {
  kind: "done" | "failed";
  key: string;
}

/** How a mission that is at rest ended; undefined where the user stopped or judged it, or more is to come. */
export function endingOf(head: MissionHead): Ending | undefined {
  if (isRunning(head) || head.turnEndedAt === undefined) return undefined;
  const key = `ended:${String(head.turnEndedAt)}`;
  if (head.status === "failed" || (head.status === "interrupted" && head.failure)) return { kind: "failed", key };
  if (!isOpen(head) || nextMessage(head)) return undefined;
  return { kind: "done", key };
}

/** What a window does about something: tells of it, leaves it to a window with the user's eyes on it, or is that one. */
export type Part = "tell" | "tell_if_nobody_else" | "seen";

export function partOf(window: { focused: boolean; missionInView: boolean }): Part {
  if (!window.focused) return "tell_if_nobody_else";
  return window.missionInView ? "seen" : "tell";
}

/**
 * The greatest multiple of the amount that a cost has passed, in US dollars; undefined while it has passed none. 0 as the
 * amount asks for no alert.
 */
export function passedAmount(cost: number, amount: number): number | undefined {
  if (!(amount > 0) || !Number.isFinite(cost)) return undefined;
  // In tenths of a cent, so that three times 0.1 is 0.3.
  const [units, step] = [Math.round(cost * 1000), Math.max(1, Math.round(amount * 1000))];
  const times = Math.ceil(units / step) - 1;
  return times >= 1 ? (times * step) / 1000 : undefined;
}

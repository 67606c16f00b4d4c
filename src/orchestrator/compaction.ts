import { OpenAgentError } from "../base/errors.ts";
import { compactRefusal, type MissionHead } from "../protocol/mission.ts";
import type { Leader } from "./leader.ts";
import { defaultModelIn } from "./models.ts";

/**
 * Has OpenCode replace a mission's conversation by a summary. While that goes on the mission is busy, so a message that
 * comes in the meantime waits. Throws `mission_busy` where something runs or waits already.
 */
export async function compactMission(leader: Leader, missionId: string): Promise<void> {
  const runner = leader.runner(missionId);
  requireRest(runner.head);
  const { directory, model: chosen, usedModel } = runner.head;
  const engine = await leader.engineOf(runner.head);
  const model = chosen ?? usedModel ?? defaultModelIn(await leader.choices(engine, directory), undefined);
  const sessionId = requireRest(runner.head);
  if (!model) throw new OpenAgentError("no_provider", "No model provider is connected.");
  const state = (word: "busy" | "idle") => ({ type: "session_state", sessionId, state: word }) as const;
  runner.update([state("busy")]);
  try {
    await engine.compact({ sessionId, directory }, model, leader.signal);
  } catch (error) {
    // Where it is not known what became of it, the session's own events tell.
    if (!(error instanceof OpenAgentError) || error.code !== "opencode_unreachable") runner.update([state("idle")]);
    throw error;
  } finally {
    await runner.connected();
  }
}

/** The session whose conversation can be summarised. */
function requireRest(head: MissionHead): string {
  const refusal = compactRefusal(head);
  if (refusal !== undefined || head.sessionId === undefined)
    throw new OpenAgentError("mission_busy", refusal ?? "", { missionId: head.id });
  return head.sessionId;
}

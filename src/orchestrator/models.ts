import { OpenAgentError } from "../base/errors.ts";
import type { Choices } from "../opencode/engine.ts";
import type { EventBody } from "../protocol/event.ts";
import { formatModel, type MissionHead, type ModelRef } from "../protocol/mission.ts";

/** The model that a mission would use where its user chose none; undefined where its agent has one of its own. */
export function defaultModelIn({ agents, defaultModel }: Choices, agentName: string | undefined): ModelRef | undefined {
  // An agent's own model is OpenCode's to apply.
  if (agents.find((agent) => agent.name === agentName)?.model) return undefined;
  if (defaultModel) return defaultModel;
  throw new OpenAgentError("no_provider", "No model provider is connected.");
}

/** Whether it is to be found out how much the context of the mission's model holds. */
export function lacksLimit({ usedModel, contextLimit }: MissionHead): boolean {
  return usedModel !== undefined && formatModel(usedModel) !== contextLimit?.model;
}

/** The event that says how much the context of the mission's model holds; none where that is on record. */
export function limitEvents(head: MissionHead, { models }: Choices): EventBody[] {
  if (!lacksLimit(head) || !head.usedModel) return [];
  const model = formatModel(head.usedModel);
  const tokens = models.find((choice) => formatModel(choice) === model)?.contextLimit ?? 0;
  return [{ type: "mission_updated", contextLimit: { model, tokens } }];
}

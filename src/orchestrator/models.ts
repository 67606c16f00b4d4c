import { OpenAgentError } from "../base/errors.ts";
import type { AgentSettings } from "../library/productSettings.ts";
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

/** Agent and model of a message, as far as they are chosen. */
export interface Chosen {
  agent?: string;
  model?: ModelRef;
}

/**
 * Chooses what the user did not, neither for the message nor for its mission.
 * @param byDefault the agent that the Library's settings name, which is taken where OpenCode has it
 */
export async function chosenFor(
  head: MissionHead,
  message: Chosen,
  byDefault: string | undefined,
  choices: () => Promise<Choices>,
): Promise<Chosen> {
  const named = message.agent ?? head.agent;
  const isThere = async (name: string) => (await choices()).agents.some((agent) => agent.name === name);
  const agent = named ?? (byDefault !== undefined && (await isThere(byDefault)) ? byDefault : undefined);
  const model = message.model ?? head.model ?? defaultModelIn(await choices(), agent);
  return { ...(agent !== undefined && { agent }), ...(model && { model }) };
}

/** The choices as the Library's settings want them offered. */
export function asOffered(choices: Choices, { hidden, byDefault }: AgentSettings): Choices {
  const left = choices.agents.filter(({ name }) => !hidden.includes(name));
  // Settings that hide every agent would leave nothing to choose.
  const agents = left.length > 0 ? left : choices.agents;
  const wanted = [byDefault, choices.defaultAgent, agents[0]?.name].find((name) =>
    agents.some((agent) => agent.name === name),
  );
  return {
    ...choices,
    agents,
    subagents: choices.subagents.filter(({ name }) => !hidden.includes(name)),
    ...(wanted !== undefined && { defaultAgent: wanted }),
  };
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

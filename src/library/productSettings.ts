import { join } from "node:path";
import { z } from "zod";
import { readJsonIfPresent } from "../base/files.ts";

/** What a Library says about the agents that are offered: the original's `openagent/config.json`. */
export interface AgentSettings {
  /** Agents that are not offered, though they can be named. */
  hidden: readonly string[];
  /** The agent of missions that name none. */
  byDefault?: string;
}

const schema = z.looseObject({
  hidden_agents: z.array(z.string()).nullish(),
  default_agent: z.string().min(1).nullish(),
});

/** Throws `invalid_input` when the file does not parse. */
export function readAgentSettings(root: string): AgentSettings {
  const found = readJsonIfPresent(join(root, "openagent", "config.json"), (value) => schema.parse(value));
  const { hidden_agents, default_agent } = found ?? {};
  return { hidden: hidden_agents ?? [], ...(default_agent != null && { byDefault: default_agent }) };
}

import { join } from "node:path";
import { z } from "zod";
import { readTextIfPresent } from "../base/files.ts";
import { withoutSealed } from "../protocol/sealed.ts";
import { readJsonFile } from "./jsonFiles.ts";

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
  const found = readJsonFile(join(root, "openagent", "config.json"), (value) => schema.parse(value));
  const { hidden_agents, default_agent } = found ?? {};
  return { hidden: hidden_agents ?? [], ...(default_agent != null && { byDefault: default_agent }) };
}

/** How long desktops are kept whose missions rest. */
export interface DesktopSettings {
  graceSeconds: number;
  /** Seconds before a desktop's end in which the user is told of it. */
  warningSeconds: number;
}

const defaultDesktop: DesktopSettings = { graceSeconds: 7200, warningSeconds: 300 };
const seconds = z.number().min(0).max(31_536_000).nullish();
const desktopSchema = z.looseObject({
  desktop: z.looseObject({ auto_close_grace_period_secs: seconds, warning_before_close_secs: seconds }).nullish(),
});

/** The defaults where the Library says nothing of them, or what does not parse. */
export function readDesktopSettings(root: string): DesktopSettings {
  try {
    const found = readJsonFile(join(root, "openagent", "config.json"), (value) => desktopSchema.parse(value));
    const { auto_close_grace_period_secs: grace, warning_before_close_secs: warning } = found?.desktop ?? {};
    return {
      graceSeconds: grace ?? defaultDesktop.graceSeconds,
      warningSeconds: warning ?? defaultDesktop.warningSeconds,
    };
  } catch {
    // It is named among the Library's problems; a desktop is not closed for it.
    return defaultDesktop;
  }
}

/** Files that plugins of OpenCode look for beside its own configuration, as the original gives them: texts by names. */
export function readPluginFiles(root: string): Record<string, string> {
  const name = "oh-my-opencode.json";
  const text = readTextIfPresent(join(root, "opencode", name));
  return text === undefined ? {} : { [name]: withoutSealed(text) };
}

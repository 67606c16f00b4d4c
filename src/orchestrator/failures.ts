import { describeError, OpenAgentError } from "../base/errors.ts";
import type { Failure } from "../protocol/mission.ts";

/** How a turn ended whose server ended under it. */
export const cutOff: Failure = { name: "Interrupted", message: "OpenCode ended while the agent was at work." };

export function failureOf(error: unknown): Failure {
  return { name: error instanceof OpenAgentError ? error.code : "internal", message: describeError(error) };
}

import { describeError, OpenAgentError, type ErrorCode } from "../base/errors.ts";
import type { EngineState } from "../protocol/engineState.ts";

/** What the leader tells the other processes. The data itself they read from the store. */
export type Tick =
  | { kind: "mission"; missionId: string; seq: number; head: boolean }
  | { kind: "removed"; missionId: string }
  | { kind: "engine"; server: string; state: EngineState }
  | { kind: "workspaces" }
  | { kind: "desktops" }
  | { kind: "storeFault"; message: string | undefined };

/** An error as it crosses a process boundary. */
export interface WireError {
  code: ErrorCode;
  message: string;
  detail: Readonly<Record<string, string>>;
}

export function toWire(error: unknown): WireError {
  if (error instanceof OpenAgentError) return { code: error.code, message: error.message, detail: error.detail };
  return { code: "internal", message: describeError(error), detail: {} };
}

export function fromWire(error: WireError): OpenAgentError {
  return new OpenAgentError(error.code, error.message, { ...error.detail });
}

import type { ErrorCode } from "../base/errors.ts";

/** What is known of the agent server. Times are epoch milliseconds. */
export type EngineState =
  | { kind: "stopped" }
  | { kind: "starting"; since: number }
  | { kind: "connecting"; since: number }
  | { kind: "connected"; version: string; url: string }
  | { kind: "lost"; reason: string; retryAt: number }
  | { kind: "failed"; code: ErrorCode; message: string; detail: Readonly<Record<string, string>> };

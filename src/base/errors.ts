/**
 * The one error that crosses the orchestrator's edge. `code` is stable and chosen from `ErrorCode`; `message` is a
 * plain sentence that names the thing; `detail` holds what the user's words may be built from. Nothing in it is secret.
 */
export class OpenAgentError extends Error {
  override readonly name = "OpenAgentError";
  readonly code: ErrorCode;
  readonly detail: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, message: string, detail: Record<string, string> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.detail = detail;
  }

  /** By name: the extension's two bundles each have a class of their own. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && value.name === "OpenAgentError";
  }
}

export type ErrorCode =
  // OpenCode itself
  | "opencode_missing"
  | "opencode_not_executable"
  | "opencode_unsupported"
  | "opencode_start_failed"
  | "opencode_unreachable"
  | "opencode_unauthorized"
  | "opencode_not_a_server"
  | "opencode_config_invalid"
  | "opencode_request_failed"
  // the store
  | "runtime_too_old"
  | "store_unreadable"
  | "store_newer"
  | "store_full"
  | "store_failed"
  // missions
  | "mission_not_found"
  | "mission_busy"
  | "folder_missing"
  | "no_provider"
  | "unknown_agent"
  | "unknown_model"
  | "unknown_command"
  | "attachment_unusable"
  | "import_unusable"
  | "request_gone"
  | "files_changed"
  // workspaces
  | "workspace_not_found"
  | "workspace_unavailable"
  | "workspace_build_failed"
  | "workspace_not_ready"
  | "workspace_busy"
  | "worktree_failed"
  | "workspace_not_cleanable"
  // the Library
  | "library_locked"
  | "item_not_found"
  | "item_exists"
  | "item_unreadable"
  | "git_failed"
  // desktops
  | "desktop_unavailable"
  | "desktop_busy"
  | "desktop_not_found"
  | "desktop_failed"
  // the caller
  | "invalid_input"
  | "untrusted"
  | "no_leader"
  | "internal";

/** The message of anything thrown, with its causes, on one line. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : describeError(error.cause);
  return cause && !error.message.includes(cause) ? `${error.message}: ${cause}` : error.message;
}

/** The `code` of a Node.js system error such as `ENOENT`, or undefined. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (!(error instanceof OpenAgentError) && "code" in error && typeof error.code === "string") return error.code;
  return systemCode(error.cause);
}

import { OpenAgentError, describeError } from "../base/errors.ts";

/** The way out of a problem on the command line, by its code; the message itself names the thing. */
const hints: Record<string, string> = {
  opencode_missing: "Install it (npm install --global opencode-ai@1) or name its executable with --opencode.",
  opencode_not_executable: "Name the OpenCode executable itself with --opencode.",
  opencode_unsupported: "Install OpenCode 1.18 or newer 1.x, or name one with --opencode.",
  opencode_unreachable: "Is the server up, and --url right?",
  opencode_unauthorized: "Put the server's password into OPENCODE_SERVER_PASSWORD.",
  opencode_not_a_server: "Name an OpenCode server with --url, or leave it out.",
  no_provider: "Log in with one: opencode auth login.",
  import_unusable: "Name an original Open Agent's missions*.db, or a mission exported with --json.",
  mission_not_found: "`list` shows the missions.",
  library_locked: "Put it into the environment variable PRIVATE_KEY.",
  store_newer: "Use the newer version of Open Agent, or another folder with --data-dir.",
  store_unreadable: "Put the file right or move it away, or use another folder with --data-dir.",
  no_leader: "Try again, with --verbose to see more.",
};

/** A problem in a person's words, with its way out. */
export function explain(error: unknown): string {
  return explainFailure(error instanceof OpenAgentError ? error.code : "", describeError(error));
}

export function explainFailure(code: string, message: string): string {
  const hint = hints[code];
  return hint === undefined ? message : `${message} ${hint}`;
}

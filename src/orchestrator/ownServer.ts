/**
 * Milliseconds until a server's tools are known. OpenCode 1.18.33 gives up after five seconds, which a container or a busy
 * machine may take; it waits as long for an answer to a call, anew whenever the call says that it goes on.
 */
const startMs = 60_000;

/** How OpenCode is told of an MCP server of ours. */
export function ownServer(command: string[], environment: Record<string, string>, timeout = startMs): object {
  return { type: "local", command, environment, timeout, enabled: true };
}

import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio, StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { describeError } from "../base/errors.ts";

declare const OPEN_AGENT_VERSION: string;

export interface ServeOptions {
  name: string;
  /** Puts the tools into a server. */
  add: (server: McpServer) => void;
  /** Ends what the tools have begun; then the process ends. */
  end?: () => Promise<void> | void;
  /** Bytes of the longest message. */
  maxBufferSize?: number;
}

/** Serves tools on this process's standard streams until those end, or it is asked to. */
export function serve({ name, add, end: endAll, maxBufferSize }: ServeOptions): void {
  let ending = false;
  const end = (): void => {
    if (ending) return;
    ending = true;
    void Promise.resolve(endAll?.()).finally(() => process.exit(0));
  };
  const say = (error: unknown): void => void process.stderr.write(`${describeError(error)}\n`);
  const limit = maxBufferSize === undefined ? undefined : { maxBufferSize };
  serveStdio(
    () => {
      const server = new McpServer({ name, version: OPEN_AGENT_VERSION });
      add(server);
      return server;
    },
    { transport: new StdioServerTransport(process.stdin, process.stdout, limit), onerror: say },
  );
  process.stdin.once("end", end).once("close", end).once("error", end);
  process.stdout.once("error", end);
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, end);
  // What one call did not foresee must not end what the others do.
  process.on("uncaughtException", say).on("unhandledRejection", say);
}

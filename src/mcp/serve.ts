import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio, StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { complain, endWithStreams } from "./ending.ts";

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
export function serve({ name, add, end, maxBufferSize }: ServeOptions): void {
  const limit = maxBufferSize === undefined ? undefined : { maxBufferSize };
  serveStdio(
    () => {
      const server = new McpServer({ name, version: OPEN_AGENT_VERSION });
      add(server);
      return server;
    },
    { transport: new StdioServerTransport(process.stdin, process.stdout, limit), onerror: complain },
  );
  endWithStreams(end);
}

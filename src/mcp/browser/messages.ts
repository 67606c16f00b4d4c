import type { Readable } from "node:stream";

export type Id = string | number;

/** A message of JSON-RPC, as far as it is looked at; the rest is passed on as it is. */
export interface Message {
  id?: Id;
  method?: string;
  params?: Record<string, unknown>;
  result?: unknown;
  error?: { code: number; message: string };
}

/** One line. */
export function written(message: Message): string {
  return `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`;
}

/** Takes in what a stream says, a message a line; other lines are passed over. Only a line feed ends a line. */
export function readMessages(stream: Readable, take: (message: Message) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    const [first = "", ...more] = text.split("\n");
    rest += first;
    for (const next of more) {
      const message = parse(rest);
      rest = next;
      if (message) take(message);
    }
  });
}

function parse(line: string): Message | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    // Whoever fetches a program may say something first.
    return undefined;
  }
}

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** What came back for a request: one of both. */
interface Reply {
  result?: Record<string, unknown>;
  error?: { code: number; message: string };
}

/** The answer of a tool: its texts, one after another, and whether it is an error. */
export interface ToolAnswer {
  text: string;
  parts: string[];
  isError: boolean;
}

/** A client of an MCP server that it has started, as the protocol has it: a JSON message a line. */
export interface McpClient {
  pid: number;
  ask: (method: string, params?: object) => Promise<Reply>;
  /** Calls a tool that the server has and that takes these arguments. */
  call: (tool: string, args?: object) => Promise<ToolAnswer>;
  /** Calls one without waiting; `cancel` says that nobody waits for the answer any more. */
  begin: (tool: string, args?: object) => { answer: Promise<ToolAnswer>; cancel: () => void };
  /** Writes a line as it is. */
  write: (line: string) => void;
  /** The notifications that have come, in order. */
  notices: { method: string; params: Record<string, unknown> }[];
  /** Lines on its standard output that were no message of the protocol. */
  stray: string[];
  /** What it wrote to its standard error. */
  errors: () => string;
  /** Closes its standard input. */
  hangUp: () => void;
  /** Its exit code. */
  finished: Promise<number | null>;
}

export async function startMcp(
  [program = "", ...args]: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<McpClient> {
  const child = spawn(program, args, { ...options, stdio: ["pipe", "pipe", "pipe"] });
  const finished = new Promise<number | null>((resolve) => child.once("close", resolve));
  const waiting = new Map<number, (reply: Reply) => void>();
  const stray: string[] = [];
  const notices: McpClient["notices"] = [];
  let [errors, ids] = ["", 0];
  child.stderr.on("data", (bytes: Buffer) => (errors += bytes.toString()));
  child.stdin.on("error", () => undefined);
  createInterface({ input: child.stdout }).on("line", (line) => {
    const message = parse(line);
    const resolve = waiting.get(message?.id ?? 0);
    if (message?.method !== undefined) notices.push({ method: message.method, params: message.params ?? {} });
    else if (message === undefined || resolve === undefined) stray.push(line);
    else resolve(message);
  });
  const write = (line: string) => void child.stdin.write(`${line}\n`);
  const send = (message: object) => {
    write(JSON.stringify({ jsonrpc: "2.0", ...message }));
  };
  const request = (id: number, method: string, params?: object) =>
    new Promise<Reply>((resolve) => {
      waiting.set(id, resolve);
      send({ id, method, ...(params && { params }) });
    });
  const begin = (tool: string, args: object = {}) => {
    const id = ++ids;
    const answer = request(id, "tools/call", { name: tool, arguments: args }).then(toolAnswer);
    const cancel = () => {
      send({ method: "notifications/cancelled", params: { requestId: id, reason: "test" } });
    };
    return { answer, cancel };
  };
  const ask = (method: string, params?: object) => request(++ids, method, params);
  await ask("initialize", {
    protocolVersion: "2025-06-18",
    capabilities: {},
    clientInfo: { name: "test", version: "1" },
  });
  send({ method: "notifications/initialized" });
  return {
    pid: child.pid ?? 0,
    ask,
    begin,
    call: (tool, args) => begin(tool, args).answer,
    write,
    notices,
    stray,
    errors: () => errors,
    hangUp: () => child.stdin.end(),
    finished,
  };
}

interface Message extends Reply {
  jsonrpc: string;
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
}

function parse(line: string): Message | undefined {
  try {
    const message = JSON.parse(line) as Message;
    return message.jsonrpc === "2.0" ? message : undefined;
  } catch {
    // Whatever it is, it is told among the stray lines.
    return undefined;
  }
}

function toolAnswer({ result, error }: Reply): ToolAnswer {
  if (error) throw new Error(`${String(error.code)} ${error.message}`);
  const { content, isError } = result as { content: { type: string; text: string }[]; isError?: boolean };
  const parts = content.map(({ text }) => text);
  return { text: parts.join("\n"), parts, isError: isError === true };
}

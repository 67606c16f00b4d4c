import { randomUUID } from "node:crypto";
import { appendFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { streamAnswer, wholeAnswer } from "./answer.ts";
import { planAnswer, textOfRole, type ChatRequest, type Step } from "./script.ts";

export interface ModelOptions {
  /** 0 or nothing for any free port. */
  port?: number;
  /** When given, requests with another key get 401. */
  apiKey?: string;
  /** File to which each request is appended as a line of JSON. */
  log?: string;
}

/** A chat request that the server has seen, and what it decided to answer. */
export interface RequestRecord {
  /** Milliseconds since the epoch. */
  at: number;
  /** The name of a scenario, or `inline`, `demo`, `followUp`, `title`, `summary`, `ready`, `nothing`. */
  script: string;
  index: number;
  headers: IncomingHttpHeaders;
  body: ChatRequest;
  /** When the client went away before the end of the answer. */
  abortedAt?: number;
}

export interface Model {
  /** Base URL for an OpenAI-compatible client. */
  url: string;
  port: number;
  /** The newest thousand requests, oldest first. */
  requests: RequestRecord[];
  close(): Promise<void>;
}

const maxRecords = 1000;

/** Starts a scripted chat-completions server on loopback. What it answers: see `planAnswer`. */
export async function startModel(options: ModelOptions = {}): Promise<Model> {
  const requests: RequestRecord[] = [];
  const attempts = new Map<string, number>();

  const chat = async (request: IncomingMessage, response: ServerResponse) => {
    const raw = await textFrom(request);
    const body = JSON.parse(raw) as ChatRequest;
    const plan = planAnswer(body);
    const record: RequestRecord = {
      at: Date.now(),
      script: plan.script,
      index: plan.index,
      headers: request.headers,
      body,
    };
    requests.push(record);
    if (requests.length > maxRecords) requests.shift();
    if (options.log !== undefined) appendFileSync(options.log, `${JSON.stringify(record)}\n`);
    const gone = new AbortController();
    response.on("close", () => {
      if (response.writableEnded) return;
      record.abortedAt = Date.now();
      gone.abort();
    });
    const key = JSON.stringify([request.headers["x-session-id"], plan, textOfRole(body.messages, "user")]);
    const attempt = (attempts.get(key) ?? 0) + 1;
    attempts.set(key, attempt);
    await play(atAttempt(plan.step, attempt), body, raw.length, response, gone.signal).catch((error: unknown) => {
      if (!gone.signal.aborted) throw error;
    });
  };

  const server = createServer((request, response) => {
    const path = request.url ?? "";
    if (options.apiKey !== undefined && request.headers.authorization !== `Bearer ${options.apiKey}`)
      sendJson(response, 401, { error: { message: "Incorrect API key provided", code: "invalid_api_key" } });
    else if (path === "/v1/models") sendJson(response, 200, { object: "list", data: models });
    else if (path === "/v1/chat/completions")
      chat(request, response).catch((error: unknown) => {
        if (!response.headersSent) sendJson(response, 400, { error: { message: String(error) } });
      });
    else sendJson(response, 404, { error: { message: `There is no ${path}` } });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${String(port)}/v1`,
    port,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

/** The configuration with which OpenCode uses the scripted model at `modelUrl` and nothing else. */
export function demoConfig(modelUrl: string): object {
  const model = (name: string) => ({
    name,
    tool_call: true,
    reasoning: true,
    attachment: false,
    limit: { context: 128_000, output: 8_192 },
    cost: { input: 1, output: 2 },
  });
  return {
    $schema: "https://opencode.ai/config.json",
    model: "scripted/scripted",
    small_model: "scripted/scripted-small",
    enabled_providers: ["scripted"],
    share: "disabled",
    autoupdate: false,
    provider: {
      scripted: {
        name: "Scripted demo (no AI)",
        npm: "@ai-sdk/openai-compatible",
        options: { baseURL: modelUrl, apiKey: "scripted" },
        models: {
          scripted: model("Scripted demo (no AI)"),
          "scripted-small": model("Scripted demo, small (no AI)"),
        },
      },
    },
  };
}

const models = ["scripted", "scripted-small"].map((id) => ({ id, object: "model" }));

/** The step as it is to be played the given time: without the failures that are used up. */
function atAttempt({ fail, drop, ...step }: Step, attempt: number): Step {
  return {
    ...step,
    ...(fail && attempt <= (fail.times ?? 1) && { fail }),
    ...(drop !== undefined && (typeof drop === "boolean" ? { drop } : { drop: attempt <= drop.times })),
  };
}

async function play(
  step: Step,
  request: ChatRequest,
  requestLength: number,
  response: ServerResponse,
  gone: AbortSignal,
): Promise<void> {
  if (step.wait !== undefined) await sleep(step.wait, undefined, { signal: gone });
  if (step.hang === true) return;
  if (step.fail) {
    sendJson(response, step.fail.status, step.fail.body ?? {}, step.fail.headers);
    return;
  }
  const head = { id: randomUUID(), created: Math.floor(Date.now() / 1000), model: request.model };
  if (request.stream === true) await streamAnswer(response, step, head, requestLength, gone);
  else sendJson(response, 200, wholeAnswer(step, head, requestLength));
}

async function textFrom(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}

function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(value));
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { port: { type: "string" }, key: { type: "string" }, log: { type: "string" } },
  });
  const model = await startModel({
    ...(values.port !== undefined && { port: Number(values.port) }),
    ...(values.key !== undefined && { apiKey: values.key }),
    ...(values.log !== undefined && { log: values.log }),
  });
  console.log(model.url);
}

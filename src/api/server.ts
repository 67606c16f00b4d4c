import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { serve, type ServerType } from "@hono/node-server";
import { Hono, type Context } from "hono";
import { streamSSE } from "hono/streaming";
import { z } from "zod";
import { describeError, OpenAgentError, type ErrorCode } from "../base/errors.ts";
import { readTextIfPresent, writePrivateFile } from "../base/files.ts";
import type { Core } from "../orchestrator/index.ts";
import type { EventType } from "../protocol/event.ts";
import {
  hostWorkspaceId,
  missionJson,
  newStreamMemory,
  statusFrame,
  storedEventJson,
  streamFrame,
  type MissionJson,
} from "./shapes.ts";
import { taskRoutes } from "./tasks.ts";

export interface ApiOptions {
  core: Core;
  version: string;
  port: number;
  /** Where missions work that name no folder. */
  directory: string;
}

export interface Api {
  url: string;
  token: string;
  close(): Promise<void>;
}

const idleFrame = { type: "status", state: "idle", queue_len: 0 };
const keepAliveMs = 15_000;
/** 64 MB: a message of 8 MB in its most escaped form, and room to spare. */
const bodyLimit = 64_000_000;

/** Serves Open Agent's control API on loopback, behind the token in the data folder. */
export async function serveApi(options: ApiOptions): Promise<Api> {
  const token = apiToken(options.core.paths.apiToken);
  const app = routes(options, token);
  const server = await new Promise<ServerType>((resolve, reject) => {
    const listening = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: options.port }, () => {
      resolve(listening);
    });
    listening.on("error", reject);
  });
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : options.port;
  return {
    url: `http://127.0.0.1:${String(port)}`,
    token,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ("closeAllConnections" in server) server.closeAllConnections();
      }),
  };
}

/** The token that every process of the user shares; made on first use, in a file that only the user can read. */
function apiToken(path: string): string {
  const known = readTextIfPresent(path)?.trim();
  if (known !== undefined && known !== "") return known;
  const token = randomBytes(32).toString("base64url");
  writePrivateFile(path, `${token}\n`);
  return token;
}

function routes(options: ApiOptions, token: string): Hono {
  const { core } = options;
  const app = new Hono();
  /** The mission that a message without `mission_id` goes to. */
  let current: string | undefined;

  app.onError((error, context) => context.text(describeError(error), statusOf(error)));
  app.notFound((context) => context.text("There is no such route.", 404));
  app.use(async (context, next) => {
    // A page in the user's browser must not reach this server under a name of its own.
    const host = context.req.header("host")?.replace(/:\d+$/, "");
    if (host !== "127.0.0.1" && host !== "localhost") return context.text("Only loopback.", 403);
    const length = Number(context.req.header("content-length") ?? "0");
    if (length > bodyLimit) return context.text("The request is larger than 64 MB.", 413);
    await next();
    return undefined;
  });
  app.get("/api/health", (context) =>
    context.json({
      status: "ok",
      version: options.version,
      dev_mode: false,
      auth_required: true,
      auth_mode: "single_tenant",
      max_iterations: 0,
    }),
  );
  app.use("/api/*", async (context, next) => {
    if (!sameSecret(context.req.header("authorization") ?? "", `Bearer ${token}`))
      return context.text("The bearer token is missing or wrong.", 401);
    await next();
    return undefined;
  });

  const create = z.object({
    title: z.string().min(1).max(500).optional(),
    workspace_id: z.string().optional(),
    working_dir: z.string().min(1).optional(),
    agent: z.string().min(1).optional(),
    model_override: z.string().min(1).optional(),
  });
  app.post("/api/control/missions", async (context) => {
    const input = await body(context, create);
    if (input.workspace_id !== undefined && input.workspace_id !== hostWorkspaceId)
      throw new OpenAgentError(
        "invalid_input",
        `There is no workspace ${input.workspace_id}; missions run on the host.`,
      );
    const directory = input.working_dir ?? options.directory;
    if (input.agent !== undefined) await checkAgent(core, directory, input.agent);
    const head = await core.run("createEmptyMission", {
      title: input.title ?? "Untitled Mission",
      directory,
      ...(input.agent !== undefined && { agent: input.agent }),
      ...(input.model_override !== undefined && { model: input.model_override }),
    });
    current = head.id;
    return context.json(missionJson(head, []));
  });
  app.get("/api/control/missions", (context) =>
    context.json(core.store.list({ limit: 50 }).map((head) => missionJson(head, []))),
  );
  app.get("/api/control/missions/:id", (context) => context.json(wholeMission(core, context.req.param("id"))));
  app.get("/api/control/missions/:id/events", (context) => {
    const missionId = core.store.head(context.req.param("id")).id;
    const types = (context.req.query("types") ?? "").split(",").filter((type) => type !== "") as EventType[];
    const limit = count(context, "limit", 50_000);
    const offset = count(context, "offset", 0);
    return context.json(core.store.events(missionId, { types, limit, offset }).map(storedEventJson));
  });
  app.post("/api/control/missions/:id/cancel", async (context) => {
    const head = core.store.head(context.req.param("id"));
    await core.run("stopMission", { missionId: head.id });
    return context.json({ ok: true, cancelled: head.runState !== "idle" });
  });

  const message = z.object({
    content: z.string(),
    agent: z.string().min(1).optional(),
    mission_id: z.string().optional(),
  });
  app.post("/api/control/message", async (context) => {
    const input = await body(context, message);
    const choice = input.agent === undefined ? {} : { agent: input.agent };
    const missionId = input.mission_id ?? current;
    if (missionId === undefined) {
      const head = await core.run("createMission", { text: input.content, directory: options.directory, ...choice });
      current = head.id;
      return context.json({ id: head.pending[0]?.queueId ?? head.id, queued: false });
    }
    const before = core.store.head(missionId);
    await core.run("sendMessage", { missionId, text: input.content, ...choice });
    const after = core.store.head(missionId).pending.findLast((pending) => pending.text === input.content);
    return context.json({ id: after?.queueId ?? missionId, queued: before.runState !== "idle" });
  });

  app.get("/api/control/stream", (context) =>
    streamSSE(context, async (stream) => {
      const memory = newStreamMemory();
      const send = (frame: { type: string }) => stream.writeSSE({ event: frame.type, data: JSON.stringify(frame) });
      const [running] = core.store.listRunning();
      await send(running ? statusFrame(running) : idleFrame);
      const states = new Map<string, string>();
      const events = core.watchAll(({ missionId, events: news }) => {
        const head = core.store.head(missionId);
        for (const event of news) {
          const frame = streamFrame(event, head, memory);
          if (frame) void send(frame);
        }
      });
      const heads = core.onHead((head) => {
        const frame = statusFrame(head);
        const state = JSON.stringify(frame);
        if (states.get(head.id) !== state) void send(frame);
        states.set(head.id, state);
      });
      const beat = setInterval(() => void stream.write(": keep-alive\n\n"), keepAliveMs);
      await new Promise<void>((resolve) => {
        stream.onAbort(() => resolve());
      });
      clearInterval(beat);
      events.dispose();
      heads.dispose();
    }),
  );

  app.route("/api/task", taskRoutes(core, options.directory));
  return app;
}

function wholeMission(core: Core, missionId: string): MissionJson {
  const { view } = core.store.snapshot(missionId, 1_000_000);
  return missionJson(view.head, view.transcript.messages);
}

async function checkAgent(core: Core, directory: string, agent: string): Promise<void> {
  const { agents } = await core.run("choices", { directory });
  const names = agents.map(({ name }) => name);
  const known = names.some((name) => name.toLowerCase() === agent.toLowerCase());
  if (!known)
    throw new OpenAgentError("unknown_agent", `There is no agent “${agent}”. Agents: ${names.join(", ")}.`, { agent });
}

/** The JSON body of a request; an absent one is an empty object. */
export async function body<Schema extends z.ZodType>(context: Context, schema: Schema): Promise<z.output<Schema>> {
  const text = await context.req.text();
  let json: unknown;
  try {
    json = text === "" ? {} : JSON.parse(text);
  } catch (error) {
    throw new OpenAgentError("invalid_input", `The body is not JSON: ${describeError(error)}`);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new OpenAgentError("invalid_input", z.prettifyError(parsed.error));
  return parsed.data;
}

function count(context: Context, name: string, otherwise: number): number {
  const text = context.req.query(name);
  if (text === undefined) return otherwise;
  if (!/^\d{1,9}$/.test(text)) throw new OpenAgentError("invalid_input", `${name} must be a number, not “${text}”.`);
  return Number(text);
}

const statuses: Partial<Record<ErrorCode, 400 | 404 | 409 | 503>> = {
  invalid_input: 400,
  unknown_agent: 400,
  unknown_model: 400,
  folder_missing: 400,
  no_provider: 409,
  mission_not_found: 404,
  request_gone: 404,
  mission_busy: 409,
  no_leader: 503,
  opencode_missing: 503,
  opencode_unreachable: 503,
  opencode_start_failed: 503,
  opencode_unsupported: 503,
};

function statusOf(error: unknown): 400 | 404 | 409 | 500 | 503 {
  return (error instanceof OpenAgentError ? statuses[error.code] : undefined) ?? 500;
}

function sameSecret(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}

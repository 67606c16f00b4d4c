import type { IncomingMessage } from "node:http";
import { serve, type ServerType } from "@hono/node-server";
import { Hono, type Context } from "hono";
import { stream, streamSSE } from "hono/streaming";
import { z } from "zod";
import { describeError, OpenAgentError, systemCode, type ErrorCode } from "../base/errors.ts";
import { exportFormats, exportMission, type Core } from "../orchestrator/index.ts";
import type { EventType } from "../protocol/event.ts";
import { isRunning, titleOf } from "../protocol/mission.ts";
import { apiToken, limitBody, onlyLoopback, onlyWithToken, refuse, streamPath } from "./access.ts";
import { body } from "./body.ts";
import { checkChoice, checkFolder } from "./checks.ts";
import { desktopRoutes } from "./desktop.ts";
import { streamSockets } from "./desktopStream.ts";
import { frameSender } from "./frames.ts";
import { JpegEncoder } from "./jpeg.ts";
import { libraryRoutes } from "./library.ts";
import {
  hostWorkspaceId,
  missionJson,
  newStreamMemory,
  searchHitJson,
  statusFrame,
  storedEventJson,
  streamFrame,
  type MissionJson,
} from "./shapes.ts";
import { taskRoutes } from "./tasks.ts";
import { workspaceNamed, workspaceRoutes } from "./workspaces.ts";

export interface ApiOptions {
  core: Core;
  version: string;
  port: number;
  /** Where missions work that name no folder. */
  directory: string;
  /** OpenCode may run on another machine, whose folders cannot be seen from here. */
  attached: boolean;
  /** The program that makes JPEGs. */
  jpegProgram: string;
}

export interface Api {
  url: string;
  token: string;
  close(): Promise<void>;
}

const idleFrame = { type: "status", state: "idle", queue_len: 0 };
const keepAliveMs = 15_000;
const untitled = "Untitled Mission";

/** Serves Open Agent's control API on loopback, behind the token in the data folder. */
export async function serveApi(options: ApiOptions): Promise<Api> {
  const token = apiToken(options.core.paths.apiToken);
  const encoder = new JpegEncoder(options.jpegProgram);
  const app = routes(options, token, encoder);
  const sockets = streamSockets();
  // Any other request for another protocol is answered in HTTP.
  const shouldUpgradeCallback = ({ url = "", headers }: IncomingMessage) =>
    headers.upgrade?.toLowerCase() === "websocket" && url.split("?")[0] === streamPath;
  const how: Parameters<typeof serve>[0] = {
    fetch: app.fetch,
    hostname: "127.0.0.1",
    port: options.port,
    websocket: { server: sockets },
    serverOptions: { shouldUpgradeCallback },
  };
  const server = await new Promise<ServerType>((resolve, reject) => {
    const listening = serve(how, () => {
      resolve(listening);
    });
    listening.on("error", (error) => reject(listenError(error, options.port)));
  });
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : options.port;
  return {
    url: `http://127.0.0.1:${String(port)}`,
    token,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets.clients) socket.terminate();
        encoder.dispose();
        if ("closeAllConnections" in server) server.closeAllConnections();
      }),
  };
}

function listenError(error: unknown, port: number): Error {
  const code = systemCode(error);
  if (code === "EADDRINUSE")
    return new OpenAgentError(
      "invalid_input",
      `Port ${String(port)} of 127.0.0.1 is taken by another program. Choose another one, or 0 for any that is free.`,
    );
  if (code === "EACCES")
    return new OpenAgentError(
      "invalid_input",
      `This user may not listen on port ${String(port)}. Choose one above 1023.`,
    );
  return error instanceof Error ? error : new Error(String(error));
}

function routes(options: ApiOptions, token: string, encoder: JpegEncoder): Hono {
  const { core } = options;
  const app = new Hono();
  /** The mission that a message without `mission_id` goes to. */
  let current: string | undefined;

  app.onError((error, context) => {
    const code = error instanceof OpenAgentError ? error.code : "internal";
    return refuse(context, statuses[code] ?? 500, code, describeError(error));
  });
  app.notFound((context) =>
    refuse(context, 404, "not_found", `There is no route ${context.req.method} ${context.req.path}.`),
  );
  app.use(onlyLoopback);
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
  app.use("/api/*", onlyWithToken(token, core.paths.apiToken), limitBody);

  const create = z.object({
    title: z.string().min(1).max(500).nullish(),
    workspace_id: z.string().nullish(),
    working_dir: z.string().min(1).nullish(),
    agent: z.string().min(1).nullish(),
    model_override: z.string().min(1).nullish(),
  });
  app.post("/api/control/missions", async (context) => {
    const { title, workspace_id, working_dir, agent, model_override } = await body(context, create);
    const workspace = workspaceNamed(core, workspace_id ?? hostWorkspaceId, options.directory);
    const isHost = workspace.id === hostWorkspaceId;
    const directory = isHost ? folder(options, working_dir) : (working_dir ?? workspace.directory);
    const choice = await checkChoice(core, directory, {
      ...(agent != null && { agent }),
      ...(model_override != null && { model: model_override }),
    });
    const head = await core.run("createEmptyMission", {
      title: title ?? untitled,
      directory,
      ...(!isHost && { workspaceId: workspace.id }),
      ...choice,
    });
    current = head.id;
    return context.json(missionJson(head, [], workspaceNames(core).get(head.workspaceId ?? "")));
  });
  app.get("/api/control/missions", (context) => {
    const names = workspaceNames(core);
    const heads = core.store.list({ limit: 50 });
    return context.json(heads.map((head) => missionJson(head, [], names.get(head.workspaceId ?? ""))));
  });
  app.get("/api/control/missions/:id", (context) => context.json(wholeMission(core, context.req.param("id"))));
  app.get("/api/control/missions/:id/events", (context) => {
    const missionId = core.store.head(context.req.param("id")).id;
    const types = (context.req.query("types") ?? "").split(",").filter((type) => type !== "") as EventType[];
    const limit = count(context, "limit", 50_000);
    const offset = count(context, "offset", 0);
    return context.json(core.store.events(missionId, { types, limit, offset }).map(storedEventJson));
  });
  app.get("/api/search", (context) => {
    const text = context.req.query("q") ?? "";
    const missionId = context.req.query("mission_id");
    const limit = count(context, "limit", 50);
    if (text.trim() === "") throw new OpenAgentError("invalid_input", "Say what to search for: ?q=words.");
    const hits = core.store.search({ text, limit, ...(missionId !== undefined && { missionId }) });
    return context.json(hits.map(searchHitJson));
  });
  app.get("/api/missions/:id/export", (context) => {
    const asked = context.req.query("format") ?? "markdown";
    const format = exportFormats.find((known) => known === asked);
    if (!format) throw new OpenAgentError("invalid_input", `format is ${exportFormats.join(" or ")}, not “${asked}”.`);
    const pieces = exportMission(core.store, context.req.param("id"), format);
    context.header("content-type", format === "json" ? "application/json" : "text/markdown; charset=utf-8");
    return stream(context, async (out) => {
      for await (const piece of pieces) {
        if (out.aborted) break;
        await out.write(piece);
      }
    });
  });
  app.post("/api/control/missions/:id/cancel", async (context) => {
    const head = core.store.head(context.req.param("id"));
    await core.run("stopMission", { missionId: head.id });
    return context.json({ ok: true, cancelled: head.runState !== "idle" });
  });

  const resume = z.object({ clean_workspace: z.boolean().default(false) });
  app.post("/api/control/missions/:id/resume", async (context) => {
    const head = core.store.head(context.req.param("id"));
    const missionId = head.id;
    const { clean_workspace } = await body(context, resume);
    if (isRunning(head)) throw new OpenAgentError("mission_busy", "The mission is at work already.", { missionId });
    await core.run(clean_workspace ? "resumeInCleanWorkspace" : "resumeMission", { missionId });
    return context.json(wholeMission(core, missionId));
  });

  const message = z.object({
    content: z.string(),
    agent: z.string().min(1).nullish(),
    mission_id: z.string().nullish(),
  });
  app.post("/api/control/message", async (context) => {
    const { content, agent, mission_id } = await body(context, message);
    const missionId = mission_id ?? known(core, current);
    const before = missionId == null ? undefined : core.store.head(missionId);
    const directory = before?.directory ?? folder(options, undefined);
    const choice = await checkChoice(core, directory, { ...(agent != null && { agent }) });
    if (!before) {
      const head = await core.run("createMission", { text: content, directory, ...choice });
      current = head.id;
      return context.json({ id: head.pending[0]?.queueId ?? head.id, queued: false });
    }
    const id = await core.run("sendMessage", { missionId: before.id, text: content, ...choice });
    if (before.title === untitled && before.status === "pending")
      await core.run("renameMission", { missionId: before.id, title: titleOf(content) });
    return context.json({ id, queued: before.runState !== "idle" });
  });

  app.get("/api/control/stream", (context) =>
    streamSSE(context, async (stream) => {
      const memory = newStreamMemory();
      const write = frameSender(stream, (count) => ({
        event: "error",
        data: { type: "error", message: `${String(count)} events were dropped: read the missions' events anew.` },
      }));
      const send = (frame: { type: string }) => void write({ event: frame.type, data: frame });
      const [running] = core.store.listRunning();
      send(running ? statusFrame(running) : idleFrame);
      const states = new Map<string, string>();
      const events = core.watchAll(({ missionId, events: news }) => {
        const id = known(core, missionId);
        if (id === undefined) return;
        const head = core.store.head(id);
        for (const event of news) {
          const frame = streamFrame(event, head, memory);
          if (frame) send(frame);
        }
      });
      const heads = core.onHead((head) => {
        const frame = statusFrame(head);
        const state = JSON.stringify(frame);
        if (states.get(head.id) !== state) send(frame);
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

  app.route("/api/workspaces", workspaceRoutes(core, options.directory));
  app.route("/api/desktop", desktopRoutes(core, encoder));
  app.route("/api/library", libraryRoutes(core, options.directory));
  app.route(
    "/api/task",
    taskRoutes(core, (named) => folder(options, named)),
  );
  return app;
}

function wholeMission(core: Core, missionId: string): MissionJson {
  const { view } = core.store.snapshot(missionId, 1_000_000);
  return missionJson(view.head, view.transcript.messages, workspaceNames(core).get(view.head.workspaceId ?? ""));
}

function workspaceNames(core: Core): Map<string, string> {
  return new Map(core.workspaces().workspaces.map(({ id, name }) => [id, name]));
}

/** The mission that this names, if it is still there. */
function known(core: Core, missionId: string | undefined): string | undefined {
  return missionId === undefined || !core.store.has(missionId) ? undefined : missionId;
}

/** The folder that a request names, or the server's own, when a mission can work there. */
function folder({ directory, attached }: ApiOptions, named: string | null | undefined): string {
  const wanted = named ?? directory;
  if (!attached) checkFolder(wanted);
  return wanted;
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
  import_unusable: 400,
  no_provider: 409,
  mission_not_found: 404,
  request_gone: 404,
  mission_busy: 409,
  workspace_not_cleanable: 409,
  workspace_busy: 409,
  worktree_failed: 409,
  library_locked: 409,
  item_not_found: 404,
  item_exists: 409,
  item_unreadable: 409,
  git_failed: 409,
  workspace_not_found: 404,
  workspace_not_ready: 409,
  workspace_unavailable: 503,
  desktop_unavailable: 503,
  desktop_busy: 409,
  desktop_not_found: 404,
  no_leader: 503,
  opencode_missing: 503,
  opencode_unreachable: 503,
  opencode_start_failed: 503,
  opencode_unsupported: 503,
  store_newer: 503,
  store_full: 503,
};

import { Hono } from "hono";
import { z } from "zod";
import type { Core, FoundDesktop } from "../orchestrator/index.ts";
import type { MissionDesktop } from "../protocol/desktop.ts";
import { isRunning, type MissionHead } from "../protocol/mission.ts";
import { body } from "./body.ts";
import { desktopNamed } from "./checks.ts";
import { desktopStream } from "./desktopStream.ts";
import type { JpegEncoder } from "./jpeg.ts";
import { iso } from "./shapes.ts";

/** Missions whose desktops are told of when they have ended. */
const recentMissions = 50;

/** A desktop as the API gives it. */
interface SessionJson {
  /** Ours: displays of different containers can have the same name, and each takes either. */
  id: string;
  display: string;
  /** `active`: its mission is at work; `orphaned`: it rests; `unknown`: it has none. */
  status: "active" | "orphaned" | "stopped" | "unknown";
  mission_id?: string;
  mission_title?: string;
  mission_status?: string;
  started_at: string;
  stopped_at?: string;
  keep_alive_until?: string;
  auto_close_in_secs?: number;
  process_running: boolean;
}

/** The routes of the desktops of agents. */
export function desktopRoutes(core: Core, encoder: JpegEncoder): Hono {
  const app = new Hono();
  app.get("/sessions", (context) => context.json({ sessions: sessions(core) }));
  app.post("/sessions/:display/close", async (context) => {
    const { id, display } = desktopNamed(core, context.req.param("display"));
    await core.run("endDesktop", { desktopId: id });
    return context.json({ success: true, message: `Desktop session ${display} closed` });
  });
  const keep = z.object({ extension_secs: z.int().min(1).max(31_536_000).default(7200) });
  app.post("/sessions/:display/keep-alive", async (context) => {
    const { id } = desktopNamed(core, context.req.param("display"));
    const { extension_secs: seconds } = await body(context, keep);
    await core.run("keepDesktop", { desktopId: id, seconds });
    const until = iso(Date.now() + 1000 * seconds);
    return context.json({ success: true, message: `Keep-alive extended to ${until}` });
  });
  app.post("/sessions/cleanup", async (context) => {
    const unused = sessions(core).filter(({ status, keep_alive_until: until }) => {
      return status === "orphaned" && Date.parse(until ?? "1970-01-01") <= Date.now();
    });
    const ends = await Promise.allSettled(unused.map(({ id }) => core.run("endDesktop", { desktopId: id })));
    const failed = ends.filter(({ status }) => status === "rejected").length;
    const closed = `Closed ${String(ends.length - failed)} orphaned sessions`;
    return context.json({
      success: failed === 0,
      message: failed === 0 ? closed : `${closed}, ${String(failed)} failed`,
    });
  });
  app.post("/sessions/cleanup-stopped", (context) =>
    context.json({ success: true, message: "Nothing to clean up: stopped sessions leave nothing behind" }),
  );
  app.get("/stream", desktopStream(core, encoder));
  return app;
}

/** Those that run, and those of recent missions that have ended. */
function sessions(core: Core): SessionJson[] {
  const { store } = core;
  const running = core.desktops.list();
  const ids = new Set(running.map(({ id }) => id));
  const ended = store
    .list({ limit: recentMissions })
    .flatMap((head) => (head.desktops ?? []).flatMap((known) => (ids.has(known.id) ? [] : [endedJson(head, known)])));
  return [
    ...running.map((desktop) => {
      const { missionId } = desktop;
      return runningJson(desktop, missionId !== undefined && store.has(missionId) ? store.head(missionId) : undefined);
    }),
    ...ended,
  ];
}

function runningJson({ id, display, startedAt, closesAt }: FoundDesktop, head: MissionHead | undefined): SessionJson {
  const keptUntil = head?.desktops?.find((desktop) => desktop.id === id)?.keptUntil;
  return {
    id,
    display,
    status: head === undefined ? "unknown" : isRunning(head) ? "active" : "orphaned",
    ...(head && missionFields(head)),
    started_at: iso(startedAt),
    ...(keptUntil !== undefined && { keep_alive_until: iso(keptUntil) }),
    ...(closesAt !== undefined && { auto_close_in_secs: Math.max(0, Math.ceil((closesAt - Date.now()) / 1000)) }),
    process_running: true,
  };
}

function endedJson(head: MissionHead, { id, display, startedAt, endedAt }: MissionDesktop): SessionJson {
  return {
    id,
    display,
    status: "stopped",
    ...missionFields(head),
    started_at: iso(startedAt),
    ...(endedAt !== undefined && { stopped_at: iso(endedAt) }),
    process_running: false,
  };
}

function missionFields({ id, title, status }: MissionHead) {
  return { mission_id: id, mission_title: title, mission_status: status };
}

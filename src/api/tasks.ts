import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import { z } from "zod";
import { Lifetime } from "../base/lifetime.ts";
import type { Core } from "../orchestrator/index.ts";
import type { MissionEvent } from "../protocol/event.ts";
import { formatModel, isRunning, type MissionHead } from "../protocol/mission.ts";
import { checkChoice } from "./checks.ts";
import { frameSender } from "./frames.ts";
import { body } from "./body.ts";
import { iso } from "./shapes.ts";

/** Open Agent's older one-shot tasks, each of them a mission with one message. */
export function taskRoutes(core: Core, folder: (named: string | null | undefined) => string): Hono {
  const app = new Hono();
  const create = z.object({
    task: z.string(),
    model: z.string().min(1).nullish(),
    working_dir: z.string().min(1).nullish(),
  });
  app.post("/", async (context) => {
    const { task, model, working_dir } = await body(context, create);
    const directory = folder(working_dir);
    const choice = await checkChoice(core, directory, { ...(model != null && { model }) });
    const head = await core.run("createMission", { text: task, directory, ...choice });
    return context.json({ id: head.id, status: taskStatus(head) });
  });
  app.get("/:id", (context) => context.json(taskJson(core, context.req.param("id"))));
  app.get("/:id/stream", (context) => {
    const { id } = core.store.head(context.req.param("id"));
    return streamSSE(context, async (stream) => {
      const write = frameSender(stream, (count) => ({
        event: "log",
        data: {
          timestamp: iso(Date.now()),
          entry_type: "error",
          content: `${String(count)} entries were dropped: read the task anew.`,
        },
      }));
      const log = (events: readonly MissionEvent[]) => {
        for (const event of events) {
          const entry = logEntry(event);
          if (entry) void write({ event: "log", data: entry });
        }
      };
      const status = () => (core.store.has(id) ? taskStatus(core.store.head(id)) : "cancelled");
      const seq = core.store.lastSeq(id);
      log(core.store.events(id));
      const watched = new Lifetime();
      await new Promise<void>((resolve) => {
        const check = () => {
          if (status() !== "pending" && status() !== "running") resolve();
        };
        watched.add(
          core.watch(id, seq, (batch) => {
            log(batch.events);
            check();
          }),
        );
        watched.add(core.onRemoved(check));
        stream.onAbort(resolve);
        check();
      });
      watched.dispose();
      await write({ event: "done", data: { status: status() } });
    });
  });
  return app;
}

type TaskStatus = "pending" | "running" | "completed" | "failed" | "cancelled";

function taskStatus(head: MissionHead): TaskStatus {
  if (isRunning(head)) return "running";
  if (head.status === "failed") return "failed";
  if (head.status === "interrupted") return "cancelled";
  return head.turnEndedAt === undefined || head.pending.length > 0 ? "pending" : "completed";
}

interface LogEntry {
  timestamp: string;
  entry_type: "thinking" | "tool_call" | "tool_result" | "response" | "error";
  content: string;
}

function logEntry({ body: event, time }: MissionEvent): LogEntry | undefined {
  const timestamp = iso(time);
  switch (event.type) {
    case "thinking":
      return event.done ? { timestamp, entry_type: "thinking", content: event.text } : undefined;
    case "assistant_message":
      return event.done ? { timestamp, entry_type: "response", content: event.text } : undefined;
    case "tool_call":
      if (event.state !== "running") return undefined;
      return { timestamp, entry_type: "tool_call", content: `${event.tool} ${JSON.stringify(event.input)}` };
    case "tool_result":
      return { timestamp, entry_type: "tool_result", content: event.output };
    case "turn_ended":
    case "launch_failed":
      return event.failure && { timestamp, entry_type: "error", content: event.failure.message };
    default:
      return undefined;
  }
}

function taskJson(core: Core, missionId: string) {
  const head = core.store.head(missionId);
  const events = core.store.events(missionId);
  const log = events.flatMap((event) => logEntry(event) ?? []);
  const asked = events.find(({ body: { type } }) => type === "message_queued" || type === "user_message")?.body;
  const result = log.findLast((entry) => entry.entry_type === "response")?.content;
  return {
    id: head.id,
    status: taskStatus(head),
    task: asked && "text" in asked ? asked.text : head.title,
    model: head.usedModel ? formatModel(head.usedModel) : head.model ? formatModel(head.model) : "",
    iterations: log.filter((entry) => entry.entry_type === "tool_call").length,
    ...(result !== undefined && { result }),
    log,
  };
}

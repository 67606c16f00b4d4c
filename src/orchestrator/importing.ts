import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { copyFile, open, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve, sep } from "node:path";
import { z } from "zod";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { optionalText, text, type Fields } from "../base/fields.ts";
import type { EventBody } from "../protocol/event.ts";
import { exportFormat, exportVersion, type ImportReport } from "../protocol/exchange.ts";
import { newHead, reduce, type MissionView } from "../protocol/reduce.ts";
import { emptyTranscript } from "../protocol/transcript.ts";
import { OriginalDatabase, unusable } from "../store/originalDatabase.ts";
import type { Past, Store } from "../store/store.ts";
import { translateOriginal, type OriginalMission } from "./originalEvents.ts";

/** What takes imported missions in: the leader. */
export interface ImportTarget {
  store: Store;
  takeIn(missionId: string, parts: readonly Past[]): { title: string };
}

const idSchema = z.uuid();
/** What one string can hold, with room to spare. In bytes. */
const exportLimit = 400_000_000;
const here = "It is here already.";

/**
 * Takes in the missions of a file: the database of an original Open Agent (`missions*.db`), which is only read, or a
 * JSON export. A mission that is here already is skipped. Nothing that comes in runs.
 *
 * @throws OpenAgentError `import_unusable` when the file is not there, damaged or something else; nothing came in then
 */
export async function importMissions(target: ImportTarget, path: string): Promise<ImportReport> {
  const report: ImportReport = { path, imported: [], skipped: [], missingFiles: [], otherTables: [] };
  const start = await beginningOf(path);
  if (start.startsWith("SQLite format 3\0")) await importOriginal(target, path, report);
  else if (start.trimStart().startsWith("{")) await importExport(target, path, report);
  else throw unusable(path, "it is neither a mission database nor an exported mission (JSON)");
  return report;
}

async function beginningOf(path: string): Promise<string> {
  try {
    const file = await open(path, "r");
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0);
      return buffer.toString("utf8", 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw unusable(path, `it cannot be read (${describeError(error)})`, error);
  }
}

// --- the database of an original Open Agent ---------------------------------------------------------------------------

async function importOriginal(target: ImportTarget, path: string, report: ImportReport): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "open-agent-import-"));
  try {
    const copy = join(folder, "missions.db");
    await copyFile(path, copy);
    // What was written last may stand in the log alone.
    if (existsSync(`${path}-wal`)) await copyFile(`${path}-wal`, `${copy}-wal`);
    const original = new OriginalDatabase(copy, path, target.store.nativeBinding);
    try {
      await takeAll(target, original, path, report);
    } finally {
      original.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function takeAll(target: ImportTarget, original: OriginalDatabase, path: string, report: ImportReport) {
  report.otherTables.push(...original.others.map(({ name, rows, byMission }) => ({ name, rows, kept: byMission })));
  for (const row of original.missions()) {
    const originalId = text(row["id"]);
    const id = idOf(originalId);
    const title = text(row["title"]) || originalId;
    if (target.store.has(id)) {
      report.skipped.push({ id, title, reason: here });
      continue;
    }
    const mission: OriginalMission = {
      id,
      row,
      events: original.events(originalId).map((event) => withContent(event, path, report)),
      others: original.others.map((table) => ({ table: table.name, rows: original.otherRows(table, originalId) })),
      directory: workedIn(path, originalId),
    };
    const head = target.takeIn(id, translateOriginal(mission));
    report.imported.push({ id, title: head.title, events: mission.events.length });
    await new Promise(setImmediate);
  }
}

/** The id itself, as a rule; one that is none of ours always gives the same one. */
function idOf(id: string): string {
  if (idSchema.safeParse(id).success) return id;
  const hash = createHash("sha256").update(id).digest("hex");
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}

/** `<working folder>/.openagent/missions/missions-x.db` goes with `<working folder>/workspaces/mission-<8 digits>`. */
function workedIn(path: string, missionId: string): string {
  const missions = dirname(path);
  const data = dirname(missions);
  if (basename(missions) !== "missions" || basename(data) !== ".openagent") return missions;
  return join(dirname(data), "workspaces", `mission-${missionId.slice(0, 8)}`);
}

/** Long texts stand in files, which rows name by where they were on the original's machine. */
function withContent(event: Fields, path: string, report: ImportReport): Fields {
  const named = optionalText(event["content_file"]);
  if (named === undefined || named === "" || optionalText(event["content"]) !== undefined) return event;
  const folder = join(dirname(path), "mission_data");
  const below = /(?:^|[/\\])mission_data[/\\](.+)$/.exec(named)?.[1] ?? basename(named);
  const file = resolve(folder, ...below.split(/[/\\]/));
  try {
    if (!file.startsWith(folder + sep)) throw new Error("outside of the missions' folder");
    return { ...event, content: readFileSync(file, "utf8") };
  } catch {
    report.missingFiles.push(file);
    return { ...event, content: "" };
  }
}

// --- an export of ours ------------------------------------------------------------------------------------------------

const exportSchema = z.object({
  format: z.literal(exportFormat),
  version: z.int(),
  head: z.looseObject({ id: z.uuid(), title: z.string() }),
  events: z.array(z.object({ time: z.number(), body: z.looseObject({ type: z.string() }) })).min(1),
});

async function importExport(target: ImportTarget, path: string, report: ImportReport): Promise<void> {
  if (statSync(path).size > exportLimit) throw unusable(path, "it is too big");
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw unusable(path, `it is no whole JSON (${describeError(error)})`, error);
  }
  const { format, version } = (json ?? {}) as { format?: unknown; version?: unknown };
  if (format === exportFormat && typeof version === "number" && version > exportVersion)
    throw unusable(path, "it was exported by a newer version of Open Agent");
  const read = exportSchema.safeParse(json);
  if (!read.success) throw unusable(path, `it is no exported mission: ${z.prettifyError(read.error)}`);
  const { id, title } = read.data.head;
  if (target.store.has(id)) {
    report.skipped.push({ id, title, reason: here });
    return;
  }
  const past = read.data.events.map(({ time, body }): Past => ({
    time,
    bodies: [harmless(body as unknown as EventBody)],
  }));
  let head: { title: string };
  try {
    head = target.takeIn(id, [...past, ...atRest(id, past)]);
  } catch (error) {
    if (error instanceof OpenAgentError) throw error;
    throw unusable(path, `its events are not what they should be (${describeError(error)})`, error);
  }
  report.imported.push({ id, title: head.title, events: past.length });
}

/** What would be sent by itself is held back, and what was allowed elsewhere is not allowed here. */
function harmless(body: EventBody): EventBody {
  if (body.type === "message_queued" && (body.state === "queued" || body.state === "sending"))
    return { ...body, state: "held" };
  if (body.type === "mission_updated" && body.permissions !== undefined) {
    const { permissions: _, ...others } = body;
    return others;
  }
  return body;
}

/** What ends all that ran when the mission was exported. Throws when the events make no mission. */
function atRest(id: string, past: readonly Past[]): Past[] {
  const time = past.at(-1)?.time ?? 0;
  let view: MissionView = { head: newHead(id, time), transcript: emptyTranscript };
  let seq = 0;
  for (const { time: at, bodies } of past)
    for (const body of bodies) view = reduce(view, { seq: ++seq, missionId: id, time: at, body });
  const { head } = view;
  const bodies: EventBody[] = [];
  if (head.turnMessageId !== undefined)
    bodies.push({ type: "turn_ended", messageId: head.turnMessageId, outcome: "interrupted" });
  else if (head.busy && head.sessionId !== undefined)
    bodies.push({ type: "session_state", sessionId: head.sessionId, state: "idle" });
  for (const { id: requestId, sessionId } of head.requests)
    bodies.push({ type: "request_answered", sessionId, requestId, answer: "gone" });
  if (head.turnMessageId !== undefined) bodies.push({ type: "mission_status_changed", status: "interrupted" });
  if (head.waitingSince !== undefined) bodies.push({ type: "mission_updated", waitingSince: null });
  return bodies.length === 0 ? [] : [{ time, bodies }];
}

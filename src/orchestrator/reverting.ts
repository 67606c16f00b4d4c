import { existsSync, rmSync } from "node:fs";
import { OpenAgentError } from "../base/errors.ts";
import type { SessionRef } from "../opencode/engine.ts";
import type { ChangedFile, Changes, RevertReport } from "../protocol/changes.ts";
import type { EventBody, TurnReverted } from "../protocol/event.ts";
import { isRunning, type MissionHead } from "../protocol/mission.ts";
import { changesOf, turnsIn } from "./changes.ts";
import { compareText, filesWrittenSince } from "./diskFiles.ts";
import type { Leader } from "./leader.ts";

/** Taking back turns, bringing them back, and going on from one of them in another mission. */

interface Wish {
  missionId: string;
  /** Although files were changed since by somebody else. */
  force?: boolean | undefined;
}

export async function revertTurn(leader: Leader, wish: Wish & { messageId: string }): Promise<RevertReport> {
  const { missionId, messageId } = wish;
  const runner = leader.runner(missionId);
  return runner.alone(async () => {
    const { head } = runner;
    const session = idleSession(head);
    if (!turnsIn(leader.store, head, { kind: "one", messageId }).includes(messageId))
      throw new OpenAgentError("request_gone", "That message is not part of the mission any more.", { messageId });
    const engine = await leader.engineOf(head);
    const changes = await changesOf(leader.store, head, { kind: "from", messageId }, () => Promise.resolve(engine));
    if (wish.force !== true) await requireUntouched(leader, head, changes);
    const info = await engine.revert(session, messageId);
    const report = reportOn(changes, (file) => file.before);
    runner.update([info, { type: "turn_reverted", ...place(session, messageId), files: report.restored }]);
    return report;
  });
}

export async function unrevert(leader: Leader, wish: Wish): Promise<RevertReport> {
  const runner = leader.runner(wish.missionId);
  return runner.alone(async () => {
    const { head } = runner;
    const session = idleSession(head);
    const messageId = head.revertedFrom;
    if (messageId === undefined)
      throw new OpenAgentError("request_gone", "Nothing of this mission is taken back any more.");
    const engine = await leader.engineOf(head);
    const changes = await changesOf(leader.store, head, { kind: "from", messageId }, () => Promise.resolve(engine));
    if (wish.force !== true) await requireNothingWritten(leader, head, changes);
    const info = await engine.unrevert(session);
    // OpenCode writes what was there and leaves alone what was not: files that the turns had deleted.
    const leftOver = changes.files.filter(
      (file) => !file.reported && file.after.kind === "none" && compareText(file.path, file.before) === "same",
    );
    for (const { path } of leftOver) rmSync(path, { force: true });
    runner.update([info, { type: "turn_reverted", ...place(session, messageId), files: [], undone: true }]);
    return reportOn(changes, (file) => file.after);
  });
}

/** A new mission that begins with the history up to a turn and with it, or with all that is over. */
export async function forkMission(leader: Leader, missionId: string, after: string | undefined): Promise<MissionHead> {
  const { head } = leader.runner(missionId);
  const session = sessionOf(head);
  const turns = turnsIn(leader.store, head, { kind: "all" });
  const place = after === undefined ? turns.length - 1 : turns.indexOf(after);
  if (place < 0) throw new OpenAgentError("request_gone", "That message is not part of the mission any more.");
  if (after !== undefined && after === head.turnMessageId)
    throw new OpenAgentError("mission_busy", "That turn is not over yet. Stop it first, or fork from an earlier one.");
  const before = turns[place + 1] ?? head.turnMessageId ?? head.revertedFrom;
  const engine = await leader.engineOf(head);
  const sessionId = await engine.fork(session, before);
  const { events } = await engine.snapshot({ ...session, sessionId });
  const translator = leader.workspaces.secrets.translator(head);
  const now = Date.now();
  const history = events.flatMap((raw) => translator.translate(raw, now, "rest").events);
  const { agent, model } = head;
  const bodies: EventBody[] = [
    {
      type: "mission_created",
      title: `${head.title.replace(/ \(fork\)$/, "")} (fork)`,
      directory: head.directory,
      server: head.server,
      ...(head.workspaceId !== undefined && { workspaceId: head.workspaceId }),
      ...(agent !== undefined && { agent }),
      ...(model && { model }),
    },
    { type: "mission_updated", sessionId },
    ...history,
    ...endsOf(leader, head, turns, sessionId, history),
    { type: "mission_status_changed", status: "active" },
  ];
  return leader.begin(bodies);
}

/** The copied messages have ids of their own, in the order of the originals. */
function endsOf(
  leader: Leader,
  head: MissionHead,
  turns: readonly string[],
  sessionId: string,
  history: readonly EventBody[],
): EventBody[] {
  const copies = history.flatMap((body) => (body.type === "message" && body.role === "user" ? [body.messageId] : []));
  const ends = new Map(
    leader.store
      .events(head.id, { types: ["turn_ended"] })
      .flatMap(({ body, time }) => (body.type === "turn_ended" ? [[body.messageId, { body, time }] as const] : [])),
  );
  return copies.sort().flatMap((messageId, index) => {
    const end = ends.get(turns[index] ?? "");
    return end ? [{ ...end.body, sessionId, messageId, at: end.body.at ?? end.time }] : [];
  });
}

function sessionOf(head: MissionHead): SessionRef {
  const { sessionId, directory } = head;
  if (sessionId === undefined) throw new OpenAgentError("request_gone", "This mission has not begun yet.");
  return { sessionId, directory };
}

function idleSession(head: MissionHead): SessionRef {
  if (isRunning(head))
    throw new OpenAgentError("mission_busy", "The mission is at work. Stop it first.", { missionId: head.id });
  return sessionOf(head);
}

/** A revert overwrites: what somebody else changed in the same files since would be lost. */
async function requireUntouched(leader: Leader, head: MissionHead, changes: Changes): Promise<void> {
  if (!changes.snapshots) return;
  if (head.revertedFrom !== undefined) await requireNothingWritten(leader, head, changes);
  else {
    const touched = changes.files.filter(({ present, reported }) => present === "changed" && !reported);
    refuseIfAny(touched.map(({ path }) => path));
  }
}

/** OpenCode brings back every file of the repository, not those alone that it took back. */
async function requireNothingWritten(leader: Leader, head: MissionHead, changes: Changes): Promise<void> {
  if (!changes.snapshots || !existsSync(head.directory)) return;
  const reverted = leader.store
    .events(head.id, { types: ["turn_reverted"] })
    .findLast(({ body }) => body.type === "turn_reverted" && body.messageId === head.revertedFrom && !body.undone);
  if (reverted) refuseIfAny(await filesWrittenSince(head.directory, reverted.time));
}

function refuseIfAny(paths: readonly string[]): void {
  if (paths.length === 0) return;
  const words = paths.length === 1 ? "A file was" : `${String(paths.length)} files were`;
  throw new OpenAgentError(
    "files_changed",
    `${words} changed since by somebody else: ${paths.slice(0, 20).join(", ")}`,
    {
      paths: paths.join("\n"),
    },
  );
}

function reportOn({ files, snapshots }: Changes, wanted: (file: ChangedFile) => ChangedFile["before"]): RevertReport {
  const taken = files.filter(({ reported }) => !reported);
  const different = (file: ChangedFile) => compareText(file.path, wanted(file)) === "changed";
  const paths = (some: ChangedFile[]) => some.map(({ path }) => path);
  return {
    restored: paths(taken.filter((file) => !different(file))),
    differing: paths(taken.filter(different)),
    snapshots,
  };
}

function place(session: SessionRef, messageId: string): Pick<TurnReverted, "sessionId" | "messageId"> {
  return { sessionId: session.sessionId, messageId };
}

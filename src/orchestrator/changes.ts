import { fileEdits } from "../opencode/fileEdits.ts";
import type { Engine } from "../opencode/engine.ts";
import { isNothing, joinDiffs, type ChangedFile, type Changes, type FileDiff } from "../protocol/changes.ts";
import type { EventBody } from "../protocol/event.ts";
import type { MissionHead } from "../protocol/mission.ts";
import type { Store } from "../store/store.ts";
import { compareText, readText } from "./diskFiles.ts";
import { diffsOfEdits, type TurnEdit } from "./toolEdits.ts";

/** Which turns are meant: all that are not taken back, one, or one and all after it. */
export type TurnRange = { kind: "all" } | { kind: "one"; messageId: string } | { kind: "from"; messageId: string };

/** The mission's files that are changed, as far as the store knows, and how many lines. Without asking OpenCode. */
export interface ChangedPaths {
  paths: string[];
  additions: number;
  deletions: number;
  /** Files that are only counted. */
  more: number;
}

export function changedPaths(store: Store, missionId: string): ChangedPaths {
  const head = store.head(missionId);
  const turns = new Set(turnsIn(store, head, { kind: "all" }));
  const paths = new Set<string>();
  let [additions, deletions, more] = [0, 0, 0];
  for (const { body } of store.events(missionId, { types: ["turn_changes"] })) {
    if (body.type !== "turn_changes" || !turns.has(body.messageId)) continue;
    for (const file of body.files) {
      paths.add(file.path);
      additions += file.additions;
      deletions += file.deletions;
    }
    more += body.more ?? 0;
  }
  return { paths: [...paths], additions, deletions, more };
}

/** The changed files with their texts. Needs OpenCode where it has snapshots. */
export async function changesOf(
  store: Store,
  head: MissionHead,
  range: TurnRange,
  engineOf: (head: MissionHead) => Promise<Engine>,
): Promise<Changes> {
  const turns = turnsIn(store, head, range);
  const snapshots = snapshotsIn(store, head);
  const told = diffsOfEdits(editsIn(store, head), readText);
  const files = new Map<string, FileDiff & { turns: string[]; reported: boolean }>();
  for (const turn of turns) {
    const taken = snapshots.has(turn) ? await askDiffs(head, turn, engineOf) : [];
    const diffs = new Map([...(told.get(turn)?.values() ?? []), ...taken].map((diff) => [diff.path, diff]));
    for (const diff of diffs.values()) {
      const earlier = files.get(diff.path);
      const joined = earlier ? joinDiffs(earlier, diff) : diff;
      const reported = earlier?.reported !== false && !taken.includes(diff);
      files.set(diff.path, { ...joined, turns: [...(earlier?.turns ?? []), turn], reported });
    }
  }
  const accepted = acceptedIn(store, head.id);
  const result = [...files.values()]
    .filter((file) => !isNothing(file))
    .map((file): ChangedFile => {
      const last = file.turns.at(-1) ?? "";
      const seen = last <= (accepted.get(file.path) ?? "");
      return { ...file, present: compareText(file.path, file.after), accepted: seen };
    })
    .sort((one, other) => (one.path < other.path ? -1 : 1));
  return { files: result, snapshots: turns.length === 0 || turns.some((turn) => snapshots.has(turn)) };
}

async function askDiffs(
  head: MissionHead,
  turn: string,
  engineOf: (head: MissionHead) => Promise<Engine>,
): Promise<FileDiff[]> {
  if (head.sessionId === undefined) return [];
  const engine = await engineOf(head);
  return engine.diff({ sessionId: head.sessionId, directory: head.directory }, turn);
}

/** The ids of the user's messages, in order, whose turns are in a range. */
export function turnsIn(store: Store, head: MissionHead, range: TurnRange): string[] {
  if (head.sessionId === undefined) return [];
  const there = new Set(store.messageIds(head.id, head.sessionId, undefined));
  const turns = store
    .events(head.id, { types: ["message"] })
    .flatMap(({ body }) => (body.type === "message" && body.role === "user" ? [body] : []))
    .filter((message) => message.sessionId === head.sessionId && there.has(message.messageId))
    .map((message) => message.messageId)
    .sort();
  switch (range.kind) {
    case "all":
      return turns.filter((turn) => head.revertedFrom === undefined || turn < head.revertedFrom);
    case "one":
      return turns.filter((turn) => turn === range.messageId);
    case "from":
      return turns.filter((turn) => turn >= range.messageId);
  }
}

/** The id of the user's message whose turn a message belongs to. */
export function turnOf(store: Store, head: MissionHead, messageId: string): string | undefined {
  return turnFinder(store, head)(messageId);
}

/** Ids grow over all sessions of a server, so what a sub-agent did belongs to the turn that began last before it. */
function turnFinder(store: Store, head: MissionHead): (messageId: string) => string | undefined {
  const turns = turnsIn(store, head, { kind: "from", messageId: "" });
  return (messageId) => turns.findLast((turn) => turn <= messageId);
}

/** The turns of whose steps OpenCode took snapshots. */
function snapshotsIn(store: Store, head: MissionHead): Set<string | undefined> {
  const turnOf = turnFinder(store, head);
  const steps = store.events(head.id, { types: ["step_finished"] });
  return new Set(
    steps.map(({ body }) =>
      body.type === "step_finished" && body.snapshot && body.sessionId === head.sessionId
        ? turnOf(body.messageId)
        : undefined,
    ),
  );
}

/** What tools have reported of files. */
function editsIn(store: Store, head: MissionHead): TurnEdit[] {
  const turnOf = turnFinder(store, head);
  return store.events(head.id, { types: ["tool_result"] }).flatMap(({ body }) => {
    const turn = body.type === "tool_result" ? turnOf(body.messageId) : undefined;
    if (body.type !== "tool_result" || turn === undefined) return [];
    return fileEdits(body, head.directory).map((edit) => ({ turn, edit }));
  });
}

/** Up to which turn the changes of files are accepted. */
function acceptedIn(store: Store, missionId: string): Map<string, string> {
  const accepted = new Map<string, string>();
  for (const { body } of store.events(missionId, { types: ["changes_accepted"] }))
    if (body.type === "changes_accepted") for (const path of body.paths) accepted.set(path, body.upTo);
  return accepted;
}

/** What a turn changed by the reports of its tools, where OpenCode takes no snapshots and so says nothing. */
export function reportedChanges(store: Store, head: MissionHead, messageId: string): EventBody[] {
  const { sessionId } = head;
  if (sessionId === undefined || snapshotsIn(store, head).has(messageId)) return [];
  const diffs = diffsOfEdits(editsIn(store, head), readText).get(messageId);
  if (!diffs) return [];
  const files = [...diffs.values()]
    .filter((diff) => !isNothing(diff))
    .map(({ before: _, after: __, ...change }) => change);
  return [{ type: "turn_changes", sessionId, messageId, files }];
}

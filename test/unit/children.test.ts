import assert from "node:assert/strict";
import type { EventBody } from "../../src/protocol/event.ts";
import { childrenOf, childState, costWithChildren } from "../../src/protocol/children.ts";
import { compactRefusal, contextShare, type MissionHead } from "../../src/protocol/mission.ts";
import { newHead, reduceHead } from "../../src/protocol/reduce.ts";
import { missionEvents, part, session } from "../fake/events.ts";

const base: EventBody[] = [
  { type: "mission_created", title: "A", directory: "/p", server: "own" },
  { type: "mission_updated", sessionId: session },
  { type: "session_state", sessionId: session, state: "busy" },
  { type: "session", sessionId: session, title: "A", cost: 1 },
];
const child = (sessionId: string, parentId: string, cost = 0): EventBody => ({
  type: "session",
  sessionId,
  parentId,
  title: sessionId,
  cost,
});
const state = (sessionId: string, word: "busy" | "idle"): EventBody => ({
  type: "session_state",
  sessionId,
  state: word,
});

function headOf(...bodies: EventBody[]): MissionHead {
  return missionEvents([...base, ...bodies]).reduce(reduceHead, newHead("m", 0));
}

describe("sub-agents of a mission", () => {
  it("are each in their own state, and at rest when the mission's turn is over", () => {
    const error = { name: "APIError", message: "no" };
    const events: EventBody[] = [
      ...["a", "b", "c"].map((id) => child(id, session)),
      state("a", "busy"),
      state("b", "busy"),
      { type: "error", id: "e", sessionId: "b", error },
      state("b", "idle"),
      child("a", session, 2),
    ];
    const states = (head: MissionHead) => childrenOf(head, session).map((id) => childState(head, id));
    const end: EventBody = { type: "turn_ended", messageId: "msg_1", outcome: "interrupted" };
    assert.deepEqual(
      [states(headOf(...events)), states(headOf(...events, end))],
      [
        ["running", "failed", "idle"],
        ["idle", "failed", "idle"],
      ],
    );
  });

  it("are counted once, also where what is said of them goes in a circle", () => {
    const head = headOf(
      child("a", session, 2),
      child("b", "a", 4),
      child("a", session, 2),
      child("x", "y", 8),
      child("y", "x", 16),
    );
    assert.deepEqual(
      [session, "a", "b", "x"].map((id) => costWithChildren(head, id)),
      [7, 6, 4, 24],
    );
  });
});

describe("the context of a mission", () => {
  const step = (tokens: number): EventBody => ({
    type: "step_finished",
    ...part("msg_2", "prt_2"),
    reason: "stop",
    cost: 0,
    tokens: { input: tokens, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 },
  });
  const by = (modelId: string): EventBody => ({
    type: "message",
    sessionId: session,
    messageId: "msg_2",
    role: "assistant",
    createdAt: 1,
    model: { providerId: "p", modelId },
  });
  const limit = (model: string, tokens: number): EventBody => ({
    type: "mission_updated",
    contextLimit: { model, tokens },
  });
  const summary: EventBody = { type: "compaction", ...part("msg_3", "prt_3"), automatic: false };

  it("is a share of what the model takes that answered last", () => {
    assert.deepEqual(
      [
        [step(250)],
        [by("m"), limit("p/m", 1000), step(250)],
        [by("m"), limit("p/m", 1000), step(2500)],
        [by("n"), limit("p/m", 1000), step(250)],
        [by("m"), limit("p/m", 0), step(250)],
      ].map((events) => contextShare(headOf(...events))),
      [undefined, 0.25, 1, undefined, undefined],
    );
  });

  it("is not known after a summary until the next step", () => {
    const head = headOf(by("m"), limit("p/m", 1000), step(900), summary, step(950));
    assert.deepEqual([contextShare(head), head.summary], [undefined, { messageId: "msg_3", state: "done" }]);
    const next = reduceHead(head, { seq: 99, missionId: "m", time: 99, body: step(100) });
    assert.equal(contextShare(next), 0.1);
  });

  it("is summarised only while nothing runs or waits", () => {
    const words = [headOf(), headOf(state(session, "idle")), newHead("m", 0)].map((head) => compactRefusal(head) ?? "");
    assert.deepEqual(
      words.map((word) => word.split(".")[0]),
      ["The mission is at work", "", "There is no conversation to summarise yet"],
    );
  });
});

import assert from "node:assert/strict";
import type { EventBody, MissionEvent } from "../../src/protocol/event.ts";
import { parseModel, titleOf } from "../../src/protocol/mission.ts";
import { slimView } from "../../src/protocol/panel.ts";
import { newHead, reduce, reduceTranscript, type MissionView } from "../../src/protocol/reduce.ts";
import { emptyTranscript } from "../../src/protocol/transcript.ts";
import { missionEvents, part, session, user } from "../fake/events.ts";

const start: MissionView = { head: newHead("m", 0), transcript: emptyTranscript };

function viewOf(...bodies: EventBody[]): MissionView {
  return missionEvents(bodies).reduce(reduce, start);
}

describe("mission facts", () => {
  it("takes the first line of a text as title and cuts no character in two", () => {
    assert.equal(titleOf("\n  Fix the login \nand more"), "Fix the login");
    assert.equal(titleOf(" "), "Untitled mission");
    assert.equal(titleOf("👩‍👩‍👧".repeat(101), 100), `${"👩‍👩‍👧".repeat(100)}…`);
  });

  it("reads provider and model, with slashes in the model", () => {
    assert.deepEqual(parseModel("openrouter/anthropic/claude"), {
      providerId: "openrouter",
      modelId: "anthropic/claude",
    });
    assert.deepEqual(["nope", "/x", "x/"].map(parseModel), [undefined, undefined, undefined]);
  });
});

describe("reduce", () => {
  const created: EventBody = { type: "mission_created", title: "t", directory: "/d", server: "own" };
  const linked: EventBody = { type: "mission_updated", sessionId: session };
  const sending: EventBody = { type: "message_queued", queueId: "q", text: "hi", state: "sending", messageId: "msg_1" };
  const asked: EventBody = {
    type: "permission_asked",
    sessionId: "ses_child",
    request: {
      kind: "permission",
      id: "per_1",
      sessionId: "ses_child",
      permission: "bash",
      patterns: [],
      always: [],
      detail: "ls",
      askedAt: 0,
    },
  };

  it("waits for the user while a child session asks, and for a tool after the answer", () => {
    const call: EventBody = {
      type: "tool_call",
      ...part("msg_2", "prt_1"),
      callId: "c",
      tool: "task",
      state: "running",
      input: {},
      card: { icon: "", doing: "", done: "", object: "", body: "text" },
    };
    const waiting = viewOf(created, linked, sending, call, asked);
    const answered = viewOf(created, linked, sending, call, asked, {
      type: "request_answered",
      sessionId: "ses_child",
      requestId: "per_1",
      answer: "once",
    });
    assert.deepEqual([waiting.head.runState, answered.head.runState], ["waiting_for_you", "waiting_for_tool"]);
  });

  it("is idle only when the turn has ended, however early the session says so", () => {
    const idle: EventBody = { type: "session_state", sessionId: session, state: "idle" };
    const ended: EventBody = { type: "turn_ended", messageId: "msg_1", outcome: "completed" };
    const before = viewOf(created, linked, sending, idle);
    const after = viewOf(created, linked, sending, idle, ended);
    assert.deepEqual([before.head.runState, after.head.runState], ["running", "idle"]);
  });

  it("counts the cost of each session once", () => {
    const cost = (sessionId: string, amount: number, parentId?: string): EventBody => ({
      type: "session",
      sessionId,
      title: "",
      cost: amount,
      ...(parentId !== undefined && { parentId }),
    });
    const { head } = viewOf(
      created,
      linked,
      cost(session, 1),
      cost("ses_child", 2, session),
      cost(session, 3),
      cost("ses_child", 2, session),
    );
    assert.deepEqual(head.costs, { [session]: 3, ses_child: 2 });
  });

  it("orders messages and parts by their ids, whatever order they come in", () => {
    const text = (messageId: string, partId: string): EventBody => ({
      type: "assistant_message",
      ...part(messageId, partId),
      text: partId,
      done: true,
      startedAt: 0,
    });
    const { transcript } = viewOf(
      linked,
      text("msg_3", "prt_5"),
      text("msg_2", "prt_4"),
      text("msg_2", "prt_3"),
      ...user("msg_1", "hello"),
    );
    const order = transcript.messages.map((message) => [message.id, ...message.parts.map(({ id }) => id)]);
    assert.deepEqual(order, [
      ["msg_1", "prt_msg_1"],
      ["msg_2", "prt_3", "prt_4"],
      ["msg_3", "prt_5"],
    ]);
  });

  it("appends deltas, marks a hole, and repairs it with the whole text", () => {
    const place = part("msg_2", "prt_1");
    const begin: EventBody = { type: "assistant_message", ...place, text: "", done: false, startedAt: 1 };
    const delta = (offset: number, text: string): EventBody => ({
      type: "text_delta",
      ...place,
      of: "assistant_message",
      offset,
      text,
    });
    const whole: EventBody = {
      type: "assistant_message",
      ...place,
      text: "one two three",
      done: true,
      startedAt: 1,
      endedAt: 9,
    };
    const texts = (view: MissionView) =>
      view.transcript.messages.flatMap(({ parts }) =>
        parts.map((one) => one.kind === "text" && [one.text, one.gap, one.done]),
      );
    assert.deepEqual(texts(viewOf(linked, begin, delta(0, "one "), delta(4, "two "))), [["one two ", false, false]]);
    assert.deepEqual(texts(viewOf(linked, begin, delta(0, "one "), delta(8, "three"))), [["one three", true, false]]);
    assert.deepEqual(
      texts(viewOf(linked, begin, delta(0, "one "), delta(8, "three"), whole, delta(13, "late"), begin)),
      [["one two three", false, true]],
    );
  });

  it("marks what still ran as interrupted when the turn ends", () => {
    const call: EventBody = {
      type: "tool_call",
      ...part("msg_2", "prt_1"),
      callId: "c",
      tool: "bash",
      state: "running",
      input: {},
      card: { icon: "", doing: "", done: "", object: "", body: "text" },
    };
    const { transcript } = viewOf(linked, call, { type: "turn_ended", messageId: "msg_1", outcome: "interrupted" });
    assert.equal(
      transcript.messages[0]?.parts[0]?.kind === "tool" && transcript.messages[0].parts[0].state,
      "interrupted",
    );
  });

  it("keeps the identity of messages that did not change", () => {
    const before = viewOf(linked, ...user("msg_1", "hello"), ...user("msg_2", "again"));
    const event: MissionEvent = {
      seq: 99,
      missionId: "m",
      time: 99,
      body: { type: "assistant_message", ...part("msg_3", "prt_9"), text: "x", done: true, startedAt: 0 },
    };
    const after = reduceTranscript(before.transcript, event, session);
    assert.deepEqual(
      before.transcript.messages.map((message, index) => after.messages[index] === message),
      [true, true],
    );
  });

  it("changes nothing for events that it has no use for", () => {
    const before = viewOf(linked);
    const raw: MissionEvent = {
      seq: 9,
      missionId: "m",
      time: 9,
      body: { type: "raw", id: "evt", name: "new.thing", sessionId: session, data: {} },
    };
    assert.equal(reduce(before, raw), before);
  });
});

describe("the page's copy of a view", () => {
  it("leaves out what can be asked for later", () => {
    const card = { icon: "", doing: "", done: "", object: "", body: "diff" as const, diff: "@@" };
    const result: EventBody = {
      type: "tool_result",
      ...part("msg_2", "prt_1"),
      callId: "c",
      tool: "edit",
      state: "completed",
      card,
      input: { a: 1 },
      output: "long",
    };
    const [slim] =
      slimView(viewOf({ type: "mission_updated", sessionId: session }, result)).transcript.messages[0]?.parts ?? [];
    assert.deepEqual(slim?.kind === "tool" && [slim.input, slim.output, slim.card.diff], [
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("cuts a text of a megabyte", () => {
    const view = slimView(
      viewOf({ type: "mission_updated", sessionId: session }, ...user("msg_1", "x".repeat(1_000_000))),
    );
    const [text] = view.transcript.messages[0]?.parts ?? [];
    assert.ok(text?.kind === "text" && text.text.length < 61_000 && text.text.endsWith("940,000 more characters"));
  });
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { compareBuilds } from "../../src/orchestrator/build.ts";
import { added, edited, held, moved, released, removed, urged } from "../../src/orchestrator/queue.ts";
import type { EventBody } from "../../src/protocol/event.ts";
import { nextMessage, type MissionHead } from "../../src/protocol/mission.ts";
import { newHead, reduceHead } from "../../src/protocol/reduce.ts";

/** A head with messages queued one millisecond after the other. */
function queueOf(...texts: string[]): MissionHead {
  const bodies = texts.map((text): EventBody => ({ type: "message_queued", queueId: text, text, state: "queued" }));
  return after(newHead("m", 0), bodies);
}

let time = 0;
function after(head: MissionHead, bodies: readonly EventBody[]): MissionHead {
  return bodies.reduce((view, body) => reduceHead(view, { seq: ++time, missionId: "m", time, body }), head);
}

function order(head: MissionHead): string[] {
  return head.pending.map(({ text }) => text);
}

describe("a queue", () => {
  it("is in the order of its messages, and keeps it when one is edited", () => {
    const head = queueOf("a", "b", "c");
    assert.deepEqual(order(after(head, edited(head, "a", "A"))), ["A", "b", "c"]);
  });

  it("takes a message behind all that wait, also when the clock has been put back", () => {
    let head = newHead("m", 0);
    for (const [text, now] of [
      ["a", 5_000],
      ["b", 1_000],
      ["c", 1_000],
      ["d", 9_000],
    ] as const)
      head = after(head, [added(head, { queueId: text, text }, now)]);
    assert.deepEqual(order(head), ["a", "b", "c", "d"]);
  });

  it("can be put into any order", () => {
    const names = ["a", "b", "c", "d"];
    const move = fc.record({ what: fc.constantFrom(...names), before: fc.option(fc.constantFrom(...names)) });
    fc.assert(
      fc.property(fc.array(move, { maxLength: 200 }), (moves) => {
        let head = queueOf(...names);
        let expected = [...names];
        for (const { what, before } of moves) {
          if (what === before) continue;
          head = after(head, moved(head, what, before ?? undefined));
          const others = expected.filter((name) => name !== what);
          expected = others.toSpliced(before === null ? others.length : others.indexOf(before), 0, what);
        }
        assert.deepEqual(order(head), expected);
      }),
    );
  });

  it("holds what waits when the user stops, but for what is sent now", () => {
    const queue = queueOf("a", "b");
    const stopped = after(queue, held(queue));
    assert.deepEqual([order(stopped), nextMessage(stopped)], [["a", "b"], undefined]);
    assert.equal(nextMessage(after(stopped, released(stopped)))?.text, "a");
    const urgent = after(stopped, urged(stopped, "b"));
    assert.deepEqual([order(urgent), nextMessage(urgent)?.text], [["b", "a"], "b"]);
  });

  it("says so when a message waits no more, or is on its way", () => {
    const queue = queueOf("a");
    const sending = after(queue, [
      { type: "message_queued", queueId: "a", text: "a", state: "sending", messageId: "msg_1" },
    ]);
    assert.throws(() => edited(sending, "a", "x"), { code: "request_gone" });
    assert.throws(() => removed(queue, "b"), { code: "request_gone" });
    assert.throws(() => moved(queue, "a", "b"), { code: "request_gone" });
  });

  it("takes no verdict on a mission that is at work", () => {
    const head = after(queueOf("a"), [
      { type: "message_queued", queueId: "a", text: "a", state: "sending", messageId: "msg_1" },
      { type: "mission_status_changed", status: "completed" },
    ]);
    assert.equal(head.status, "pending");
  });
});

describe("builds", () => {
  it("have a total order", () => {
    const inOrder = ["0.9.9", "0.10.0-dev.1", "0.10.0", "1.0.0-alpha", "1.0.0-beta", "1.0.0", "1.0.1"];
    for (const [index, one] of inOrder.entries())
      for (const [at, other] of inOrder.entries())
        assert.equal(Math.sign(compareBuilds(one, other)), Math.sign(index - at), `${one} ${other}`);
    const version = fc.oneof(fc.constantFrom(...inOrder), fc.string());
    fc.assert(
      fc.property(version, version, (one, other) => {
        assert.equal(Math.sign(compareBuilds(one, other)), -Math.sign(compareBuilds(other, one)) + 0);
      }),
    );
  });
});

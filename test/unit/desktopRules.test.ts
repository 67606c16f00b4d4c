import assert from "node:assert/strict";
import { toolCard } from "../../src/opencode/toolCard.ts";
import { shownDesktop, type DesktopWish, type MissionDesktop } from "../../src/protocol/desktop.ts";
import type { EventBody, MissionEvent } from "../../src/protocol/event.ts";
import { newHead, reduceHead } from "../../src/protocol/reduce.ts";
import type { MissionHead } from "../../src/protocol/mission.ts";

const started = { success: true, display: ":99", resolution: "1280x720", folder: "/run/desktops/host/0a1b2c3d" };
const use = (tool: string, output: unknown, input = {}, finished = true) =>
  toolCard({ tool, input, metadata: {}, finished, output }, "/").desktop;

describe("what a call tells of a desktop", () => {
  const start = { action: "started", id: "0a1b2c3d", display: ":99" };

  it("is read from an object, from its text, and from the content of an MCP answer", () => {
    const text = JSON.stringify(started);
    for (const output of [
      started,
      text,
      JSON.stringify(text),
      { content: [{ type: "text", text }] },
      [
        { type: "text", text: "Words." },
        { type: "text", text },
      ],
      JSON.stringify({ content: [{ type: "text", text }] }),
    ])
      assert.deepEqual(use("desktop_start_session", output), start, JSON.stringify(output));
  });

  it("is told by the tool's name, with and without the names of servers before it", () => {
    for (const tool of ["desktop_start_session", "desktop_desktop_start_session", "my_desktop_start_session"])
      assert.deepEqual(use(tool, started), start, tool);
    for (const tool of ["desktop_stop_session", "desktop_close_session", "desktop_desktop_close_session"])
      assert.deepEqual(use(tool, "{}", { display: ":99" }), { action: "stopped", display: ":99" }, tool);
    assert.deepEqual(use("desktop_desktop_computer", "Typed."), { action: "used" });
    assert.deepEqual(use("desktop_desktop_click", "{}", { display: ":99" }), { action: "used", display: ":99" });
    for (const tool of ["xdesktop_start_session", "desktop_start_sessions", "bash", "desktop_something"])
      assert.equal(use(tool, started), undefined, tool);
  });

  it("is nothing where the call failed, goes on, or answers what does not parse", () => {
    assert.equal(use("desktop_start_session", { ...started, success: false }), undefined);
    assert.equal(use("desktop_start_session", "There is no X server."), undefined);
    assert.equal(use("desktop_start_session", { display: 99 }), undefined);
    assert.equal(use("desktop_start_session", started, {}, false), undefined);
    assert.equal(use("desktop_start_session", '{"display":'), undefined);
    assert.equal(use("desktop_stop_session", { success: false }), undefined);
  });

  it("names a desktop that has no folder by its display", () => {
    assert.equal(use("desktop_start_session", { display: ":7" })?.id, ":7");
  });
});

/** The head of a mission after these calls, at the times 1, 2, 3 … */
function after(...calls: [tool: string, output: unknown, input?: object][]): MissionHead {
  let head = newHead("m", 0);
  for (const [index, [tool, output, input = {}]] of calls.entries()) {
    const card = toolCard({ tool, input: { ...input }, metadata: {}, finished: true, output }, "/");
    head = reduceHead(head, event(index + 1, result(index, tool, card)));
  }
  return head;
}

function result(index: number, tool: string, card: ReturnType<typeof toolCard>): EventBody {
  const at = { sessionId: "s", messageId: "m1", partId: `p${String(index)}` };
  return {
    type: "tool_result",
    ...at,
    callId: `c${String(index)}`,
    tool,
    state: "completed",
    card,
    input: {},
    output: "",
  };
}

function event(seq: number, body: EventBody): MissionEvent {
  return { seq, missionId: "m", time: seq, body };
}

describe("the desktops of a mission", () => {
  const other = { ...started, display: ":100", folder: "/d/ffffffff" };

  it("are those that its agents have started, with when they were used and ended", () => {
    const { desktops } = after(
      ["desktop_start_session", started],
      ["desktop_start_session", other],
      ["desktop_click", "{}", { display: ":99" }],
      ["desktop_stop_session", "{}", { display: ":100" }],
      ["desktop_computer", "Typed."],
    );
    assert.deepEqual(desktops, [
      { id: "0a1b2c3d", display: ":99", startedAt: 1, usedAt: 5 },
      { id: "ffffffff", display: ":100", startedAt: 2, usedAt: 2, endedAt: 4 },
    ]);
  });

  it("are not changed by a start that is told again, nor by a call on a desktop that is unknown", () => {
    const { desktops } = after(
      ["desktop_start_session", started],
      ["desktop_start_session", started],
      ["desktop_click", "{}", { display: ":5" }],
    );
    assert.deepEqual(desktops, [{ id: "0a1b2c3d", display: ":99", startedAt: 1, usedAt: 1 }]);
  });

  it("end and are kept by what the leader and the user say", () => {
    let head = after(["desktop_start_session", started]);
    head = reduceHead(head, event(2, { type: "desktop_kept", desktopId: "0a1b2c3d", until: 99 }));
    head = reduceHead(head, event(3, { type: "desktop_ended", desktopId: "0a1b2c3d" }));
    assert.deepEqual(head.desktops, [
      { id: "0a1b2c3d", display: ":99", startedAt: 1, usedAt: 1, keptUntil: 99, endedAt: 3 },
    ]);
  });

  it("are forgotten from the oldest ended one on, so that a mission does not grow without end", () => {
    const calls = Array.from({ length: 60 }, (_, index): [string, unknown, object?][] => [
      ["desktop_start_session", { display: `:${String(index)}` }],
      ["desktop_stop_session", "{}", { display: `:${String(index)}` }],
    ]);
    assert.equal(after(...calls.flat()).desktops?.length, 21);
  });
});

describe("the desktop beside a mission", () => {
  const one: MissionDesktop = { id: "one", display: ":1", startedAt: 10, usedAt: 10 };
  const two: MissionDesktop = { id: "two", display: ":2", startedAt: 20, usedAt: 20 };
  const shown = (
    desktops: MissionDesktop[],
    more: {
      wish?: DesktopWish;
      isRunning?: boolean;
      turnStartedAt?: number;
      live?: string[];
      opens?: boolean;
      inHand?: string;
    } = {},
  ) =>
    shownDesktop(
      { desktops, isRunning: more.isRunning ?? true, turnStartedAt: more.turnStartedAt ?? 5 },
      new Set(more.live ?? desktops.map(({ id }) => id)),
      more.wish ?? {},
      more.opens ?? true,
      more.inHand,
    );

  it("opens when one is started, also when the start was missed or the page was loaded anew", () => {
    assert.equal(shown([]), undefined);
    assert.equal(shown([one]), "one");
    assert.equal(shown([one, two]), "two");
  });

  it("closes when it is stopped, when it is gone, and when the mission rests", () => {
    assert.equal(shown([{ ...one, endedAt: 12 }]), undefined);
    assert.equal(shown([one], { live: [] }), undefined);
    assert.equal(shown([one], { isRunning: false }), undefined);
    assert.equal(shown([one, { ...two, endedAt: 22 }]), "one");
  });

  it("stays closed by hand until the next start", () => {
    const wish = { closedAt: one.startedAt };
    assert.equal(shown([one], { wish }), undefined);
    assert.equal(shown([{ ...one, usedAt: 30 }], { wish }), undefined);
    assert.equal(shown([one, two], { wish }), "two");
    assert.equal(shown([one, { ...two, endedAt: 21 }], { wish: { closedAt: 20 } }), undefined);
  });

  it("is one of this turn, started or used in it", () => {
    assert.equal(shown([one], { turnStartedAt: 15 }), undefined);
    assert.equal(shown([{ ...one, usedAt: 16 }], { turnStartedAt: 15 }), "one");
  });

  it("does not open by itself where the setting says so, but by hand", () => {
    assert.equal(shown([one], { opens: false }), undefined);
    assert.equal(shown([one], { opens: false, wish: { opened: "one" } }), "one");
  });

  it("that is in hand stays for as long as that, and changes nothing of what comes after", () => {
    for (const more of [
      { isRunning: false },
      { turnStartedAt: 15 },
      { opens: false },
      { wish: { closedAt: 20 } },
      { live: ["one", "two"] },
    ])
      assert.equal(shown([one, two], { ...more, inHand: "one" }), "one", JSON.stringify(more));
    // Given back: it hides with the end of the turn, and the next one opens.
    assert.equal(shown([one], { isRunning: false }), undefined);
    assert.equal(shown([one, two]), "two");
    assert.equal(shown([one], { inHand: "one", live: [] }), undefined);
    assert.equal(shown([one, two], { inHand: "one", wish: { opened: "two" } }), "two");
  });

  it("that was opened by hand stays as long as it runs", () => {
    const wish = { opened: "one" };
    assert.equal(shown([one, two], { wish, isRunning: false }), "one");
    assert.equal(shown([one, two], { wish, live: ["two"] }), "two");
    assert.equal(shown([one], { wish, live: [], isRunning: false }), undefined);
  });
});

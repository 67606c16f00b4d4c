import assert from "node:assert/strict";
import type { EventBody } from "../../src/protocol/event.ts";
import { newHead, reduceHead } from "../../src/protocol/reduce.ts";
import type { MissionHead } from "../../src/protocol/mission.ts";
import { endingOf, partOf, passedAmount } from "../../src/ui/missions/attentionRules.ts";
import { linkPromptLimit, parseLink } from "../../src/ui/uris.ts";
import { missionEvents, session } from "../fake/events.ts";

const created: EventBody[] = [
  { type: "mission_created", title: "A", directory: "/p", server: "own" },
  { type: "mission_updated", sessionId: session },
];
const queued = (queueId: string, state: "queued" | "sending" | "sent"): EventBody => ({
  type: "message_queued",
  queueId,
  text: "go",
  state,
  ...(state === "sending" && { messageId: "msg_1" }),
});
const running = [...created, queued("q", "sending"), queued("q", "sent")];
const ended = (outcome: "completed" | "failed" | "interrupted"): EventBody => ({
  type: "turn_ended",
  messageId: "msg_1",
  sessionId: session,
  outcome,
});
const status = (word: MissionHead["status"]): EventBody => ({ type: "mission_status_changed", status: word });

function headOf(...bodies: EventBody[]): MissionHead {
  return missionEvents(bodies).reduce(reduceHead, newHead("m", 0));
}

describe("the end of a mission's work", () => {
  it("is told when a turn is done or has failed", () => {
    assert.deepEqual(
      [
        headOf(...running, ended("completed")),
        headOf(...running, ended("failed"), status("failed")),
        headOf(
          ...created,
          queued("q", "queued"),
          { type: "launch_failed", failure: { name: "no_provider", message: "none" } },
          status("failed"),
        ),
      ].map(endingOf),
      [
        { kind: "done", key: "ended:5" },
        { kind: "failed", key: "ended:5" },
        { kind: "failed", key: "ended:4" },
      ],
    );
  });

  it("is not told while something runs or waits, nor of what the user did", () => {
    assert.deepEqual(
      [
        headOf(...created),
        headOf(...running),
        headOf(...running, queued("r", "queued"), ended("completed")),
        headOf(...running, ended("interrupted"), status("interrupted")),
        headOf(...running, ended("completed"), status("completed")),
      ].map(endingOf),
      [undefined, undefined, undefined, undefined, undefined],
    );
  });

  it("is told by the window that the user is in, else by any, and never to the one who looks at it", () => {
    assert.deepEqual(
      [
        { focused: true, missionInView: true },
        { focused: true, missionInView: false },
        { focused: false, missionInView: true },
        { focused: false, missionInView: false },
      ].map(partOf),
      ["seen", "tell", "tell_if_nobody_else", "tell_if_nobody_else"],
    );
  });
});

describe("the spend alert", () => {
  it("comes with each multiple of the amount that is passed, and not before", () => {
    assert.deepEqual(
      [0, 4.99, 5, 5.01, 9.99, 10.01, 26].map((cost) => passedAmount(cost, 5)),
      [undefined, undefined, undefined, 5, 5, 10, 25],
    );
  });

  it("counts in whole steps, also of small amounts", () => {
    assert.deepEqual(
      [0.1, 0.2, 0.31, 0.4].map((cost) => passedAmount(cost, 0.1)),
      [undefined, 0.1, 0.3, 0.3],
    );
  });

  it("never comes where it is off or makes no sense", () => {
    assert.deepEqual(
      [0, -1, Number.NaN].map((amount) => passedAmount(100, amount)),
      [undefined, undefined, undefined],
    );
    assert.equal(passedAmount(Number.NaN, 5), undefined);
  });
});

describe("a link to Open Agent", () => {
  const read = (uri: string) => {
    const { pathname, search } = new URL(uri);
    return parseLink(pathname, search.slice(1));
  };

  it("opens a mission by its id or the beginning of it", () => {
    const id = "0f8fad5b-d9cb-469f-a165-70867728950e";
    assert.deepEqual(
      [id, "0F8F", "0f8fad5b-d9/"].map((part) => read(`vscode://open-agent.open-agent/mission/${part}`)),
      [id, "0f8f", "0f8fad5b-d9"].map((part) => ({ kind: "mission", id: part })),
    );
  });

  it("holds a prompt and a folder, as they were encoded", () => {
    assert.deepEqual(
      read("vscode://open-agent.open-agent/new?prompt=fix%20a%20%26%20b%0Aplease&workspace=%2Fhome%2Fme%2Fmy%20app"),
      { kind: "new", prompt: "fix a & b\nplease", workspace: "/home/me/my app" },
    );
    assert.deepEqual(read("vscode://open-agent.open-agent/new?prompt=hi"), { kind: "new", prompt: "hi" });
  });

  it("hides nothing: what cannot be seen is taken out, and what is pushed out of sight is moved back", () => {
    const hidden = encodeURIComponent(`a\u200b\u202e\u{e0041}\u0007b${"\n".repeat(80)}c${" ".repeat(500)}d`);
    assert.deepEqual(read(`vscode://open-agent.open-agent/new?prompt=${hidden}`), {
      kind: "new",
      prompt: `ab\n\nc${" ".repeat(20)}d`,
    });
  });

  it("is refused where it is anything else", () => {
    const long = "x".repeat(linkPromptLimit + 1);
    const paths = [
      "mission/",
      "mission/abc",
      "mission/../etc",
      "mission/0f8f/x",
      "new",
      "new?prompt=%00",
      `new?prompt=${long}`,
      "other",
      "",
    ];
    assert.deepEqual(
      paths.map((path) => read(`vscode://open-agent.open-agent/${path}`).kind),
      paths.map(() => "refused"),
    );
  });
});

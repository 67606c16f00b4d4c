import assert from "node:assert/strict";
import { readToolInput } from "../../src/orchestrator/toolInputs.ts";
import type { EventBody } from "../../src/protocol/event.ts";
import { newHead, reduceHead, reduceTranscript } from "../../src/protocol/reduce.ts";
import { emptyTranscript, type Transcript } from "../../src/protocol/transcript.ts";
import { answerLimit, statusText, transcriptText } from "../../src/ui/missions/toolTexts.ts";
import { answer, missionEvents, part, session, user } from "../fake/events.ts";
import { codeOf } from "../fake/bed.ts";

const opening: EventBody[] = [
  { type: "mission_created", title: "Fix it", directory: "/p", server: "own" },
  { type: "mission_updated", sessionId: session },
  { type: "mission_status_changed", status: "active" },
];

function missionOf(...bodies: EventBody[]) {
  const events = missionEvents([...opening, ...bodies]);
  const head = events.reduce(reduceHead, newHead("m", 0));
  const transcript = events.reduce<Transcript>(
    (page, event) => reduceTranscript(page, event, session),
    emptyTranscript,
  );
  return { head, transcript };
}

describe("what another agent may ask", () => {
  it("is taken in its shape, with what was left out", () => {
    assert.deepEqual(
      [
        readToolInput("launchMission", { prompt: " do it ", model: "a/b/c" }),
        readToolInput("missionStatus", { missionId: "0F8F" }),
        readToolInput("readTranscript", { missionId: "0f8f", before: "msg_1" }),
      ],
      [
        { prompt: "do it", model: "a/b/c" },
        { missionId: "0f8f" },
        { missionId: "0f8f", before: "msg_1", messages: 20 },
      ],
    );
  });

  it("is refused in any other", () => {
    const refused = (name: "launchMission" | "readTranscript", input: unknown) => {
      try {
        return readToolInput(name, input);
      } catch (error) {
        return codeOf(error);
      }
    };
    const answers = [
      refused("launchMission", undefined),
      refused("launchMission", { prompt: "  " }),
      refused("launchMission", { prompt: "x", shell: true }),
      refused("launchMission", { prompt: "x", model: "none" }),
      refused("readTranscript", { missionId: "%", messages: 5 }),
      refused("readTranscript", { missionId: "0f8f", messages: 1000 }),
    ];
    assert.deepEqual(
      answers,
      answers.map(() => "invalid_input"),
    );
  });
});

describe("a mission in words for another agent", () => {
  it("says what it does and waits for", () => {
    const request = {
      kind: "permission" as const,
      id: "per_1",
      sessionId: session,
      permission: "bash",
      patterns: ["rm *"],
      always: [],
      detail: "rm -rf build",
      askedAt: 1,
    };
    const { head } = missionOf(
      { type: "session_state", sessionId: session, state: "busy" },
      { type: "permission_asked", sessionId: session, request },
      { type: "session", sessionId: "ses_c", parentId: session, title: "Look around", cost: 0.5 },
    );
    assert.deepEqual(statusText(head).split("\n"), [
      "mission: m",
      "title: Fix it",
      "state: waiting for you",
      "folder: /p",
      "cost: $0.50",
      "waits for the user for a permission (bash): rm -rf build",
      "sub-agent ses_c: idle, Look around",
    ]);
  });

  it("tells the transcript with the results of tools, cut", () => {
    const card = {
      icon: "terminal",
      doing: "Running",
      done: "Ran",
      object: "make",
      result: "exit 2",
      body: "text" as const,
    };
    const { head, transcript } = missionOf(
      ...user("msg_1", "go"),
      { type: "message", sessionId: session, messageId: "msg_2", role: "assistant", createdAt: 1 },
      {
        type: "tool_result",
        ...part("msg_2", "prt_2"),
        callId: "c",
        tool: "bash",
        state: "completed",
        card,
        input: {},
        output: "x".repeat(100_000),
      },
    );
    const text = transcriptText(head, transcript);
    assert.match(
      text,
      /^Transcript of “Fix it” .*\n\nThis is the beginning\.\n\n## User\ngo\n\n## Agent\n- Ran make \(exit 2\)\n {4}x+… \(98500 more characters\)$/,
    );
  });

  it("comes in pages that fit and lose nothing", () => {
    const ids = Array.from({ length: 12 }, (_, index) => `msg_${String(index).padStart(2, "0")}`);
    const { head, transcript } = missionOf(...ids.flatMap((id) => answer(id, "msg_x", `${id} ${"y".repeat(5_000)}`)));
    const told: string[] = [];
    let rest = transcript;
    for (let pages = 0; pages < 20; pages++) {
      const text = transcriptText(head, rest);
      assert.ok(text.length <= answerLimit);
      told.unshift(...(text.match(/msg_\d\d(?= y)/g) ?? []));
      const before = /"before": "(msg_\d\d)"/.exec(text)?.[1];
      if (before === undefined) break;
      rest = { ...transcript, messages: transcript.messages.filter(({ id }) => id < before) };
    }
    assert.deepEqual(told, ids);
  });
});

import assert from "node:assert/strict";
import fc from "fast-check";
import type { Hidden } from "../../src/opencode/hiding.ts";
import { translatorV1 } from "../../src/opencode/engineV1.ts";
import type { RawEvent } from "../../src/opencode/normalise.ts";
import type { EventBody } from "../../src/protocol/event.ts";
import { newHead, reduce } from "../../src/protocol/reduce.ts";
import { emptyTranscript } from "../../src/protocol/transcript.ts";

const secrets: Hidden[] = [
  { text: "hunter2-hunter2", shownAs: "[secret PASSWORD]" },
  { text: "sk-live", shownAs: "[secret SHORT]" },
  { text: "sk-live-0123456789", shownAs: "[secret KEY]" },
];
const ids = { sessionID: "ses_1", messageID: "msg_1" };
const raw = (type: string, properties: object): RawEvent => ({ id: "e", type, properties: { ...properties } });
const piece = (partID: string, delta: string) => raw("message.part.delta", { ...ids, partID, field: "text", delta });
const textPart = (text: string, end?: number) =>
  raw("message.part.updated", { part: { ...ids, id: "prt_1", type: "text", text, time: { start: 1, end } } });
const toolPart = (output: string) => {
  const state = { status: "running", input: {}, metadata: { output }, time: { start: 1 } };
  return raw("message.part.updated", { part: { ...ids, id: "prt_1", type: "tool", tool: "bash", callID: "c", state } });
};

/** What is shown of the part after each of these events. */
function shown(events: readonly RawEvent[]): string[] {
  const translator = translatorV1("/home/dev/project", () => secrets);
  let view = { head: newHead("m", 1), transcript: emptyTranscript };
  let seq = 0;
  const seen: string[] = [];
  const tell = (body: EventBody) => (view = reduce(view, { missionId: "m", seq: ++seq, time: seq, body }));
  tell({ type: "mission_created", title: "t", directory: "/home/dev/project", server: "own" });
  tell({ type: "mission_updated", sessionId: "ses_1" });
  for (const event of [
    raw("message.updated", { info: { ...ids, id: "msg_1", role: "assistant", time: { created: 1 } } }),
    ...events,
  ]) {
    for (const body of translator.translate(event, 1, "live").events) tell(body);
    const part = view.transcript.messages[0]?.parts[0];
    if (part?.kind === "text") seen.push(part.text);
    if (part?.kind === "tool") seen.push(part.output ?? "");
  }
  return seen;
}

/** Texts with secrets, with what only begins like one, and with other words, and where they are cut into pieces. */
const cutTexts = fc
  .array(
    fc.constantFrom(...secrets.map(({ text }) => text), "sk-", "sk-live-01", "hunt", "hunter2-hunter3", " a ", "é"),
  )
  .chain((words) => {
    const whole = words.join("·");
    const cuts = fc.array(fc.nat({ max: whole.length }), { maxLength: 20 });
    return fc.tuple(fc.constant(whole), cuts, fc.boolean());
  });
const hidden = (whole: string) =>
  whole
    .replaceAll("sk-live-0123456789", "[secret KEY]")
    .replaceAll("sk-live", "[secret SHORT]")
    .replaceAll("hunter2-hunter2", "[secret PASSWORD]");

describe("secrets in any pieces", () => {
  it("of a text are never shown, and all else is in the end", () => {
    fc.assert(
      fc.property(cutTexts, ([whole, cuts, isAsked]) => {
        const ends = [...new Set([...cuts, whole.length])].sort((one, other) => one - other);
        const pieces = ends.map((end, index) => whole.slice(ends[index - 1] ?? 0, end));
        const middle = Math.floor(pieces.length / 2);
        // What is asked for in the middle holds what has come so far.
        const asked = isAsked ? [textPart(pieces.slice(0, middle).join(""))] : [];
        const deltas = pieces.map((text) => piece("prt_1", text));
        const seen = shown([
          textPart(""),
          ...deltas.slice(0, middle),
          ...asked,
          ...deltas.slice(middle),
          textPart(whole, 2),
        ]);
        for (const text of seen) assert.ok(hidden(whole).startsWith(text), `${text} of ${hidden(whole)}`);
        assert.equal(seen.at(-1), hidden(whole));
      }),
      { numRuns: 300 },
    );
  });

  it("of a running command's output are never shown", () => {
    fc.assert(
      fc.property(cutTexts, ([whole, cuts]) => {
        const ends = cuts.sort((one, other) => one - other);
        for (const text of shown(ends.map((end) => toolPart(whole.slice(0, end)))))
          assert.ok(hidden(whole).startsWith(text), `${text} of ${hidden(whole)}`);
      }),
      { numRuns: 300 },
    );
  });
});

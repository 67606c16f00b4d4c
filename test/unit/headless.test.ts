import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SSEStreamingApi } from "hono/streaming";
import { apiToken } from "../../src/api/access.ts";
import { frameSender } from "../../src/api/frames.ts";
import { newStreamMemory, storedEventJson, streamFrame } from "../../src/api/shapes.ts";
import { eventPrinter } from "../../src/cli/output.ts";
import { plainText } from "../../src/cli/terminal.ts";
import { keyOf, type EventBody, type MissionEvent } from "../../src/protocol/event.ts";
import { newHead, reduceHead, reduceTranscript } from "../../src/protocol/reduce.ts";
import { emptyTranscript } from "../../src/protocol/transcript.ts";
import { part } from "../fake/events.ts";

describe("the token of the API", () => {
  it("is made once, whoever asks first, and is readable by the user only", () => {
    const folder = mkdtempSync(join(tmpdir(), "token-"));
    const path = join(folder, "runtime", "api-token");
    const first = apiToken(path);
    chmodSync(path, 0o644);
    assert.deepEqual([apiToken(path), readFileSync(path, "utf8").trim()], [first, first]);
    assert.deepEqual([statSync(path).mode & 0o777, readdirSync(join(folder, "runtime"))], [0o600, ["api-token"]]);
  });
});

describe("frames for a client that does not read", () => {
  it("are dropped when many are held, in order, and it is told how many", async () => {
    const written: string[] = [];
    const waiting: (() => void)[] = [];
    const stream = {
      writeSSE: ({ data }: { data: string }) => {
        written.push(data);
        return new Promise<void>((resolve) => waiting.push(resolve));
      },
    } as unknown as SSEStreamingApi;
    const send = frameSender(stream, (count) => ({ event: "error", data: `${String(count)} dropped` }));
    const big = { event: "x", data: "x".repeat(1_000_000) };
    const sent = Array.from({ length: 30 }, () => send(big));
    const held = written.length;
    assert.ok(held > 10 && held < 20, String(held));
    for (const resolve of waiting.splice(0)) resolve();
    await Promise.all(sent);
    void send({ event: "x", data: "last" });
    assert.deepEqual(written.slice(held), [`"${String(30 - held)} dropped"`, '"last"']);
  });
});

describe("events of a type that nobody knows", () => {
  const event: MissionEvent = {
    seq: 7,
    missionId: "m",
    time: 0,
    body: { type: "levitated", height: 3 } as unknown as EventBody,
  };

  it("change nothing, and are handed on as they came", () => {
    const head = newHead("m", 0);
    assert.equal(reduceHead(head, event), head);
    const page = { ...emptyTranscript, sessionId: "s" };
    assert.equal(reduceTranscript(page, event, "s"), page);
    assert.equal(keyOf(event.body), undefined);
    assert.equal(streamFrame(event, head, newStreamMemory()), undefined);
    assert.deepEqual(storedEventJson(event), {
      id: 7,
      mission_id: "m",
      sequence: 7,
      event_type: "levitated",
      timestamp: "1970-01-01T00:00:00.000Z",
      event_id: null,
      tool_call_id: null,
      tool_name: null,
      content: "",
      metadata: { height: 3 },
    });
  });
});

describe("what is printed in a terminal", () => {
  it("shows control characters, and characters that turn the direction, instead of obeying them", () => {
    assert.equal(plainText("a\tb\r\nc\n"), "a\tb\nc\n");
    assert.equal(plainText("\u001b[2J\r\u0007\u007f\u009b1m\u202erm"), "␛[2J␍␇\\u007f\\u009b1m\\u202erm");
  });

  it("is each text once and whole, also when a piece of it was missed", () => {
    let out = "";
    const print = eventPrinter((text) => (out += text));
    const place = part("msg_1", "prt_1");
    const bodies: EventBody[] = [
      { type: "text_delta", ...place, of: "assistant_message", offset: 0, text: "one " },
      { type: "text_delta", ...place, of: "assistant_message", offset: 8, text: "three " },
      { type: "assistant_message", ...place, text: "one two three", done: true, startedAt: 1 },
    ];
    for (const body of bodies) print({ seq: 1, missionId: "m", time: 0, body });
    assert.equal(out, "one two three\n");
  });
});

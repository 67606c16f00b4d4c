import assert from "node:assert/strict";
import { createServer } from "node:http";
import { join } from "node:path";
import fc from "fast-check";
import { waitUntil } from "../../src/base/async.ts";
import type { RawEvent } from "../../src/opencode/normalise.ts";
import { openStream } from "../../src/opencode/stream.ts";
import { readStream } from "../fake/recorded.ts";

const recorded = readStream(join(import.meta.dirname, "../golden/streams/hello.ndjson")).map(({ event }) => event);
const bytes = Buffer.from(
  recorded
    .map(
      (event, index) =>
        `data: ${JSON.stringify({ payload: { ...event, text: index % 3 === 0 ? "ünïcödé 🚀" : "" } })}\n\n`,
    )
    .join(""),
);

/** Sends the bytes in pieces that end where told, and resolves with what is heard. */
async function hear(cuts: readonly number[]): Promise<RawEvent[]> {
  const ends = [...new Set([...cuts, bytes.length])].sort((one, other) => one - other);
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    let from = 0;
    const sendNext = () => {
      const to = ends.shift();
      if (to === undefined) return;
      response.write(bytes.subarray(from, to), () => setImmediate(sendNext));
      from = to;
    };
    sendNext();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const heard: RawEvent[] = [];
  const stream = openStream({
    connection: { url: `http://127.0.0.1:${String(port)}`, username: "u", password: "p" },
    onSignal: (signal) => {
      if (signal.kind === "event") heard.push(signal.event);
    },
  });
  await waitUntil(() => heard.length === recorded.length, 5_000, 1);
  stream.dispose();
  server.close();
  server.closeAllConnections();
  return heard;
}

describe("any split of the bytes", function () {
  this.timeout(60_000);

  it("gives the same events", async () => {
    const cuts = fc.array(fc.integer({ min: 1, max: bytes.length - 1 }), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(cuts, async (places) => {
        assert.deepEqual(await hear(places), recorded);
      }),
      { numRuns: 40 },
    );
  });
});

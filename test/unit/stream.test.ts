import assert from "node:assert/strict";
import { createServer, type Server, type ServerResponse } from "node:http";
import { waitUntil } from "../../src/base/async.ts";
import { openStream, type StreamSignal } from "../../src/opencode/stream.ts";

interface Fixture {
  url: string;
  /** Number of requests so far. */
  requests: () => number;
  close: () => void;
}

/** A server that answers the n-th request for the stream by the n-th function, the last one again and again. */
async function serveStreams(...answers: ((response: ServerResponse) => void)[]): Promise<Fixture> {
  let count = 0;
  const server: Server = createServer((request, response) => {
    assert.equal(request.headers.authorization, `Basic ${Buffer.from("opencode:secret").toString("base64")}`);
    const answer = answers[Math.min(count++, answers.length - 1)];
    answer?.(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return {
    url: `http://127.0.0.1:${String(port)}`,
    requests: () => count,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

const open = (response: ServerResponse) => response.writeHead(200, { "content-type": "text/event-stream" });
const event = (id: string, type: string) => `data: ${JSON.stringify({ payload: { id, type, properties: {} } })}\n\n`;

async function listen(
  fixture: Fixture,
  until: (signals: StreamSignal[]) => boolean,
  limits = {},
): Promise<StreamSignal[]> {
  const signals: StreamSignal[] = [];
  const stream = openStream({
    connection: { url: fixture.url, username: "opencode", password: "secret" },
    onSignal: (signal) => signals.push(signal),
    firstRetryMs: 20,
    ...limits,
  });
  const reached = await waitUntil(() => until(signals), 4_000, 2);
  stream.dispose();
  fixture.close();
  assert.ok(reached, JSON.stringify(signals));
  return signals;
}

const kinds = (signals: StreamSignal[]) =>
  signals.map((signal) => (signal.kind === "event" ? signal.event.type : signal.kind));

describe("event stream", function () {
  this.timeout(10_000);

  it("says when it is open, passes events on, and skips heartbeats, twins and repetitions", async () => {
    const fixture = await serveStreams((response) => {
      open(response).write(
        event("evt_0", "server.connected") + event("evt_1", "session.idle") + event("evt_1", "session.idle"),
      );
      response.write(`data: ${JSON.stringify({ payload: { id: "evt_1", type: "sync", syncEvent: {} } })}\n\n`);
      response.write(event("evt_2", "server.heartbeat") + event("evt_3", "todo.updated"));
    });
    assert.deepEqual(kinds(await listen(fixture, (signals) => signals.length >= 3)), [
      "connected",
      "session.idle",
      "todo.updated",
    ]);
  });

  it("goes on behind a line that does not parse", async () => {
    const fixture = await serveStreams((response) => {
      open(response).write(`data: {not json\n\ndata: 7\n\ndata: null\n\n${event("evt_1", "session.idle")}`);
    });
    assert.deepEqual(kinds(await listen(fixture, (signals) => signals.length >= 1)), ["session.idle"]);
  });

  it("opens again after the end of the stream", async () => {
    const fixture = await serveStreams(
      (response) => open(response).end(event("evt_0", "server.connected")),
      (response) => open(response).write(event("evt_1", "server.connected")),
    );
    assert.deepEqual(kinds(await listen(fixture, (signals) => signals.length >= 3)), [
      "connected",
      "lost",
      "connected",
    ]);
  });

  it("gives a request up that is never answered, as when a server is asked while it starts", async () => {
    const fixture = await serveStreams(
      () => undefined,
      (response) => open(response).write(event("evt_1", "server.connected")),
    );
    const signals = await listen(fixture, (all) => all.length >= 2, { headerLimitMs: 50 });
    assert.deepEqual(kinds(signals), ["lost", "connected"]);
    assert.match(signals[0]?.kind === "lost" ? signals[0].reason : "", /no answer within/);
  });

  it("takes silence for death, and any byte for life", async () => {
    let silent = false;
    const fixture = await serveStreams(
      (response) => {
        open(response).write(event("evt_0", "server.connected"));
        // Comments are no events, but they are bytes.
        const beat = setInterval(() => (silent ? clearInterval(beat) : response.write(": still here\n\n")), 20);
        setTimeout(() => (silent = true), 300);
      },
      (response) => open(response).write(event("evt_1", "server.connected")),
    );
    const began = Date.now();
    const signals = await listen(fixture, (all) => all.length >= 3, { silenceLimitMs: 100 });
    assert.deepEqual(kinds(signals), ["connected", "lost", "connected"]);
    assert.ok(Date.now() - began > 350, "it was not given up while bytes came");
  });

  it("tells a wrong password by its status", async () => {
    const fixture = await serveStreams((response) => response.writeHead(401).end());
    const [signal] = await listen(fixture, (signals) => signals.length >= 1);
    assert.equal(signal?.kind === "lost" && signal.status, 401);
  });

  it("waits longer after each failure, and does not take a mere connection for success", async () => {
    const fixture = await serveStreams((response) => open(response).end(event("evt_0", "server.connected")));
    const signals = await listen(fixture, (all) => all.filter(({ kind }) => kind === "lost").length >= 5);
    const delays = signals.flatMap((signal) => (signal.kind === "lost" ? [signal.retryInMs] : []));
    delays.forEach((delay, index) => assert.ok(delay >= 10 * 2 ** index && delay <= 20 * 2 ** index, String(delays)));
  });

  it("begins with the short delay again after a good event", async () => {
    const fixture = await serveStreams(
      (response) => open(response).end(),
      (response) => open(response).end(),
      (response) => open(response).end(event("evt_1", "session.idle")),
      (response) => open(response).end(),
    );
    const signals = await listen(fixture, (all) => all.filter(({ kind }) => kind === "lost").length >= 4);
    const delays = signals.flatMap((signal) => (signal.kind === "lost" ? [signal.retryInMs] : []));
    assert.ok((delays[2] ?? 99) <= 20, String(delays));
  });

  it("says nothing more once it is disposed", async () => {
    const fixture = await serveStreams((response) => open(response).end());
    const signals = await listen(fixture, (all) => all.length >= 1);
    const count = signals.length;
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(signals.length, count);
  });
});

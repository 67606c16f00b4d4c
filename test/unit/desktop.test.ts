import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { duplexPair, type Duplex } from "node:stream";
import fc from "fast-check";
import { sleep } from "../../src/base/async.ts";
import { OpenAgentError } from "../../src/base/errors.ts";
import { click, drag, pressKeys, scroll } from "../../src/desktop/hands.ts";
import { MessageParser, type Message } from "../../src/desktop/messages.ts";
import { PictureStream } from "../../src/desktop/pictureStream.ts";
import { RfbClient } from "../../src/desktop/rfb.ts";
import { eventually } from "../host/eventually.ts";

const numbers = (size: 1 | 2 | 4, ...values: number[]) => {
  const bytes = Buffer.alloc(size * values.length);
  for (const [index, value] of values.entries())
    if (value < 0) bytes.writeIntBE(value, size * index, size);
    else bytes.writeUIntBE(value, size * index, size);
  return bytes;
};
const initial = (width: number, height: number) =>
  Buffer.concat([numbers(2, width, height), Buffer.alloc(16), numbers(4, 3), Buffer.from("abc")]);
const hello = Buffer.from("RFB 003.008\n");
const open = Buffer.concat([hello, numbers(1, 1, 1), numbers(4, 0), initial(4, 3)]);
const rectangle = (x: number, y: number, width: number, height: number, kind: number, ...body: Buffer[]) =>
  Buffer.concat([numbers(2, x, y, width, height), numbers(4, kind), ...body]);
const update = (...rectangles: Buffer[]) =>
  Buffer.concat([numbers(1, 0, 0), numbers(2, rectangles.length), ...rectangles]);
const filled = (count: number, value: number) => Buffer.alloc(4 * count, value);

/** A client that a server of the test's own serves. */
async function served(said = open): Promise<{ client: RfbClient; server: Duplex; asked: () => Buffer }> {
  const [ours, server] = duplexPair();
  const asked: Buffer[] = [];
  server.on("data", (bytes: Buffer) => asked.push(bytes));
  server.on("error", () => undefined);
  server.write(said);
  return { client: await RfbClient.over(ours), server, asked: () => Buffer.concat(asked) };
}

/** What ends a client's connection. */
function end(client: RfbClient): Promise<OpenAgentError> {
  return new Promise((resolve) => {
    if (client.error) resolve(client.error);
    else client.onEnd(resolve);
  });
}

/** How often the rest of the process had its turn, and the longest that it waited for one in milliseconds. */
function countTurns(): { count: () => number; longest: () => number; stop: () => void } {
  let [count, longest, last] = [0, 0, performance.now()];
  let next: NodeJS.Immediate;
  const turn = () => {
    const now = performance.now();
    [count, longest, last] = [count + 1, Math.max(longest, now - last), now];
    next = setImmediate(turn);
  };
  next = setImmediate(turn);
  return {
    count: () => count,
    longest: () => Math.max(longest, performance.now() - last),
    stop: () => clearImmediate(next),
  };
}

describe("an RFB client", () => {
  it("draws what comes, raw and copied, with overlaps", async () => {
    const { client, server } = await served();
    const rows = Buffer.concat([1, 2, 3].map((value) => filled(4, value)));
    const fetched = client.refresh();
    server.write(update(rectangle(0, 0, 4, 3, 0, rows)));
    await fetched;
    assert.deepEqual([...client.pixels.data], [...rows]);
    const changed = client.changes(1000);
    server.write(update(rectangle(0, 1, 4, 2, 1, numbers(2, 0, 0)), rectangle(3, 0, 1, 1, 0, filled(1, 9))));
    assert.ok(await changed);
    const expected = Buffer.concat([filled(3, 1), filled(1, 9), filled(4, 1), filled(4, 2)]);
    assert.deepEqual([...client.pixels.data], [...expected]);
  });

  it("goes with the server's size, keeps what is still on it, and asks for another one", async () => {
    const { client, server, asked } = await served();
    const fetched = client.refresh();
    const layout = Buffer.concat([numbers(1, 1, 0, 0, 0), numbers(4, 77), Buffer.alloc(12)]);
    server.write(update(rectangle(0, 0, 4, 3, 0, filled(12, 5))));
    await fetched;
    const changed = client.changes(1000);
    server.write(update(rectangle(0, 0, 6, 2, -308, layout), rectangle(0, 0, 1, 1, 0, filled(1, 8))));
    await changed;
    assert.deepEqual([client.width, client.height], [6, 2]);
    const row = (first: number) => [...filled(1, first), ...filled(3, 5), ...filled(2, 0)];
    assert.deepEqual([...client.pixels.data], [...row(8), ...row(5)]);
    const resizing = client.resize(8, 8);
    server.write(update(rectangle(1, 0, 8, 8, -308, layout)));
    assert.ok(await resizing);
    const wanted = Buffer.concat([numbers(1, 251, 0), numbers(2, 8, 8), numbers(1, 1, 0), numbers(4, 77)]);
    assert.ok(asked().includes(wanted));
    // Refused: the size stays.
    const refused = client.resize(9, 9, 100);
    server.write(update(rectangle(1, 1, 9, 9, -308, layout)));
    assert.equal(await refused, false);
    assert.deepEqual([client.width, client.height], [8, 8]);
  });

  it("passes over what it does not need, and keeps the clipboard's text", async () => {
    const { client, server } = await served();
    const fetched = client.refresh();
    server.write(
      Buffer.concat([
        numbers(1, 2),
        Buffer.concat([numbers(1, 1, 0), numbers(2, 0, 2), Buffer.alloc(12)]),
        Buffer.concat([numbers(1, 3, 0, 0, 0), numbers(4, 5), Buffer.from("h\xe9llo", "latin1")]),
        Buffer.concat([numbers(1, 3, 0, 0, 0), numbers(4, -8), Buffer.alloc(8)]),
        update(rectangle(0, 0, 9, 3, -239, Buffer.alloc(9 * 3 * 4 + 6)), rectangle(2, 1, 0, 0, 0x574d5666)),
        // The count of those that a last one ends is not known before.
        numbers(1, 0, 0),
        numbers(2, 0xffff),
        rectangle(0, 0, 4, 3, 0, filled(12, 7)),
        rectangle(0, 0, 0, 0, -224),
      ]),
    );
    await fetched;
    assert.equal(client.clipboard, "h\xe9llo");
    assert.deepEqual(client.pointer, { x: 2, y: 1 });
    assert.deepEqual([...client.pixels.data], [...filled(12, 7)]);
  });

  it("sends keys and the pointer, which stays on the screen", async () => {
    const { client, asked, server } = await served();
    client.key(0x0101f600, true);
    client.point(99, -5, 1);
    await new Promise((resolve) => server.once("data", resolve));
    const key = Buffer.concat([numbers(1, 4, 1, 0, 0), numbers(4, 0x0101f600)]);
    assert.ok(asked().includes(Buffer.concat([key, numbers(1, 5, 1), numbers(2, 3, 0)])));
    assert.deepEqual(client.pointer, { x: 3, y: 0 });
  });

  it("answers a challenge with the password", async () => {
    const [ours, server] = duplexPair();
    const said: Buffer[] = [];
    server.on("data", (bytes: Buffer) => said.push(bytes));
    const challenge = Buffer.from("0123456789abcdef");
    server.write(Buffer.concat([hello, numbers(1, 1, 2), challenge, numbers(4, 0), initial(4, 3)]));
    await RfbClient.over(ours, { password: "secret" });
    // The bits of each byte of the password are turned round.
    const key = Buffer.from([0xce, 0xa6, 0xc6, 0x4e, 0xa6, 0x2e, 0, 0]);
    const cipher = createCipheriv("des-ede3-ecb", Buffer.concat([key, key, key]), null).setAutoPadding(false);
    const answer = Buffer.concat([numbers(1, 2), cipher.update(challenge)]);
    await eventually(
      () => Buffer.concat(said),
      (all) => all.includes(answer),
      2000,
    );
  });

  it("says why there is no connection", async () => {
    for (const [bytes, says] of [
      [Buffer.from("HTTP/1.1 200 OK\r\n"), /does not speak RFB/],
      [Buffer.from("RFB 003.003\n"), /older than 3\.8/],
      [Buffer.concat([hello, numbers(1, 0), numbers(4, 4), Buffer.from("full")]), /refused: full/],
      [Buffer.concat([hello, numbers(1, 1, 2)]), /login that is not known/],
      [Buffer.concat([hello, numbers(1, 1, 1), numbers(4, 0), initial(0, 3)]), /0x3 was offered/],
      [Buffer.concat([hello, numbers(1, 1, 1), numbers(4, 0), initial(16_384, 16_384)]), /16384x16384 was offered/],
      [hello, /ended the connection/],
    ] as const) {
      const [ours, server] = duplexPair();
      server.resume().end(bytes);
      await assert.rejects(
        RfbClient.over(ours),
        (error) => error instanceof OpenAgentError && says.test(error.message),
      );
    }
  });

  it("ends the connection, and nothing else, when the server sends what is wrong", async () => {
    for (const [bytes, says] of [
      [numbers(1, 77), /unknown type 77/],
      [update(rectangle(0, 0, 4, 3, 5)), /unknown kind 5/],
      [update(rectangle(1, 0, 4, 3, 0)), /outside of the screen/],
      [update(rectangle(0, 0, 2, 2, 1, numbers(2, 3, 3))), /outside of the screen/],
      [
        update(...Array<Buffer>(9).fill(rectangle(0, 0, 4, 3, 1, numbers(2, 0, 0)))),
        /drew the whole screen more than 8/,
      ],
      [update(...[4, 5, 4, 5, 4, 5, 4, 5, 4, 5].map((side) => rectangle(0, 0, side, 3, -223))), /more than 8 times/],
      [update(rectangle(0, 0, 65_535, 65_535, -223)), /65535x65535 was offered/],
      [update(rectangle(0, 0, 65_535, 65_535, -239)), /pointer was too large/],
      [Buffer.concat([numbers(1, 3, 0, 0, 0), numbers(4, 0x7fffffff)]), /text was too long/],
    ] as const) {
      const { client, server } = await served();
      const waiting = client.changes(5000);
      server.write(bytes);
      await assert.rejects(waiting, says);
      assert.throws(() => client.key(1, true), says);
    }
  });

  const large = Buffer.concat([hello, numbers(1, 1, 1), numbers(4, 0), initial(2048, 2048)]);
  const copies = (count: number) => Array<Buffer>(count).fill(rectangle(0, 1, 2048, 2047, 1, numbers(2, 0, 0)));

  it("leaves the process to others too while it has much to do, and stops when it is not wanted any more", async function () {
    this.timeout(30_000);
    for (const [bytes, least] of [
      [Buffer.concat(Array<Buffer>(13).fill(update(...copies(8)))), 5],
      [Buffer.alloc(2 ** 18, 2), 5],
    ] as const) {
      const { client, server } = await served(large);
      const over = end(client);
      const turns = countTurns();
      server.write(Buffer.concat([bytes, numbers(1, 77)]));
      assert.match((await over).message, /unknown type 77/);
      turns.stop();
      assert.ok(turns.count() >= least, String(turns.count()));
    }
    const { client, server } = await served(large);
    server.write(Buffer.concat(Array<Buffer>(100).fill(update(...copies(8)))));
    await client.changes(5000);
    client.dispose();
    const { data } = client.pixels;
    data[0] = 77;
    const turns = countTurns();
    await eventually(turns.count, (count) => count > 3);
    turns.stop();
    assert.equal(data[4 * 2048], 0, "nothing is drawn for nobody");
  });

  it("outlives no server, and no server makes it fail otherwise", async () => {
    const sizes = fc.integer({ min: 0, max: 65_535 });
    const kind = fc.oneof(fc.constantFrom(0, 1, -223, -224, -239, -308, 0x574d5666), fc.integer());
    const small = fc.integer({ min: 0, max: 5 });
    const side = fc.oneof(small, sizes);
    const rectangles = fc
      .tuple(side, side, side, side, kind)
      .map(([x, y, width, height, which]) => rectangle(x, y, width, height, which | 0));
    const piece = fc.oneof(
      rectangles.map((one) => update(one)),
      fc.array(rectangles, { maxLength: 3 }).map((several) => update(...several)),
      fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes)),
      fc.constantFrom(0, 1, 2, 3).map((type) => numbers(1, type)),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 12 }),
        fc.array(fc.nat(400), { maxLength: 6 }),
        async (parts, cuts) => {
          const { client, server } = await served();
          const bytes = Buffer.concat(parts);
          for (const [index, cut] of [0, ...cuts.sort((one, other) => one - other)].entries())
            server.write(bytes.subarray(cut, cuts[index] ?? bytes.length));
          server.end();
          assert.equal((await end(client)).code, "desktop_failed");
          assert.ok(client.pixels.data.length <= 4 * 8192 * 4320);
        },
      ),
      { numRuns: 400 },
    );
  });

  it("outlives servers with a large screen that say much at once, and nothing waits for them", async function () {
    this.timeout(60_000);
    const part = fc.constantFrom(0, 1, 1024, 2047);
    const kind = fc.constantFrom(0, 1, -223, -308, 0x574d5666);
    const many = fc.tuple(part, part, part, part, kind, fc.constantFrom(1, 7, 100, 20_000), fc.boolean());
    type Part = [x: number, y: number, width: number, height: number, kind: number, count: number, isOne: boolean];
    const bytesOf = ([x, y, width, height, which, count, isOne]: Part) => {
      // What is drawn is on the screen.
      const place = [Math.min(x, 2047 - width), Math.min(y, 2047 - height)] as const;
      const pieces = Array<Buffer>(count).fill(rectangle(...place, width, height, which, numbers(2, 0, 0)));
      return isOne ? update(...pieces) : Buffer.concat(pieces.map((piece) => update(piece)));
    };
    await fc.assert(
      fc.asyncProperty(fc.array(many, { minLength: 1, maxLength: 3 }), async (parts) => {
        const { client, server } = await served(large);
        const turns = countTurns();
        server.write(Buffer.concat(parts.map(bytesOf)));
        server.end();
        await Promise.race([end(client), sleep(100)]);
        client.dispose();
        const waited = turns.longest();
        turns.stop();
        assert.ok(waited < 2000, `nothing else had a turn for ${String(waited)} ms`);
      }),
      { numRuns: 100 },
    );
  });
});

describe("a stream of pictures", () => {
  it("makes no picture for who has not taken the one before, whatever is drawn meanwhile", async () => {
    const { client, server } = await served();
    const draw = (value: number) => server.write(update(rectangle(0, 0, 4, 3, 0, filled(12, value))));
    const made: number[] = [];
    const waiting: (() => void)[] = [];
    const stream = new PictureStream({
      connect: () => Promise.resolve(client),
      exists: () => true,
      encode: ({ data }) => {
        made.push(data[0] ?? 0);
        return Promise.resolve(new Uint8Array(1));
      },
      deliver: () => new Promise((taken) => waiting.push(taken)),
      failed: (message) => assert.fail(message),
      ended: () => undefined,
      framesPerSecond: 1000,
      quality: 70,
    });
    draw(1);
    const count = () => waiting.length;
    await eventually(count, (found) => found === 1);
    for (const value of [2, 3, 4, 5]) {
      draw(value);
      await eventually(
        () => client.pixels.data[0],
        (found) => found === value,
      );
    }
    stream.quality = 90;
    await sleep(50);
    assert.deepEqual(made, [1]);
    waiting[0]?.();
    await eventually(count, (found) => found === 2);
    assert.deepEqual(made, [1, 5], "what came meanwhile is seen in the next");
    stream.dispose();
  });
});

describe("a hand", () => {
  const [one, other] = [
    { x: 1, y: 1 },
    { x: 3, y: 2 },
  ];
  const works: Record<string, (client: RfbClient, signal: AbortSignal) => Promise<void>> = {
    drags: (client, signal) => drag(client, one, other, signal),
    "turns the wheel": (client, signal) => scroll(client, "down", 500, one, signal),
    clicks: (client, signal) => click(client, "left", 500, one, signal),
    "presses keys": (client, signal) => pressKeys(client, "ctrl+shift", 100_000, signal),
  };
  for (const [what, work] of Object.entries(works))
    it(`that ${what} stops when it is told to, and holds nothing then`, async () => {
      const { client, asked } = await served();
      const inputs = () => [...new MessageParser().add(asked())].filter((message) => message.kind === "input");
      const held = () => {
        const keys = new Set<number>();
        let buttons = 0;
        for (const { key, pointer } of inputs()) {
          if (key?.down) keys.add(key.key);
          else if (key) keys.delete(key.key);
          buttons = pointer?.buttons ?? buttons;
        }
        return keys.size + buttons;
      };
      const hand = new AbortController();
      const working = work(client, hand.signal);
      await eventually(inputs, (found) => found.some(({ key, pointer }) => key?.down ?? pointer?.buttons), 2000);
      hand.abort(new Error("taken away"));
      await assert.rejects(working, /taken away/);
      await eventually(held, (count) => count === 0, 2000);
      assert.ok(inputs().length < 100);
    });
});

describe("what a page sends", () => {
  const begin = Buffer.concat([hello, numbers(1, 1, 0)]);
  const sent = [
    Buffer.concat([numbers(1, 2, 0), numbers(2, 3), numbers(4, 7, -313, 16)]),
    Buffer.concat([numbers(1, 3, 1), numbers(2, 1, 2, 3, 4)]),
    Buffer.concat([numbers(1, 4, 1, 0, 0), numbers(4, 0x61)]),
    Buffer.concat([numbers(1, 5, 1), numbers(2, 10, 20)]),
    Buffer.concat([numbers(1, 6, 0, 0, 0), numbers(4, 3), Buffer.from("abc")]),
    Buffer.concat([numbers(1, 6, 0, 0, 0), numbers(4, -2), Buffer.from("ab")]),
    Buffer.concat([numbers(1, 248, 0, 0, 0), numbers(4, 1), numbers(1, 2, 5, 6)]),
    Buffer.concat([numbers(1, 251, 0), numbers(2, 8, 8), numbers(1, 1, 0), Buffer.alloc(16)]),
    Buffer.concat([numbers(1, 255, 0), numbers(2, 1), numbers(4, 0x62, 48)]),
    Buffer.concat([numbers(1, 150, 1), numbers(2, 0, 0, 9, 9)]),
  ];
  const kinds = ["plain", "request", "input", "input", "input", "input", "plain", "input", "input", "dropped"];

  it("is cut into messages wherever it was split", () => {
    const bytes = Buffer.concat([begin, ...sent]);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
        const parser = new MessageParser();
        const messages: Message[] = [];
        let from = 0;
        for (const to of [...cuts.sort((one, other) => one - other), bytes.length]) {
          messages.push(...parser.add(bytes.subarray(from, to)));
          from = to;
        }
        assert.deepEqual(
          messages.map(({ kind }) => kind),
          ["plain", "plain", "plain", ...kinds],
        );
      }),
    );
    const [, , init, encodings] = [...new MessageParser().add(bytes)];
    assert.ok(init?.kind === "plain" && init.bytes[0] === 1, "nobody shuts others out");
    assert.ok(
      encodings?.kind === "plain" &&
        encodings.bytes.equals(Buffer.concat([numbers(1, 2, 0), numbers(2, 2), numbers(4, 7, 16)])),
    );
  });

  it("is refused where no viewer sends it, and never kept without end", () => {
    for (const wrong of [
      Buffer.from("GET / HTTP/1.1\r\n"),
      Buffer.concat([hello, numbers(1, 2)]),
      Buffer.concat([begin, numbers(1, 99)]),
      Buffer.concat([begin, numbers(1, 6, 0, 0, 0), numbers(4, 0x7fffffff)]),
      Buffer.concat([begin, numbers(1, 255, 3)]),
    ])
      assert.throws(() => [...new MessageParser().add(wrong)]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          for (const _ of new MessageParser().add(Buffer.concat([begin, bytes]))) continue;
        } catch (error) {
          assert.ok(
            error instanceof Error && !(error instanceof RangeError) && !(error instanceof TypeError),
            String(error),
          );
        }
      }),
      { numRuns: 1000 },
    );
  });
});

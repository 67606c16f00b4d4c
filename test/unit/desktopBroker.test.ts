import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OpenAgentError } from "../../src/base/errors.ts";
import { Broker, type Viewer } from "../../src/desktop/broker.ts";
import { isInHand } from "../../src/desktop/control.ts";
import { eventually } from "../host/eventually.ts";

/** In a container the server is the agent's own, and can say anything. */
describe("a broker whose server is hostile", () => {
  let root: string;
  let server: Server;
  let broker: Broker;
  const peers: Socket[] = [];
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), "broker-"));
    server = createServer((peer) => {
      peers.push(peer);
      peer.on("error", () => undefined);
    });
    await new Promise<void>((listening) => server.listen(join(root, "vnc.sock"), listening));
    broker = new Broker({ socket: join(root, "vnc.sock") }, root);
  });
  afterEach(() => {
    broker.dispose();
    for (const peer of peers.splice(0)) peer.destroy();
    server.close();
    rmSync(root, { recursive: true });
  });

  /** A page's view, and what has come to it. */
  const watch = async () => {
    const state: { viewer: Viewer; pieces: Buffer[]; ended: OpenAgentError | undefined; has: boolean } = {
      viewer: broker.open({
        deliver: (bytes) => state.pieces.push(Buffer.from(bytes)),
        ended: (error) => (state.ended = error),
        controls: (has) => (state.has = has),
      }),
      pieces: [],
      ended: undefined,
      has: false,
    };
    const count = peers.length;
    await eventually(
      () => peers.length,
      (now) => now > count,
    );
    return { peer: peers[count] ?? assert.fail(), page: state };
  };
  const begin = Buffer.from("RFB 003.008\n\u0001\u0001");
  const delivered = ({ pieces }: { pieces: Buffer[] }) => pieces.reduce((sum, { length }) => sum + length, 0);
  /** Waits until nothing more comes through. */
  const settled = async (count: () => number) => {
    let [before, same] = [-1, 0];
    await eventually(count, (now) => {
      same = now === before ? same + 1 : 0;
      before = now;
      return same > 5;
    });
    return before;
  };

  it("holds back what its page does not take, however much is sent without being asked for", async () => {
    const { peer, page } = await watch();
    const flood = randomBytes(2 ** 20);
    for (let count = 0; count < 40; count++) peer.write(flood);
    const first = await settled(() => delivered(page));
    // Two megabytes, and what one reading brings.
    assert.ok(first >= 2 * 2 ** 20 && first < 2.5 * 2 ** 20, `${String(first)} bytes`);
    assert.ok(peer.writableLength > 30 * 2 ** 20, "the rest waits at the server");
    assert.equal(page.ended, undefined);
    page.viewer.acknowledge(first);
    const second = await settled(() => delivered(page));
    assert.ok(second > first && second < first + 2.5 * 2 ** 20, `${String(second)} bytes`);
    assert.deepEqual(
      Buffer.concat(page.pieces),
      Buffer.concat([flood, flood, flood, flood, flood]).subarray(0, second),
    );
    // An acknowledgement of more than there was is one of all.
    page.viewer.acknowledge(2 ** 40);
    await eventually(
      () => delivered(page),
      (now) => now > second,
    );
  });

  it("ends the view alone when it does not take what is sent to it, and gives the display back", async () => {
    const { peer, page } = await watch();
    const other = await watch();
    peer.pause();
    page.viewer.receive(begin);
    broker.giveControl(page.viewer);
    assert.ok(page.has && isInHand(root));
    const text = Buffer.concat([Buffer.from([6, 0, 0, 0, 0, 1, 0, 0]), Buffer.alloc(65_536, 97)]);
    for (let count = 0; count < 64 && !page.ended; count++) page.viewer.receive(text);
    assert.match(page.ended?.message ?? "", /has ended: it does not take what is sent to it/);
    assert.deepEqual([page.has, isInHand(root)], [false, false]);
    assert.equal(other.page.ended, undefined);
    assert.equal(broker.inControl, undefined);
  });

  it("tells its page when it ends the connection in the middle, and gives the display back", async () => {
    const { peer, page } = await watch();
    page.viewer.receive(begin);
    broker.giveControl(page.viewer);
    peer.write(Buffer.from("RFB 9"));
    peer.destroy();
    await eventually(
      () => page.ended,
      (error) => error !== undefined,
    );
    assert.match(page.ended?.message ?? "", /The view of the desktop has ended/);
    assert.ok(!isInHand(root));
    // A view that has ended takes nothing and harms nobody.
    page.viewer.receive(begin);
    page.viewer.acknowledge(1);
    page.viewer.dispose();
    const next = await watch();
    assert.equal(next.page.ended, undefined);
  });
});

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { repository } from "../fake/bed.ts";
import { buildExtension } from "../host/built.ts";
import { launchBrowser } from "../host/chromium.ts";

/** Sequences of what a server says that are tried. */
const rounds = 300;

/** The viewer of desktops alone, with a server that says anything: in a container that is the agent's own. */
describe("the viewer of a desktop", function () {
  this.timeout(120_000);
  let browser: Browser;
  let server: Server;
  let page: Page;
  const errors: string[] = [];

  before(async () => {
    buildExtension();
    const viewer = readFileSync(join(repository, "dist", "webview", "viewer.js"));
    server = createServer((request, response) => {
      const isViewer = request.url === "/viewer.js";
      response.writeHead(200, { "content-type": isViewer ? "text/javascript" : "text/html" });
      response.end(isViewer ? viewer : "<!DOCTYPE html><div id=target style='width:400px;height:300px'></div>");
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    browser = await launchBrowser();
    page = await browser.newPage();
    page.on("crash", () => errors.push("the page crashed"));
    await page.goto(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}/`);
  });
  after(async () => {
    await browser.close();
    server.close();
  });

  it("survives whatever a server sends, and draws what the next one does", async () => {
    const outcome = await page.evaluate(hostile, rounds);
    assert.equal(outcome.rounds, rounds);
    assert.ok(outcome.ended > rounds / 4, `${String(outcome.ended)} connections were ended by the viewer itself`);
    assert.ok(outcome.pixels <= 8192 * 4320, `a canvas of ${String(outcome.pixels)} pixels was made`);
    assert.equal(outcome.refused, 8, "what is too large to be drawn ends the view, whenever it is said");
    assert.deepEqual(outcome.drawn, [255, 0, 0], "a server that is right is drawn as ever");
    assert.deepEqual(errors, []);
  });
});

/** Runs in the page: viewers of servers that send pieces of the protocol, cut, swapped and with wrong numbers. */
async function hostile(count: number) {
  interface Viewer {
    disconnect(): void;
  }
  interface Channel {
    onmessage: ((event: { data: ArrayBuffer }) => void) | null;
    onclose: ((event: { code: number; reason: string; wasClean: boolean }) => void) | null;
    readyState: string;
  }
  const path = "/viewer.js";
  const { default: RFB } = (await import(path)) as { default: new (target: Element, channel: object) => Viewer };
  const target = document.getElementById("target");
  if (!target) throw new Error("no target");
  let seed = 12_345;
  const random = (most: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % most;
  };
  const open = () => {
    const state = { ended: false };
    const channel = {
      binaryType: "arraybuffer",
      protocol: "",
      readyState: "open",
      onopen: null,
      onmessage: null,
      onclose: null,
      onerror: null,
      send: () => undefined,
      close: () => {
        state.ended = true;
        channel.readyState = "closed";
      },
    } as Channel & Record<string, unknown>;
    const viewer = new RFB(target, channel);
    const say = (bytes: number[]) => {
      if (state.ended) return;
      try {
        channel.onmessage?.({ data: new Uint8Array(bytes).buffer });
      } catch {
        state.ended = true;
      }
    };
    const close = () => {
      channel.readyState = "closed";
      channel.onclose?.({ code: 1000, reason: "", wasClean: true });
      viewer.disconnect();
      target.replaceChildren();
    };
    return { state, say, close };
  };
  const text = (words: string) => Array.from(words, (letter) => letter.charCodeAt(0));
  const two = (value: number) => [(value >> 8) & 255, value & 255];
  const four = (value: number) => [...two(value >>> 16), ...two(value)];
  const hello = [...text("RFB 003.008\n")];
  const init = (width: number, height: number) => [
    ...two(width),
    ...two(height),
    ...Array<number>(16).fill(0),
    ...four(1),
    65,
  ];
  const begin = (say: (bytes: number[]) => void, width = 16, height = 16) => {
    say(hello);
    say([1, 1]);
    say([0, 0, 0, 0]);
    say(init(width, height));
  };
  const kinds = [0, 1, 2, 5, 6, 7, 16, 21, 50, -223, -224, -239, -258, -260, -307, -308, -312, -313, -314, 0x574d5664];
  const rectangle = () => {
    const side = () => (random(3) === 0 ? random(65_536) : random(20));
    const body = Array.from({ length: random(60) }, () => random(256));
    return [
      ...two(side()),
      ...two(side()),
      ...two(side()),
      ...two(side()),
      ...four(kinds[random(kinds.length)] ?? 0),
      ...body,
    ];
  };
  let [ended, pixels, refused] = [0, 0, 0];
  const note = () => {
    const canvas = target.querySelector("canvas");
    pixels = Math.max(pixels, (canvas?.width ?? 0) * (canvas?.height ?? 0));
  };
  for (const [width, height] of [
    [8193, 4321],
    [65_535, 541],
    [16_384, 16_384],
    [65_535, 65_535],
  ] as const)
    for (const isLate of [false, true]) {
      const { state, say, close } = open();
      if (!isLate) begin(say, width, height);
      else {
        begin(say);
        say([0, 0, 0, 1, 0, 0, 0, 0, ...two(width), ...two(height), ...four(-223)]);
      }
      note();
      if (state.ended) refused++;
      close();
    }
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  for (let round = 0; round < count; round++) {
    const { state, say, close } = open();
    if (random(8) === 0) say(Array.from({ length: random(40) }, () => random(256)));
    begin(say, 1 + random(64), 1 + random(64));
    for (let piece = random(6); piece >= 0; piece--)
      say(
        random(3) === 0
          ? Array.from({ length: random(80) }, () => random(256))
          : [0, 0, ...two(1 + random(3)), ...rectangle(), ...(random(2) === 0 ? rectangle() : [])],
      );
    if (round % 20 === 0) await wait(1);
    note();
    if (state.ended) ended++;
    close();
  }
  const { say, close } = open();
  begin(say);
  const red = Array.from({ length: 16 * 16 }, () => [255, 0, 0, 0]).flat();
  say([0, 0, 0, 1, ...two(0), ...two(0), ...two(16), ...two(16), ...four(0), ...red]);
  await wait(300);
  const canvas = target.querySelector("canvas");
  const drawn = [...(canvas?.getContext("2d")?.getImageData(8, 8, 1, 1).data.slice(0, 3) ?? [])];
  close();
  return { rounds: count, ended, pixels, refused, drawn };
}

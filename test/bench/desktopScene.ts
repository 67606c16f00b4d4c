/**
 * What goes on in a desktop that is measured, as a process of its own:
 *   node test/bench/desktopScene.ts type FOLDER     types ten keys a second
 *   node test/bench/desktopScene.ts scroll          writes 60 lines a second
 *   node test/bench/desktopScene.ts video FOLDER    shows a window that changes 30 times a second
 * FOLDER is that of the display, with which the process ends.
 */
import assert from "node:assert/strict";
import { readDisplay } from "../../src/desktop/display.ts";
import { RfbClient } from "../../src/desktop/rfb.ts";
import { XWindow } from "./xWindow.ts";

const [scene, folder = ""] = process.argv.slice(2);
if (scene === "type") await type();
else if (scene === "scroll") scroll();
else if (scene === "video") await video();
else throw new Error("Which scene is it to be?");

async function type(): Promise<void> {
  const display = readDisplay(folder);
  assert.ok(display);
  const client = await RfbClient.to(display.socket);
  client.onEnd(() => process.exit());
  let count = 0;
  setInterval(() => {
    // A line of words, now and then.
    const key = ++count % 60 === 0 ? 0xff0d : count % 6 === 0 ? 0x20 : 0x61 + ((count * 7) % 26);
    client.key(key, true);
    client.key(key, false);
  }, 100);
}

function scroll(): void {
  let count = 0;
  setInterval(() => {
    const words = Array.from({ length: 20 }, (_, index) => ((++count * 7919 + index) % 99_991).toString(36));
    process.stdout.write(`${String(count)} ${words.join(" ")}\n`);
  }, 1000 / 60);
}

async function video(): Promise<void> {
  const display = readDisplay(folder);
  assert.ok(display);
  const [width, height, frames] = [640, 360, 30];
  const window = await XWindow.open(display, { x: 320, y: 180, width, height });
  for (let frame = 0; frame < frames; frame++) window.keep(waves(width, height, (2 * Math.PI * frame) / frames));
  let count = 0;
  setInterval(() => window.show(++count % frames), 1000 / 30);
}

/** A picture with soft changes of colour, as one of a camera has them. */
function waves(width: number, height: number, phase: number): Buffer {
  const picture = Buffer.alloc(4 * width * height);
  const wave = (value: number) => Math.round(127.5 + 127.5 * Math.sin(value));
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const colour = [wave(x / 40 + phase), wave(y / 30 - phase), wave((x + y) / 60 + Math.sin(y / 20 + phase))];
      picture.set(colour, 4 * (y * width + x));
    }
  return picture;
}

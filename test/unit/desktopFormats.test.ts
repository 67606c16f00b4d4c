import assert from "node:assert/strict";
import { crc32, inflateSync } from "node:zlib";
import fc from "fast-check";
import { parseSize } from "../../src/desktop/display.ts";
import { keyOfCharacter, keysOfChord, keysOfText } from "../../src/desktop/keys.ts";
import { encodePng, type Pixels } from "../../src/desktop/png.ts";

describe("keys", () => {
  it("have the numbers that X gives their names", () => {
    assert.deepEqual(keysOfChord("Return"), [0xff0d]);
    assert.deepEqual(keysOfChord("ctrl+shift+T"), [0xffe3, 0xffe1, 0x54]);
    assert.deepEqual(keysOfChord("alt+F4"), [0xffe9, 0xffc1]);
    assert.deepEqual(keysOfChord("ctrl++"), [0xffe3, 0x2b]);
    assert.deepEqual(keysOfChord("ctrl+plus"), keysOfChord("ctrl++"));
    assert.deepEqual(keysOfChord("+"), [0x2b]);
    assert.deepEqual(keysOfChord("Page_Down"), keysOfChord("Next"));
    assert.deepEqual(keysOfChord("KP_7"), [0xffb7]);
    assert.deepEqual(keysOfChord("U20AC"), [0x010020ac]);
    assert.deepEqual(keysOfChord("0xff1b"), keysOfChord("Escape"));
    for (const wrong of ["foo", "ctrl+", "ctrl+foo", "F36", "", "constructor", "UFFFFFF"])
      assert.equal(keysOfChord(wrong), undefined, wrong);
  });

  it("type any character, and a line's end once", () => {
    assert.deepEqual(keysOfText("aß€😀\r\n\t"), [0x61, 0xdf, 0x010020ac, 0x0101f600, 0xff0d, 0xff09]);
    fc.assert(
      fc.property(fc.nat(0x10ffff), (point) => {
        const key = keyOfCharacter(String.fromCodePoint(point));
        assert.ok(key > 0 && key <= 0x0110ffff);
      }),
    );
  });
});

describe("a desktop's size", () => {
  it("is read as people write it, and refused with a way out", () => {
    assert.deepEqual(parseSize("1280x720"), { width: 1280, height: 720 });
    assert.deepEqual(parseSize(" 1920 X 1080x24 "), { width: 1920, height: 1080 });
    for (const wrong of ["", "big", "0x0", "1280x720; rm", "99999x720", "1280"])
      assert.throws(() => parseSize(wrong), /is no size of a desktop\. Write it as 1280x720/);
    // What a viewer takes, and what none does.
    assert.deepEqual(parseSize("4320x8192"), { width: 4320, height: 8192 });
    for (const large of ["8192x8192", "8192x4321"])
      assert.throws(() => parseSize(large), /is too large for a desktop, .* 4320 pixels high where it is 8192 wide/);
  });
});

/** Reads a PNG of the one kind that is written, with all its sums checked. */
function decodePng(png: Buffer): { width: number; height: number; rgb: Buffer } {
  assert.equal(png.subarray(0, 8).toString("latin1"), "\x89PNG\r\n\x1a\n");
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < png.length;) {
    const length = png.readUInt32BE(at);
    const [typed, data] = [png.subarray(at + 4, at + 8 + length), png.subarray(at + 8, at + 8 + length)];
    assert.equal(png.readUInt32BE(at + 8 + length), crc32(typed));
    chunks.set(typed.toString("latin1", 0, 4), data);
    at += 12 + length;
  }
  assert.deepEqual([...chunks.keys()], ["IHDR", "IDAT", "IEND"]);
  const header = chunks.get("IHDR") ?? Buffer.alloc(0);
  assert.deepEqual([...header.subarray(8)], [8, 2, 0, 0, 0]);
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const rows = inflateSync(chunks.get("IDAT") ?? Buffer.alloc(0));
  assert.equal(rows.length, height * (1 + 3 * width));
  const lines = Array.from({ length: height }, (_, y) => rows.subarray(y * (1 + 3 * width), (y + 1) * (1 + 3 * width)));
  assert.ok(lines.every((line) => line[0] === 0));
  return { width, height, rgb: Buffer.concat(lines.map((line) => line.subarray(1))) };
}

describe("a PNG", () => {
  const pixels = (width: number, height: number): Pixels => {
    const data = Buffer.alloc(4 * width * height);
    for (let at = 0; at < data.length; at++) data[at] = (at * 37) & 255;
    return { width, height, data };
  };
  const colour = ({ width, data }: Pixels, x: number, y: number) => [
    ...data.subarray(4 * (y * width + x), 4 * (y * width + x) + 3),
  ];

  it("has the pixels of the screen, of a region, and of a magnified region", async () => {
    const screen = pixels(31, 17);
    for (const [region, scale] of [
      [undefined, 1],
      [{ x: 5, y: 3, width: 7, height: 9 }, 1],
      [{ x: 30, y: 16, width: 1, height: 1 }, 4],
      [{ x: 2, y: 1, width: 3, height: 2 }, 3],
    ] as const) {
      const { width, height, rgb } = decodePng(await encodePng(screen, region, scale));
      const from = region ?? { x: 0, y: 0, width: 31, height: 17 };
      assert.deepEqual([width, height], [from.width * scale, from.height * scale]);
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++)
          assert.deepEqual(
            [...rgb.subarray(3 * (y * width + x), 3 * (y * width + x) + 3)],
            colour(screen, from.x + Math.floor(x / scale), from.y + Math.floor(y / scale)),
          );
    }
  });

  it("of a whole desktop has each of its pixels, and is smaller than they are", async () => {
    const screen = pixels(1280, 720);
    const png = await encodePng(screen);
    const { width, height, rgb } = decodePng(png);
    assert.deepEqual([width, height], [1280, 720]);
    const expected = Buffer.alloc(3 * width * height);
    for (let at = 0; at < expected.length; at++) expected[at] = screen.data[Math.floor(at / 3) * 4 + (at % 3)] ?? 0;
    assert.ok(rgb.equals(expected));
    assert.ok(png.length < rgb.length / 4);
  });
});

import { crc32, deflate } from "node:zlib";
import { promisify } from "node:util";

const compress = promisify(deflate);

/** Pixels as they lie in memory: red, green, blue and a byte that means nothing, row by row. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8Array;
}

export interface Region {
  x: number;
  y: number;
  width: number;
  height: number;
}

/**
 * A picture of pixels, or of a region that lies within them, as a PNG; `scale` repeats each pixel so many times in both
 * directions. Compressed quickly rather than well: most of a desktop is of one colour.
 */
export async function encodePng(pixels: Pixels, region?: Region, scale = 1): Promise<Buffer> {
  const { x, y, width, height } = region ?? { x: 0, y: 0, width: pixels.width, height: pixels.height };
  const stride = 1 + 3 * width * scale;
  const rows = Buffer.allocUnsafe(stride * height * scale);
  for (let row = 0; row < height; row++) {
    const start = row * scale * stride;
    rows[start] = 0;
    copyRow(pixels.data, 4 * ((y + row) * pixels.width + x), rows, start + 1, width, scale);
    for (let copy = 1; copy < scale; copy++) rows.copy(rows, start + copy * stride, start, start + stride);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width * scale, 0);
  header.writeUInt32BE(height * scale, 4);
  // Eight bits of each of red, green and blue.
  header.set([8, 2, 0, 0, 0], 8);
  const body = await compress(rows, { level: 1, memLevel: 9 });
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", body), chunk("IEND", Buffer.alloc(0))]);
}

const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");

function copyRow(from: Uint8Array, at: number, to: Uint8Array, target: number, width: number, scale: number): void {
  let [source, out] = [at, target];
  for (let column = 0; column < width; column++, source += 4)
    for (let copy = 0; copy < scale; copy++, out += 3) {
      to[out] = from[source] ?? 0;
      to[out + 1] = from[source + 1] ?? 0;
      to[out + 2] = from[source + 2] ?? 0;
    }
}

function chunk(type: string, data: Buffer): Buffer {
  const out = Buffer.allocUnsafe(data.length + 12);
  out.writeUInt32BE(data.length, 0);
  out.write(type, 4, "latin1");
  data.copy(out, 8);
  out.writeUInt32BE(crc32(out.subarray(4, data.length + 8)), data.length + 8);
  return out;
}

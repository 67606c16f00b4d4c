import type { ByteReader } from "./bytes.ts";
import type { Pixels } from "./png.ts";

/** What a server has said of its screen. */
export interface Screen extends Pixels {
  /** Pixels that were drawn since it was set to 0. */
  drawn: number;
  /** Rectangles that were drawn, all together. */
  painted: number;
  /** How many times the whole screen could have been drawn with what this update has drawn; set to 0 before each. */
  spent: number;
  /** The id of its first monitor, where the server can change its size. */
  layout: number | undefined;
  /** Where a program has put the pointer, if it has since the last move of ours. */
  pointer: { x: number; y: number } | undefined;
}

/** Pixels of a side, and of a screen as a whole. */
const longestSide = 16_384;
export const mostPixels = 8192 * 4320;

/** How many times an update may draw the whole screen; one that tells what has changed does it once or twice. */
const mostSpent = 8;

/** The kinds of rectangles that are understood. */
const kinds = { raw: 0, copy: 1, desktopSize: -223, lastRect: -224, cursor: -239, extendedSize: -308 } as const;
/** Where the pointer is, for viewers that draw it themselves. */
export const pointerPosition = 0x574d5666;

/** A screen of a size, black, or with what of an earlier one is still in it. */
export function resized(screen: Screen | undefined, width: number, height: number): Screen {
  if (width < 1 || height < 1 || width > longestSide || height > longestSide || width * height > mostPixels)
    throw new Error(`a screen of ${String(width)}x${String(height)} was offered`);
  const now = screen ?? {
    width: 0,
    height: 0,
    data: Buffer.alloc(0),
    drawn: 0,
    painted: 0,
    spent: 0,
    layout: undefined,
    pointer: undefined,
  };
  if (now.width === width && now.height === height) return now;
  const data = Buffer.alloc(4 * width * height);
  for (let row = 0; row < Math.min(height, now.height); row++) {
    const from = 4 * row * now.width;
    data.set(now.data.subarray(from, from + 4 * Math.min(width, now.width)), 4 * row * width);
  }
  Object.assign(now, { width, height, data, drawn: 0 });
  spend(now, width, height);
  return now;
}

/** To make a screen of another size is as much work as to draw it. */
function spend(screen: Screen, width: number, height: number): void {
  screen.spent += (width * height) / (screen.width * screen.height);
  if (screen.spent > mostSpent)
    throw new Error(`one update drew the whole screen more than ${String(mostSpent)} times`);
}

/** Reads a rectangle of an update and draws it; false when it says that it is the last. */
export async function readRectangle(reader: ByteReader, screen: Screen): Promise<boolean> {
  const head = await reader.take(12);
  const [x, y] = [head.readUInt16BE(0), head.readUInt16BE(2)];
  const [width, height] = [head.readUInt16BE(4), head.readUInt16BE(6)];
  const kind = head.readInt32BE(8);
  switch (kind) {
    case kinds.raw:
      inside(screen, x, y, width, height);
      spend(screen, width, height);
      if (width === 0) return true;
      for (let row = y; row < y + height; row++)
        await reader.fill(screen.data, 4 * (row * screen.width + x), 4 * width);
      screen.drawn += width * height;
      screen.painted++;
      return true;
    case kinds.copy: {
      const from = await reader.take(4);
      const [fromX, fromY] = [from.readUInt16BE(0), from.readUInt16BE(2)];
      inside(screen, x, y, width, height);
      inside(screen, fromX, fromY, width, height);
      spend(screen, width, height);
      if (width === 0) return true;
      copy(screen, { x, y, width, height }, fromX, fromY);
      screen.drawn += width * height;
      screen.painted++;
      return true;
    }
    case kinds.desktopSize:
      resized(screen, width, height);
      return true;
    case kinds.extendedSize: {
      const count = (await reader.take(4)).readUInt8(0);
      if (count > 0) screen.layout = (await reader.take(16)).readUInt32BE(0);
      await reader.skip(16 * Math.max(0, count - 1));
      // The second number says whether a request to change it was granted; its size is told in any case.
      if (x !== 1 || y === 0) resized(screen, width, height);
      return true;
    }
    case kinds.cursor:
      if (width * height > 1024 * 1024) throw new Error("a pointer was too large");
      await reader.skip(4 * width * height + Math.ceil(width / 8) * height);
      return true;
    case pointerPosition:
      screen.pointer = { x, y };
      return true;
    case kinds.lastRect:
      return false;
    default:
      throw new Error(`a picture of the unknown kind ${String(kind)} came`);
  }
}

function inside(screen: Screen, x: number, y: number, width: number, height: number): void {
  if (x + width > screen.width || y + height > screen.height) throw new Error("a picture lay outside of the screen");
}

function copy(screen: Screen, to: { x: number; y: number; width: number; height: number }, x: number, y: number): void {
  for (let row = 0; row < to.height; row++) {
    // From below where it moves down, so that no row is overwritten before it is read.
    const at = y < to.y ? to.height - 1 - row : row;
    const from = 4 * ((y + at) * screen.width + x);
    screen.data.copyWithin(4 * ((to.y + at) * screen.width + to.x), from, from + 4 * to.width);
  }
}

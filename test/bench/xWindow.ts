import type { Socket } from "node:net";
import type { ByteReader } from "../../src/desktop/bytes.ts";
import type { Disposable } from "../../src/base/lifetime.ts";
import type { Display } from "../../src/desktop/display.ts";
import { connectX, type XConnection } from "../../src/desktop/x11.ts";

export interface Area {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Bytes that a request takes at most. */
const longestRequest = 4 * 0xffff;
const buttonPress = 4;

/**
 * A window by X's own protocol, which a window manager leaves alone: what is drawn in it is written to the X server at once,
 * so that the moment is known.
 */
export class XWindow implements Disposable {
  /** Called when a button is pressed in the window. */
  onPress: () => void = () => undefined;
  readonly area: Area;
  readonly #socket: Socket;
  readonly #reader: ByteReader;
  readonly #window: number;
  readonly #context: number;
  readonly #pixmaps: number[] = [];
  #over = false;

  private constructor({ socket, reader, firstId, root }: XConnection, area: Area) {
    [this.#socket, this.#reader, this.area] = [socket, reader, area];
    [this.#window, this.#context] = [firstId, firstId + 1];
    // With a background, in nobody's hands, and told of pressed buttons.
    const { x, y, width, height } = area;
    const attributes = [0x2 | 0x200 | 0x800, 0, 1, 0x4];
    socket.write(request(1, 0, [this.#window, root, pair(x, y), pair(width, height), pair(0, 1), 0, ...attributes]));
    // Copies do not tell of what was hidden.
    socket.write(request(55, 0, [this.#context, this.#window, 0x10000, 0]));
    socket.write(request(8, 0, [this.#window]));
  }

  static async open(display: Pick<Display, "name" | "authority">, area: Area): Promise<XWindow> {
    const window = new XWindow(await connectX(display), area);
    void window.#listen();
    return window;
  }

  fill(colour: number): void {
    const { width, height } = this.area;
    const colouring = request(56, 0, [this.#context, 0x4, colour]);
    const rectangle = request(70, 0, [this.#window, this.#context, 0, pair(width, height)]);
    this.#socket.write(Buffer.concat([colouring, rectangle]));
  }

  /** Keeps a picture of the window's size, of four bytes a pixel, at the X server. */
  keep(picture: Buffer): void {
    const { width, height } = this.area;
    const pixmap = this.#context + 1 + this.#pixmaps.length;
    this.#pixmaps.push(pixmap);
    this.#socket.write(request(53, 24, [pixmap, this.#window, pair(width, height)]));
    const rows = Math.floor((longestRequest - 24) / (4 * width));
    for (let row = 0; row < height; row += rows) {
      const part = picture.subarray(4 * width * row, 4 * width * Math.min(height, row + rows));
      const size = pair(width, part.length / (4 * width));
      this.#socket.write(request(72, 2, [pixmap, this.#context, size, pair(0, row), 24 << 8], part));
    }
  }

  /** Shows one of the pictures that are kept. */
  show(index: number): void {
    const pixmap = this.#pixmaps[index] ?? 0;
    const { width, height } = this.area;
    this.#socket.write(request(62, 0, [pixmap, this.#window, this.#context, 0, 0, pair(width, height)]));
  }

  dispose(): void {
    this.#over = true;
    this.#socket.destroy();
  }

  async #listen(): Promise<void> {
    try {
      for (;;) {
        const event = await this.#reader.take(32);
        if (event.readUInt8(0) === 0) throw new Error(`X refused a request: error ${String(event.readUInt8(1))}`);
        if (event.readUInt8(0) === buttonPress) this.onPress();
      }
    } catch (error) {
      if (!this.#over) throw error;
    }
  }
}

function pair(low: number, high: number): number {
  return low + high * 0x10000;
}

function request(code: number, detail: number, words: readonly number[], data: Buffer = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(4 + 4 * words.length);
  bytes.set([code, detail]);
  bytes.writeUInt16LE((bytes.length + data.length) / 4, 2);
  for (const [index, word] of words.entries()) bytes.writeUInt32LE(word, 4 + 4 * index);
  return Buffer.concat([bytes, data]);
}

import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import type { Disposable } from "../../src/base/lifetime.ts";
import type { Broker, Viewer, Visibility } from "../../src/desktop/broker.ts";
import { ByteReader } from "../../src/desktop/bytes.ts";

/** What noVNC asks for, the most wanted first, without what TigerVNC does not choose beside these. */
const kinds = {
  copy: 1,
  tight: 7,
  raw: 0,
  desktopSize: -223,
  lastRect: -224,
  extendedSize: -308,
  name: -307,
  cursor: -239,
} as const;
const [fence, quality, compression] = [-312, -32 + 6, -256 + 2];

/**
 * A page that watches as noVNC does: pictures as Tight of quality 6, taken at once, and the next one asked for after each. It
 * finds out where each ends, and unpacks none.
 */
export class RfbPage implements Disposable {
  readonly viewer: Viewer;
  /** Pictures that have come as a whole. */
  updates = 0;
  /** Called at the end of a picture, with the colours of its areas that have only one. */
  onUpdate: (colours: ReadonlySet<number>) => void = () => undefined;
  readonly #stream = new PassThrough();
  readonly #reader = new ByteReader(this.#stream);
  #size = { width: 0, height: 0 };
  #over = false;

  private constructor(broker: Broker, visibility: Visibility) {
    this.viewer = broker.open({
      visibility,
      deliver: (bytes) => {
        this.#stream.write(bytes);
        this.viewer.acknowledge(bytes.length);
      },
      ended: (error) => {
        throw error;
      },
    });
  }

  /** Opens one, which has the whole picture when this resolves. */
  static async open(broker: Broker, visibility: Visibility = "focused"): Promise<RfbPage> {
    const page = new RfbPage(broker, visibility);
    await page.#begin();
    const first = new Promise<void>((resolve) => (page.onUpdate = () => resolve()));
    void page.#listen();
    await first;
    page.onUpdate = () => undefined;
    return page;
  }

  click(x: number, y: number): void {
    for (const held of [0, 1, 0]) {
      const message = Buffer.from([5, held, 0, 0, 0, 0]);
      message.writeUInt16BE(x, 2);
      message.writeUInt16BE(y, 4);
      this.viewer.receive(message);
    }
  }

  dispose(): void {
    this.#over = true;
    this.viewer.dispose();
    this.#stream.destroy();
  }

  async #begin(): Promise<void> {
    const reader = this.#reader;
    await reader.skip(12);
    this.viewer.receive(Buffer.from("RFB 003.008\n"));
    await reader.skip(await reader.byte());
    this.viewer.receive(Buffer.from([1]));
    assert.equal((await reader.take(4)).readUInt32BE(0), 0);
    this.viewer.receive(Buffer.from([1]));
    const head = await reader.take(24);
    this.#size = { width: head.readUInt16BE(0), height: head.readUInt16BE(2) };
    await reader.skip(head.readUInt32BE(20));
    this.viewer.receive(Buffer.from([0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 0, 8, 16, 0, 0, 0]));
    const wanted = [...Object.values(kinds), quality, compression, fence];
    const encodings = Buffer.alloc(4 + 4 * wanted.length);
    encodings.writeUInt8(2, 0);
    encodings.writeUInt16BE(wanted.length, 2);
    for (const [index, encoding] of wanted.entries()) encodings.writeInt32BE(encoding, 4 + 4 * index);
    this.viewer.receive(encodings);
    this.#request(false);
  }

  #request(incremental: boolean): void {
    const message = Buffer.alloc(10);
    message.set([3, incremental ? 1 : 0]);
    message.writeUInt16BE(this.#size.width, 6);
    message.writeUInt16BE(this.#size.height, 8);
    this.viewer.receive(message);
  }

  async #listen(): Promise<void> {
    try {
      for (;;) await this.#readMessage();
    } catch (error) {
      if (!this.#over) throw error;
    }
  }

  async #readMessage(): Promise<void> {
    const reader = this.#reader;
    const type = await reader.byte();
    switch (type) {
      case 0: {
        const colours = new Set<number>();
        const count = (await reader.take(3)).readUInt16BE(1);
        for (let index = 0; index < count; index++) if (!(await this.#readRectangle(colours))) break;
        this.updates++;
        this.onUpdate(colours);
        this.#request(true);
        return;
      }
      case 1:
        await reader.skip(6 * (await reader.take(5)).readUInt16BE(3));
        return;
      case 2:
        return;
      case 3:
        await reader.skip((await reader.take(7)).readUInt32BE(3));
        return;
      case 248: {
        const head = await reader.take(8);
        const payload = await reader.take(head.readUInt8(7));
        const answer = Buffer.from([248, 0, 0, 0, 0, 0, 0, 0, payload.length]);
        answer.writeUInt32BE(head.readUInt32BE(3) & 3, 4);
        this.viewer.receive(Buffer.concat([answer, payload]));
        return;
      }
      default:
        throw new Error(`a message of the unknown type ${String(type)} came`);
    }
  }

  async #readRectangle(colours: Set<number>): Promise<boolean> {
    const reader = this.#reader;
    const head = await reader.take(12);
    const [width, height] = [head.readUInt16BE(4), head.readUInt16BE(6)];
    const kind = head.readInt32BE(8);
    switch (kind) {
      case kinds.tight:
        await this.#readTight(width, height, colours);
        return true;
      case kinds.copy:
        await reader.skip(4);
        return true;
      case kinds.raw:
        await reader.skip(4 * width * height);
        return true;
      case kinds.name:
        await reader.skip((await reader.take(4)).readUInt32BE(0));
        return true;
      case kinds.cursor:
        await reader.skip(4 * width * height + Math.ceil(width / 8) * height);
        return true;
      case kinds.extendedSize:
        await reader.skip(16 * (await reader.take(4)).readUInt8(0));
        return true;
      case kinds.desktopSize:
        return true;
      case kinds.lastRect:
        return false;
      default:
        throw new Error(`a picture of the unknown kind ${String(kind)} came`);
    }
  }

  async #readTight(width: number, height: number, colours: Set<number>): Promise<void> {
    const reader = this.#reader;
    const control = (await reader.byte()) >> 4;
    if (control === 8) {
      colours.add((await reader.take(3)).readUIntBE(0, 3));
      return;
    }
    if (control === 9) {
      await reader.skip(await this.#readLength());
      return;
    }
    assert.ok(control < 8, `Tight of the unknown kind ${String(control)} came`);
    const filter = (control & 4) === 0 ? 0 : await reader.byte();
    let rowLength = 3 * width;
    if (filter === 1) {
      const count = (await reader.byte()) + 1;
      await reader.skip(3 * count);
      rowLength = count === 2 ? Math.ceil(width / 8) : width;
    }
    const length = rowLength * height;
    // What is so short is not packed.
    await reader.skip(length < 12 ? length : await this.#readLength());
  }

  async #readLength(): Promise<number> {
    let length = 0;
    for (let shift = 0; shift <= 14; shift += 7) {
      const byte = await this.#reader.byte();
      if (shift === 14) return length | (byte << 14);
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return length;
  }
}

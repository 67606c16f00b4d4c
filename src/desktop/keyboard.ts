import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { ByteReader } from "./bytes.ts";
import type { Display } from "./display.ts";

/**
 * A display's keyboard, as X's own protocol has it. An X server has few keys to spare for characters that its layout lacks,
 * and RFB's server takes them for good: after some twenty such characters the next ones are lost. So keys are lent to the
 * characters of a text, and taken back.
 */
export class Keyboard {
  readonly #socket: Socket;
  readonly #reader: ByteReader;
  readonly #known: ReadonlySet<number>;
  /** Keys without a character, in runs of neighbours. */
  readonly #spare: readonly number[];

  private constructor(socket: Socket, reader: ByteReader, map: ReadonlyMap<number, number[]>) {
    [this.#socket, this.#reader] = [socket, reader];
    this.#known = new Set([...map.values()].flat());
    this.#spare = [...map].filter(([, symbols]) => symbols.every((symbol) => symbol === 0)).map(([code]) => code);
  }

  static async of({ name, authority }: Display): Promise<Keyboard> {
    const socket = connect(`/tmp/.X11-unix/X${name.slice(1)}`);
    const reader = new ByteReader(socket);
    try {
      const protocol = Buffer.from("MIT-MAGIC-COOKIE-1\0\0", "latin1");
      const head = Buffer.from([0x6c, 0, 11, 0, 0, 0, protocol.length - 2, 0, 16, 0, 0, 0]);
      socket.write(Buffer.concat([head, protocol, readFileSync(authority).subarray(-16)]));
      const [status, said] = await readBlock(reader);
      if (status !== 1) throw new Error("the display refused its own cookie");
      const [first, last] = [said.readUInt8(26), said.readUInt8(27)];
      socket.write(Buffer.from([101, 0, 2, 0, first, last - first + 1, 0, 0]));
      return new Keyboard(socket, reader, await readMap(reader, first));
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  /** How many characters without a key of their own can be typed before others take their place. */
  get room(): number {
    return this.#spare.length;
  }

  /** Whether the keyboard has a key for it already. */
  has(key: number): boolean {
    return this.#known.has(key);
  }

  /** Lends spare keys to these characters, and takes back what was lent before. */
  async lend(keys: readonly number[]): Promise<void> {
    for (const [index, code] of this.#spare.entries()) {
      const request = Buffer.from([100, 1, 4, 0, code, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
      // The same with and without Shift, so that nobody has to press it.
      request.writeUInt32LE(keys[index] ?? 0, 8);
      request.writeUInt32LE(keys[index] ?? 0, 12);
      this.#socket.write(request);
    }
    // A question that is answered when all before it is done.
    this.#socket.write(Buffer.from([43, 0, 1, 0]));
    await readReply(this.#reader);
  }

  dispose(): void {
    this.#socket.destroy();
  }
}

async function readBlock(reader: ByteReader): Promise<[number, Buffer]> {
  const head = await reader.take(8);
  return [head.readUInt8(0), await reader.take(4 * head.readUInt16LE(6))];
}

async function readMap(reader: ByteReader, first: number): Promise<Map<number, number[]>> {
  const { head, body } = await readReply(reader);
  const perKey = head.readUInt8(1);
  const symbols = Array.from({ length: body.length / 4 }, (_, index) => body.readUInt32LE(4 * index));
  const count = perKey === 0 ? 0 : symbols.length / perKey;
  return new Map(
    Array.from({ length: count }, (_, index) => [first + index, symbols.slice(index * perKey, (index + 1) * perKey)]),
  );
}

/** The next reply; events in between are passed over. */
async function readReply(reader: ByteReader): Promise<{ head: Buffer; body: Buffer }> {
  for (;;) {
    const head = await reader.take(32);
    if (head.readUInt8(0) === 0) throw new Error(`the display refused it: error ${String(head.readUInt8(1))}`);
    if (head.readUInt8(0) === 1) return { head, body: await reader.take(4 * head.readUInt32LE(4)) };
  }
}

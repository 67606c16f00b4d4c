import type { Socket } from "node:net";
import type { ByteReader } from "./bytes.ts";
import type { Display } from "./display.ts";
import { connectX, readReply } from "./x11.ts";

/**
 * A display's keyboard, as X's own protocol has it. An X server has few keys to spare for characters that its layout lacks,
 * and RFB's server takes them for good: after some twenty such characters the next ones are lost. So keys are lent to the
 * characters of a text, and taken from those that were typed longest ago.
 */
export class Keyboard {
  readonly #socket: Socket;
  readonly #reader: ByteReader;
  readonly #known: ReadonlySet<number>;
  /** What the keys that can be lent stand for, from the one that was needed longest ago. */
  readonly #lent: Map<number, number>;

  private constructor(socket: Socket, reader: ByteReader, map: ReadonlyMap<number, number[]>) {
    [this.#socket, this.#reader] = [socket, reader];
    const spare = [...map].filter(([, symbols]) => symbols.every(isSpare)).map(([code]) => code);
    this.#lent = new Map(spare.map((code) => [code, 0]));
    this.#known = new Set([...map].flatMap(([code, symbols]) => (this.#lent.has(code) ? [] : symbols)));
  }

  static async of(display: Display): Promise<Keyboard> {
    const { socket, reader, keys } = await connectX(display);
    try {
      const [first, last] = keys;
      socket.write(Buffer.from([101, 0, 2, 0, first, last - first + 1, 0, 0]));
      return new Keyboard(socket, reader, await readMap(reader, first));
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  /** How many different characters without a key of their own can be typed at a time. */
  get room(): number {
    return this.#lent.size;
  }

  /** Whether the keyboard has a key for it by itself. */
  has(key: number): boolean {
    return this.#known.has(key);
  }

  /** Whether a key has to be taken from a character so that all of these have one. */
  isTight(keys: ReadonlySet<number>): boolean {
    const there = [...this.#lent.values()];
    const free = there.filter((key) => key === 0).length;
    return [...keys].filter((key) => !there.includes(key)).length > free;
  }

  /** Lends keys to these characters, of which there are no more than room is for. */
  async lend(keys: ReadonlySet<number>): Promise<void> {
    const changed = new Map<number, number>();
    // Those that stay are needed last of all now.
    for (const [code, key] of [...this.#lent]) if (keys.has(key)) this.#place(code, key);
    const there = new Set(this.#lent.values());
    const codes = [...this.#lent.keys()];
    for (const key of keys) {
      if (there.has(key)) continue;
      const code = codes.shift() ?? 0;
      this.#place(code, key);
      changed.set(code, key);
    }
    for (const run of runsOf(changed)) this.#socket.write(changeMapping(run));
    // A question that is answered when all before it is done.
    this.#socket.write(Buffer.from([43, 0, 1, 0]));
    await readReply(this.#reader);
  }

  #place(code: number, key: number): void {
    this.#lent.delete(code);
    this.#lent.set(code, key);
  }

  dispose(): void {
    this.#socket.destroy();
  }
}

/** Nothing, or a key of a keyboard for music and the like, which nobody presses here. */
function isSpare(symbol: number): boolean {
  return symbol === 0 || (symbol >= 0x1008ff00 && symbol <= 0x1008ffff);
}

/** Neighbours together: all programs are told of each change. */
function runsOf(changed: ReadonlyMap<number, number>): [number, number][][] {
  const runs: [number, number][][] = [];
  for (const [code, key] of [...changed].sort(([one], [other]) => one - other)) {
    const last = runs.at(-1);
    if (last?.at(-1)?.[0] === code - 1) last.push([code, key]);
    else runs.push([[code, key]]);
  }
  return runs;
}

function changeMapping(run: readonly [number, number][]): Buffer {
  const request = Buffer.alloc(8 + 4 * run.length);
  request.set([100, run.length, 2 + run.length, 0, run[0]?.[0] ?? 0, 1]);
  for (const [index, [, key]] of run.entries()) {
    // One symbol: with the same one for Shift, RFB's server does not find a small letter each time.
    request.writeUInt32LE(key, 8 + 4 * index);
  }
  return request;
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

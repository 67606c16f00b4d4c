import type { Readable } from "node:stream";

/** Bytes that wait to be read before the stream is told to stop, and the most that are asked for at once. */
const [mostWaiting, mostAtOnce] = [4 * 2 ** 20, 2 ** 20];
/** Milliseconds after which everything else of the process has its turn, though there is more to be read. */
const mostMs = 10;

/**
 * Reads a stream by counts of bytes. One reader at a time. What is asked for after the end is an error. What is there
 * already is read without waiting, but not for longer than `mostMs` on end: what its reader does with it is counted too.
 */
export class ByteReader {
  readonly #stream: Readable;
  #chunks: Buffer[] = [];
  #first = 0;
  #offset = 0;
  #waiting = 0;
  #end: Error | undefined;
  #wake: (() => void) | undefined;
  /** When something else had its turn, as far as is known. */
  #turnAt = performance.now();

  constructor(stream: Readable) {
    this.#stream = stream;
    stream.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#waiting += chunk.length;
      if (this.#waiting > mostWaiting) stream.pause();
      this.#wake?.();
    });
    const end = (error?: Error) => {
      this.#end ??= error ?? new Error("it ended the connection");
      this.#wake?.();
    };
    stream
      .once("error", end)
      .once("end", () => end())
      .once("close", () => end());
    // What comes after the first is the same end.
    stream.on("error", () => undefined);
  }

  async byte(): Promise<number> {
    return (await this.take(1))[0] ?? 0;
  }

  /** So many bytes, in a buffer of their own. */
  async take(count: number): Promise<Buffer> {
    if (count > mostAtOnce) throw new Error("more was sent than is taken");
    const bytes = Buffer.allocUnsafe(count);
    await this.fill(bytes, 0, count);
    return bytes;
  }

  async skip(count: number): Promise<void> {
    await this.#pass(count, () => undefined);
  }

  /** Reads so many bytes to a place in a buffer. */
  async fill(target: Uint8Array, start: number, count: number): Promise<void> {
    let at = start;
    await this.#pass(count, (piece) => {
      target.set(piece, at);
      at += piece.length;
    });
  }

  /** Whether so many bytes are there already. */
  has(count: number): boolean {
    return this.#waiting >= count;
  }

  async #pass(count: number, use: (piece: Buffer) => void): Promise<void> {
    if (performance.now() - this.#turnAt > mostMs) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#turnAt = performance.now();
    }
    for (let left = count; left > 0;) {
      const chunk = this.#chunks[this.#first];
      if (chunk === undefined) {
        if (this.#end) throw this.#end;
        await new Promise<void>((resolve) => (this.#wake = resolve));
        this.#wake = undefined;
        continue;
      }
      const piece = chunk.subarray(this.#offset, this.#offset + left);
      use(piece);
      left -= piece.length;
      this.#advance(chunk, piece.length);
    }
  }

  #advance(chunk: Buffer, by: number): void {
    this.#offset += by;
    this.#waiting -= by;
    if (this.#offset === chunk.length) {
      this.#offset = 0;
      this.#first++;
      if (this.#first === this.#chunks.length) [this.#chunks, this.#first] = [[], 0];
    }
    if (this.#waiting <= mostWaiting / 2 && this.#stream.isPaused()) this.#stream.resume();
  }
}

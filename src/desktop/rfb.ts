import { connect as connectSocket } from "node:net";
import type { Duplex } from "node:stream";
import { sleep } from "../base/async.ts";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { Emitter } from "../base/event.ts";
import { ByteReader } from "./bytes.ts";
import { answerChallenge, handshakeLimits } from "./handshake.ts";
import type { Pixels } from "./png.ts";
import { pointerPosition, readRectangle, resized, type Screen } from "./rectangles.ts";

/** Bytes of a clipboard's text that are kept, and of what is skipped with the connection kept. */
const [longestText, longestSkipped] = [2 ** 20, 64 * 2 ** 20];
const handshakeMs = 10_000;

export interface RfbOptions {
  /** Where the server wants one; ours does not. */
  password?: string;
}

/** The bits of pointer buttons. */
export const buttons = { left: 1, middle: 2, right: 4, up: 8, down: 16, scrollLeft: 32, scrollRight: 64 } as const;

/**
 * A viewer of a display by RFB 3.8. Nothing is drawn by itself: `refresh` fetches the screen. What the server sends is
 * checked against limits before anything is made of it; what is wrong ends the connection.
 */
export class RfbClient {
  readonly #stream: Duplex;
  readonly #reader: ByteReader;
  readonly #screen: Screen;
  readonly #updated = new Emitter<void>();
  readonly #ended = new Emitter<OpenAgentError>();
  #error: OpenAgentError | undefined;
  #text: string | undefined;
  #pointer = { x: 0, y: 0, buttons: 0 };

  private constructor(stream: Duplex, reader: ByteReader, screen: Screen) {
    [this.#stream, this.#reader, this.#screen] = [stream, reader, screen];
  }

  /** Connects over a stream, which is the client's from then on. */
  static async over(stream: Duplex, options: RfbOptions = {}): Promise<RfbClient> {
    const reader = new ByteReader(stream);
    const timer = setTimeout(() => stream.destroy(new Error("it took too long")), handshakeMs);
    try {
      const screen = await shakeHands(stream, reader, options);
      const client = new RfbClient(stream, reader, screen);
      client.#begin();
      return client;
    } catch (error) {
      stream.destroy();
      throw failure(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Connects to the socket of a display. */
  static async to(socket: string, options: RfbOptions = {}): Promise<RfbClient> {
    const stream = connectSocket(socket);
    return RfbClient.over(stream, options);
  }

  get width(): number {
    return this.#screen.width;
  }

  get height(): number {
    return this.#screen.height;
  }

  /** The screen as it was fetched last; its content changes with the next updates. */
  get pixels(): Pixels {
    const { width, height, data } = this.#screen;
    return { width, height, data };
  }

  /** Where the pointer is, as far as is known. */
  get pointer(): { x: number; y: number } {
    const { x, y } = this.#screen.pointer ?? this.#pointer;
    return { x, y };
  }

  /** The last text that a program in the display has put into its clipboard. */
  get clipboard(): string | undefined {
    return this.#text;
  }

  /** What has ended the connection; undefined while there is one. */
  get error(): OpenAgentError | undefined {
    return this.#error;
  }

  /** Tells when the connection ends by itself. */
  get onEnd() {
    return this.#ended.event;
  }

  /** Fetches the whole screen. */
  async refresh(timeoutMs = 5000): Promise<void> {
    const end = Date.now() + timeoutMs;
    for (let asked: Uint8Array | undefined; ;) {
      // Where the size has changed in between, what was asked for is only a part.
      if (asked !== this.#screen.data) {
        asked = this.#screen.data;
        this.#screen.drawn = 0;
        this.#request(false);
      }
      const left = end - Date.now();
      if (left <= 0 || !(await this.#nextUpdate(left)))
        throw new OpenAgentError("desktop_failed", "The desktop's display does not answer. Start a new session.");
      // An answer to an earlier request, or one that says something else, may come first and takes the place of ours.
      if (asked === this.#screen.data && this.#screen.drawn >= this.width * this.height) return;
      this.#request(true);
    }
  }

  /** Waits until something is drawn; false when nothing is for so long. */
  async changes(mostMs: number): Promise<boolean> {
    for (const end = Date.now() + mostMs; ;) {
      const before = this.#screen.painted;
      this.#request(true);
      const left = end - Date.now();
      if (left <= 0 || !(await this.#nextUpdate(left))) return false;
      if (this.#screen.painted !== before) return true;
    }
  }

  /** Waits until nothing has changed for `quietMs`; false when it still changes after `mostMs`. */
  async still(quietMs: number, mostMs: number, signal?: AbortSignal): Promise<boolean> {
    const end = Date.now() + mostMs;
    for (let quietSince = Date.now(); ;) {
      signal?.throwIfAborted();
      const now = Date.now();
      if (now - quietSince >= quietMs) return true;
      if (now >= end) return false;
      if (!(await this.changes(Math.min(quietMs - (now - quietSince), end - now)))) continue;
      quietSince = Date.now();
      // A video must not cost more than it has to.
      await sleep(30, signal);
    }
  }

  /** Asks for another size; false when the server does not change it. */
  async resize(width: number, height: number, timeoutMs = 3000): Promise<boolean> {
    const end = Date.now() + timeoutMs;
    // What the server says about its screens comes with the first update.
    if (this.#screen.layout === undefined) await this.refresh();
    if (this.#screen.layout === undefined) return false;
    const message = Buffer.alloc(24);
    message.writeUInt8(251, 0);
    message.writeUInt16BE(width, 2);
    message.writeUInt16BE(height, 4);
    message.writeUInt8(1, 6);
    message.writeUInt32BE(this.#screen.layout, 8);
    message.writeUInt16BE(width, 16);
    message.writeUInt16BE(height, 18);
    this.#send(message);
    this.#request(true);
    while (this.width !== width || this.height !== height) {
      const left = end - Date.now();
      if (left <= 0 || !(await this.#nextUpdate(left))) return false;
      this.#request(true);
    }
    return true;
  }

  key(key: number, down: boolean): void {
    const message = Buffer.alloc(8);
    message.writeUInt8(4, 0);
    message.writeUInt8(down ? 1 : 0, 1);
    message.writeUInt32BE(key, 4);
    this.#send(message);
  }

  /** Moves the pointer, with these buttons down; without them those stay that are. A place outside is its nearest inside. */
  point(x: number, y: number, held = this.#pointer.buttons): void {
    const inside = (value: number, size: number) => Math.max(0, Math.min(size - 1, Math.round(value)));
    this.#pointer = { x: inside(x, this.width), y: inside(y, this.height), buttons: held };
    this.#screen.pointer = undefined;
    const message = Buffer.alloc(6);
    message.writeUInt8(5, 0);
    message.writeUInt8(held, 1);
    message.writeUInt16BE(this.#pointer.x, 2);
    message.writeUInt16BE(this.#pointer.y, 4);
    this.#send(message);
  }

  /** The buttons that are down by this client. */
  get held(): number {
    return this.#pointer.buttons;
  }

  /** Ends the connection. */
  dispose(): void {
    this.#fail(new OpenAgentError("desktop_failed", "The connection to the desktop's display was closed."), false);
  }

  #begin(): void {
    // Red, green, blue and nothing, as they lie in memory.
    const format = Buffer.from([0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 0, 8, 16, 0, 0, 0]);
    // Of our own machine, so what is quickest comes first. Without a cursor of its own, the server draws it.
    const wanted = [0, 1, -223, -308, -224, pointerPosition];
    const encodings = Buffer.alloc(4 + 4 * wanted.length);
    encodings.writeUInt8(2, 0);
    encodings.writeUInt16BE(wanted.length, 2);
    for (const [index, encoding] of wanted.entries()) encodings.writeInt32BE(encoding, 4 + 4 * index);
    this.#send(format);
    this.#send(encodings);
    this.#listen().catch((error: unknown) => this.#fail(failure(error), true));
  }

  async #listen(): Promise<never> {
    for (;;) {
      if (this.#error) throw this.#error;
      const type = await this.#reader.byte();
      if (type === 0) {
        await this.#readUpdate();
        this.#updated.fire();
      } else if (type === 1) {
        const head = await this.#reader.take(5);
        await this.#reader.skip(6 * head.readUInt16BE(3));
      } else if (type === 3) await this.#readText();
      // A bell says nothing else.
      else if (type !== 2) throw new Error(`a message of the unknown type ${String(type)} came`);
    }
  }

  async #readUpdate(): Promise<void> {
    const count = (await this.#reader.take(3)).readUInt16BE(1);
    this.#screen.spent = 0;
    for (let index = 0; index < count; index++) {
      // What has come is not drawn any more when nobody looks.
      if (this.#error) throw this.#error;
      if (!(await readRectangle(this.#reader, this.#screen))) return;
    }
  }

  async #readText(): Promise<void> {
    // A negative length tells of other formats, which are not asked for.
    const length = (await this.#reader.take(7)).readInt32BE(3);
    if (Math.abs(length) > longestSkipped) throw new Error("a clipboard's text was too long");
    if (length < 0 || length > longestText) await this.#reader.skip(Math.abs(length));
    else this.#text = (await this.#reader.take(length)).toString("latin1");
  }

  #request(incremental: boolean): void {
    const message = Buffer.alloc(10);
    message.writeUInt8(3, 0);
    message.writeUInt8(incremental ? 1 : 0, 1);
    message.writeUInt16BE(this.width, 6);
    message.writeUInt16BE(this.height, 8);
    this.#send(message);
  }

  /** Resolves with whether an update came in time; rejects when the connection ends. */
  #nextUpdate(ms: number): Promise<boolean> {
    if (this.#error) throw this.#error;
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        update.dispose();
        ending.dispose();
        settle();
      };
      const timer = setTimeout(() => end(() => resolve(false)), ms);
      const update = this.#updated.event(() => end(() => resolve(true)));
      const ending = this.#ended.event((error) => end(() => reject(error)));
    });
  }

  #send(message: Buffer): void {
    if (this.#error) throw this.#error;
    this.#stream.write(message);
  }

  #fail(error: OpenAgentError, tell: boolean): void {
    if (this.#error) return;
    this.#error = error;
    this.#stream.destroy();
    this.#ended.fire(error);
    if (!tell) this.#ended.dispose();
  }
}

async function shakeHands(stream: Duplex, reader: ByteReader, { password }: RfbOptions): Promise<Screen> {
  const version = (await reader.take(12)).toString("latin1");
  const [, major, minor] = /^RFB (\d{3})\.(\d{3})\n$/.exec(version) ?? [];
  if (major === undefined) throw new Error("it does not speak RFB");
  if (Number(major) < 3 || (Number(major) === 3 && Number(minor) < 8)) throw new Error("its RFB is older than 3.8");
  stream.write("RFB 003.008\n");
  const count = await reader.byte();
  if (count === 0) throw new Error(`it refused: ${await readReason(reader)}`);
  const offered = [...(await reader.take(count))];
  const chosen = offered.includes(1) ? 1 : offered.includes(2) && password !== undefined ? 2 : undefined;
  if (chosen === undefined) throw new Error("it wants a login that is not known here");
  stream.write(Buffer.from([chosen]));
  if (chosen === 2) stream.write(answerChallenge(await reader.take(16), password ?? ""));
  if ((await reader.take(4)).readUInt32BE(0) !== 0) throw new Error(`it refused: ${await readReason(reader)}`);
  // Others may watch.
  stream.write(Buffer.from([1]));
  const head = await reader.take(24);
  const screen = resized(undefined, head.readUInt16BE(0), head.readUInt16BE(2));
  const nameLength = head.readUInt32BE(20);
  if (nameLength > handshakeLimits.name) throw new Error("its name was too long");
  await reader.skip(nameLength);
  return screen;
}

async function readReason(reader: ByteReader): Promise<string> {
  const length = (await reader.take(4)).readUInt32BE(0);
  return (await reader.take(Math.min(length, handshakeLimits.reason))).toString("utf8");
}

function failure(error: unknown): OpenAgentError {
  if (error instanceof OpenAgentError) return error;
  const reason = describeError(error);
  return new OpenAgentError(
    "desktop_failed",
    `The desktop's display has gone: ${reason}. Start a new session.`,
    {},
    error,
  );
}

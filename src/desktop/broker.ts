import { connect, type Socket } from "node:net";
import { Timer } from "../base/async.ts";
import { describeError, OpenAgentError } from "../base/errors.ts";
import type { Disposable } from "../base/lifetime.ts";
import { takeInHand } from "./control.ts";
import type { Display } from "./display.ts";
import { MessageParser, type Message } from "./messages.ts";

/** How much of somebody's attention a viewer has. */
export type Visibility = "focused" | "visible" | "thumbnail" | "hidden";

/** Milliseconds from one picture to the request for the next. */
const gaps: Readonly<Record<Exclude<Visibility, "hidden">, number>> = { focused: 0, visible: 66, thumbnail: 1000 };
/** Bytes on their way to a page with which no further picture is asked for, and with which nothing is read any more. */
const [enoughUnderWay, mostUnderWay] = [256 * 1024, 2 * 2 ** 20];
/** Bytes that a server does not take. */
const mostWaiting = 2 ** 20;

export interface ViewerOptions {
  /** Takes what the server sends to the page, which acknowledges it. */
  deliver: (bytes: Uint8Array) => void;
  /** The display has gone, or the page has sent what no viewer sends. Not called after `dispose`. */
  ended: (error: OpenAgentError) => void;
  visibility?: Visibility;
  /** Milliseconds from one picture to the next, at least, while it is looked at. */
  gapMs?: number;
  /** Control has been given to this viewer, or taken from it. */
  controls?: (hasControl: boolean) => void;
}

/** Counted since a viewer was opened. */
export interface Traffic {
  /** Bytes to the page. */
  delivered: number;
  /** Bytes to the display. */
  sent: number;
  /** Messages of the page that did not pass. */
  dropped: number;
}

/**
 * Lets pages watch a display, and one of them use it. Each has a connection of its own to the X server, which keeps for
 * each what it has not seen yet, compresses in the way that it has asked for, and costs nothing while nothing changes,
 * however many watch; with one connection for all, pictures would have to be compressed again here. What is not asked
 * for is not sent, so requests are held back as long as a page is behind, and as its visibility says; what has changed
 * several times until then is sent once.
 */
export class Broker implements Disposable {
  readonly #display: Pick<Display, "socket">;
  readonly #folder: string;
  readonly #viewers = new Set<Viewer>();
  #inControl: Viewer | undefined;
  #taken: Disposable | undefined;

  /** `folder` is that of the display. */
  constructor(display: Pick<Display, "socket">, folder: string) {
    [this.#display, this.#folder] = [display, folder];
  }

  /** Opens a viewer. It only watches. */
  open(options: ViewerOptions): Viewer {
    const viewer = new Viewer(connect(this.#display.socket), options, () => {
      this.#viewers.delete(viewer);
      if (this.#inControl === viewer) this.giveControl(undefined);
    });
    this.#viewers.add(viewer);
    return viewer;
  }

  /** The viewer whose mouse and keyboard act on the display. */
  get inControl(): Viewer | undefined {
    return this.#inControl;
  }

  /**
   * Gives the display to a viewer's hand, or back to the agent's.
   * @throws OpenAgentError `desktop_busy` while another process has it
   */
  giveControl(viewer: Viewer | undefined): void {
    const next = viewer && this.#viewers.has(viewer) ? viewer : undefined;
    if (next === this.#inControl) return;
    // Before anybody lets go: another window may have it.
    if (next) this.#taken ??= takeInHand(this.#folder);
    this.#inControl?.setControl(false);
    this.#inControl = next;
    if (!next) {
      this.#taken?.dispose();
      this.#taken = undefined;
      return;
    }
    next.setControl(true);
  }

  dispose(): void {
    for (const viewer of [...this.#viewers]) viewer.dispose();
  }
}

/** A page's connection to a display. */
export class Viewer implements Disposable {
  readonly traffic: Traffic = { delivered: 0, sent: 0, dropped: 0 };
  readonly #socket: Socket;
  readonly #options: ViewerOptions;
  readonly #closed: () => void;
  readonly #parser = new MessageParser();
  readonly #timer = new Timer();
  readonly #keys = new Set<number>();
  #pointer: { x: number; y: number; buttons: number } | undefined;
  #visibility: Visibility;
  #gapMs: number;
  #hasControl = false;
  #underWay = 0;
  #held: Extract<Message, { kind: "request" }> | undefined;
  #lastRequest = -Infinity;
  #over = false;

  /** Made by the broker. */
  constructor(socket: Socket, options: ViewerOptions, closed: () => void) {
    [this.#socket, this.#options, this.#closed] = [socket, options, closed];
    this.#visibility = options.visibility ?? "focused";
    this.#gapMs = options.gapMs ?? 0;
    socket.on("data", (bytes: Buffer) => {
      this.#underWay += bytes.length;
      this.traffic.delivered += bytes.length;
      if (this.#underWay >= mostUnderWay) socket.pause();
      options.deliver(bytes);
    });
    socket.on("error", (error) => this.#end(describeError(error)));
    socket.on("close", () => this.#end("it ended the connection"));
  }

  /** Takes what the page sends. */
  receive(bytes: Uint8Array): void {
    if (this.#over) return;
    try {
      for (const message of this.#parser.add(bytes)) this.#handle(message);
    } catch (error) {
      this.#end(describeError(error));
    }
  }

  /** The page has drawn so many bytes of what was delivered. */
  acknowledge(bytes: number): void {
    this.#underWay = Math.max(0, this.#underWay - bytes);
    if (this.#underWay < mostUnderWay / 2 && this.#socket.isPaused()) this.#socket.resume();
    this.#ask();
  }

  get visibility(): Visibility {
    return this.#visibility;
  }

  set visibility(visibility: Visibility) {
    this.#visibility = visibility;
    this.#ask();
  }

  /** Milliseconds from one picture to the next, at least, while it is looked at. */
  set gapMs(ms: number) {
    this.#gapMs = ms;
    this.#ask();
  }

  /** For the broker: whether what the page types and clicks passes. What is still held down then is let go. */
  setControl(hasControl: boolean): void {
    this.#hasControl = hasControl;
    this.#options.controls?.(hasControl);
    if (hasControl || this.#over) return;
    for (const key of this.#keys) {
      const up = Buffer.from([4, 0, 0, 0, 0, 0, 0, 0]);
      up.writeUInt32BE(key, 4);
      this.#send(up);
    }
    this.#keys.clear();
    if (this.#pointer && this.#pointer.buttons !== 0) {
      const up = Buffer.from([5, 0, 0, 0, 0, 0]);
      up.writeUInt16BE(this.#pointer.x, 2);
      up.writeUInt16BE(this.#pointer.y, 4);
      this.#send(up);
    }
    this.#pointer = undefined;
  }

  dispose(): void {
    if (this.#over) return;
    // While it can still say what is let go.
    this.#closed();
    this.#over = true;
    this.#timer.dispose();
    this.#socket.end();
    this.#socket.destroySoon();
  }

  #handle(message: Message): void {
    switch (message.kind) {
      case "plain":
        this.#send(message.bytes);
        return;
      case "request":
        this.#held = this.#held ? both(this.#held, message) : message;
        this.#ask();
        return;
      case "input":
        if (!this.#hasControl) this.traffic.dropped++;
        else {
          this.#note(message);
          this.#send(message.bytes);
        }
        return;
      case "dropped":
        this.traffic.dropped++;
    }
  }

  #note({ key, pointer }: Extract<Message, { kind: "input" }>): void {
    if (key?.down) this.#keys.add(key.key);
    else if (key) this.#keys.delete(key.key);
    if (pointer) this.#pointer = pointer;
  }

  /** Asks for the next picture when there is a request and it is time for it. */
  #ask(): void {
    if (!this.#held || this.#over || this.#visibility === "hidden" || this.#underWay >= enoughUnderWay) return;
    const wait = this.#lastRequest + Math.max(gaps[this.#visibility], this.#gapMs) - performance.now();
    if (wait > 0) {
      this.#timer.set(Math.ceil(wait), () => {
        this.#ask();
      });
      return;
    }
    const { incremental, x, y, width, height } = this.#held;
    this.#held = undefined;
    this.#lastRequest = performance.now();
    const bytes = Buffer.alloc(10);
    bytes.set([3, incremental ? 1 : 0]);
    for (const [index, value] of [x, y, width, height].entries()) bytes.writeUInt16BE(value, 2 + 2 * index);
    this.#send(bytes);
  }

  #send(bytes: Buffer): void {
    if (this.#over) return;
    if (this.#socket.writableLength > mostWaiting) {
      this.#end("it does not take what is sent to it");
      return;
    }
    this.traffic.sent += bytes.length;
    this.#socket.write(bytes);
  }

  #end(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer.dispose();
    this.#socket.destroy();
    this.#closed();
    this.#options.ended(new OpenAgentError("desktop_failed", `The view of the desktop has ended: ${reason}.`));
  }
}

/** A request for what two ask for. */
function both(one: Extract<Message, { kind: "request" }>, other: Extract<Message, { kind: "request" }>): typeof one {
  const [x, y] = [Math.min(one.x, other.x), Math.min(one.y, other.y)];
  return {
    kind: "request",
    incremental: one.incremental && other.incremental,
    x,
    y,
    width: Math.max(one.x + one.width, other.x + other.width) - x,
    height: Math.max(one.y + one.height, other.y + other.height) - y,
  };
}

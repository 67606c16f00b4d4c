import type RFB from "@novnc/novnc";
import type { DesktopMessage } from "../src/protocol/desktopPage.ts";
import { post } from "./host.ts";

type ToView = Extract<DesktopMessage, { view: number }>;

/** The views of this page, by their numbers. */
const views = new Map<number, (message: ToView) => void>();
let lastView = 0;

/** Gives a view of a desktop a number, and what the host says to it until the result is called. */
export function openView(take: (message: ToView) => void): { view: number; close: () => void } {
  const view = ++lastView;
  views.set(view, take);
  return { view, close: () => views.delete(view) };
}

/** Passes on what the host says to a view. */
export function toView(message: ToView): void {
  views.get(message.view)?.(message);
}

/** A connection as noVNC takes one in place of a WebSocket: all of these members are there from the start. */
export class Channel {
  readonly #view: number;
  binaryType = "arraybuffer";
  protocol = "";
  readyState = "open";
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: ArrayBuffer }) => void) | null = null;
  onclose: ((event: { code: number; reason: string; wasClean: boolean }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;

  constructor(view: number) {
    this.#view = view;
  }

  send = (bytes: Uint8Array): void => {
    // A copy: noVNC writes on in the buffer that this is a part of.
    post({ type: "desktopData", view: this.#view, bytes: bytes.slice() });
  };

  close = (): void => {
    this.readyState = "closed";
  };

  /** Takes what the X server sends; what has been drawn of it is asked for again. */
  take(bytes: Uint8Array): void {
    const whole = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
    this.onmessage?.({ data: whole.buffer as ArrayBuffer });
    post({ type: "desktopAck", view: this.#view, count: bytes.byteLength });
  }

  /** Says that there is nothing more. */
  end(): void {
    this.readyState = "closed";
    this.onclose?.({ code: 1000, reason: "", wasClean: true });
  }
}

let viewer: Promise<typeof RFB> | undefined;

/** The viewer's program, loaded when it is first needed. */
export function loadViewer(): Promise<typeof RFB> {
  const path = document.getElementById("root")?.dataset["viewer"] ?? "";
  viewer ??= import(path).then((module: { default: typeof RFB }) => module.default);
  return viewer;
}

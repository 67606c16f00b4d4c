import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { repository } from "../fake/bed.ts";
import { eventually } from "./eventually.ts";

/** What a page says to its host. */
export interface Said {
  type: string;
  view?: number;
  id?: string;
  [field: string]: unknown;
}

const types: Readonly<Record<string, string>> = { ".js": "text/javascript", ".css": "text/css" };

/** One of our pages without an editor: its host is the test, and its desktops are drawn by servers in the page itself. */
export class DesktopHost {
  readonly page: Page;
  readonly #server: Server;

  private constructor(page: Page, server: Server) {
    [this.page, this.#server] = [page, server];
  }

  /** `canFloat`: whether the page's browser has Picture-in-Picture. */
  static async open(browser: Browser, script: "main" | "desktops", canFloat = true): Promise<DesktopHost> {
    const document =
      '<!DOCTYPE html><link rel="stylesheet" href="main.css"><div id="root" data-viewer="/viewer.js"></div>' +
      `<script type="application/json" id="first"></script><script src="${script}.js"></script>`;
    const server = createServer((request, response) => {
      const name = (request.url ?? "/").slice(1);
      const isFile = /^[\w-]+\.(js|css)$/.test(name);
      response.writeHead(200, { "content-type": isFile ? types[extname(name)] : "text/html" });
      response.end(isFile ? readFileSync(join(repository, "dist", "webview", name)) : document);
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const page = await browser.newPage({ viewport: { width: 1200, height: 700 } });
    await page.addInitScript(pretendEditor);
    await page.addInitScript(pretendPictureInPicture);
    const host = new DesktopHost(page, server);
    await page.goto(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}/${canFloat ? "" : "#none"}`);
    await host.hears("ready");
    return host;
  }

  /** Says something to the page. */
  async say(...messages: object[]): Promise<void> {
    await this.page.evaluate((all) => {
      for (const message of all) window.dispatchEvent(new MessageEvent("message", { data: message }));
    }, messages);
  }

  /** What the page has said, of one type. */
  heard(type: string): Promise<Said[]> {
    return this.page.evaluate((wanted) => pretended().said.filter((message) => message.type === wanted), type);
  }

  /** Waits until the page has said so. */
  async hears(type: string, fits: (message: Said) => boolean = () => true): Promise<Said> {
    const found = await eventually(
      () => this.heard(type),
      (all) => all.some(fits),
      10_000,
    );
    return found.findLast(fits) ?? { type };
  }

  /** The views that the page has open, with their desktops. */
  async open(): Promise<{ view: number; id: string }[]> {
    const closed = new Set((await this.heard("closeDesktop")).map(({ view }) => view));
    const opened = await this.heard("openDesktop");
    return opened.flatMap(({ view = -1, id = "" }) => (closed.has(view) ? [] : [{ view, id }]));
  }

  /** Lets the server of a view send these bytes. */
  async send(view: number, bytes: readonly number[]): Promise<void> {
    await this.page.evaluate(([to, data]) => pretended().send(to, data), [view, [...bytes]] as const);
  }

  /** Waits until something can be found in the page, or cannot. */
  async shows(selector: string, is = true): Promise<void> {
    await this.page
      .locator(selector)
      .first()
      .waitFor({ state: is ? "visible" : "detached", timeout: 10_000 });
  }

  async close(): Promise<void> {
    await this.page.close();
    this.#server.close();
  }
}

/** In the page. */
export interface Pretended {
  said: Said[];
  send: (view: number, bytes: readonly number[]) => void;
  /** Tracks of canvases that are captured. */
  tracks: MediaStreamTrack[];
  /** How often Picture-in-Picture was asked for. */
  asked: number;
  /** Until it resolves, the window does not open. */
  gate: Promise<void>;
  /** Why it does not open. */
  refusal: string | undefined;
  /** The video in the window. */
  floating: () => HTMLVideoElement | undefined;
}
declare global {
  function pretended(): Pretended;
}

/** Runs in the page before all else: an editor that remembers what it is told, and servers of desktops of 64 by 48 pixels. */
function pretendEditor(): void {
  const phases = new Map<number, number>();
  const say = (data: object) => window.dispatchEvent(new MessageEvent("message", { data }));
  const known = {
    said: [] as Said[],
    send: (view: number, bytes: readonly number[]) => say({ type: "desktopData", view, bytes: new Uint8Array(bytes) }),
  };
  const hello = Array.from("RFB 003.008\n", (letter) => letter.charCodeAt(0));
  const screen = [0, 64, 0, 48, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0, 0, 0, 0, 1, 65];
  const answers = [[1, 1], [0, 0, 0, 0], screen];
  const answer = ({ type, view = -1, wanted }: Said) => {
    if (type === "openDesktop") {
      phases.set(view, 0);
      known.send(view, hello);
    } else if (type === "controlDesktop") say({ type: "desktopControl", view, hasControl: wanted });
    else if (type === "desktopData") {
      const phase = phases.get(view) ?? 0;
      phases.set(view, phase + 1);
      const bytes = answers[phase];
      if (bytes) known.send(view, bytes);
    }
  };
  let state: unknown;
  const editor = {
    postMessage: (message: Said) => {
      known.said.push(message);
      setTimeout(() => answer(message));
    },
    getState: () => state,
    setState: (next: unknown) => (state = next),
  };
  Object.assign(window, { pretended: () => known, acquireVsCodeApi: () => editor });
}

/** Runs in the page: a Picture-in-Picture that needs no window, with the events of the real one. */
function pretendPictureInPicture(): void {
  let current: HTMLVideoElement | undefined;
  const known: Pretended = Object.assign(pretended(), {
    tracks: [],
    asked: 0,
    gate: Promise.resolve(),
    refusal: undefined,
    floating: () => current,
  });
  const enter = (video: HTMLVideoElement | undefined) => {
    const left = current;
    current = video;
    left?.dispatchEvent(new Event("leavepictureinpicture"));
    video?.dispatchEvent(new Event("enterpictureinpicture"));
  };
  Object.defineProperty(document, "pictureInPictureEnabled", { value: location.hash !== "#none" });
  Object.defineProperty(document, "pictureInPictureElement", { get: () => current ?? null });
  document.exitPictureInPicture = () => {
    enter(undefined);
    return Promise.resolve();
  };
  HTMLVideoElement.prototype.requestPictureInPicture = async function (this: HTMLVideoElement) {
    known.asked++;
    await known.gate;
    if (known.refusal !== undefined) throw new DOMException("No click.", known.refusal);
    enter(this);
    return {} as PictureInPictureWindow;
  };
  const capture = Object.getOwnPropertyDescriptor(HTMLCanvasElement.prototype, "captureStream")?.value as (
    this: HTMLCanvasElement,
    rate?: number,
  ) => MediaStream;
  HTMLCanvasElement.prototype.captureStream = function (rate) {
    const stream = capture.call(this, rate);
    known.tracks.push(...stream.getTracks());
    return stream;
  };
}

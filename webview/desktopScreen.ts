import type RFB from "@novnc/novnc";
import { effect, signal } from "@preact/signals";
import { desktopQualities } from "../src/protocol/desktop.ts";
import type { Look } from "../src/protocol/desktopPage.ts";
import { Channel, loadViewer, openView } from "./desktopChannel.ts";
import { post } from "./host.ts";
import { Floating } from "./pictureInPicture.ts";

export type ScreenState = { kind: "connecting" } | { kind: "live" } | { kind: "ended"; message: string };

/** How long Escape is held to give the desktop back, in milliseconds. */
const holdMs = 800;

/**
 * A desktop on this page: an element that can be put anywhere, and goes on where it is shown nowhere as long as it floats.
 * It only watches until it has control.
 */
export class DesktopScreen {
  readonly id: string;
  readonly element = document.createElement("div");
  readonly state = signal<ScreenState>({ kind: "connecting" });
  /** As wide and high as it is drawn, such as `1280x720`; undefined until it is. */
  readonly size = signal<string | undefined>(undefined);
  /** The user's mouse and keyboard are the desktop's. */
  readonly hasControl = signal(false);
  readonly isPaused = signal(false);
  /** As large as there is room for, or pixel by pixel. */
  readonly fits = signal(true);
  readonly quality = signal("Good");
  /** Escape is being held. */
  readonly isLettingGo = signal(false);
  readonly floating = new Floating((isPaused) => (this.isPaused.value = isPaused));
  readonly #look: Look;
  readonly #view: number;
  readonly #channel: Channel;
  readonly #ends: (() => void)[] = [];
  #rfb: RFB | undefined;
  #holding: number | undefined;

  constructor(id: string, look: Exclude<Look, "paused"> = "whole") {
    this.id = id;
    this.#look = look;
    this.element.className = "desktop-screen";
    const { view, close } = openView((message) => {
      switch (message.type) {
        case "desktopData":
          this.#take(message.bytes);
          return;
        case "desktopControl":
          this.#setControl(message.hasControl);
          return;
        case "desktopClipboard":
          this.#paste(message.text);
          return;
        case "desktopEnded":
          this.#end(message.message);
      }
    });
    this.#view = view;
    this.#channel = new Channel(view);
    this.#ends.push(close, () => post({ type: "closeDesktop", view }));
    const sizes = new MutationObserver(() => this.#noteSize());
    sizes.observe(this.element, { subtree: true, childList: true, attributeFilter: ["width", "height"] });
    this.#ends.push(() => sizes.disconnect());
    this.element.addEventListener("keydown", this.#onKey, { capture: true });
    this.element.addEventListener("keyup", this.#onKey, { capture: true });
    void this.#open();
  }

  /** The drawn desktop, once there is one. */
  get canvas(): HTMLCanvasElement | null {
    return this.element.querySelector("canvas");
  }

  /** Whoever changes the size, it is the canvas's as well. */
  #noteSize(): void {
    const { width = 0, height = 0 } = this.canvas ?? {};
    if (width > 0 && height > 0) this.size.value = `${String(width)}x${String(height)}`;
  }

  async #open(): Promise<void> {
    try {
      const Viewer = await loadViewer();
      // Nobody wants to see it any more.
      if (this.state.value.kind === "ended") return;
      post({ type: "openDesktop", view: this.#view, id: this.id });
      const rfb = new Viewer(this.element, this.#channel, { shared: true });
      this.#rfb = rfb;
      rfb.viewOnly = true;
      rfb.background = "transparent";
      rfb.addEventListener("connect", () => (this.state.value = { kind: "live" }));
      rfb.addEventListener("disconnect", () => this.#end("The desktop has ended."));
      rfb.addEventListener("clipboard", (event) => {
        const { text } = (event as CustomEvent<{ text: string }>).detail;
        if (this.hasControl.value) post({ type: "desktopCopied", view: this.#view, text });
      });
      this.#ends.push(effect(() => void (rfb.scaleViewport = this.fits.value)));
      this.#ends.push(effect(() => this.#tellLook(rfb)));
      this.#ends.push(effect(() => void (this.floating.paused = this.isPaused.value)));
    } catch (error) {
      this.#end(`The desktop cannot be shown: ${String(error)}`);
    }
  }

  #tellLook(rfb: RFB): void {
    const { gapMs = 0, quality = 6 } = desktopQualities.find(({ name }) => name === this.quality.value) ?? {};
    rfb.qualityLevel = this.#look === "thumbnail" ? 2 : quality;
    const look = this.isPaused.value ? "paused" : this.#look;
    post({ type: "desktopLook", view: this.#view, look, gapMs, floats: this.floating.isOpen.value });
  }

  /** What the server sends is drawn by a program that trusts it; what goes wrong ends this view alone. */
  #take(bytes: Uint8Array): void {
    try {
      this.#channel.take(bytes);
    } catch (error) {
      this.#end(`The desktop sent what cannot be drawn: ${String(error)}`);
    }
  }

  /** Asks for mouse and keyboard, or gives them back. */
  control(wanted: boolean): void {
    post({ type: "controlDesktop", view: this.#view, wanted });
  }

  #setControl(hasControl: boolean): void {
    this.hasControl.value = hasControl;
    this.#stopHolding();
    if (!this.#rfb) return;
    this.#rfb.viewOnly = !hasControl;
    if (hasControl) this.#rfb.focus();
    else this.#rfb.blur();
  }

  /** Escape that is held gives the desktop back; what is pasted is fetched before the keys that paste it. */
  readonly #onKey = (event: KeyboardEvent): void => {
    if (!this.hasControl.value) return;
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopImmediatePropagation();
      if (event.type === "keydown") this.#hold();
      // It was not held for long: the desktop is to have it.
      else if (this.#stopHolding()) this.#rfb?.sendKey(0xff1b, "Escape");
    } else if (event.type === "keydown" && event.key.toLowerCase() === "v" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      event.stopImmediatePropagation();
      post({ type: "desktopPaste", view: this.#view });
    }
  };

  #hold(): void {
    this.#holding ??= window.setTimeout(() => this.control(false), holdMs);
    this.isLettingGo.value = true;
  }

  /** Says whether Escape was being held. */
  #stopHolding(): boolean {
    const wasHeld = this.#holding !== undefined;
    window.clearTimeout(this.#holding);
    this.#holding = undefined;
    this.isLettingGo.value = false;
    return wasHeld;
  }

  #paste(text: string): void {
    const rfb = this.#rfb;
    if (!rfb) return;
    if (text !== "") rfb.clipboardPasteFrom(text);
    const [control, letter] = [0xffe3, 0x76];
    rfb.sendKey(control, "ControlLeft", true);
    rfb.sendKey(letter, "KeyV");
    rfb.sendKey(control, "ControlLeft", false);
  }

  #end(message: string): void {
    if (this.state.value.kind === "ended") return;
    this.state.value = { kind: "ended", message };
    this.#setControl(false);
    void this.floating.close();
    this.#channel.end();
  }

  /** Ends the view; the desktop goes on. */
  dispose(): void {
    this.state.value = { kind: "ended", message: "" };
    void this.floating.close();
    for (const end of this.#ends.splice(0)) end();
    this.#channel.end();
    this.element.remove();
  }
}

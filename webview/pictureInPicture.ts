import { signal } from "@preact/signals";

/** Whether this page may show a video in a window of its own. */
export const canFloat = document.pictureInPictureEnabled && "captureStream" in HTMLCanvasElement.prototype;

/** Pictures a second of what floats; nothing is captured where nothing changes. */
const rate = 30;

/** A canvas that the browser shows in a small window above all others: one for a page, since it shows no more. */
export class Floating {
  /** Whether the window is open. */
  readonly isOpen = signal(false);
  readonly #video = document.createElement("video");
  readonly #onPause: (isPaused: boolean) => void;
  #stream: MediaStream | undefined;
  #isOpening = false;

  /** @param onPause the user has stopped the picture in the window, or lets it go on */
  constructor(onPause: (isPaused: boolean) => void) {
    this.#onPause = onPause;
    this.#video.muted = true;
    // They do not bubble.
    this.#video.addEventListener("enterpictureinpicture", () => (this.isOpen.value = true));
    this.#video.addEventListener("leavepictureinpicture", () => {
      this.isOpen.value = false;
      this.#drop();
    });
    this.#video.addEventListener("pause", () => this.#tell(true));
    this.#video.addEventListener("play", () => this.#tell(false));
  }

  #tell(isPaused: boolean): void {
    if (this.isOpen.value) this.#onPause(isPaused);
  }

  /**
   * Opens the window; the user must just have clicked. Rejects where the browser does not let it. While it is being opened,
   * another click does nothing.
   */
  async open(canvas: HTMLCanvasElement): Promise<void> {
    if (this.#isOpening) return;
    this.#isOpening = true;
    this.#drop();
    this.#stream = canvas.captureStream(rate);
    this.#video.srcObject = this.#stream;
    // Of a canvas on which nothing changes there would be no first picture, and without that nothing plays.
    nudge(canvas);
    const again = window.setTimeout(() => nudge(canvas), 120);
    try {
      await this.#video.play();
      await this.#video.requestPictureInPicture();
    } catch (error) {
      this.#drop();
      throw error;
    } finally {
      this.#isOpening = false;
      window.clearTimeout(again);
    }
  }

  /** Shows in the window whether the picture stands still. */
  set paused(isPaused: boolean) {
    if (!this.isOpen.value || this.#video.paused === isPaused) return;
    if (isPaused) this.#video.pause();
    else void this.#video.play();
  }

  async close(): Promise<void> {
    if (document.pictureInPictureElement === this.#video) await document.exitPictureInPicture();
    this.#drop();
  }

  /** No more than one is captured at a time. */
  #drop(): void {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = undefined;
    this.#video.srcObject = null;
  }
}

/** Draws one pixel as it is. */
function nudge(canvas: HTMLCanvasElement): void {
  canvas.getContext("2d")?.drawImage(canvas, 0, 0, 1, 1, 0, 0, 1, 1);
}

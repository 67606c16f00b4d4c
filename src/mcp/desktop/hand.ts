import { isInHand } from "../../desktop/control.ts";
import type { RfbClient } from "../../desktop/rfb.ts";
import { ToolError } from "../tool.ts";

/** How often it is looked whether the user's hand has come. */
const lookMs = 100;

/**
 * The agent's hand on a display. It breaks off what it does and lets go of what it holds as soon as the user's hand is
 * there: while one viewer holds a button, an X server takes no button of another one.
 */
export class AgentHand {
  readonly #folder: string;
  #client: RfbClient | undefined;
  #work: AbortController | undefined;
  #watch: NodeJS.Timeout | undefined;
  /** A button of the agent's was let go, of which it has not been told. */
  #isLost = false;

  /** `folder` is that of the display. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Does something with mouse and keyboard. Rejects when the user takes them, or has let go of what was held down. */
  async use<T>(
    client: RfbClient,
    signal: AbortSignal,
    work: (client: RfbClient, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (this.#isLost) {
      this.#isLost = false;
      throw new ToolError(
        "The user has used this desktop, and the mouse button that you held was let go. Nothing was done now: take a " +
          "screenshot, and begin again.",
      );
    }
    const taken = new AbortController();
    [this.#client, this.#work] = [client, taken];
    this.#watch ??= setInterval(() => this.#look(), lookMs);
    try {
      return await work(client, AbortSignal.any([signal, taken.signal]));
    } finally {
      this.#work = undefined;
      if (taken.signal.aborted) this.#letGo();
      else if (client.error || client.held === 0) this.dispose();
    }
  }

  /** Looks no more; what is held then is let go with the connection. */
  dispose(): void {
    clearInterval(this.#watch);
    this.#watch = undefined;
  }

  #look(): void {
    if (!isInHand(this.#folder)) return;
    this.#work?.abort(
      new ToolError(
        "The user took this desktop's mouse and keyboard in the middle of it, so it was broken off. A screenshot shows how " +
          "far it came; go on when the user has given them back.",
      ),
    );
    if (!this.#work) this.#letGo();
  }

  #letGo(): void {
    this.dispose();
    const client = this.#client;
    if (!client || client.error || client.held === 0) return;
    client.point(client.pointer.x, client.pointer.y, 0);
    this.#isLost = true;
  }
}

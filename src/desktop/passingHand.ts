import { Sequence, Timer } from "../base/async.ts";
import { OpenAgentError } from "../base/errors.ts";
import { Lifetime, type Disposable } from "../base/lifetime.ts";
import { takeInHand } from "./control.ts";
import { readDisplay } from "./display.ts";
import { Keyboard } from "./keyboard.ts";
import type { RfbClient } from "./rfb.ts";

/** Milliseconds after the last use in which nobody else gets the display. */
const restMs = 3000;
/** Uses that may wait for the ones before them. */
const mostWaiting = 200;

/** What a hand has of a display. */
export interface Grip {
  client: RfbClient;
  /** Where the X server's own socket cannot be reached, there is none. */
  keyboard: Keyboard | undefined;
  /** Aborts when the hand is taken away for good. */
  signal: AbortSignal;
}

interface FirmGrip extends Grip {
  /** The mark that the display is in hand. */
  taken: Disposable;
}

/** A display that the hand is on. */
export interface HandledDisplay {
  folder: string;
  /**
   * It runs in a container: its X server's own socket is not there for us, and what it calls itself may be the name of a
   * display of this machine.
   */
  isContained: boolean;
}

/** The user's hand on a display, for as long as something is done with it and for a moment after. */
export class PassingHand implements Disposable {
  readonly #display: HandledDisplay;
  readonly #connect: () => Promise<RfbClient>;
  readonly #lifetime = new Lifetime();
  readonly #rest = this.#lifetime.add(new Timer());
  readonly #uses = new Sequence();
  #waiting = 0;
  #grip: FirmGrip | undefined;

  /** `connect` makes a connection that is the hand's. */
  constructor(display: HandledDisplay, connect: () => Promise<RfbClient>) {
    [this.#display, this.#connect] = [display, connect];
  }

  /**
   * Does something with the display when what was asked before is done.
   * @throws OpenAgentError `desktop_busy` while somebody else has it in hand, or when too much has been asked
   */
  async use(work: (grip: Grip) => Promise<void> | void): Promise<void> {
    if (this.#waiting >= mostWaiting)
      throw new OpenAgentError(
        "desktop_busy",
        "The desktop has not come to what it was told before. Wait a moment, and send less at a time.",
      );
    this.#waiting++;
    try {
      await this.#uses.run(() => this.#use(work));
    } finally {
      this.#waiting--;
    }
  }

  async #use(work: (grip: Grip) => Promise<void> | void): Promise<void> {
    this.#lifetime.signal.throwIfAborted();
    this.#rest.dispose();
    if (this.#grip?.client.error) this.#letGo();
    this.#grip ??= await this.#take();
    try {
      this.#lifetime.signal.throwIfAborted();
      await work(this.#grip);
    } finally {
      if (this.#lifetime.ended) this.#letGo();
      else this.#rest.set(restMs, () => this.#letGo());
    }
  }

  async #take(): Promise<FirmGrip> {
    const { folder, isContained } = this.#display;
    const taken = takeInHand(folder);
    try {
      const client = await this.#connect();
      const display = isContained ? undefined : readDisplay(folder);
      const keyboard = display && (await Keyboard.of(display).catch(() => undefined));
      return { client, keyboard, signal: this.#lifetime.signal, taken };
    } catch (error) {
      taken.dispose();
      throw error;
    }
  }

  #letGo(): void {
    const grip = this.#grip;
    this.#grip = undefined;
    if (!grip) return;
    const { client, keyboard, taken } = grip;
    if (!client.error && client.held !== 0) client.point(client.pointer.x, client.pointer.y, 0);
    client.dispose();
    keyboard?.dispose();
    taken.dispose();
  }

  dispose(): void {
    this.#lifetime.dispose();
    // A use that goes on lets go at its end, which is soon: it hears the signal.
    if (this.#waiting === 0) this.#letGo();
  }
}

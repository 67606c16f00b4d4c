import { createClient, TimeoutError, type MessageBus } from "dbus-native";
import { ToolError } from "../tool.ts";

/** An object, as AT-SPI names it: whose it is, and its path there. */
export type Reference = readonly [owner: string, path: string];

/** Milliseconds for a call, and bytes of a message. */
const [callMs, longestMessage] = [5000, 4 * 2 ** 20];
const prefix = "org.a11y.atspi.";

/**
 * A connection to a bus on a socket of this machine. What answers may be any program: nothing that is called here
 * changes anything, and what comes back is as it was sent.
 */
export class AccessibleBus {
  readonly #bus: MessageBus;
  #failed = false;

  private constructor(bus: MessageBus) {
    this.#bus = bus;
    // The calls that wait fail by themselves.
    bus.connection.on("error", () => (this.#failed = true));
  }

  /** Works with the bus at an address until the work is over or the signal aborts. */
  static async with<T>(address: string, signal: AbortSignal, work: (bus: AccessibleBus) => Promise<T>): Promise<T> {
    const [, path] = /^unix:path=([^,;]+)/.exec(address) ?? [];
    if (path === undefined) throw new ToolError(`${address} is no address of a bus on this machine.`);
    signal.throwIfAborted();
    const options = { authMethods: ["EXTERNAL"], fdTransport: false, maxMessageSize: longestMessage, timeout: callMs };
    const bus = new AccessibleBus(createClient({ ...options, socket: decodeURIComponent(path) }));
    const end = () => bus.#end();
    signal.addEventListener("abort", end, { once: true });
    try {
      return await work(bus);
    } finally {
      signal.removeEventListener("abort", end);
      end();
    }
  }

  /** Whether a program did not answer in time, or sent what cannot be taken; then nothing more is asked. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Calls a method of an interface of AT-SPI; undefined when the object has no answer. */
  call(
    object: Reference,
    interfaceName: string,
    member: string,
    signature = "",
    body: unknown[] = [],
  ): Promise<unknown> {
    return this.invoke(object, prefix + interfaceName, member, signature, body);
  }

  /** A property of an interface of AT-SPI; undefined when the object does not have it. */
  property(object: Reference, interfaceName: string, name: string): Promise<unknown> {
    return this.invoke(object, "org.freedesktop.DBus.Properties", "Get", "ss", [prefix + interfaceName, name]);
  }

  /** Calls a method; undefined when the object has no answer. */
  async invoke(
    [destination, path]: Reference,
    interfaceName: string,
    member: string,
    signature = "",
    body: unknown[] = [],
  ): Promise<unknown> {
    if (this.#failed) return undefined;
    const message = { destination, path, interface: interfaceName, member, ...(signature && { signature, body }) };
    try {
      return await this.#bus.invoke<unknown>(message);
    } catch (error) {
      // What an object does not have is no failure, but one that is slow once is slow again.
      if (error instanceof TimeoutError) this.#end();
      return undefined;
    }
  }

  #end(): void {
    this.#failed = true;
    this.#bus.connection.stream.destroy();
  }
}

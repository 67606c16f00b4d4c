import { waitUntil } from "../base/async.ts";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { Emitter } from "../base/event.ts";
import { Lifetime, type Disposable } from "../base/lifetime.ts";
import type { Logger } from "../base/log.ts";
import type { Engine } from "../opencode/engine.ts";
import { engineV1 } from "../opencode/engineV1.ts";
import { isSupported } from "../opencode/locate.ts";
import { authorization, fetchFrom, type Connection } from "../opencode/connection.ts";
import type { OpenCodeServer } from "../opencode/server.ts";
import type { StreamSignal } from "../opencode/stream.ts";
import type { EngineState } from "../protocol/engineState.ts";

/** A server that the user runs, to be used in place of our own. */
export type Attachment = Connection;

export interface EngineHostOptions {
  /** The id of our server's engine. */
  id: string;
  server: OpenCodeServer;
  /** Asked whenever a connection is made. */
  attachment: () => Promise<Attachment | undefined>;
  log: Logger;
  onSignal: (signal: StreamSignal) => void;
  /** Our server ended without being asked to. */
  onServerDied: () => void;
}

/** Keeps one connection to the agent server that the settings name, and knows its state. */
export class EngineHost implements Disposable {
  readonly #options: EngineHostOptions;
  readonly #lifetime = new Lifetime();
  readonly #changed = this.#lifetime.add(new Emitter<EngineState>());
  readonly onDidChange = this.#changed.event;
  #state: EngineState = { kind: "stopped" };
  #current: { engine: Engine; version: string; url: string; stream: Disposable } | undefined;
  #connecting: Promise<Engine> | undefined;
  #ending = false;
  /** How often our server has ended without being asked to. */
  #deaths = 0;

  constructor(options: EngineHostOptions) {
    this.#options = options;
    this.#lifetime.add(
      options.server.onDidChange((state) => {
        if (state.kind === "starting") this.#set({ kind: "starting", since: state.since });
        else if (state.kind === "failed") this.#setFailed(state.error);
        else if (state.kind === "stopped" && this.#current?.engine.id === options.id && !this.#ending) {
          this.#deaths++;
          this.#drop();
          this.#set({ kind: "stopped" });
          options.onServerDied();
        }
      }),
    );
  }

  get state(): EngineState {
    return this.#state;
  }

  /** The engine whose stream is open. */
  get connected(): Engine | undefined {
    return this.#state.kind === "connected" ? this.#current?.engine : undefined;
  }

  /** Starts or finds the server, and waits a moment for its stream. Concurrent calls share one attempt. */
  ensure(): Promise<Engine> {
    const { connected } = this;
    if (connected) return Promise.resolve(connected);
    return (this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    }));
  }

  /** Resolves when no connection is being made, however that ended. */
  async settled(): Promise<void> {
    await this.#connecting?.catch(() => undefined);
  }

  /** Takes over a server that an earlier leader left running. */
  async adopt(): Promise<void> {
    const attachment = await this.#options.attachment();
    if (attachment || (await this.#options.server.adopt())) await this.ensure();
  }

  async #connect(): Promise<Engine> {
    try {
      const attachment = await this.#options.attachment();
      const wanted = attachment?.url ?? this.#options.id;
      if (this.#current && this.#current.engine.id !== wanted) this.#drop();
      const deaths = this.#deaths;
      let engine = await this.#open(wanted, attachment);
      // It may have been dead before this began.
      if (!engine && this.#deaths > deaths) engine = await this.#open(wanted, attachment);
      if (!engine) throw new OpenAgentError("opencode_unreachable", "OpenCode ended while it was being connected.");
      return engine;
    } catch (error) {
      this.#setFailed(error);
      throw error;
    }
  }

  /** The engine, with its stream open if that opens soon; undefined when the server ended meanwhile. */
  async #open(id: string, attachment: Attachment | undefined): Promise<Engine | undefined> {
    if (!this.#current) await this.#openStream(id, attachment);
    // The stream should be open before a prompt goes out, so that nothing has to be fetched later.
    await waitUntil(() => this.connected !== undefined || !this.#current || this.#state.kind === "failed", 5_000, 5);
    if (this.#state.kind === "failed")
      throw new OpenAgentError(this.#state.code, this.#state.message, { ...this.#state.detail });
    return this.#current?.engine;
  }

  async #openStream(id: string, attachment: Attachment | undefined): Promise<void> {
    const connection = attachment ?? (await this.#options.server.ensure());
    this.#set({ kind: "connecting", since: Date.now() });
    const version = await askHealth(connection);
    // Whoever leads by now hears the events; a second ear would store what the other one then takes for known.
    if (this.#lifetime.ended) throw new OpenAgentError("no_leader", "Another process runs the missions now.");
    const engine = engineV1(id, connection);
    const { url } = connection;
    const stream = engine.stream((signal) => {
      this.#onSignal(signal);
    });
    this.#current = { engine, version, url, stream };
  }

  #onSignal(signal: StreamSignal): void {
    const current = this.#current;
    if (!current) return;
    if (signal.kind === "connected") {
      this.#set({ kind: "connected", version: current.version, url: current.url });
    } else if (signal.kind === "lost") {
      this.#options.log.warn(`OpenCode's event stream is lost: ${signal.reason}`);
      if (signal.status === 401)
        this.#setFailed(
          new OpenAgentError("opencode_unauthorized", `The OpenCode server ${current.url} refused the password.`),
        );
      else this.#set({ kind: "lost", reason: signal.reason, retryAt: Date.now() + signal.retryInMs });
    }
    this.#options.onSignal(signal);
  }

  /** Writes anew what our server is to know, if it runs; whether that has changed. */
  reconfigure(): Promise<boolean> {
    return this.#options.server.reconfigure();
  }

  /** Ends our server, if it is ours that is in use. */
  async stop(): Promise<void> {
    this.#ending = true;
    try {
      this.#drop();
      await this.#options.server.stop();
      this.#set({ kind: "stopped" });
    } finally {
      this.#ending = false;
    }
  }

  #drop(): void {
    this.#current?.stream.dispose();
    this.#current = undefined;
  }

  #setFailed(error: unknown): void {
    const known = error instanceof OpenAgentError ? error : new OpenAgentError("internal", describeError(error));
    this.#set({ kind: "failed", code: known.code, message: known.message, detail: known.detail });
  }

  #set(state: EngineState): void {
    this.#state = state;
    this.#changed.fire(state);
  }

  dispose(): void {
    this.#ending = true;
    this.#drop();
    this.#lifetime.dispose();
  }
}

/** The version of a server; throws when it is none of ours to speak with. */
async function askHealth(connection: Connection): Promise<string> {
  let response: Response;
  try {
    response = await fetchFrom(connection)(new URL("/global/health", connection.url), {
      headers: { authorization: authorization(connection) },
      signal: AbortSignal.timeout(5_000),
    });
  } catch (error) {
    throw new OpenAgentError(
      "opencode_unreachable",
      `OpenCode at ${connection.url} cannot be reached: ${describeError(error)}`,
      { url: connection.url },
      error,
    );
  }
  if (response.status === 401)
    throw new OpenAgentError("opencode_unauthorized", `The OpenCode server ${connection.url} refused the password.`, {
      url: connection.url,
    });
  const answer: unknown = await response.json().catch(() => undefined);
  const version =
    typeof answer === "object" && answer !== null && "version" in answer ? String(answer.version) : undefined;
  if (version === undefined)
    throw new OpenAgentError("opencode_not_a_server", `${connection.url} is no OpenCode 1.x server.`, {
      url: connection.url,
    });
  if (!isSupported(version))
    throw new OpenAgentError(
      "opencode_unsupported",
      `OpenCode ${version} runs at ${connection.url}; Open Agent speaks with 1.18 or newer 1.x.`,
      { version, path: connection.url },
    );
  return version;
}

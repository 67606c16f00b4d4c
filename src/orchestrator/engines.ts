import { Emitter } from "../base/event.ts";
import { Lifetime, type Disposable } from "../base/lifetime.ts";
import type { Engine } from "../opencode/engine.ts";
import type { StreamSignal } from "../opencode/stream.ts";
import type { EngineState } from "../protocol/engineState.ts";
import { workspaceOfServer } from "../protocol/mission.ts";
import type { EngineHost } from "./engineHost.ts";

/** The server that the settings name, whichever that is. */
export const mainServer = "main";

/** Which server it is that a mission's head names: the main one, whatever its name, or one inside of a workspace. */
export function serverKey(server: string): string {
  return workspaceOfServer(server) === undefined ? mainServer : server;
}

/** What the host of a server tells. */
export interface HostOptions {
  onSignal: (signal: StreamSignal) => void;
  /** Our server ended without being asked to. */
  onServerDied: () => void;
}

export interface EnginesOptions {
  main: (options: HostOptions) => EngineHost;
  /** Throws `workspace_not_found`. */
  inside: (workspaceId: string, options: HostOptions) => EngineHost;
  /** `server`: `mainServer`, or as in the head of a mission that runs inside of a workspace. */
  onSignal: (signal: StreamSignal, server: string) => void;
  onDied: (server: string) => void;
}

export interface EngineNews {
  server: string;
  state: EngineState;
}

/**
 * The agent servers that missions run on: the main one, which the settings name, and one for each workspace whose
 * missions run inside of it. A mission's head names its server.
 */
export class Engines implements Disposable {
  readonly main: EngineHost;
  readonly #options: EnginesOptions;
  readonly #lifetime = new Lifetime();
  readonly #changed = this.#lifetime.add(new Emitter<EngineNews>());
  readonly #inside = new Map<string, EngineHost>();
  readonly onDidChange = this.#changed.event;

  constructor(options: EnginesOptions) {
    this.#options = options;
    this.main = this.#hear(mainServer, options.main);
  }

  #hear(server: string, make: (options: HostOptions) => EngineHost): EngineHost {
    const host = make({
      onSignal: (signal) => {
        this.#options.onSignal(signal, server);
      },
      onServerDied: () => {
        this.#options.onDied(server);
      },
    });
    this.#lifetime.add(host);
    host.onDidChange((state) => {
      this.#changed.fire({ server, state });
    });
    return host;
  }

  /** The engine of a mission's server, started if need be. */
  ensure(server: string): Promise<Engine> {
    return this.#hostOf(server).ensure();
  }

  #hostOf(server: string): EngineHost {
    const workspaceId = workspaceOfServer(server);
    if (workspaceId === undefined) return this.main;
    const known = this.#inside.get(server);
    if (known) return known;
    const host = this.#hear(server, (options) => this.#options.inside(workspaceId, options));
    this.#inside.set(server, host);
    return host;
  }

  /** The engine of a mission's server if its stream is open. */
  connected(server: string): Engine | undefined {
    return (workspaceOfServer(server) === undefined ? this.main : this.#inside.get(server))?.connected;
  }

  /** Writes anew what the servers are to know that run; gives those for which it has changed. */
  async reconfigure(): Promise<string[]> {
    const changed: string[] = [];
    for (const [server, host] of [[mainServer, this.main] as const, ...this.#inside])
      if (await host.reconfigure()) changed.push(server);
    return changed;
  }

  /** Resolves when no connection is being made. */
  async settled(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.settled()));
  }

  /** Ends the servers that are ours. */
  async stop(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.stop()));
  }

  /** Ends the server inside of a workspace, of an earlier leader too, and forgets it. */
  async drop(server: string): Promise<void> {
    const host = this.#hostOf(server);
    await host.stop();
    host.dispose();
    this.#inside.delete(server);
  }

  get #hosts(): EngineHost[] {
    return [this.main, ...this.#inside.values()];
  }

  dispose(): void {
    this.#lifetime.dispose();
  }
}

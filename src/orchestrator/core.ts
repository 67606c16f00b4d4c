import { Timer, sleep } from "../base/async.ts";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { Emitter } from "../base/event.ts";
import { privateFolder } from "../base/files.ts";
import { Lifetime, type Disposable } from "../base/lifetime.ts";
import type { Logger } from "../base/log.ts";
import { OpenCodeServer, serverLogPath } from "../opencode/server.ts";
import type { EngineState } from "../protocol/engineState.ts";
import type { EventBatch } from "../protocol/event.ts";
import type { MissionHead } from "../protocol/mission.ts";
import { tryLock } from "../store/lock.ts";
import { Store } from "../store/store.ts";
import { runCommand, type CommandInput, type CommandName, type CommandResult } from "./commands.ts";
import type { DataPaths } from "./dataFolder.ts";
import { dropSocket, readLeaderRecord, serveEndpoint, type Endpoint, type LeaderRecord } from "./endpoint.ts";
import { askLeader, hearTicks } from "./follower.ts";
import { Hub } from "./hub.ts";
import { Leader } from "./leader.ts";
import type { Tick } from "./wire.ts";

export interface CoreSettings {
  /** Absolute path of an OpenCode executable. */
  executable: string | undefined;
  /** URL of an OpenCode server to use in place of our own. */
  attachedUrl: string | undefined;
}

export interface CoreOptions {
  paths: DataPaths;
  /** Absolute path of better-sqlite3's `.node` file; its own search when undefined. */
  nativeBinding?: string;
  /** The guard plugin's file. */
  guard: string;
  /** Version of this build. */
  build: string;
  environment: NodeJS.ProcessEnv;
  /** Folders whose `node_modules` may hold the npm package of OpenCode. */
  packageFolders: readonly string[];
  ripgrepFolder?: string;
  settings: () => CoreSettings;
  /** Password of the attached server. */
  attachedPassword: () => Promise<string | undefined>;
  log: Logger;
  /** False: only reads, as in a window whose workspace is not trusted. */
  mayAct: () => boolean;
}

type Role =
  | { kind: "seeking" }
  | { kind: "leading"; leader: Leader; endpoint: Endpoint; lock: Disposable }
  | { kind: "following"; record: LeaderRecord; ticks: Disposable };

/** A mission has new events: up to `seq`, and here they are where this process made them. */
interface News {
  missionId: string;
  seq: number;
  batch?: EventBatch;
}

/** A leader greets at once; one that does not is not there. */
const followLimitMs = 2_000;
/** How long a command waits for a leader when there is none. */
const leaderLimitMs = 8_000;

/**
 * The missions as one process of the user sees them, whoever leads. Reads go to the store, wishes to the leader, which
 * is this process or another one; when the leader dies, another takes its place.
 */
export class Core {
  readonly store: Store;
  readonly paths: DataPaths;
  readonly #options: CoreOptions;
  readonly #lifetime = new Lifetime();
  readonly #headChanged = this.#lifetime.add(new Emitter<MissionHead>());
  readonly #removed = this.#lifetime.add(new Emitter<string>());
  readonly #engineChanged = this.#lifetime.add(new Emitter<EngineState>());
  readonly #fault = this.#lifetime.add(new Emitter<string | undefined>());
  readonly #reloaded = this.#lifetime.add(new Emitter<void>());
  readonly #news = this.#lifetime.add(new Emitter<News>());
  readonly #retry = this.#lifetime.add(new Timer());
  #role: Role = { kind: "seeking" };
  #engineState: EngineState = { kind: "stopped" };

  /** A mission is new, or something but its transcript has changed. */
  readonly onHead = this.#headChanged.event;
  readonly onRemoved = this.#removed.event;
  readonly onEngineState = this.#engineChanged.event;
  /** Events cannot be stored (why), or can again (undefined). */
  readonly onStoreFault = this.#fault.event;
  /** Anything may have changed: what is shown should be read anew. */
  readonly onReloaded = this.#reloaded.event;

  /** @throws OpenAgentError when the store cannot be opened */
  constructor(options: CoreOptions) {
    this.#options = options;
    this.paths = options.paths;
    privateFolder(options.paths.root);
    this.store = new Store({
      path: options.paths.database,
      ...(options.nativeBinding !== undefined && { nativeBinding: options.nativeBinding }),
    });
    void this.#seek();
  }

  get engineState(): EngineState {
    return this.#engineState;
  }

  get isLeading(): boolean {
    return this.#role.kind === "leading";
  }

  /**
   * Hears of every event of a mission after `fromSeq`, in order and without a hole, whoever leads. What a process
   * missed is read from the store.
   */
  watch(missionId: string, fromSeq: number, listener: (batch: EventBatch) => void): Disposable {
    let last = fromSeq;
    const take = (batch: EventBatch | undefined) => {
      if (!batch) return;
      last = batch.seq;
      listener(batch);
    };
    const lifetime = new Lifetime();
    lifetime.add(
      this.#news.event((news) => {
        if (news.missionId === missionId) take(this.#since(last, news));
      }),
    );
    lifetime.add(this.#reloaded.event(() => take(this.#since(last, { missionId, seq: Infinity }))));
    return lifetime;
  }

  /** Hears of every event of every mission from now on, each mission's in order and without a hole. */
  watchAll(listener: (batch: EventBatch) => void): Disposable {
    const start = this.store.lastSeqOfAll();
    const last = new Map<string, number>();
    return this.#news.event((news) => {
      const batch = this.#since(last.get(news.missionId) ?? start, news);
      if (!batch) return;
      last.set(news.missionId, batch.seq);
      listener(batch);
    });
  }

  /** What a reader that stands at `last` has to be told: the batch itself, or what the store holds since. */
  #since(last: number, { missionId, seq, batch }: News): EventBatch | undefined {
    if (seq <= last) return undefined;
    if (batch?.prev === last) return batch;
    const events = this.store.events(missionId, { after: last });
    const end = events.at(-1)?.seq;
    return end === undefined ? undefined : { missionId, prev: last, seq: end, events };
  }

  /**
   * Runs a command, here or at the leader. Throws OpenAgentError. A command whose delivery is unknown is not repeated:
   * that ends with `no_leader`.
   */
  async run<Name extends CommandName>(
    name: Name,
    input: CommandInput<Name>,
    signal?: AbortSignal,
  ): Promise<CommandResult<Name>> {
    if (!this.#options.mayAct())
      throw new OpenAgentError("untrusted", "This workspace is not trusted, so Open Agent runs nothing in it.");
    const limit = signal ?? this.#lifetime.signal;
    for (const end = Date.now() + leaderLimitMs; ;) {
      const role = this.#role;
      if (role.kind === "leading") return (await runCommand(role.leader, name, input, limit)) as CommandResult<Name>;
      if (role.kind === "following") {
        try {
          return (await askLeader(role.record, name, input, limit)) as CommandResult<Name>;
        } catch (error) {
          if (!(error instanceof OpenAgentError) || error.detail["delivered"] !== "no") throw error;
        }
      }
      if (Date.now() > end)
        throw new OpenAgentError("no_leader", "The process that runs the missions does not answer.");
      await sleep(50);
    }
  }

  /** Where our OpenCode server writes its log. */
  get serverLogPath(): string {
    return serverLogPath(this.paths.opencode);
  }

  /** To be called when `mayAct` has become true. */
  permissionChanged(): void {
    if (this.#role.kind === "seeking") void this.#seek();
  }

  // --- who leads ------------------------------------------------------------------------------------------------------

  async #seek(): Promise<void> {
    if (this.#lifetime.ended || this.#role.kind !== "seeking") return;
    try {
      const lock =
        this.#options.mayAct() && !this.store.newer ? tryLock(this.paths.lock, this.#options.nativeBinding) : undefined;
      if (lock) await this.#lead(lock);
      else await this.#follow();
    } catch (error) {
      this.#options.log.error(`No leader yet: ${describeError(error)}`);
    }
    if (this.#isSeeking) this.#retry.set(200 + Math.random() * 200, () => void this.#seek());
  }

  get #isSeeking(): boolean {
    return this.#role.kind === "seeking";
  }

  async #lead(lock: Disposable): Promise<void> {
    const { paths, log, build } = this.#options;
    dropSocket(readLeaderRecord(paths.leaderRecord));
    let endpoint: Endpoint | undefined;
    const leader = this.#newLeader((tick) => endpoint?.tell(tick));
    try {
      endpoint = await serveEndpoint({
        folder: paths.runtime,
        record: paths.leaderRecord,
        build,
        run: (name, input, signal) => runCommand(leader, name, input, signal),
        greeting: () => [{ kind: "engine", state: this.#engineState }],
        log,
      });
    } catch (error) {
      leader.dispose();
      lock.dispose();
      throw error;
    }
    this.#role = { kind: "leading", leader, endpoint, lock };
    this.#lifetime.add(
      leader.engineHost.onDidChange((state) => {
        this.#setEngineState(state);
        endpoint.tell({ kind: "engine", state });
      }),
    );
    log.info(`This process (${String(process.pid)}) runs the missions of ${paths.root}.`);
    this.#reloaded.fire();
    await leader.start();
  }

  #newLeader(tell: (tick: Tick) => void): Leader {
    const { paths, log, settings, environment, packageFolders, guard, ripgrepFolder } = this.#options;
    const hub = new Hub();
    this.#lifetime.add(
      hub.onPublished(({ batch, head }) => {
        const { missionId, seq } = batch;
        this.#news.fire({ missionId, seq, batch });
        if (head) this.#headChanged.fire(head);
        tell({ kind: "mission", missionId, seq, head: head !== undefined });
      }),
    );
    this.#lifetime.add(
      hub.onRemoved((missionId) => {
        this.#removed.fire(missionId);
        tell({ kind: "removed", missionId });
      }),
    );
    return new Leader({
      store: this.store,
      hub,
      log,
      server: (providers) =>
        new OpenCodeServer({
          folder: paths.opencode,
          record: paths.serverRecord,
          guard,
          ...(ripgrepFolder !== undefined && { ripgrepFolder }),
          providers,
          log,
          environment,
          packageFolders,
          configured: () => settings().executable,
        }),
      attachedUrl: () => settings().attachedUrl,
      attachment: async () => {
        const url = settings().attachedUrl;
        if (url === undefined) return undefined;
        return { url, username: "opencode", password: (await this.#options.attachedPassword()) ?? "" };
      },
      endpointsPath: paths.endpoints,
      onStoreFault: (error) => {
        this.#fault.fire(error?.message);
        tell({ kind: "storeFault", message: error?.message });
      },
    });
  }

  /** Resolves when the leader has answered, or has not in time. */
  async #follow(): Promise<void> {
    const record = readLeaderRecord(this.paths.leaderRecord);
    if (!record) return;
    const attempt = this.#lifetime.add(new Lifetime());
    await new Promise<void>((settled) => {
      const ticks = hearTicks(
        record,
        (tick) => {
          if (this.#role.kind === "seeking") {
            this.#role = { kind: "following", record, ticks };
            this.#reloaded.fire();
            settled();
          }
          this.#onTick(tick);
        },
        () => {
          settled();
          if (this.#role.kind !== "following" || this.#role.ticks !== ticks) return;
          this.#role = { kind: "seeking" };
          void this.#seek();
        },
      );
      attempt.add(ticks);
      setTimeout(settled, followLimitMs).unref();
    });
    if (this.#isSeeking) attempt.dispose();
  }

  #onTick(tick: Tick): void {
    switch (tick.kind) {
      case "mission":
        this.#news.fire({ missionId: tick.missionId, seq: tick.seq });
        if (tick.head) this.#headChanged.fire(this.store.head(tick.missionId));
        return;
      case "removed":
        this.#removed.fire(tick.missionId);
        return;
      case "engine":
        this.#setEngineState(tick.state);
        return;
      case "storeFault":
        this.#fault.fire(tick.message);
        return;
    }
  }

  #setEngineState(state: EngineState): void {
    this.#engineState = state;
    this.#engineChanged.fire(state);
  }

  /** Lets go. The server is left running when a mission is at work or another process may take over. */
  async dispose(): Promise<void> {
    const role = this.#role;
    this.#role = { kind: "seeking" };
    this.#lifetime.dispose();
    if (role.kind === "following") role.ticks.dispose();
    if (role.kind === "leading") {
      const needed = role.endpoint.followers > 0 || role.leader.isBusy;
      role.endpoint.dispose();
      if (!needed) await role.leader.engineHost.stop();
      role.leader.dispose();
      role.lock.dispose();
    }
    this.store.close();
  }
}

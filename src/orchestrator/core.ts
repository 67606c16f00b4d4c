import { mkdirSync } from "node:fs";
import { Timer, sleep } from "../base/async.ts";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { fields, text } from "../base/fields.ts";
import { Emitter } from "../base/event.ts";
import { Lifetime, type Disposable } from "../base/lifetime.ts";
import type { Logger } from "../base/log.ts";
import { serverLogPath } from "../opencode/server.ts";
import type { EngineState } from "../protocol/engineState.ts";
import type { EventBatch } from "../protocol/event.ts";
import type { MissionHead } from "../protocol/mission.ts";
import type { Workspace } from "../protocol/workspace.ts";
import { tryLock } from "../store/lock.ts";
import { Store } from "../store/store.ts";
import { createBackends, type BackendSettings } from "../workspace/backends.ts";
import { Registry } from "../workspace/registry.ts";
import { attachmentsFolder, keepAttachment } from "./attachments.ts";
import { compareBuilds } from "./build.ts";
import { changedPaths, turnOf, type ChangedPaths } from "./changes.ts";
import { runCommand, type CommandInput, type CommandName, type CommandResult } from "./commands.ts";
import type { DataPaths } from "./dataFolder.ts";
import { dropSocket, readLeaderRecord, serveEndpoint, type Endpoint, type LeaderRecord } from "./endpoint.ts";
import { askLeader, hearTicks, noLeadHere } from "./follower.ts";
import { mainServer, serverKey, type EngineNews } from "./engines.ts";
import type { CoreSettings } from "./coreSettings.ts";
import { Desktops } from "./desktops.ts";
import { configurationsOf, insideHost, mainHost } from "./hosts.ts";
import { Hub } from "./hub.ts";
import { Leader } from "./leader.ts";
import type { SecretStore } from "./secrets.ts";
import { placeInLine } from "./waitingMissions.ts";
import type { Tick } from "./wire.ts";
import { buildLogPath } from "./workspaces.ts";

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
  /** Where the file systems of containers come from and lie, when that is not what is usual. */
  containers?: Omit<BackendSettings, "data">;
  settings: () => CoreSettings;
  /** Password of the attached server. */
  attachedPassword: () => Promise<string | undefined>;
  /** Where the secrets of workspaces are kept. */
  secrets: SecretStore;
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
/** How long the one that handed over leaves the lock to the other. */
const handOverMs = 2_000;
/** Asked by one process of another, not by the user. */
const handOver = "handOver";
/** How long a command waits for a leader when there is none. */
const leaderLimitMs = 8_000;

/**
 * The missions as one process of the user sees them, whoever leads. Reads go to the store, wishes to the leader, which
 * is this process or another one; when the leader dies, another takes its place.
 */
export class Core {
  readonly store: Store;
  readonly paths: DataPaths;
  /** The graphical desktops of agents, which this process can look at whoever leads. */
  readonly desktops: Desktops;
  readonly #options: CoreOptions;
  readonly #lifetime = new Lifetime();
  readonly #headChanged = this.#lifetime.add(new Emitter<MissionHead>());
  readonly #removed = this.#lifetime.add(new Emitter<string>());
  readonly #engineChanged = this.#lifetime.add(new Emitter<EngineNews>());
  readonly #workspacesChanged = this.#lifetime.add(new Emitter<void>());
  readonly #fault = this.#lifetime.add(new Emitter<string | undefined>());
  readonly #reloaded = this.#lifetime.add(new Emitter<void>());
  readonly #news = this.#lifetime.add(new Emitter<News>());
  readonly #retry = this.#lifetime.add(new Timer());
  #role: Role = { kind: "seeking" };
  readonly #registry: Registry;
  readonly #engineStates = new Map<string, EngineState>([[mainServer, { kind: "stopped" }]]);

  /** A mission is new, or something but its transcript has changed. */
  readonly onHead = this.#headChanged.event;
  readonly onRemoved = this.#removed.event;
  readonly onEngineState = this.#engineChanged.event;
  readonly onWorkspaces = this.#workspacesChanged.event;
  /** Events cannot be stored (why), or can again (undefined). */
  readonly onStoreFault = this.#fault.event;
  /** Anything may have changed: what is shown should be read anew. */
  readonly onReloaded = this.#reloaded.event;

  /** @throws OpenAgentError when the store cannot be opened */
  constructor(options: CoreOptions) {
    this.#options = options;
    this.paths = options.paths;
    this.#registry = new Registry(options.paths.workspaces);
    // The folder may be one that the user named and has for other things too; the ones in it are ours.
    mkdirSync(options.paths.root, { recursive: true, mode: 0o700 });
    this.store = new Store({
      path: options.paths.database,
      ...(options.nativeBinding !== undefined && { nativeBinding: options.nativeBinding }),
    });
    this.desktops = new Desktops({
      folder: options.paths.desktops,
      store: this.store,
      library: () => this.libraryFolder,
      missions: options.paths.missions,
    });
    void this.#seek();
  }

  get engineState(): EngineState {
    return this.engineStateOf(mainServer);
  }

  /** The state of the agent server that the head of a mission names. */
  engineStateOf(server: string): EngineState {
    return this.#engineStates.get(serverKey(server)) ?? { kind: "stopped" };
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
    const take = (news: News) => {
      const batch = this.#since(last.get(news.missionId) ?? start, news);
      if (!batch) return;
      last.set(news.missionId, batch.seq);
      listener(batch);
    };
    const lifetime = new Lifetime();
    lifetime.add(this.#news.event(take));
    lifetime.add(
      this.#reloaded.event(() => {
        for (const missionId of this.store.missionsSince(start)) take({ missionId, seq: Infinity });
      }),
    );
    return lifetime;
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
    for (const end = Date.now() + (this.store.newer ? followLimitMs : leaderLimitMs); ;) {
      const role = this.#role;
      if (role.kind === "leading") return (await runCommand(role.leader, name, input, limit)) as CommandResult<Name>;
      if (role.kind === "following") {
        try {
          return (await askLeader(role.record, name, input, limit)) as CommandResult<Name>;
        } catch (error) {
          if (!(error instanceof OpenAgentError) || error.detail["delivered"] !== "no") throw error;
        }
      }
      if (Date.now() > end && this.store.newer) throw this.store.newerError;
      if (Date.now() > end)
        throw new OpenAgentError("no_leader", "The process that runs the missions does not answer.");
      await sleep(50);
    }
  }

  /** The files that a mission has changed, as far as the store knows. */
  changedPaths(missionId: string): ChangedPaths {
    return changedPaths(this.store, missionId);
  }

  /** The id of the user's message whose turn a message belongs to. */
  turnOf(missionId: string, messageId: string): string | undefined {
    return turnOf(this.store, this.store.head(missionId), messageId);
  }

  /** A mission's place among those that wait for others to end, from 1 on; undefined when it does not wait. */
  placeOf(missionId: string): number | undefined {
    return placeInLine(this.store, missionId);
  }

  /** To be called when a setting has changed. */
  settingsChanged(): void {
    if (this.#role.kind === "leading") this.#role.leader.settingsChanged();
  }

  /** The workspaces on record, and what is wrong with records that do not parse. */
  workspaces(): { workspaces: Workspace[]; problems: string[] } {
    return this.#registry.list();
  }

  /** The log of a workspace's latest build. */
  buildLogPath(workspaceId: string): string {
    return buildLogPath(this.paths.workspaces, workspaceId);
  }

  /** The folder of the Library, which need not be there. */
  get libraryFolder(): string {
    return this.#options.settings().library ?? this.paths.library;
  }

  attachmentsFolder(missionId: string): string {
    return attachmentsFolder(this.paths.missions, missionId);
  }

  /** Keeps a file that the user gives a mission; gives its path. Throws `attachment_unusable`. */
  keepAttachment(missionId: string, name: string, bytes: Uint8Array): string {
    return keepAttachment(this.paths.missions, this.store.head(missionId).id, name, bytes);
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
        run: (name, input, signal) =>
          name === handOver ? this.#handOver(input) : this.#runFor(leader, name, input, signal),
        greeting: () => [...this.#engineStates].map(([server, state]) => ({ kind: "engine", server, state })),
        log,
      });
    } catch (error) {
      leader.dispose();
      lock.dispose();
      throw error;
    }
    if (this.#lifetime.ended) {
      // It was closed in the meantime: nobody would let go of the lead any more.
      endpoint.dispose();
      leader.dispose();
      lock.dispose();
      return;
    }
    this.#role = { kind: "leading", leader, endpoint, lock };
    this.#lifetime.add(
      leader.engines.onDidChange((news) => {
        this.#setEngineState(news);
        endpoint.tell({ kind: "engine", ...news });
      }),
    );
    log.info(`This process (${String(process.pid)}) runs the missions of ${paths.root}.`);
    this.#reloaded.fire();
    await leader.start();
  }

  #newLeader(tell: (tick: Tick) => void): Leader {
    const { paths, log, settings } = this.#options;
    const configurations = configurationsOf(this.#options);
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
      configurations,
      desktops: {
        desktops: this.desktops,
        onChange: () => {
          this.desktops.tell();
          tell({ kind: "desktops" });
        },
      },
      mainHost: (hears) => mainHost(this.#options, configurations, hears),
      insideHost: (workspaces, id, hears) => insideHost(this.#options, { workspaces, configurations }, id, hears),
      workspaces: {
        registry: this.#registry,
        backends: createBackends({ data: paths.root, ...this.#options.containers }),
        folder: paths.workspaces,
        secrets: this.#options.secrets,
        worktrees: paths.worktrees,
        onChange: () => {
          this.#workspacesChanged.fire();
          tell({ kind: "workspaces" });
        },
      },
      settings,
      endpointsPath: paths.endpoints,
      missionsFolder: paths.missions,
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
            this.#claimLead(record);
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

  /** A newer build leads: it knows what an older one wrote, and not the other way round. */
  #claimLead(record: LeaderRecord): void {
    const { build, log, mayAct } = this.#options;
    if (!mayAct() || this.store.newer || compareBuilds(build, record.build) <= 0) return;
    askLeader(record, handOver, { build }, this.#lifetime.signal).catch((error: unknown) => {
      log.warn(`The older build ${record.build} goes on leading: ${describeError(error)}`);
    });
  }

  /** Lets the newer build that asks lead. Builds have a total order, so this never goes back and forth. */
  async #handOver(input: unknown): Promise<void> {
    const build = text(fields(input)["build"]);
    if (compareBuilds(build, this.#options.build) <= 0)
      throw new OpenAgentError("invalid_input", `Build ${build} is not newer.`);
    // A server that is being started is on record only then.
    if (this.#role.kind === "leading") await this.#role.leader.engines.settled();
    const role = this.#role;
    if (role.kind !== "leading") throw noLeadHere();
    this.#options.log.info(`The newer build ${build} runs the missions from here on.`);
    this.#role = { kind: "seeking" };
    role.leader.dispose();
    role.lock.dispose();
    // The one who asked hears of it first, and has the lock before this process seeks again.
    setTimeout(() => role.endpoint.dispose(), 50);
    this.#retry.set(handOverMs, () => void this.#seek());
  }

  /** Runs what another process asks, unless the lead was handed over in the meantime. */
  #runFor(leader: Leader, name: string, input: unknown, signal: AbortSignal): Promise<unknown> {
    if (this.#role.kind !== "leading" || this.#role.leader !== leader) return Promise.reject(noLeadHere());
    return runCommand(leader, name, input, signal);
  }

  #onTick(tick: Tick): void {
    switch (tick.kind) {
      case "mission":
        this.#news.fire({ missionId: tick.missionId, seq: tick.seq });
        // Unless it has been deleted since.
        if (tick.head && this.store.has(tick.missionId)) this.#headChanged.fire(this.store.head(tick.missionId));
        return;
      case "removed":
        this.#removed.fire(tick.missionId);
        return;
      case "engine":
        this.#setEngineState(tick);
        return;
      case "workspaces":
        this.#workspacesChanged.fire();
        return;
      case "desktops":
        this.desktops.tell();
        return;
      case "storeFault":
        this.#fault.fire(tick.message);
        return;
    }
  }

  #setEngineState({ server, state }: EngineNews): void {
    this.#engineStates.set(server, state);
    this.#engineChanged.fire({ server, state });
  }

  /** Lets go. The server is left running when a mission is at work or another process may take over. */
  async dispose(): Promise<void> {
    const role = this.#role;
    this.#role = { kind: "seeking" };
    this.#lifetime.dispose();
    if (role.kind === "following") role.ticks.dispose();
    if (role.kind === "leading") {
      const keeps = this.#options.settings().keepRunning ?? true;
      const needed = role.endpoint.followers > 0 || (keeps && role.leader.isBusy);
      role.endpoint.dispose();
      if (!needed) await role.leader.engines.stop();
      role.leader.dispose();
      role.lock.dispose();
    }
    this.desktops.dispose();
    this.store.close();
  }
}

import { randomUUID } from "node:crypto";
import { Sequence, Timer } from "../base/async.ts";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { Lifetime, type Disposable } from "../base/lifetime.ts";
import type { Logger } from "../base/log.ts";
import { WatchedFolders } from "../base/watchFolder.ts";
import { libraryVersion } from "../library/version.ts";
import type { Choices, Engine } from "../opencode/engine.ts";
import { parentOf, sessionOf, type RawEvent } from "../opencode/normalise.ts";
import type { StreamSignal } from "../opencode/stream.ts";
import type { EventBody } from "../protocol/event.ts";
import { isRunning, ownServer, serverInside, titleOf, type MissionHead } from "../protocol/mission.ts";
import type { PermissionMode } from "../protocol/permission.ts";
import type { Appended, Past, Store } from "../store/store.ts";
import { reportedChanges } from "./changes.ts";
import { dropAttachments } from "./attachments.ts";
import { readEndpoints, writeEndpoints, type Endpoint } from "./endpoints.ts";
import type { EngineHost } from "./engineHost.ts";
import { Engines, mainServer, serverKey, type HostOptions } from "./engines.ts";
import type { Hub } from "./hub.ts";
import { createdAs, placeFor, type NewMission } from "./missionPlace.ts";
import { chosenFor, lacksLimit, limitEvents } from "./models.ts";
import type { CoreSettings } from "./coreSettings.ts";
import type { Configurations } from "./configurations.ts";
import { DesktopKeeper, type DesktopKeeperOptions } from "./desktopKeeper.ts";
import { Directories } from "./directories.ts";
import { libraryTool } from "./outside.ts";
import { allowedBy } from "./permissions.ts";
import { MissionRunner } from "./missionRunner.ts";
import type { RunnerContext } from "./runnerContext.ts";
import { Upkeep } from "./upkeep.ts";
import { waitingMissions } from "./waitingMissions.ts";
import { Workspaces, type WorkspacesOptions } from "./workspaces.ts";

export interface LeaderOptions {
  store: Store;
  hub: Hub;
  log: Logger;
  /** The host of the server that the settings name. */
  mainHost: (options: HostOptions) => EngineHost;
  /** The host of the server inside of a workspace. */
  insideHost: (workspaces: Workspaces, workspaceId: string, options: HostOptions) => EngineHost;
  workspaces: Omit<WorkspacesOptions, "log">;
  configurations: Configurations;
  desktops: Pick<DesktopKeeperOptions, "desktops" | "onChange">;
  settings: () => CoreSettings;
  /** File of the endpoints that the user added. */
  endpointsPath: string;
  /** Holds a folder for each mission with files. */
  missionsFolder: string;
  /** Tells the user that events cannot be stored, and when they can again (undefined). */
  onStoreFault: (error: OpenAgentError | undefined) => void;
}

const storeRetryMs = 3_000;

/** The one process that drives missions: owns the agent server, takes in its events, sends what is queued. */
export class Leader implements Disposable {
  readonly engines: Engines;
  readonly workspaces: Workspaces;
  readonly desktops: DesktopKeeper;
  readonly #options: LeaderOptions;
  readonly #lifetime = new Lifetime();
  readonly #runners = new Map<string, MissionRunner>();
  readonly #directories = new Directories();
  readonly #syncing = new Sequence();
  /** Missions that run a turn or are about to. */
  readonly #admitted = new Set<string>();
  /** What agents are to know comes from these. */
  readonly #watched = this.#lifetime.add(new WatchedFolders(() => void this.sync()));
  readonly #storeRetry = this.#lifetime.add(new Timer());
  readonly #upkeep: Upkeep;
  readonly #context: RunnerContext;

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.#context = {
      store: options.store,
      log: options.log,
      translator: (head) => this.workspaces.secrets.translator(head),
      publish: (stored, before) => {
        this.#publish(stored, before);
      },
      ensureEngine: (server) => this.engines.ensure(server),
      connectedEngine: (server) => this.engines.connected(server),
      admit: (missionId) => this.#admit(missionId),
      release: (missionId) => {
        this.#release(missionId);
      },
      choose: (engine, head, message) =>
        chosenFor(head, message, this.configurations.agentSettings.byDefault, () =>
          this.choices(engine, head.directory),
        ),
      allowedBy: (request, head) =>
        allowedBy(request, head, options.store.rules(), this.#defaultMode(head, request.permission)),
      addRules: (rules) => rules.map((rule) => options.store.addRule(rule)),
      rulesChanged: () => {
        this.#weighRequests();
      },
      onStoreFault: (error) => {
        this.#storeFault(error);
      },
    };
    options.store.refresh();
    const { store, hub, log } = options;
    this.#upkeep = this.#lifetime.add(new Upkeep({ store, hub, log, isBusy: () => this.isBusy }));
    this.desktops = this.#lifetime.add(
      new DesktopKeeper({
        ...options.desktops,
        store,
        update: (missionId, bodies) => this.runner(missionId).update(bodies),
        records: () => options.settings().recordDesktops ?? true,
        log,
      }),
    );
    this.workspaces = this.#lifetime.add(new Workspaces({ ...options.workspaces, log: options.log }));
    this.engines = this.#lifetime.add(
      new Engines({
        main: options.mainHost,
        inside: (workspaceId, hears) => options.insideHost(this.workspaces, workspaceId, hears),
        onSignal: (signal, server) => {
          this.#onSignal(signal, server);
        },
        onDied: (server) => {
          void this.#revive(server);
        },
      }),
    );
  }

  /** Takes up what an earlier leader left: its server, and the missions that ran. */
  async start(): Promise<void> {
    if (this.#options.store.newer) return;
    this.#upkeep.start();
    this.desktops.start();
    this.workspaces.start().catch((error: unknown) => {
      this.#options.log.warn(`Worktrees could not be looked for: ${describeError(error)}`);
    });
    for (const { id } of this.#options.store.listRunning()) this.#admitted.add(id);
    const idle = this.#runningOn(mainServer).length === 0;
    await Promise.all([idle && this.#takeUp(mainServer, () => this.engines.main.adopt()), this.#takeUpRunning()]);
    this.#wakePending();
    if (this.#lifetime.ended) return;
    this.#followFolders();
  }

  get configurations(): Configurations {
    return this.#options.configurations;
  }

  /** Tells the servers that run what agents are to know by now; where missions are at work, once these rest. */
  sync(): Promise<void> {
    return this.#syncing.run(async () => {
      try {
        for (const server of await this.engines.reconfigure()) this.#directories.outdate(server);
        await this.#reloadOutdated();
      } catch (error) {
        this.#options.log.warn(`OpenCode was not told of the change: ${describeError(error)}`);
      }
    });
  }

  /** Connects the servers on which missions are at work. */
  async #takeUpRunning(): Promise<void> {
    const servers = new Set(this.#options.store.listRunning().map(({ server }) => serverKey(server)));
    await Promise.all([...servers].map((server) => this.#takeUp(server, () => this.engines.ensure(server))));
  }

  async #takeUp(server: string, connect: () => Promise<unknown>): Promise<void> {
    try {
      await connect();
    } catch (error) {
      if (this.#lifetime.ended) return;
      this.#options.log.warn(`OpenCode could not be taken up again: ${describeError(error)}`);
      for (const head of this.#runningOn(server)) this.#cutOff(head);
    }
  }

  /** The missions at work on a server. */
  #runningOn(server: string): MissionHead[] {
    return this.#options.store.listRunning().filter((head) => serverKey(head.server) === server);
  }

  /** The runners of missions on a server. */
  #runnersOn(server: string): MissionRunner[] {
    return [...this.#runners.values()].filter((runner) => serverKey(runner.head.server) === server);
  }

  #wakePending(): void {
    if (this.#lifetime.ended) return;
    for (const { id } of this.#options.store.listPending()) this.runner(id).wake();
  }

  // --- how many run at once -------------------------------------------------------------------------------------------

  get #maxParallel(): number {
    return this.#options.settings().maxParallelMissions ?? 4;
  }

  #admit(missionId: string): boolean {
    if (!this.#admitted.has(missionId) && this.#admitted.size >= this.#maxParallel) return false;
    this.#admitted.add(missionId);
    return true;
  }

  #release(missionId: string): void {
    if (this.#admitted.delete(missionId)) this.admitWaiting();
  }

  /** Wakes the missions that wait longest, as many as there is room for. */
  admitWaiting(): void {
    const room = this.#maxParallel - this.#admitted.size;
    for (const { id } of waitingMissions(this.#options.store).slice(0, Math.max(0, room))) {
      this.#admitted.add(id);
      this.runner(id).wake();
    }
  }

  /** Settings apply at once, also to what waits. */
  settingsChanged(): void {
    this.admitWaiting();
    this.#weighRequests();
    this.#followFolders();
  }

  /** Follows the Library and the user's MCP servers, wherever the settings say that they are. */
  #followFolders(): void {
    this.#watched.watch(this.configurations.folders);
    void this.sync();
  }

  // --- what is allowed without asking ----------------------------------------------------------------------------------

  revokeRule(ruleId: string): void {
    this.#options.store.removeRule(ruleId);
    this.#weighRequests();
  }

  #weighRequests(): void {
    for (const head of this.#options.store.listRunning())
      if (head.requests.length > 0) this.runner(head.id).requests.weighAgain();
  }

  /** Whether any mission is at work. */
  get isBusy(): boolean {
    return this.#options.store.listRunning().length > 0;
  }

  /** In a container the agent may do anything there, unless the user says otherwise for the mission. */
  #defaultMode({ workspaceId }: MissionHead, permission: string): PermissionMode {
    const inContainer = workspaceId !== undefined && this.workspaces.isContainer(workspaceId);
    return inContainer && permission !== libraryTool ? "allow-all" : (this.#options.settings().permissions ?? "ask");
  }

  // --- events -------------------------------------------------------------------------------------------------------

  #onSignal(signal: StreamSignal, server: string): void {
    if (signal.kind === "event") {
      this.#route(signal.event);
    } else if (signal.kind === "lost") {
      for (const runner of this.#runnersOn(server)) runner.lost();
    } else {
      for (const head of this.#runningOn(server)) this.runner(head.id);
      for (const runner of this.#runnersOn(server)) void runner.connected();
    }
  }

  /** Events carry their mission from here on. A session that is not ours, nor a child of ours, is none of our business. */
  #route(event: RawEvent): void {
    const sessionId = sessionOf(event);
    if (sessionId === undefined) return;
    const { store } = this.#options;
    const parentId = parentOf(event);
    const missionId =
      store.missionOfSession(sessionId) ?? (parentId === undefined ? undefined : store.missionOfSession(parentId));
    if (missionId !== undefined) this.runner(missionId).accept(event);
  }

  /** The mission's runner; made on first need. Throws `mission_not_found`. */
  runner(missionId: string): MissionRunner {
    const known = this.#runners.get(missionId);
    if (known) return known;
    const head = this.#options.store.head(missionId);
    this.#directories.note(head.server, head.directory);
    const runner = new MissionRunner(this.#context, head);
    this.#runners.set(missionId, runner);
    return runner;
  }

  /** A server ended by itself. Starts it again to see what it had finished; without it, whatever ran is cut off. */
  async #revive(server: string): Promise<void> {
    for (const runner of this.#runnersOn(server)) runner.lost();
    this.#directories.forget(server);
    if (this.#runningOn(server).length > 0) await this.#takeUp(server, () => this.engines.ensure(server));
  }

  /** Ends the server inside of a workspace, if there is one; the next mission starts it anew. */
  async endServerIn(workspaceId: string): Promise<void> {
    const server = serverInside(workspaceId);
    this.#directories.forget(server);
    await this.engines.drop(server);
  }

  #cutOff(head: MissionHead): void {
    this.runner(head.id).serverDied();
  }

  // --- storing --------------------------------------------------------------------------------------------------------

  #publish({ events, head, prev, seq }: Appended, before: MissionHead): void {
    if (events.length === 0) return;
    const batch = { missionId: head.id, prev, seq, events };
    this.#options.hub.publish({ batch, ...(head !== before && { head }) });
    this.desktops.accept(head.id, events);
    if (head.usedModel !== before.usedModel) void this.#noteLimit(head);
    if (isRunning(before) && !isRunning(head)) void this.#reloadOutdated();
    for (const { body } of events) if (body.type === "turn_ended") this.#noteChanges(head, body.messageId);
  }

  /** Where OpenCode keeps no snapshots, the reports of the tools tell what the turn has changed. */
  #noteChanges(head: MissionHead, messageId: string): void {
    const changes = reportedChanges(this.store, head, messageId);
    if (changes.length > 0) this.runner(head.id).update(changes);
  }

  /** Nothing is lost: OpenCode holds what could not be stored, and it is fetched when storing works again. */
  #storeFault(error: unknown): void {
    if (this.#storeRetry.pending || this.#lifetime.ended) return;
    const fault = error instanceof OpenAgentError ? error : new OpenAgentError("store_failed", describeError(error));
    this.#options.log.error(fault.message);
    this.#options.onStoreFault(fault);
    this.#storeRetry.set(storeRetryMs, () => {
      try {
        this.#options.store.probe();
      } catch (again) {
        this.#storeFault(again);
        return;
      }
      this.#options.onStoreFault(undefined);
      for (const runner of this.#runners.values()) void runner.connected();
      // A server that could not be started while the disk was full ended missions in a way that was not stored.
      void this.#takeUpRunning();
      this.#wakePending();
    });
  }

  // --- the user's wishes ------------------------------------------------------------------------------------------------

  get store(): Store {
    return this.#options.store;
  }

  /** In a workspace, the mission works in its folder, or in a folder inside of it. */
  async create({ text, ...input }: NewMission): Promise<MissionHead> {
    const library = await libraryVersion(this.configurations.library);
    const place = placeFor(input, this.workspaces, this.#serverId);
    const { id } = this.begin([createdAs({ title: titleOf(text), ...input }, place, library)]);
    if (text !== "") this.runner(id).send({ text });
    return this.store.head(id);
  }

  /** Stores a new mission with its first events. */
  begin(bodies: readonly EventBody[]): MissionHead {
    const missionId = randomUUID();
    const { store, hub } = this.#options;
    const { events, head, prev, seq } = store.create(missionId, bodies, Date.now());
    hub.publish({ batch: { missionId, prev, seq, events }, head });
    return head;
  }

  /** Stores a mission that was elsewhere before. */
  takeIn(missionId: string, parts: readonly Past[]): MissionHead {
    const { store, hub } = this.#options;
    const { events, head, prev, seq } = store.takeIn(missionId, parts);
    hub.publish({ batch: { missionId, prev, seq, events }, head });
    return head;
  }

  async remove(missionId: string): Promise<void> {
    const { store, hub } = this.#options;
    const head = store.head(missionId);
    if (isRunning(head))
      throw new OpenAgentError("mission_busy", "The mission is at work. Stop it first.", { missionId });
    this.#runners.get(missionId)?.dispose();
    this.#runners.delete(missionId);
    await this.desktops.endOf(missionId);
    // The files first: a mission that is still listed can be deleted again.
    dropAttachments(this.#options.missionsFolder, missionId);
    store.remove(missionId);
    hub.remove(missionId);
    this.#release(missionId);
    const engine = this.engines.connected(head.server);
    if (engine?.id !== head.server || head.sessionId === undefined) return;
    try {
      await engine.deleteSession({ sessionId: head.sessionId, directory: head.directory });
    } catch (error) {
      this.#options.log.warn(`OpenCode still holds session ${head.sessionId}: ${describeError(error)}`);
    }
  }

  /** The engine of a server, started if need be, for a question about a directory. */
  engineFor(directory: string, server = mainServer): Promise<Engine> {
    this.#directories.note(server, directory);
    return this.engines.ensure(server);
  }

  /** The engine that holds a mission's session, started if need be. */
  async engineOf({ server }: MissionHead): Promise<Engine> {
    const engine = await this.engines.ensure(server);
    if (engine.id === server) return engine;
    throw new OpenAgentError("opencode_unreachable", `This mission lives on another OpenCode server (${server}).`);
  }

  /** Agents and models for a directory, remembered until logins, the server or what it is to know change. */
  choices(engine: Engine, directory: string): Promise<Choices> {
    return this.#directories.choices(engine, directory);
  }

  /** Writes down how much the context of the mission's model holds, so that it is known without asking a server. */
  async #noteLimit(head: MissionHead): Promise<void> {
    const engine = this.engines.connected(head.server);
    if (!lacksLimit(head) || engine?.id !== head.server) return;
    try {
      const choices = await this.choices(engine, head.directory);
      const runner = this.#runners.get(head.id);
      if (runner) runner.update(limitEvents(runner.head, choices));
    } catch (error) {
      this.#options.log.warn(`The context limit of the mission's model is not known: ${describeError(error)}`);
    }
  }

  /** Ends with the leader. */
  get signal(): AbortSignal {
    return this.#lifetime.signal;
  }

  /** Whether an event of the same key is stored. */
  holds(missionId: string, body: EventBody): boolean {
    return this.#options.store.holds(missionId, body);
  }

  /** Logins have changed: OpenCode reads them only when a directory is opened, which must not cut off what runs there. */
  async loginsChanged(): Promise<void> {
    for (const server of this.#directories.servers) this.#directories.outdate(server);
    await this.#reloadOutdated();
  }

  async #reloadOutdated(): Promise<void> {
    for (const server of this.#directories.servers) {
      const engine = this.engines.connected(server);
      const busy = new Set(this.#runningOn(server).map(({ directory }) => directory));
      if (engine) await this.#directories.reload(server, engine, busy);
    }
  }

  endpoints(): Endpoint[] {
    return readEndpoints(this.#options.endpointsPath);
  }

  /** Adds, replaces or (undefined) removes an endpoint; the server must start anew to know it. */
  async setEndpoint(id: string, endpoint: Endpoint | undefined): Promise<void> {
    this.#requireIdle();
    const others = this.endpoints().filter((other) => other.id !== id);
    writeEndpoints(this.#options.endpointsPath, endpoint ? [...others, endpoint] : others);
    await this.restart();
  }

  /** Ends our server and starts it again. Whatever runs is interrupted. */
  async restart(): Promise<void> {
    for (const runner of this.#runnersOn(mainServer)) runner.lost();
    this.#directories.forget(mainServer);
    await this.engines.main.stop();
    try {
      await this.engines.main.ensure();
    } catch (error) {
      for (const head of this.#runningOn(mainServer)) this.#cutOff(head);
      throw error;
    }
  }

  #requireIdle(): void {
    if (this.isBusy)
      throw new OpenAgentError(
        "mission_busy",
        "OpenCode must start anew for this, and a mission is at work. Stop it or wait for it.",
      );
  }

  get #serverId(): string {
    return this.#options.settings().attachedUrl ?? ownServer;
  }

  dispose(): void {
    for (const runner of this.#runners.values()) runner.dispose();
    this.#lifetime.dispose();
  }
}

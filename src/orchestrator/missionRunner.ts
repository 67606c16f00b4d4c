import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { Sequence, Timer, sleep } from "../base/async.ts";
import { describeError, OpenAgentError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Engine, SessionRef, Translator } from "../opencode/engine.ts";
import { ascendingId } from "../opencode/ids.ts";
import type { RawEvent } from "../opencode/normalise.ts";
import { keyOf, type EngineEvent, type EventBody } from "../protocol/event.ts";
import {
  ownServer,
  type Failure,
  type MissionHead,
  type ModelRef,
  type Outcome,
  type PermissionReply,
  type PendingMessage,
} from "../protocol/mission.ts";
import type { Appended, Store } from "../store/store.ts";
import { Coalescer } from "./coalesce.ts";
import { missedEvents } from "./resync.ts";

/** What a runner needs of the leader. */
export interface RunnerContext {
  readonly store: Store;
  readonly log: Logger;
  translator(directory: string): Translator;
  /** Tells the others what was stored. */
  publish(stored: Appended, before: MissionHead): void;
  /** The engine, started if need be. */
  ensureEngine(): Promise<Engine>;
  /** The engine if its stream is open. */
  connectedEngine(): Engine | undefined;
  /** The model to use where the user chose none; throws `no_provider` when there is none. */
  defaultModel(engine: Engine, directory: string, agent: string | undefined): Promise<ModelRef | undefined>;
  /** Events could not be stored. The leader tries again and then asks for a resync. */
  onStoreFault(error: unknown): void;
}

/** Idle must last this long before a turn counts as over: OpenCode reports it early and twice. */
const quietMs = 500;
/** An error that nothing follows ends a turn. */
const errorQuietMs = 2_000;
/** A prompt that was taken may need this long until something is seen of it. */
const patienceMs = 10_000;
/** Without any sign for this long, the server is asked whether the turn still runs. Never aborts anything. */
const silenceCheckMs = 60_000;

/** Drives one mission: sends its messages, takes in its events, and notices the end of its turns. */
export class MissionRunner {
  readonly missionId: string;
  readonly #context: RunnerContext;
  readonly #translator: Translator;
  readonly #incoming: Coalescer;
  /** Sending, stopping and concluding do not overlap. */
  readonly #work = new Sequence();
  readonly #quiet = new Timer();
  readonly #patience = new Timer();
  readonly #silence = new Timer();
  readonly #resync = new Timer();
  #head: MissionHead;
  /** Keys of live events since a resync began: what REST says of them is older. */
  #touched: Set<string> | undefined;
  #turnError: Failure | undefined;
  #stopped = false;
  #disposed = false;
  /** How often events were lost on their way into the store since the server was last asked. */
  #lostEvents = 0;

  constructor(context: RunnerContext, head: MissionHead) {
    this.missionId = head.id;
    this.#context = context;
    this.#head = head;
    this.#translator = context.translator(head.directory);
    this.#translator.seed(context.store.snapshot(head.id, 20).view);
    this.#incoming = new Coalescer((events) => {
      this.#store(events);
    });
  }

  get head(): MissionHead {
    return this.#head;
  }

  /** Stores what has come so far, and nothing after that. */
  dispose(): void {
    this.#incoming.flush();
    this.#disposed = true;
    this.#stopWaiting();
    this.#resync.dispose();
  }

  // --- events of the server -------------------------------------------------------------------------------------

  /** Takes in a live event of one of the mission's sessions. */
  accept(raw: RawEvent): void {
    const { events, incomplete } = this.#translator.translate(raw, Date.now(), "live");
    for (const event of events) {
      const key = keyOf(event);
      if (key !== undefined) this.#touched?.add(key);
      this.#incoming.add(event);
      this.#observe(event);
    }
    if (incomplete && !this.#resync.pending)
      this.#resync.set(200, () => {
        void this.#later(() => this.#conclude());
      });
    this.#watchSilence();
  }

  /** The stream is open again: takes up what was missed. Resolves when that is done, or has failed. */
  connected(): Promise<void> {
    return this.#later(() => this.#conclude());
  }

  /** The stream is gone. */
  lost(): void {
    this.#stopWaiting();
    this.#translator.markGap();
  }

  /** The server is gone for good, and with it whatever ran. */
  serverDied(failure: Failure): void {
    void this.#later(() => {
      if (this.#head.turnMessageId !== undefined) this.#finish("interrupted", failure);
      return Promise.resolve();
    });
  }

  #observe(event: EngineEvent): void {
    if (!("sessionId" in event) || event.sessionId !== this.#head.sessionId) return;
    if (event.type !== "session") this.#patience.dispose();
    if (event.type === "session_state" && event.state === "idle") this.#settleIn(quietMs);
    else if (event.type === "session_state" || event.type === "retry") this.#quiet.dispose();
    else if (event.type === "error") {
      this.#turnError ??= event.error;
      if (!this.#quiet.pending) this.#settleIn(errorQuietMs);
    }
  }

  #stopWaiting(): void {
    this.#quiet.dispose();
    this.#patience.dispose();
    this.#silence.dispose();
  }

  #settleIn(ms: number): void {
    this.#quiet.set(ms, () => {
      void this.#later(() => this.#conclude());
    });
  }

  #watchSilence(): void {
    if (this.#head.turnMessageId === undefined) this.#silence.dispose();
    else
      this.#silence.set(silenceCheckMs, () => {
        void this.#later(() => this.#conclude());
      });
  }

  #store(events: readonly EventBody[]): void {
    if (this.#disposed) return;
    try {
      this.#record(...events);
    } catch (error) {
      this.#lostEvents++;
      this.#context.onStoreFault(error);
    }
  }

  /** Append first, publish second: when storing throws, nothing was published. */
  #record(...bodies: EventBody[]): void {
    const before = this.#head;
    const stored = this.#context.store.append(this.missionId, bodies, Date.now());
    // Whoever hears of it may at once ask something of this runner.
    this.#head = stored.head;
    this.#context.publish(stored, before);
  }

  /** Fetches what the server holds, stores what is missing, and ends the turn when the server says that it is over. */
  async #conclude(): Promise<void> {
    const engine = this.#context.connectedEngine();
    const session = this.#session;
    if (!engine || !session) return;
    this.#lostEvents = 0;
    const busy = await this.#fetch(engine, session);
    const turn = this.#head.turnMessageId;
    if (busy || this.#lostEvents > 0) {
      this.#watchSilence();
      return;
    }
    if (turn === undefined) {
      void this.#later(() => this.#sendNext());
      return;
    }
    const sending = this.#head.pending.find((message) => message.state === "sending");
    if (sending && !(await engine.holds(session, turn))) {
      await this.#hand(engine, session, sending);
      return;
    }
    if (sending) this.#record({ ...queued(sending), state: "sent" });
    this.#judge(turn);
  }

  /** The server is not at work on the turn. Decides how it ended, from what is stored. */
  #judge(turn: string): void {
    const { transcript } = this.#context.store.snapshot(this.missionId, 50).view;
    const answer = transcript.messages.findLast((message) => message.parentId === turn);
    const age = Date.now() - (this.#head.turnStartedAt ?? 0);
    if (!answer && !this.#turnError && !this.#stopped && age < patienceMs) {
      this.#settleIn(1_000);
      return;
    }
    const failure = answer ? answer.error : this.#turnError;
    if (this.#stopped || failure?.name === "MessageAbortedError") this.#finish("interrupted");
    else if (failure) this.#finish("failed", failure);
    else if (answer?.completedAt === undefined)
      this.#finish("interrupted", { name: "Interrupted", message: "OpenCode ended while the agent was at work." });
    else this.#finish("completed");
  }

  #finish(outcome: Outcome, failure?: Failure): void {
    this.#incoming.flush();
    const messageId = this.#head.turnMessageId;
    if (messageId === undefined) return;
    this.#stopWaiting();
    this.#turnError = undefined;
    this.#stopped = false;
    const sessionId = this.#head.sessionId;
    const end: EventBody = {
      type: "turn_ended",
      messageId,
      ...(sessionId !== undefined && { sessionId }),
      outcome,
      ...(failure && { failure }),
    };
    if (outcome === "completed") this.#record(end);
    else this.#record(end, { type: "mission_status_changed", status: outcome });
    void this.#later(() => this.#sendNext());
  }

  /** Stores what the server holds and we do not. Says whether the mission's own session is at work. */
  async #fetch(engine: Engine, session: SessionRef): Promise<boolean> {
    const touched = new Set<string>();
    this.#touched = touched;
    const { store } = this.#context;
    try {
      let since = this.#head.turnMessageId ?? store.lastMessageId(this.missionId, session.sessionId);
      let snapshot = await engine.snapshot(session, since);
      if (since !== undefined && this.#head.turnMessageId === undefined && !snapshot.messageIds.includes(since)) {
        // The newest message that we know was taken back; others before it may have been as well.
        since = undefined;
        snapshot = await engine.snapshot(session, since);
      }
      this.#incoming.flush();
      const now = Date.now();
      const translated = snapshot.events.flatMap((raw) => this.#translator.translate(raw, now, "rest").events);
      const stored = store.messageIds(this.missionId, session.sessionId, since);
      this.#store(missedEvents({ snapshot, translated, touched, head: this.#head, stored }));
      return snapshot.busy;
    } finally {
      this.#touched = undefined;
    }
  }

  // --- the user's wishes ------------------------------------------------------------------------------------------

  /** Puts a message at the end of the queue and sends it as soon as its turn comes. */
  send(message: { text: string; agent?: string; model?: ModelRef }): void {
    const bodies: EventBody[] = [{ type: "message_queued", queueId: randomUUID(), ...message, state: "queued" }];
    if (this.#head.status !== "active" && this.#head.status !== "pending")
      bodies.push({ type: "mission_status_changed", status: "active" });
    this.#record(...bodies);
    void this.#later(() => this.#sendNext());
  }

  /** Tries again to send what waits, after a launch that failed. */
  resume(): void {
    if (this.#head.status !== "active") this.#record({ type: "mission_status_changed", status: "active" });
    void this.#later(() => this.#sendNext());
  }

  /** Stops the turn that runs, or keeps the next message from being sent. */
  async stop(): Promise<void> {
    const session = this.#session;
    if (this.#head.turnMessageId === undefined || !session) {
      if (this.#head.pending.length > 0) this.#record({ type: "mission_status_changed", status: "interrupted" });
      return;
    }
    this.#stopped = true;
    const engine = await this.#context.ensureEngine();
    await engine.abort(session);
    this.#settleIn(errorQuietMs);
  }

  async answerPermission(requestId: string, reply: PermissionReply, reason: string | undefined): Promise<void> {
    await this.#answer(requestId, (engine) => engine.answerPermission(this.#head.directory, requestId, reply, reason));
  }

  /** `answers` undefined: the question is turned down. */
  async answerQuestion(requestId: string, answers: string[][] | undefined): Promise<void> {
    await this.#answer(requestId, (engine) => engine.answerQuestion(this.#head.directory, requestId, answers));
  }

  async #answer(requestId: string, give: (engine: Engine) => Promise<void>): Promise<void> {
    const request = this.#head.requests.find((open) => open.id === requestId);
    if (!request) throw new OpenAgentError("request_gone", "That request is answered already.", { requestId });
    try {
      await give(await this.#context.ensureEngine());
    } catch (error) {
      if (!(error instanceof OpenAgentError) || error.code !== "request_gone") throw error;
      this.#record({ type: "request_answered", sessionId: request.sessionId, requestId, answer: "gone" });
      throw new OpenAgentError("request_gone", "OpenCode waits for that answer no more.", { requestId }, error);
    }
  }

  update(bodies: readonly EventBody[]): void {
    this.#record(...bodies);
  }

  // --- sending ----------------------------------------------------------------------------------------------------

  async #sendNext(): Promise<void> {
    if (this.#head.turnMessageId !== undefined || this.#head.busy) return;
    if (this.#head.status !== "active" && this.#head.status !== "pending") return;
    const next = this.#head.pending[0];
    if (!next) return;
    try {
      if (this.#head.server === ownServer && !existsSync(this.#head.directory))
        throw new OpenAgentError("folder_missing", `The folder ${this.#head.directory} is gone.`, {
          path: this.#head.directory,
        });
      const engine = await this.#context.ensureEngine();
      if (engine.id !== this.#head.server)
        throw new OpenAgentError(
          "opencode_unreachable",
          `This mission lives on another OpenCode server (${this.#head.server}).`,
        );
      const agent = next.agent ?? this.#head.agent;
      const model =
        next.model ?? this.#head.model ?? (await this.#context.defaultModel(engine, this.#head.directory, agent));
      const session = this.#session ?? (await this.#open(engine));
      const ready = this.#begin(session, next, agent, model);
      if (ready) await this.#hand(engine, session, ready);
    } catch (error) {
      this.#launchFailed(error);
    }
  }

  #launchFailed(error: unknown): void {
    this.#context.log.warn(`Mission ${this.missionId}: ${describeError(error)}`);
    const name = error instanceof OpenAgentError ? error.code : "internal";
    const failure = { name, message: describeError(error) };
    this.#store([
      { type: "launch_failed", failure },
      { type: "mission_status_changed", status: "failed" },
    ]);
  }

  get #session(): SessionRef | undefined {
    const { sessionId, directory } = this.#head;
    return sessionId === undefined ? undefined : { sessionId, directory };
  }

  async #open(engine: Engine): Promise<SessionRef> {
    const { directory, title } = this.#head;
    const sessionId = await engine.createSession(directory, title, this.missionId);
    this.#record({ type: "mission_updated", sessionId });
    return { sessionId, directory };
  }

  /** The message becomes part of the transcript in the same transaction in which it leaves the queue. */
  #begin(session: SessionRef, next: PendingMessage, agent?: string, model?: ModelRef): PendingMessage | undefined {
    // It may have been taken back while the engine started.
    if (!this.#head.pending.some((message) => message.queueId === next.queueId)) return undefined;
    if (this.#head.status !== "active" && this.#head.status !== "pending") return undefined;
    const now = Date.now();
    const { sessionId } = session;
    const messageId = ascendingId("msg", now, this.#context.store.lastMessageId(this.missionId, sessionId));
    const partId = messageId.replace(/^msg/, "prt");
    this.#turnError = undefined;
    this.#stopped = false;
    const sending: PendingMessage = {
      ...next,
      ...(agent !== undefined && { agent }),
      ...(model && { model }),
      state: "sending",
      messageId,
    };
    this.#record(
      { ...queued(sending), state: "sending" },
      {
        type: "message",
        sessionId,
        messageId,
        role: "user",
        createdAt: now,
        ...(agent !== undefined && { agent }),
        ...(model && { model }),
      },
      { type: "user_message", sessionId, messageId, partId, text: next.text },
      ...(this.#head.status === "active" ? [] : [{ type: "mission_status_changed", status: "active" } as const]),
    );
    return sending;
  }

  /**
   * Hands a message over. It is never sent again blindly: when it is not known whether it arrived, the session is
   * looked at first, now or after the next connection (`#conclude`).
   */
  async #hand(engine: Engine, session: SessionRef, message: PendingMessage): Promise<void> {
    const { messageId, text, agent, model } = message;
    if (messageId === undefined) return;
    const prompt = {
      messageId,
      partId: messageId.replace(/^msg/, "prt"),
      text,
      ...(agent !== undefined && { agent }),
      ...(model && { model }),
    };
    try {
      await engine.prompt(session, prompt);
    } catch (error) {
      if (error instanceof OpenAgentError && error.code === "opencode_unreachable") {
        this.#context.log.warn(
          `Mission ${this.missionId}: it is not known whether a message arrived (${error.message}).`,
        );
        await sleep(1_000);
        this.#settleIn(quietMs);
        return;
      }
      const failure = {
        name: error instanceof OpenAgentError ? error.code : "internal",
        message: describeError(error),
      };
      this.#record({ ...queued(message), state: "removed" });
      this.#finish("failed", failure);
      return;
    }
    this.#record({ ...queued(message), state: "sent" });
    this.#watchSilence();
    this.#patience.set(patienceMs, () => {
      void this.#later(() => this.#conclude());
    });
  }

  #later(job: () => Promise<void>): Promise<void> {
    return this.#work.run(async () => {
      if (this.#disposed) return;
      try {
        await job();
      } catch (error) {
        this.#context.log.warn(`Mission ${this.missionId}: ${describeError(error)}`);
        if (error instanceof OpenAgentError && error.code.startsWith("store_")) this.#context.onStoreFault(error);
      }
    });
  }
}

function queued(message: PendingMessage) {
  const { queueId, text, agent, model, messageId } = message;
  return {
    type: "message_queued" as const,
    queueId,
    text,
    ...(agent !== undefined && { agent }),
    ...(model && { model }),
    ...(messageId !== undefined && { messageId }),
  };
}

import { randomUUID } from "node:crypto";
import { Sequence, Timer } from "../base/async.ts";
import { describeError, OpenAgentError } from "../base/errors.ts";
import type { Engine, SessionRef, Translator } from "../opencode/engine.ts";
import { nextMessageId } from "../opencode/ids.ts";
import type { RawEvent } from "../opencode/normalise.ts";
import { keyOf, type EngineEvent, type EventBody } from "../protocol/event.ts";
import {
  isOpen,
  nextMessage,
  type Failure,
  type MissionHead,
  type ModelRef,
  type Outcome,
  type PendingMessage,
} from "../protocol/mission.ts";
import { Coalescer } from "./coalesce.ts";
import * as delivery from "./delivery.ts";
import { cutOff, failureOf } from "./failures.ts";
import { added, first, held, inState, released, urged } from "./queue.ts";
import { RequestDesk } from "./requestDesk.ts";
import { fetchSnapshot, missedEvents } from "./resync.ts";
import type { RunnerContext } from "./runnerContext.ts";

/** Idle must last this long before a turn counts as over: OpenCode reports it early and twice. */
const quietMs = 500;
/** An error that nothing follows ends a turn. */
const errorQuietMs = 2_000;
/** Without any sign for this long, the server is asked whether the turn still runs. Never aborts anything. */
const silenceCheckMs = 60_000;

/** Drives one mission: sends its messages, takes in its events, and notices the end of its turns. */
export class MissionRunner {
  readonly missionId: string;
  /** Answers what the mission asks. */
  readonly requests: RequestDesk;
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
  /** When a message was last handed over; 0 when it is not known to have arrived. */
  #handedAt = 0;
  /** The request of a command, which is open until its turn is over. */
  #running: AbortController | undefined;
  #disposed = false;
  /** How often events were lost on their way into the store since the server was last asked. */
  #lostEvents = 0;

  constructor(context: RunnerContext, head: MissionHead) {
    this.missionId = head.id;
    this.#context = context;
    this.#head = head;
    this.#translator = context.translator(head);
    this.#translator.seed(context.store.snapshot(head.id, 20).view);
    this.#incoming = new Coalescer((events) => {
      this.#store(events);
    });
    this.requests = new RequestDesk({
      ...context,
      head: () => this.#head,
      stored: (key) => context.store.keyed(head.id, key),
      record: (...bodies) => this.#record(...bodies),
    });
  }

  get head(): MissionHead {
    return this.#head;
  }

  /** Stores what has come so far, and nothing after that. */
  dispose(): void {
    this.#incoming.flush();
    this.#disposed = true;
    this.#running?.abort();
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
      // What follows at once is known to be of this mission only by what is stored.
      if (event.type === "session" && event.parentId !== undefined) this.#incoming.flush();
    }
    if (incomplete && !this.#resync.pending)
      this.#resync.set(200, () => {
        void this.#later(() => this.#conclude());
      });
    this.#watchSilence();
  }

  /** The stream is open again: takes up what was missed. Resolves when that is done, or has failed. */
  connected(): Promise<void> {
    return this.#later(async () => {
      await this.#conclude();
      this.requests.weighAgain();
    });
  }

  /** The stream is gone. */
  lost(): void {
    this.#stopWaiting();
    this.#translator.markGap();
  }

  /** The server is gone for good, and with it whatever ran. */
  serverDied(): void {
    void this.#later(() => {
      const { turnMessageId, sessionId, busy } = this.#head;
      if (turnMessageId !== undefined) this.#finish("interrupted", cutOff);
      else if (busy && sessionId !== undefined) this.#record({ type: "session_state", sessionId, state: "idle" });
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
      const news = events.filter((event) => !delivery.isEcho(event));
      this.#record(...news, ...this.#confirmation(news));
    } catch (error) {
      this.#lostEvents++;
      this.#context.onStoreFault(error);
    }
  }

  /** The message that is being sent was seen at OpenCode. */
  #confirmation(events: readonly EventBody[]): EventBody[] {
    const sending = this.#sending;
    const seen = events.some((event) => event.type === "message" && event.messageId === sending?.messageId);
    if (!sending || !seen) return [];
    // A command that was stopped while OpenCode prepared it begins its turn nevertheless.
    if (this.#stopped && sending.command) void this.#later(() => this.#abort());
    return [inState(sending, "sent")];
  }

  get #sending(): PendingMessage | undefined {
    return this.#head.pending.find((message) => message.state === "sending");
  }

  /** Append first, publish second: when storing throws, nothing was published. */
  #record(...bodies: EventBody[]): void {
    if (bodies.length === 0 || this.#disposed) return;
    const before = this.#head;
    const weighed = bodies.map((body) => this.requests.weigh(body));
    const stored = this.#context.store.append(this.missionId, weighed, Date.now());
    // Whoever hears of it may at once ask something of this runner.
    this.#head = stored.head;
    this.#context.publish(stored, before);
    if (stored.head.requests !== before.requests) this.requests.answerAllowed();
  }

  /** Fetches what the server holds, stores what is missing, and ends the turn when the server says that it is over. */
  async #conclude(): Promise<void> {
    const engine = this.#context.connectedEngine(this.#head.server);
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
      this.wake();
      return;
    }
    const sending = this.#sending;
    if (sending && (!this.#stopped || this.#running) && !(await engine.holds(session, turn))) {
      if (this.#turnError) this.#takeBack(sending, this.#turnError);
      else await this.#handAgain(engine, session, sending);
      return;
    }
    this.#judge(turn);
  }

  /** The server is not at work on the turn. Decides how it ended, from what is stored. */
  #judge(turn: string): void {
    const { transcript } = this.#context.store.snapshot(this.missionId, 50).view;
    const end = delivery.endOfTurn(transcript, turn, {
      error: this.#turnError,
      stopped: this.#stopped,
      age: Date.now() - (this.#head.turnStartedAt ?? 0),
    });
    if (end) this.#finish(end.outcome, end.failure);
    else this.#settleIn(1_000);
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
    // The user's stop holds what waits. A turn that was cut off, or interrupted for another message, is followed by it.
    const goesOn = outcome === "completed" || (outcome === "interrupted" && nextMessage(this.#head) !== undefined);
    const sending = this.#sending;
    if (sending) this.#record(inState(sending, "sent"));
    if (goesOn) this.#record(end);
    else this.#record(end, { type: "mission_status_changed", status: outcome });
    this.#context.release(this.missionId);
    this.wake();
  }

  /** Stores what the server holds and we do not. Says whether the mission's own session is at work. */
  async #fetch(engine: Engine, session: SessionRef): Promise<boolean> {
    const touched = new Set<string>();
    this.#touched = touched;
    try {
      const { snapshot, stored } = await fetchSnapshot(engine, session, this.#head, this.#context.store);
      this.#incoming.flush();
      const now = Date.now();
      const translated = snapshot.events.flatMap((raw) => this.#translator.translate(raw, now, "rest").events);
      this.#store(missedEvents({ snapshot, translated, touched, head: this.#head, stored: stored() }));
      return snapshot.busy;
    } finally {
      this.#touched = undefined;
    }
  }

  // --- the user's wishes ------------------------------------------------------------------------------------------

  /** Puts a message at the end of the queue and sends it as soon as its turn comes. Returns its id in the queue. */
  send(message: Pick<PendingMessage, "text" | "agent" | "model" | "attachments" | "command">): string {
    const queueId = randomUUID();
    this.#record(added(this.#head, { queueId, ...message }, Date.now()), ...this.#opening());
    this.wake();
    return queueId;
  }

  /** Sends what waits or was held; where nothing does, asks the agent to go on. It is told the note before anything. */
  resume(note?: string): void {
    if (this.#head.pending.length === 0) {
      this.send({ text: note === undefined ? "Continue." : `Continue. ${note}` });
      return;
    }
    const told = note === undefined ? [] : [first(this.#head, randomUUID(), note)];
    this.#record(...told, ...released(this.#head), ...this.#opening());
    this.wake();
  }

  /** Interrupts the turn that runs for a message that waits. */
  async sendNow(queueId: string): Promise<void> {
    this.#record(...urged(this.#head, queueId), ...this.#opening());
    if (this.#head.turnMessageId === undefined) this.wake();
    else await this.#abort();
  }

  /** Stops the turn that runs. What waits is kept, and held until the user says what is to become of it. */
  async stop(): Promise<void> {
    this.#record(...held(this.#head));
    if (this.#head.busy) await this.#abort();
    else if (this.#head.pending.length > 0) {
      this.#record({ type: "mission_status_changed", status: "interrupted" }, ...this.#unwaiting());
      this.#context.release(this.missionId);
    }
  }

  async #abort(): Promise<void> {
    const session = this.#session;
    if (!session) return;
    this.#stopped = true;
    const engine = await this.#context.ensureEngine(this.#head.server);
    await engine.abort(session);
    this.#settleIn(errorQuietMs);
  }

  #opening(): EventBody[] {
    return isOpen(this.#head) ? [] : [{ type: "mission_status_changed", status: "active" }];
  }

  #unwaiting(): EventBody[] {
    return this.#head.waitingSince === undefined ? [] : [{ type: "mission_updated", waitingSince: null }];
  }

  update(bodies: readonly EventBody[]): void {
    this.#record(...bodies);
  }

  /** Runs a job while nothing is sent and no turn is concluded. */
  alone<T>(job: () => Promise<T>): Promise<T> {
    return this.#work.run(job);
  }

  // --- sending ----------------------------------------------------------------------------------------------------

  /** Sends the next message if the mission can take it. */
  wake(): void {
    void this.#later(() => this.#sendNext());
  }

  async #sendNext(): Promise<void> {
    if (this.#head.turnMessageId !== undefined || this.#head.busy) return;
    const next = isOpen(this.#head) ? nextMessage(this.#head) : undefined;
    if (!next) {
      this.#record(...this.#unwaiting());
      this.#context.release(this.missionId);
      return;
    }
    if (!this.#context.admit(this.missionId)) {
      if (this.#head.waitingSince === undefined) this.#record({ type: "mission_updated", waitingSince: Date.now() });
      return;
    }
    try {
      delivery.requireFolder(this.#head);
      const engine = await this.#context.ensureEngine(this.#head.server);
      await delivery.requireSendable(engine, this.#head, next);
      const { agent, model } = await this.#context.choose(engine, this.#head, next);
      const session = this.#session ?? (await this.#open(engine));
      const ready = this.#begin(session, next.queueId, agent, model);
      if (ready) await this.#hand(engine, session, ready);
      else this.wake();
    } catch (error) {
      this.#launchFailed(error);
    }
  }

  #launchFailed(error: unknown): void {
    this.#context.log.warn(`Mission ${this.missionId}: ${describeError(error)}`);
    this.#store([...delivery.notLaunched(failureOf(error)), ...this.#unwaiting()]);
    this.#context.release(this.missionId);
  }

  /** OpenCode reported an error in place of taking the message: it waits for the user again. */
  #takeBack(message: PendingMessage, failure: Failure): void {
    this.#stopWaiting();
    this.#turnError = undefined;
    this.#record(...delivery.takenBack(this.#head, message), ...delivery.notLaunched(failure));
    this.#context.release(this.missionId);
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
  #begin(session: SessionRef, queueId: string, agent?: string, model?: ModelRef): PendingMessage | undefined {
    const next = nextMessage(this.#head);
    // It may have been changed, moved or taken back while the engine started.
    if (this.#disposed || next?.queueId !== queueId || !isOpen(this.#head)) return undefined;
    const now = Date.now();
    const { sessionId } = session;
    const messageId = nextMessageId(sessionId, this.#context.store.lastMessageId(this.missionId, sessionId), now);
    this.#turnError = undefined;
    this.#stopped = false;
    const sending = delivery.beingSent(next, messageId, agent, model);
    this.#record(
      ...delivery.begun(sending, messageId, sessionId, now),
      ...(this.#head.status === "active" ? [] : [{ type: "mission_status_changed", status: "active" } as const]),
    );
    return sending;
  }

  /**
   * Hands a message over. It is never sent again blindly: when it is not known whether it arrived, the session is
   * looked at first, now or after the next connection (`#conclude`).
   */
  async #hand(engine: Engine, session: SessionRef, message: PendingMessage): Promise<void> {
    const prompt = delivery.promptOf(message);
    if (!prompt || this.#disposed) return;
    this.#handedAt = Date.now();
    const request = new AbortController();
    const handed = engine.prompt(session, prompt, request.signal);
    const over = () => {
      if (this.#running === request) this.#running = undefined;
    };
    // A command is answered when its turn is over, which nothing here may wait for.
    if (message.command) {
      this.#running = request;
      handed.then(over, (error: unknown) => {
        over();
        void this.#later(() => this.#handFailed(message, error));
      });
    } else await handed.catch((error: unknown) => this.#handFailed(message, error));
    this.#watchSilence();
    this.#patience.set(delivery.patienceMs, () => {
      void this.#later(() => this.#conclude());
    });
  }

  #handFailed(message: PendingMessage, error: unknown): Promise<void> {
    if (this.#sending?.messageId !== message.messageId) return Promise.resolve();
    if (error instanceof OpenAgentError && error.code === "opencode_unreachable") {
      const words = "it is not known whether a message arrived";
      this.#context.log.warn(`Mission ${this.missionId}: ${words} (${error.message}).`);
      this.#handedAt = 0;
      this.#settleIn(1_000 + quietMs);
    } else {
      this.#record(inState(message, "removed"));
      this.#finish("failed", this.#turnError ?? failureOf(error));
    }
    return Promise.resolve();
  }

  /** OpenCode does not hold the message that is being sent. */
  async #handAgain(engine: Engine, session: SessionRef, message: PendingMessage): Promise<void> {
    const facts = { open: this.#running !== undefined, handedAt: this.#handedAt, begunAt: this.#head.turnStartedAt };
    const step = await delivery.whenNotHeld(engine, session, message, facts);
    if (step === "wait") this.#settleIn(1_000);
    else if (step === "again") await this.#hand(engine, session, message);
    else this.#finish("interrupted", delivery.unknownDelivery);
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

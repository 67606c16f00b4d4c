import { randomUUID } from "node:crypto";
import { describeError, OpenAgentError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Engine } from "../opencode/engine.ts";
import type { EventBody } from "../protocol/event.ts";
import type { MissionHead, PermissionReply, PermissionRequest, UserRequest } from "../protocol/mission.ts";
import { alwaysChoices, type AllowedBy, type PermissionRule, type RuleScope } from "../protocol/permission.ts";
import { byRules } from "./permissions.ts";

/** What the desk needs of the mission that it serves. */
export interface DeskContext {
  readonly log: Logger;
  head(): MissionHead;
  /** Stores and publishes. */
  record(...bodies: EventBody[]): void;
  /** What is stored of the mission under a key. */
  stored(key: string): EventBody | undefined;
  ensureEngine(server: string): Promise<Engine>;
  allowedBy(request: PermissionRequest, head: MissionHead): AllowedBy | undefined;
  /** Keeps rules; returns those that say the same already in their place. */
  addRules(rules: readonly PermissionRule[]): PermissionRule[];
  /** Weighs whatever waits, in all missions. */
  rulesChanged(): void;
}

/** An answer to a permission request. What is allowed `always` is what OpenCode offers, for this mission, by default. */
export interface PermissionAnswer {
  reply: PermissionReply;
  reason?: string;
  patterns?: readonly string[];
  scope?: RuleScope;
}

/**
 * Gives the answers to what a mission asks: the user's, and those that his rules give in his stead. OpenCode itself is
 * never told "always": it would hold that for every session until it is restarted, and it could not be revoked.
 */
export class RequestDesk {
  readonly #context: DeskContext;
  /** Requests whose answer is on its way. */
  readonly #answering = new Set<string>();
  /** Requests that could not be answered so, and are the user's until OpenCode is connected anew. */
  readonly #left = new Set<string>();

  constructor(context: DeskContext) {
    this.#context = context;
  }

  /** Notes in a request that is about to be stored whether the user need be asked. */
  weigh(body: EventBody): EventBody {
    if (body.type !== "permission_asked" || body.request.kind !== "permission") return body;
    // A request that is over is still told of by the server, and must not come back for being weighed otherwise.
    if (!this.#find(body.request.id)) {
      const stored = this.#context.stored(`request:${body.request.id}`);
      if (stored) return stored;
    }
    const { allowedBy: _, ...request } = body.request;
    const by = this.#left.has(request.id) ? undefined : this.#context.allowedBy(request, this.#context.head());
    return { ...body, request: by ? { ...request, allowedBy: by } : request };
  }

  /** Weighs what waits once more, since rules, the mode or the connection are not what they were. */
  weighAgain(): void {
    this.#left.clear();
    const waiting = this.#context.head().requests.filter(isPermission);
    this.#context.record(...waiting.filter(({ id }) => !this.#answering.has(id)).map(asked));
    this.answerAllowed();
  }

  /** Gives the answers for which nobody need be asked. */
  answerAllowed(): void {
    for (const request of this.#context.head().requests.filter(isPermission))
      if (request.allowedBy && !this.#answering.has(request.id)) void this.#allow(request, request.allowedBy);
  }

  async #allow(request: PermissionRequest, by: AllowedBy): Promise<void> {
    try {
      await this.#give(request, (engine, directory) => engine.answerPermission(directory, request.id, "once"));
      this.#context.record(allowed(request, "once", by));
    } catch (error) {
      if (error instanceof OpenAgentError && error.code === "request_gone") return;
      this.#context.log.warn(`Request ${request.id} is left to the user: ${describeError(error)}`);
      this.#left.add(request.id);
      if (this.#find(request.id)) this.#context.record(asked(request));
    }
  }

  async answerPermission(requestId: string, answer: PermissionAnswer): Promise<void> {
    const request = this.#require(requestId);
    if (request.kind !== "permission") throw new OpenAgentError("invalid_input", "That request is a question.");
    const rules = answer.reply === "always" ? this.#rules(request, answer) : [];
    const reply = answer.reply === "always" ? "once" : answer.reply;
    await this.#give(request, (engine, directory) =>
      engine.answerPermission(directory, requestId, reply, answer.reason),
    );
    if (rules.length === 0) return;
    const kept = this.#context.addRules(rules);
    this.#context.record(allowed(request, "always", byRules(kept)));
    this.#context.rulesChanged();
  }

  /** `answers` undefined: the question is turned down. */
  async answerQuestion(requestId: string, answers: string[][] | undefined): Promise<void> {
    await this.#give(this.#require(requestId), (engine, directory) =>
      engine.answerQuestion(directory, requestId, answers),
    );
  }

  #rules(request: PermissionRequest, { patterns, scope = "mission" }: PermissionAnswer) {
    const choices = alwaysChoices(request);
    const [offered, chosen] = [choices.flat(), patterns ?? choices[0] ?? []];
    const other = chosen.find((pattern) => !offered.includes(pattern));
    if (other !== undefined || chosen.length === 0)
      throw new OpenAgentError("invalid_input", `That request offers no rule “${other ?? ""}”.`);
    const { id, directory } = this.#context.head();
    return [...new Set(chosen)].map((pattern): PermissionRule => ({
      id: randomUUID(),
      scope,
      ...(scope === "mission" && { missionId: id }),
      ...(scope === "workspace" && { directory }),
      permission: request.permission,
      pattern,
      createdAt: Date.now(),
    }));
  }

  async #give(request: UserRequest, give: (engine: Engine, directory: string) => Promise<void>): Promise<void> {
    const { id: requestId, sessionId } = request;
    this.#answering.add(requestId);
    try {
      const { server, directory } = this.#context.head();
      await give(await this.#context.ensureEngine(server), directory);
    } catch (error) {
      if (!(error instanceof OpenAgentError) || error.code !== "request_gone") throw error;
      if (this.#find(requestId))
        this.#context.record({ type: "request_answered", sessionId, requestId, answer: "gone" });
      throw new OpenAgentError("request_gone", "OpenCode waits for that answer no more.", { requestId }, error);
    } finally {
      this.#answering.delete(requestId);
    }
  }

  #find(requestId: string): UserRequest | undefined {
    return this.#context.head().requests.find((open) => open.id === requestId);
  }

  #require(requestId: string): UserRequest {
    const request = this.#find(requestId);
    if (!request) throw new OpenAgentError("request_gone", "That request is answered already.", { requestId });
    return request;
  }
}

function isPermission(request: UserRequest): request is PermissionRequest {
  return request.kind === "permission";
}

function asked(request: PermissionRequest): EventBody {
  return { type: "permission_asked", sessionId: request.sessionId, request };
}

function allowed(request: PermissionRequest, answer: "once" | "always", by: AllowedBy): EventBody {
  const { id: requestId, sessionId, call } = request;
  return { type: "request_answered", sessionId, requestId, answer, allowedBy: by, ...(call && { call }) };
}

import { EventSource } from "eventsource";
import { Backoff, Timer } from "../base/async.ts";
import { describeError } from "../base/errors.ts";
import { Lifetime, type Disposable } from "../base/lifetime.ts";
import { fields, text } from "../base/fields.ts";
import type { RawEvent } from "./normalise.ts";
import { authorization, fetchFrom, type Connection } from "./connection.ts";

export type StreamSignal =
  /** The stream is open; what happened before must be fetched by REST. */
  | { kind: "connected" }
  | { kind: "event"; event: RawEvent }
  /** The stream is gone; another attempt follows after `retryInMs`. */
  | { kind: "lost"; reason: string; status?: number; retryInMs: number };

export interface StreamOptions {
  connection: Connection;
  onSignal: (signal: StreamSignal) => void;
  /** For tests of faults; the defaults are the product's. */
  headerLimitMs?: number;
  silenceLimitMs?: number;
  firstRetryMs?: number;
}

/**
 * OpenCode's stream of all directories' events, kept open until disposed. The only limits are on the connection: its
 * headers must come within 5 s, and a heartbeat comes every 10 s, so 25 s without a byte mean that it is dead.
 *
 * `/global/event` is used since it survives the disposal of a directory's instance and a directory whose configuration
 * does not parse. It sends every durable event twice; the second form (`sync`) is skipped.
 */
export function openStream(options: StreamOptions): Disposable {
  const lifetime = new Lifetime();
  const backoff = new Backoff(options.firstRetryMs ?? 250, 30_000);
  const retry = lifetime.add(new Timer());
  const seen = new RecentIds(4096);
  let current: Disposable | undefined;
  lifetime.add({ dispose: () => current?.dispose() });

  const connect = () => {
    const attempt = new Lifetime();
    current = attempt;
    let over = false;
    const lose = (reason: string, status?: number) => {
      if (over || lifetime.ended) return;
      over = true;
      attempt.dispose();
      const retryInMs = backoff.next();
      options.onSignal({ kind: "lost", reason, retryInMs, ...(status !== undefined && { status }) });
      retry.set(retryInMs, connect);
    };
    const silence = attempt.add(new Timer());
    const heard = () => {
      const limit = options.silenceLimitMs ?? 25_000;
      silence.set(limit, () => {
        lose(`nothing was heard for ${String(limit / 1000)} s`);
      });
    };
    const source = new EventSource(new URL("/global/event", options.connection.url), {
      fetch: (url, init) => fetchStream(url, init, { ...options, onBytes: heard }),
    });
    attempt.add({
      dispose: () => {
        source.close();
      },
    });
    source.onerror = (event) => {
      lose(event.message ?? "the connection ended", event.code);
    };
    source.onmessage = (message) => {
      if (over) return;
      const event = parseEvent(message.data);
      if (!event) return;
      if (event.type === "server.connected") {
        options.onSignal({ kind: "connected" });
        return;
      }
      backoff.reset();
      if (event.type !== "server.heartbeat" && seen.isNew(event.id)) options.onSignal({ kind: "event", event });
    };
  };

  connect();
  return lifetime;
}

interface FetchInit {
  headers: Record<string, string>;
  signal: AbortSignal;
}

/**
 * `fetch` for `eventsource`. It aborts with an `Error` of its own: an abort without a reason is taken for the caller's
 * wish, and the source would never say that it failed.
 */
async function fetchStream(
  url: string | URL,
  init: FetchInit,
  options: StreamOptions & { onBytes: () => void },
): Promise<Response> {
  const late = new AbortController();
  const limit = options.headerLimitMs ?? 5_000;
  const timer = setTimeout(() => {
    late.abort(new Error(`no answer within ${String(limit / 1000)} s`));
  }, limit);
  try {
    const response = await fetchFrom(options.connection)(url, {
      ...init,
      headers: { ...init.headers, authorization: authorization(options.connection) },
      signal: AbortSignal.any([init.signal, late.signal]),
    });
    if (!response.body) return response;
    options.onBytes();
    const watched = response.body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          options.onBytes();
          controller.enqueue(chunk);
        },
      }),
    );
    return new Response(watched, { status: response.status, headers: response.headers });
  } catch (error) {
    throw new Error(describeError(error), { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** Undefined for what is no event: the durable twin of one, or garbage. */
function parseEvent(data: unknown): RawEvent | undefined {
  try {
    const envelope = fields(JSON.parse(String(data)));
    const payload = fields(envelope["payload"] ?? envelope);
    const type = text(payload["type"]);
    if (type === "" || type === "sync") return undefined;
    return { id: text(payload["id"]), type, properties: fields(payload["properties"]) };
  } catch {
    // The next full part or the next resync brings what a broken line held.
    return undefined;
  }
}

/** Remembers the newest ids, to drop an event that is sent twice. */
class RecentIds {
  readonly #ids = new Set<string>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  isNew(id: string): boolean {
    if (id === "") return true;
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    if (this.#ids.size > this.#limit) {
      const [oldest] = this.#ids;
      if (oldest !== undefined) this.#ids.delete(oldest);
    }
    return true;
  }
}

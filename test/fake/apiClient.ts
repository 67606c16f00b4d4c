import assert from "node:assert/strict";
import { sleep, waitUntil } from "../../src/base/async.ts";

/** A mission as the API gives it, as far as tests look into it. */
export interface Mission extends Record<string, unknown> {
  id: string;
  status: string;
  title: string;
  history: { role: string; content: string }[];
}

export interface Stored {
  sequence: number;
  event_type: string;
  content: string;
}

/** A frame of a stream. */
export interface Frame {
  event: string;
  data: Record<string, unknown> & { type?: string; content?: string; mission_id?: string; state?: string };
}

export interface Listening {
  frames: Frame[];
  /** Resolves when the server ends the stream. */
  over: Promise<void>;
  /** Waits until the frames fit; fails with what they were. */
  until: (fits: (frames: Frame[]) => boolean) => Promise<void>;
  leave: () => void;
}

/** A client of the HTTP API that knows the token. */
export function apiClient(url: string, token: string) {
  const headers = { authorization: `Bearer ${token}` };

  /** Posts where there is a body; a text goes as it is. */
  async function ask(path: string, body?: unknown): Promise<{ status: number; json: unknown }> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const response = await fetch(`${url}${path}`, {
      ...(body !== undefined && { method: "POST", body: text }),
      headers,
    });
    return { status: response.status, json: await response.json() };
  }

  async function get<T>(path: string, body?: unknown): Promise<T> {
    const { status, json } = await ask(path, body);
    assert.equal(status, 200, JSON.stringify(json));
    return json as T;
  }

  async function listen(path = "/api/control/stream"): Promise<Listening> {
    const gone = new AbortController();
    const response = await fetch(`${url}${path}`, { headers, signal: gone.signal });
    assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
    const frames: Frame[] = [];
    const read = async () => {
      let rest = "";
      for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        rest += text;
        for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
          const [, event, data] = /^event: ([^\n]*)\ndata: ([^\n]*)$/.exec(rest.slice(0, end)) ?? [];
          rest = rest.slice(end + 2);
          if (event !== undefined) frames.push({ event, data: JSON.parse(data ?? "") as Frame["data"] });
        }
      }
    };
    const over = read().catch((error: unknown) => {
      if (!gone.signal.aborted) throw error;
    });
    const until = async (fits: (all: Frame[]) => boolean) => {
      await waitUntil(() => fits(frames), 60_000, 10);
      assert.ok(fits(frames), JSON.stringify(frames.map(({ data }) => data)).slice(0, 4_000));
    };
    return { frames, over, until, leave: () => gone.abort() };
  }

  const events = (id: string, query = "") => get<Stored[]>(`/api/control/missions/${id}/events${query}`);

  return {
    url,
    headers,
    ask,
    get,
    listen,
    events,
    create: (body: object = {}) => get<Mission>("/api/control/missions", body),
    mission: (id: string) => get<Mission>(`/api/control/missions/${id}`),
    send: (id: string, content: string) =>
      get<{ id: string; queued: boolean }>("/api/control/message", { content, mission_id: id }),
    untilEnded: async (id: string): Promise<void> => {
      const end = Date.now() + 60_000;
      while ((await events(id, "?types=turn_ended")).length === 0) {
        assert.ok(Date.now() < end, `Mission ${id} did not end.`);
        await sleep(50);
      }
    },
  };
}

import { request } from "node:http";
import { OpenAgentError, systemCode } from "../base/errors.ts";
import { Lifetime, type Disposable } from "../base/lifetime.ts";
import type { LeaderRecord } from "./endpoint.ts";
import { fromWire, type Tick, type WireError } from "./wire.ts";

/** Asks the leader to run a command. Throws the leader's OpenAgentError, or `no_leader` when it cannot be reached. */
export function askLeader(leader: LeaderRecord, name: string, input: unknown, signal: AbortSignal): Promise<unknown> {
  const body = JSON.stringify(input);
  return new Promise((resolve, reject) => {
    const call = request(
      {
        socketPath: leader.socket,
        method: "POST",
        path: `/command/${encodeURIComponent(name)}`,
        headers: {
          authorization: `Bearer ${leader.token}`,
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
        },
        signal,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", (error) => {
          reject(noLeader(error));
        });
        response.on("end", () => {
          try {
            const answer = JSON.parse(Buffer.concat(chunks).toString("utf8")) as {
              result?: unknown;
              error?: WireError;
            };
            if (answer.error) reject(fromWire(answer.error));
            else resolve(answer.result);
          } catch (error) {
            reject(noLeader(error));
          }
        });
      },
    );
    call.on("error", (error) => {
      reject(noLeader(error));
    });
    call.end(body);
  });
}

/** `delivered: "no"` in the detail: the leader has not got the request, so another one may be asked. */
function noLeader(cause: unknown): OpenAgentError {
  const delivered = ["ECONNREFUSED", "ENOENT"].includes(systemCode(cause) ?? "") ? "no" : "unknown";
  return new OpenAgentError("no_leader", "The process that runs the missions cannot be reached.", { delivered }, cause);
}

/** Hears the leader's ticks until disposed; `onEnd` is called once when the leader is gone. */
export function hearTicks(leader: LeaderRecord, onTick: (tick: Tick) => void, onEnd: () => void): Disposable {
  const lifetime = new Lifetime();
  const end = () => {
    if (lifetime.ended) return;
    lifetime.dispose();
    onEnd();
  };
  const call = request(
    {
      socketPath: leader.socket,
      path: "/ticks",
      headers: { authorization: `Bearer ${leader.token}` },
      signal: lifetime.signal,
    },
    (response) => {
      if (response.statusCode !== 200) {
        end();
        return;
      }
      let rest = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) onTick(JSON.parse(line) as Tick);
      });
      response.on("close", end);
      response.on("error", end);
    },
  );
  call.on("error", end);
  call.end();
  return lifetime;
}

/** Nothing was done: whoever asked may ask the next leader. */
export function noLeadHere(): OpenAgentError {
  return new OpenAgentError("no_leader", "Another process runs the missions now.", { delivered: "no" });
}

import { readFileSync } from "node:fs";
import { fields, number, text } from "../../src/base/fields.ts";
import { parentOf, sessionOf, type RawEvent } from "../../src/opencode/normalise.ts";

/** One event of a recorded stream. */
export interface Recorded {
  event: RawEvent;
  time: number;
  sessionId: string | undefined;
}

/** Reads a recording: one JSON line an event, with or without the envelope of the stream that it came on. */
export function readStream(path: string): Recorded[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .flatMap((line) => {
      const entry = fields(JSON.parse(line));
      const data = fields(entry["data"] ?? entry);
      const payload = fields(data["payload"] ?? data);
      const type = text(payload["type"]);
      if (type === "" || type === "sync") return [];
      const event: RawEvent = { id: text(payload["id"]), type, properties: fields(payload["properties"]) };
      return [{ event, time: number(entry["t"]), sessionId: sessionOf(event) }];
    });
}

/** The sessions without a parent, in the order of their appearance, each with itself and all below it. */
export function rootSessions(recorded: readonly Recorded[]): { root: string; family: Set<string> }[] {
  const roots: { root: string; family: Set<string> }[] = [];
  for (const { event, sessionId } of recorded) {
    if (sessionId === undefined || roots.some(({ family }) => family.has(sessionId))) continue;
    const parent = parentOf(event);
    const known = parent === undefined ? undefined : roots.find(({ family }) => family.has(parent));
    if (known) known.family.add(sessionId);
    else roots.push({ root: sessionId, family: new Set([sessionId]) });
  }
  return roots;
}

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { normalise, newMemory } from "../../src/opencode/normalise.ts";
import type { EngineEvent } from "../../src/protocol/event.ts";
import type { MissionHead } from "../../src/protocol/mission.ts";
import { newHead, reduceHead, reduceTranscript } from "../../src/protocol/reduce.ts";
import { emptyTranscript, type Part, type Transcript } from "../../src/protocol/transcript.ts";
import { readStream, rootSessions, type Recorded } from "../fake/recorded.ts";

const folder = join(import.meta.dirname, "expected");
const update = process.env["UPDATE_GOLDEN"] !== undefined;

/** The events of the file's first mission, translated, without what a reader would not miss. */
function translate(recorded: readonly Recorded[], root: string, family: ReadonlySet<string>): EngineEvent[] {
  const memory = newMemory("/home/dev/project");
  return recorded
    .filter(({ sessionId }) => sessionId !== undefined && family.has(sessionId))
    .flatMap(({ event, time }) => normalise(memory, event, time).events)
    .filter((event) => event.type !== "session" || event.sessionId === root);
}

function transcriptOf(events: readonly EngineEvent[], root: string): Transcript {
  return events.reduce<Transcript>(
    (page, body, index) => reduceTranscript(page, { seq: index + 1, missionId: "m", time: index, body }, root),
    { ...emptyTranscript, sessionId: root },
  );
}

/** A transcript as a person would jot it down. */
function notes(transcript: Transcript): string {
  return transcript.messages
    .map((message) => {
      const error = message.error ? ` ! ${message.error.name}: ${message.error.message}` : "";
      return [`${message.role}${error}`, ...message.parts.map((part) => `  ${partNote(part)}`)].join("\n");
    })
    .join("\n");
}

function partNote(part: Part): string {
  switch (part.kind) {
    case "text":
    case "thinking":
      return `${part.kind}${part.done ? "" : " (open)"}: ${JSON.stringify(part.text)}`;
    case "tool": {
      const { doing, done, object, result } = part.card;
      const verb = part.state === "completed" || part.state === "error" ? done : doing;
      return `${part.state}: ${verb} ${object}${result === undefined ? "" : ` — ${result}`} → ${JSON.stringify(part.output)}`;
    }
    case "attachment":
      return `attachment: ${part.name}`;
    case "files":
      return `files: ${part.files.join(" ")}`;
    case "compaction":
      return "compaction";
  }
}

describe("recorded streams of OpenCode 1.18.33", () => {
  for (const file of readdirSync(join(import.meta.dirname, "streams"))) {
    const recorded = readStream(join(import.meta.dirname, "streams", file));
    for (const { root, family } of rootSessions(recorded).slice(0, 1)) {
      it(`translates ${file}`, () => {
        const events = translate(recorded, root, family);
        const head = events.reduce<MissionHead>(
          (known, body, index) => reduceHead(known, { seq: index, missionId: "m", time: index, body }),
          { ...newHead("m", 0), sessionId: root },
        );
        const types = events.filter((event) => event.type !== "text_delta" && event.type !== "tool_output");
        const text = [
          notes(transcriptOf(events, root)),
          `requests: ${head.requests.map((request) => request.kind).join(" ") || "none"}; cost: ${JSON.stringify(Object.values(head.costs))}; context: ${String(head.contextTokens)}`,
          types.map((event) => event.type).join(" "),
          "",
        ].join("\n\n");
        const path = join(folder, file.replace(/\.ndjson$/, ".txt"));
        if (update || !existsSync(path)) {
          assert.ok(update, `${path} is missing; run with UPDATE_GOLDEN=1 and read what it says`);
          mkdirSync(folder, { recursive: true });
          writeFileSync(path, text);
        }
        assert.equal(text, readFileSync(path, "utf8"));
      });
    }
  }
});

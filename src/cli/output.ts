import type { EventBody, MissionEvent } from "../protocol/event.ts";
import type { Failure } from "../protocol/mission.ts";
import { explainFailure } from "./hints.ts";
import { plainText } from "./terminal.ts";

/** Prints a mission's events for a person, as they come. What is in them cannot steer the terminal. */
export function eventPrinter(out: (text: string) => void): (event: MissionEvent) => void {
  /** How much of each text that is streamed has been printed. */
  const printed = new Map<string, number>();
  let atLineStart = true;
  const write = (text: string) => {
    if (text === "") return;
    out(plainText(text));
    atLineStart = text.endsWith("\n");
  };
  const endLine = () => {
    if (!atLineStart) write("\n");
  };
  return ({ body }) => {
    const line = lineOf(body);
    if (line !== undefined) {
      endLine();
      write(`${line}\n`);
    } else if (body.type === "text_delta" && body.of === "assistant_message") {
      // Behind a hole nothing is printed until the whole is there.
      if ((printed.get(body.partId) ?? 0) !== body.offset) return;
      write(body.text);
      printed.set(body.partId, body.offset + body.text.length);
    } else if (body.type === "assistant_message" && body.done) {
      write(body.text.slice(printed.get(body.partId) ?? 0));
      printed.delete(body.partId);
      endLine();
    }
  };
}

function lineOf(body: EventBody): string | undefined {
  switch (body.type) {
    case "tool_call":
      return body.state === "running" ? `· ${body.card.doing} ${body.card.object}` : undefined;
    case "tool_result": {
      const result = body.state === "error" ? `failed: ${body.output}` : (body.card.result ?? "done");
      return `  ${body.card.done} ${body.card.object} — ${result}`;
    }
    case "retry":
      return `· The model is asked again (attempt ${String(body.attempt)}: ${body.message})`;
    case "turn_ended":
      return body.outcome === "completed" ? undefined : failureLine(body.outcome, body.failure);
    case "launch_failed":
      return failureLine("failed", body.failure);
    default:
      return undefined;
  }
}

function failureLine(outcome: string, failure: Failure | undefined): string {
  return failure ? `✗ ${outcome}: ${explainFailure(failure.name, failure.message)}` : `✗ ${outcome}`;
}

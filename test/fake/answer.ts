import { once } from "node:events";
import { existsSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Step } from "./script.ts";

/** What all chunks of one answer have in common. */
export interface AnswerHead {
  id: string;
  created: number;
  model: string;
}

/** A step as a JSON answer. */
export function wholeAnswer(step: Step, head: AnswerHead, requestLength: number): object {
  const calls = toolCalls(step, head);
  const message = { role: "assistant", content: step.text ?? "", ...(calls.length > 0 && { tool_calls: calls }) };
  return {
    ...head,
    object: "chat.completion",
    choices: [{ index: 0, finish_reason: finishOf(step), message }],
    usage: usageOf(step, requestLength),
  };
}

/** Writes a step as a stream of server-sent events. Rejects when `gone` aborts. */
export async function streamAnswer(
  response: ServerResponse,
  step: Step,
  head: AnswerHead,
  requestLength: number,
  gone: AbortSignal,
): Promise<void> {
  const write = async (text: string) => {
    gone.throwIfAborted();
    if (!response.write(text)) await once(response, "drain", { signal: gone });
  };
  const data = (value: object) => write(`data: ${JSON.stringify(value)}\n\n`);
  const chunk = (value: object) => data({ ...head, object: "chat.completion.chunk", ...value });
  const delta = (value: object) => chunk({ choices: [{ index: 0, delta: value, finish_reason: null }] });
  const spoken = async (text: string, wrap: (piece: string) => object, size = step.chunk ?? 12) => {
    for (const piece of pieces(text, size)) {
      await delta(wrap(piece));
      if (step.delay !== undefined) await sleep(step.delay, undefined, { signal: gone });
    }
  };

  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  await delta({ role: "assistant", content: "" });
  await spoken(step.reasoning ?? "", (piece) => ({ reasoning_content: piece }));
  const { text = "", gate } = step;
  const half = gate === undefined ? text.length : Math.floor(text.length / 2);
  await spoken(text.slice(0, half), (piece) => ({ content: piece }));
  while (gate !== undefined && !existsSync(gate)) await sleep(50, undefined, { signal: gone });
  await spoken(text.slice(half), (piece) => ({ content: piece }));
  for await (const piece of floodOf(step, gone)) await delta({ content: piece });
  if (step.garbage === true) await write("data: {not json\n\n");
  if (step.errorChunk) await data({ error: step.errorChunk });
  for (const [index, { id, function: call }] of toolCalls(step, head).entries()) {
    const part = (value: object) => ({ tool_calls: [{ index, ...value }] });
    await delta(part({ id, type: "function", function: { name: call.name, arguments: "" } }));
    await spoken(call.arguments, (piece) => part({ function: { arguments: piece } }), 40);
  }
  if (step.drop !== undefined && step.drop !== false) {
    // Data that a reset overtakes is lost to the client.
    await sleep(50, undefined, { signal: gone });
    response.destroy();
    return;
  }
  await chunk({ choices: [{ index: 0, delta: {}, finish_reason: finishOf(step) }] });
  await chunk({ choices: [], usage: usageOf(step, requestLength) });
  await write("data: [DONE]\n\n");
  response.end();
}

async function* floodOf({ flood }: Step, gone: AbortSignal): AsyncGenerator<string> {
  if (!flood) return;
  for (let index = 0; index < flood.n; index++) {
    const stamp = performance.timeOrigin + performance.now();
    yield flood.stamp === true ? `${String(stamp)}|` : String(index).padStart(flood.size).slice(-flood.size);
    if (flood.every !== undefined && index % flood.every === 0) await sleep(flood.delay, undefined, { signal: gone });
  }
}

function toolCalls(step: Step, head: AnswerHead) {
  return (step.tools ?? []).map((call, index) => ({
    id: call.id ?? `call_${head.id}_${String(index)}`,
    type: "function",
    function: { name: call.tool, arguments: JSON.stringify(call.args ?? {}) },
  }));
}

function finishOf(step: Step): string {
  return step.finish ?? (step.tools && step.tools.length > 0 ? "tool_calls" : "stop");
}

function usageOf(step: Step, requestLength: number): object {
  const usage = { prompt_tokens: Math.ceil(requestLength / 4), completion_tokens: 50, ...step.usage };
  return { total_tokens: usage.prompt_tokens + usage.completion_tokens, ...usage };
}

function pieces(text: string, size: number): string[] {
  return Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
    text.slice(index * size, (index + 1) * size),
  );
}

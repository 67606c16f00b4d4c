import { demo, followUp, scenarios } from "./scenarios.ts";

/** One answer of the model. What is present happens in the order of the fields. */
export interface Step {
  /** Milliseconds before the first byte. */
  wait?: number;
  /** Refuses with an HTTP error, the first `times` times that this step is asked for; default 1. */
  fail?: { status: number; body?: unknown; headers?: Record<string, string>; times?: number };
  /** Never answers. */
  hang?: boolean;
  reasoning?: string;
  text?: string;
  /** Characters in each delta of reasoning and text; default 12. */
  chunk?: number;
  /** Milliseconds between deltas. */
  delay?: number;
  /** Path of a file; the second half of the text comes only when it is there. */
  gate?: string;
  /**
   * `n` deltas of `size` characters as fast as the socket takes them, with a pause of `delay` ms after each `every`.
   * With `stamp` each delta holds the time of its sending instead, in ms with a fraction, closed by a bar.
   */
  flood?: { n: number; size: number; every?: number; delay?: number; stamp?: boolean };
  /** Sends a line that is not JSON. */
  garbage?: boolean;
  /** Sends an error in the middle of the stream. */
  errorChunk?: { message: string; type?: string; code?: string };
  /** A tool call. `$CWD` in its arguments stands for the session's working directory. */
  tool?: string;
  args?: unknown;
  /** Parallel tool calls, instead of `tool` and `args`. */
  tools?: { tool: string; args?: unknown; id?: string }[];
  /** Closes the socket without an end of the stream: always, or the first `times` times. */
  drop?: boolean | { times: number };
  finish?: "stop" | "length" | "tool_calls" | "content_filter";
  usage?: { prompt_tokens?: number; completion_tokens?: number; total_tokens?: number };
}

/** The part of a chat-completions request that decides the answer. */
export interface ChatRequest {
  model: string;
  stream?: boolean;
  messages: { role: string; content?: unknown }[];
  tools?: { function?: { name?: string } }[];
}

/** The step to play, and which script it is from. */
export interface Plan {
  script: string;
  index: number;
  step: Step;
}

/**
 * Chooses the answer from the conversation alone: the newest message of the user decides the script, and the number of
 * answers that follow it decides the step. A message can carry a script as a JSON array in a ```script block (of one
 * line or of several) or name one as `[[name]]`; without either the first message gets the demo and a later one a short reply.
 */
export function planAnswer(request: ChatRequest): Plan {
  const { messages } = request;
  const system = textOfRole(messages, "system");
  if (system.includes("You are a title generator")) return only("title", { text: "Scripted title" });
  if (system.includes("context summarization agent")) return only("summary", { text: summary });
  const newest = messages.findLastIndex((message) => message.role === "user" && !isWrittenByHarness(message));
  const message = messages[newest];
  if (textOf(message?.content).includes("Answer with the single word: ready")) return only("ready", { text: "ready" });
  if (!message) return only("nothing", { text: "There is nothing to do." });
  const isFirst = messages.findIndex((other) => other.role === "user" && !isWrittenByHarness(other)) === newest;
  const [script, steps] = chooseScript(textOf(message.content), isFirst);
  const index = messages.slice(newest + 1).filter((other) => other.role === "assistant").length;
  const step = steps[index] ?? { text: `The script ${script} has no step ${String(index)}.` };
  return { script, index, step: inDirectory(step, /Working directory: (.+)/.exec(system)?.[1] ?? ".") };
}

/** A prompt on one line, as an input box takes it, that makes the model do these steps. */
export function lineScript(words: string, ...steps: Step[]): string {
  return `${words} \`\`\`script ${JSON.stringify(steps)} \`\`\``;
}

/** All text of the messages with one role. */
export function textOfRole(messages: ChatRequest["messages"], role: string): string {
  return messages.flatMap((message) => (message.role === role ? [textOf(message.content)] : [])).join("\n");
}

const summary = "## Goal\nScripted summary of the conversation.\n\n## Next Steps\n- none";

/** Openings of the messages that OpenCode writes in the user's name. */
const harnessTexts = [
  "Continue if you have next steps",
  "Summarize the task tool output above",
  "Attached media from tool result",
  "The following tool was executed by the user",
  "What did we do so far?",
];

function isWrittenByHarness(message: { content?: unknown }): boolean {
  const text = textOf(message.content);
  return harnessTexts.some((opening) => text.includes(opening));
}

function chooseScript(text: string, isFirst: boolean): [string, Step[]] {
  const inline = /```script\s([\s\S]*?)\s```/.exec(text)?.[1];
  if (inline !== undefined) return ["inline", parseSteps(inline)];
  const name = /\[\[([\w-]+)\]\]/.exec(text)?.[1] ?? "";
  const scenario = scenarios[name];
  if (scenario) return [name, scenario];
  return isFirst ? ["demo", demo] : ["followUp", followUp];
}

function parseSteps(json: string): Step[] {
  try {
    return JSON.parse(json) as Step[];
  } catch (error) {
    return [{ text: `The inline script does not parse: ${String(error)}` }];
  }
}

function inDirectory(step: Step, directory: string): Step {
  const place = <T>(args: T) =>
    JSON.parse(JSON.stringify(args ?? {}), (_key, value: unknown) =>
      typeof value === "string" ? value.replaceAll("$CWD", directory) : value,
    ) as T;
  const calls = step.tools ?? (step.tool === undefined ? [] : [{ tool: step.tool, args: step.args }]);
  return { ...step, tools: calls.map((call) => ({ ...call, args: place(call.args) })) };
}

function only(script: string, step: Step): Plan {
  return { script, index: 0, step };
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part: { text?: string }) => part.text ?? "").join("\n");
}

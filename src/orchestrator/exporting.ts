import { childrenOf } from "../protocol/children.ts";
import type { MissionExport } from "../protocol/exchange.ts";
import { exportFormat, exportVersion } from "../protocol/exchange.ts";
import { formatModel, libraryWord, totalCost, type MissionHead } from "../protocol/mission.ts";
import type { Message, Part, ToolPart, TurnEnd } from "../protocol/transcript.ts";
import type { Store } from "../store/store.ts";

export const exportFormats = ["markdown", "json"] as const;
export type ExportFormat = (typeof exportFormats)[number];

/** Read from the store at once: events, and messages. */
const eventsAtOnce = 200;
const messagesAtOnce = 20;

/**
 * A mission as a text, in pieces that are made as they are read: Markdown for people, or JSON (`MissionExport`) with all
 * that is stored, which can be imported again. Throws `mission_not_found`.
 */
export function exportMission(store: Store, missionId: string, format: ExportFormat): AsyncGenerator<string> {
  const head = store.head(missionId);
  return inTurns(format === "json" ? json(store, head) : markdown(store, head));
}

/** Other work gets its turn between two pieces. */
async function* inTurns(pieces: Generator<string>): AsyncGenerator<string> {
  for (const piece of pieces) {
    yield piece;
    await new Promise(setImmediate);
  }
}

function* json(store: Store, head: MissionHead): Generator<string> {
  const { events: _, ...facts }: MissionExport = {
    format: exportFormat,
    version: exportVersion,
    exportedAt: new Date().toISOString(),
    head,
    events: [],
  };
  yield `${JSON.stringify(facts).slice(0, -1)},"events":[`;
  let separator = "\n";
  for (let after = 0; ;) {
    const events = store.events(head.id, { after, limit: eventsAtOnce });
    if (events.length === 0) break;
    yield events
      .map(({ seq, time, body }) => {
        const line = separator + JSON.stringify({ seq, time, body });
        separator = ",\n";
        return line;
      })
      .join("");
    after = events.at(-1)?.seq ?? after;
  }
  yield "\n]}\n";
}

function* markdown(store: Store, head: MissionHead): Generator<string> {
  yield `# ${oneLine(head.title)}\n\n${facts(head)}\n`;
  if (head.todos.length > 0) {
    const box = (status: string) => (status === "completed" ? "x" : " ");
    yield `\n## Plan\n\n${head.todos.map(({ content, status }) => `- [${box(status)}] ${oneLine(content)}\n`).join("")}`;
  }
  if (head.sessionId !== undefined) yield* conversation(store, head, head.sessionId, "##");
  for (const sessionId of everyChild(head)) {
    yield `\n## Sub-agent: ${oneLine(head.children[sessionId]?.title ?? sessionId)}\n`;
    yield* conversation(store, head, sessionId, "###");
  }
  if (head.pending.length > 0)
    yield `\n## Not sent yet\n${head.pending.map(({ text }) => `\n${closed(text)}\n`).join("\n---\n")}`;
}

function everyChild(head: MissionHead): string[] {
  const family = new Set(childrenOf(head, head.sessionId));
  // The set grows while it is walked, and takes nobody twice.
  for (const id of family) for (const child of childrenOf(head, id)) family.add(child);
  return [...family].filter((id) => id !== head.sessionId);
}

function facts(head: MissionHead): string {
  const model = head.usedModel ?? head.model;
  const cost = totalCost(head);
  const lines: [name: string, value: string][] = [
    ["Status", head.status.replaceAll("_", " ")],
    ["Folder", code(head.directory)],
    ["Agent", head.agent ?? head.usedAgent ?? ""],
    ["Model", model ? code(formatModel(model)) : ""],
    ["Library", head.library ? code(libraryWord(head.library)) : ""],
    ["Cost", cost === 0 ? "" : `$${cost.toFixed(cost < 0.01 ? 4 : 2)}`],
    ["Created", when(head.createdAt)],
    ["Last change", when(head.updatedAt)],
    ["Mission", code(head.id)],
  ];
  return lines.flatMap(([name, value]) => (value === "" ? [] : [`- **${name}**: ${value}`])).join("\n");
}

function* conversation(store: Store, head: MissionHead, sessionId: string, level: string): Generator<string> {
  const ids = store.messagesOf(head.id, sessionId);
  for (let at = 0; at < ids.length; at += messagesAtOnce) {
    const before = ids[at + messagesAtOnce];
    const limit = Math.min(messagesAtOnce, ids.length - at);
    const page = store.page(head.id, sessionId, { limit, ...(before !== undefined && { before }) });
    for (const [index, message] of page.messages.entries()) {
      yield messageText(message, level);
      const next = page.messages[index + 1];
      const turn = message.role === "user" ? message.id : message.parentId;
      const isLast = next?.role === "user" || next === undefined;
      if (turn !== undefined && isLast) yield endText(page.ends[turn]);
    }
  }
}

function messageText(message: Message, level: string): string {
  const { role, agent, model, createdAt, parts, error } = message;
  const who = role === "user" ? "You" : ["Agent", agent, model && formatModel(model)].filter(Boolean).join(" · ");
  const pieces = parts.map((part) => partText(part)).filter((text) => text !== "");
  if (error) pieces.push(`> **Error**: ${oneLine(error.message)}`);
  return pieces.length === 0 ? "" : `\n${level} ${oneLine(who)} · ${when(createdAt)}\n\n${pieces.join("\n\n")}\n`;
}

function endText(end: TurnEnd | undefined): string {
  if (end === undefined || end.outcome === "completed") return "";
  const why = end.failure ? `: ${oneLine(end.failure.message)}` : "";
  return `\n> **${end.outcome === "failed" ? "Failed" : "Interrupted"}**${why}\n`;
}

function partText(part: Part): string {
  switch (part.kind) {
    case "text":
      return part.text.trim() === "" ? "" : closed(part.text);
    case "thinking":
      return part.text.trim() === "" ? "" : folded("Thought", closed(part.text));
    case "tool":
      return toolText(part);
    case "attachment":
      return `- Attached ${code(part.name)}`;
    case "files":
      return part.files.length === 0 ? "" : `- Changed ${part.files.map(code).join(", ")}`;
    case "compaction":
      return "- The conversation so far was summarised";
  }
}

function toolText({ card, state, output }: ToolPart): string {
  const object = card.code ? code(card.object) : oneLine(card.object);
  const result = state === "completed" ? (card.result ?? "") : state;
  const line = `- ${state === "completed" ? card.done : card.doing} ${object}${result === "" ? "" : ` — ${result}`}`;
  const whole = card.diff ?? output ?? "";
  if (whole.trim() === "") return line;
  return `${line}\n\n${folded("Output", fenced(whole, card.diff === undefined ? "" : "diff"))}`;
}

function folded(summary: string, content: string): string {
  return `<details><summary>${summary}</summary>\n\n${content}\n\n</details>`;
}

/** In a fence that nothing in the text closes. */
function fenced(text: string, language: string): string {
  const fence = "`".repeat(Math.max(3, longestRun(text) + 1));
  return `${fence}${language}\n${text.replace(/\n$/, "")}\n${fence}`;
}

function code(text: string): string {
  const line = oneLine(text);
  const marks = "`".repeat(longestRun(line) + 1);
  const room = /^`|`$/.test(line) ? " " : "";
  return line === "" ? "" : `${marks}${room}${line}${room}${marks}`;
}

function longestRun(text: string): number {
  return Math.max(0, ...Array.from(text.matchAll(/`+/g), ([run]) => run.length));
}

/** A text whose last fence was left open would take in all that follows. */
function closed(text: string): string {
  let open: string | undefined;
  for (const [, fence = ""] of text.matchAll(/^ {0,3}(`{3,}|~{3,})/gm))
    if (open === undefined) open = fence;
    else if (fence.startsWith(open)) open = undefined;
  return open === undefined ? text.trimEnd() : `${text.trimEnd()}\n${open}`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

function when(time: number): string {
  return `${new Date(time).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

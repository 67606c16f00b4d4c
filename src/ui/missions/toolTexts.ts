/** Missions in words for other agents. Bounded: they pay for every character. */
import { childrenOf, childState } from "../../protocol/children.ts";
import type { MissionHead } from "../../protocol/mission.ts";
import { openRequests } from "../../protocol/permission.ts";
import type { Message, Part, Transcript } from "../../protocol/transcript.ts";
import { costOf, stateWord, usedModel } from "../words.ts";

/** Of one answer, in UTF-16 units. */
export const answerLimit = 24_000;
const textLimit = 6_000;
const outputLimit = 1_500;

export function statusText(head: MissionHead): string {
  const done = head.todos.filter((todo) => todo.status === "completed").length;
  const waits = openRequests(head).map((request) =>
    request.kind === "permission"
      ? `for a permission (${request.permission}): ${request.detail.slice(0, 300)}`
      : `for an answer: ${request.questions
          .map(({ question }) => question)
          .join(" ")
          .slice(0, 300)}`,
  );
  const children = Object.keys(head.children).map((id) => {
    const child = head.children[id];
    return `sub-agent ${id}: ${childState(head, id).replaceAll("_", " ")}, ${child?.title ?? ""}`;
  });
  return [
    `mission: ${head.id}`,
    `title: ${head.title}`,
    `state: ${stateWord(head)}`,
    `folder: ${head.directory}`,
    usedModel(head) === "" ? "" : `model: ${usedModel(head)}`,
    costOf(head) === "" ? "" : `cost: ${costOf(head)}`,
    head.todos.length === 0 ? "" : `plan: ${String(done)} of ${String(head.todos.length)} done`,
    head.pending.length === 0 ? "" : `messages not sent yet: ${String(head.pending.length)}`,
    ...waits.map((what) => `waits for the user ${what}`),
    ...children.slice(0, 50),
    head.failure ? `failure: ${head.failure.message.slice(0, 1_000)}` : "",
    head.lastLine === undefined ? "" : `last words: ${head.lastLine}`,
  ]
    .filter((line) => line !== "")
    .join("\n");
}

/**
 * The newest messages that fit, in order, and how to go on before them. A message that alone is too long is cut, so that
 * every page gets further.
 */
export function transcriptText(head: MissionHead, transcript: Transcript): string {
  const told: string[] = [];
  let room = answerLimit - 500;
  let first: Message | undefined;
  for (const message of transcript.messages.toReversed()) {
    const text = messageText(message);
    if (first && text.length > room) break;
    told.unshift(text.length > room ? `${text.slice(0, room)}… (cut)` : text);
    room -= text.length;
    first = message;
    if (room <= 0) break;
  }
  const earlier = transcript.hasEarlier || first?.id !== transcript.messages[0]?.id;
  const children = childrenOf(head, transcript.sessionId).slice(0, 20);
  return [
    `Transcript of “${head.title}” (${stateWord(head)})`,
    earlier && first ? `Earlier messages: ask again with "before": "${first.id}".` : "This is the beginning.",
    ...(children.length > 0 ? [`Sub-agents have transcripts of their own ("session"): ${children.join(", ")}.`] : []),
    ...told.filter((text) => text !== ""),
  ].join("\n\n");
}

function messageText(message: Message): string {
  const parts = message.parts.map(partText).filter((text) => text !== "");
  if (message.error) parts.push(`Error: ${message.error.message.slice(0, 1_000)}`);
  return parts.length === 0 ? "" : `## ${message.role === "user" ? "User" : "Agent"}\n${parts.join("\n")}`;
}

function partText(part: Part): string {
  switch (part.kind) {
    case "text":
      return cut(part.text, textLimit);
    case "tool": {
      const { card, state } = part;
      const result = state === "completed" ? (card.result ?? "") : state;
      const line = `- ${card.done} ${card.object}${result === "" ? "" : ` (${result})`}`;
      const output = cut(card.diff ?? part.output ?? "", outputLimit).trim();
      return output === "" ? line : `${line}\n${output.replace(/^/gm, "    ")}`;
    }
    case "files":
      return `- Changed ${part.files.slice(0, 20).join(", ")}`;
    case "attachment":
      return `- Attached ${part.name}`;
    case "compaction":
      return "- The conversation so far was summarised";
    case "thinking":
      return "";
  }
}

function cut(text: string, limit: number): string {
  return text.length > limit ? `${text.slice(0, limit)}… (${String(text.length - limit)} more characters)` : text;
}

import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { OpenAgentError } from "../base/errors.ts";
import type { Engine, Prompt, SessionRef } from "../opencode/engine.ts";
import { isSentWhole, type FileAttachment } from "../protocol/attachment.ts";
import type { EngineEvent, EventBody } from "../protocol/event.ts";
import {
  formatModel,
  ownServer,
  type Failure,
  type MissionHead,
  type ModelRef,
  type Outcome,
  type PendingMessage,
} from "../protocol/mission.ts";
import type { Transcript } from "../protocol/transcript.ts";
import { checkAttachments } from "./attachments.ts";
import { cutOff } from "./failures.ts";
import { inState } from "./queue.ts";

/** How a message of the queue becomes one of the transcript and of OpenCode. Nothing here stores or sends anything. */

/** What is taken may need this long until something is seen of it. */
export const patienceMs = 10_000;

/** A command may run shell lines before anything is seen of it, so it is not known whether it came. */
export const unknownDelivery: Failure = {
  name: "delivery_unknown",
  message:
    "The connection broke while OpenCode prepared this command, and it is not known whether it will run. Send it again if it does not.",
};

/** @throws OpenAgentError `folder_missing` */
export function requireFolder({ server, directory: path }: MissionHead): void {
  if (server === ownServer && !existsSync(path))
    throw new OpenAgentError("folder_missing", `The folder ${path} is gone.`, { path });
}

/**
 * Makes sure that a message can be sent: the mission is on this server, its files are there, its command is known.
 * @throws OpenAgentError `opencode_unreachable`, `attachment_unusable` or `unknown_command`
 */
export async function requireSendable(engine: Engine, head: MissionHead, message: PendingMessage): Promise<void> {
  if (engine.id !== head.server)
    throw new OpenAgentError("opencode_unreachable", `This mission lives on another OpenCode server (${head.server}).`);
  checkAttachments(message.attachments ?? [], head.server);
  const { command } = message;
  if (!command) return;
  const known = (await engine.commands(head.directory)).map(({ name }) => name);
  if (known.includes(command.name)) return;
  const others = known.map((name) => `/${name}`).join(", ");
  const words = `There is no command /${command.name} in ${head.directory}. There are: ${others}.`;
  throw new OpenAgentError("unknown_command", words, { name: command.name });
}

export function beingSent(next: PendingMessage, messageId: string, agent?: string, model?: ModelRef): PendingMessage {
  return { ...next, ...(agent !== undefined && { agent }), ...(model && { model }), state: "sending", messageId };
}

/** The message becomes part of the transcript in the same transaction in which it leaves the queue. */
export function begun(sending: PendingMessage, messageId: string, sessionId: string, now: number): EventBody[] {
  const { text, agent, model, command } = sending;
  const choice = { ...(agent !== undefined && { agent }), ...(model && { model }) };
  const partId = partOf(messageId);
  const called = command ? { command: command.name } : {};
  const words: EventBody[] =
    text === "" ? [] : [{ type: "user_message", sessionId, messageId, partId, text, ...called }];
  return [
    inState(sending, "sending"),
    { type: "message", sessionId, messageId, role: "user", createdAt: now, unconfirmed: true, ...choice },
    ...words,
    ...filesOf(sending, messageId).map(({ partId: id, file }): EventBody => {
      const url = pathToFileURL(file.path).href;
      return { type: "attachment", sessionId, messageId, partId: id, name: file.name, mime: file.mime, url };
    }),
  ];
}

/** A message that OpenCode does not hold leaves the transcript and waits as before, with its own agent and model only. */
export function takenBack(head: MissionHead, sending: PendingMessage): EventBody[] {
  const { messageId = "", agent, model, ...message } = sending;
  const own = {
    ...(agent !== undefined && agent !== head.agent && { agent }),
    ...(model && head.model && formatModel(model) !== formatModel(head.model) && { model }),
  };
  return [
    { type: "message_removed", sessionId: head.sessionId ?? "", messageId },
    inState({ ...message, ...own }, "queued"),
  ];
}

export function notLaunched(failure: Failure): EventBody[] {
  return [
    { type: "launch_failed", failure },
    { type: "mission_status_changed", status: "failed" },
  ];
}

/** What OpenCode is given of a message that is to be sent. */
export function promptOf(message: PendingMessage): Prompt | undefined {
  const { messageId, text, agent, model, command, attachments = [] } = message;
  if (messageId === undefined) return undefined;
  const files = filesOf(message, messageId).map(({ partId, file }) => ({ partId, ...file }));
  const agents = attachments.filter((one) => one.kind === "agent");
  return {
    messageId,
    partId: partOf(messageId),
    text,
    ...(agent !== undefined && { agent }),
    ...(model && { model }),
    ...(files.length > 0 && { files }),
    ...(agents.length > 0 && { agents }),
    ...(command && { command }),
  };
}

/**
 * The files of a message with the ids of their parts. A command is read for what it mentions by OpenCode itself, so only
 * what the text does not name goes with it.
 */
function filesOf(message: PendingMessage, messageId: string): { partId: string; file: FileAttachment }[] {
  const files = (message.attachments ?? []).filter((one) => one.kind === "file");
  const named = ({ mention }: FileAttachment) => mention !== undefined && !/\s/.test(mention);
  const given = message.command ? files.filter((file) => isSentWhole(file) || !named(file)) : files;
  return given.map((file, index) => ({ partId: `${partOf(messageId)}${String(index).padStart(2, "0")}`, file }));
}

/**
 * OpenCode tells of a file that we gave it with all of its bytes. What is stored of it already is where the file lies.
 */
export function isEcho(event: EngineEvent | EventBody): boolean {
  return (
    event.type === "attachment" &&
    event.url.startsWith("data:") &&
    event.partId.startsWith(partOf(event.messageId)) &&
    event.partId !== partOf(event.messageId)
  );
}

function partOf(messageId: string): string {
  return messageId.replace(/^msg/, "prt");
}

interface HandedFacts {
  /** The request of a command is open still. */
  open: boolean;
  /** When it was handed over by this process; 0 when it is not known to have arrived. */
  handedAt: number;
  begunAt: number | undefined;
}

/**
 * What to do about a message that OpenCode was to be given and does not hold. One that was taken a moment ago may not
 * be written down yet. A command comes into being only when its shell lines have run, so it is waited for as long as
 * its request is open; when that broke and nothing is seen, one with shell lines is never given twice.
 */
export async function whenNotHeld(
  engine: Engine,
  { directory }: SessionRef,
  { command }: PendingMessage,
  { open, handedAt, begunAt = 0 }: HandedFacts,
): Promise<"wait" | "again" | "give up"> {
  const since = command ? Math.max(handedAt, begunAt) : handedAt;
  if (open || Date.now() - since < patienceMs) return "wait";
  if (!command) return "again";
  const known = (await engine.commands(directory)).find(({ name }) => name === command.name);
  return known?.runsShell === false ? "again" : "give up";
}

/** How a turn ended that the server is not at work on any more; undefined when that cannot be said yet. */
export function endOfTurn(
  transcript: Transcript,
  turn: string,
  { error, stopped, age }: { error: Failure | undefined; stopped: boolean; age: number },
): { outcome: Outcome; failure?: Failure } | undefined {
  const answer = transcript.messages.findLast((message) => message.parentId === turn);
  if (!answer && !error && !stopped && age < patienceMs) return undefined;
  const failure = answer ? answer.error : error;
  if (stopped || failure?.name === "MessageAbortedError") return { outcome: "interrupted" };
  if (failure) return { outcome: "failed", failure };
  return answer?.completedAt === undefined ? { outcome: "interrupted", failure: cutOff } : { outcome: "completed" };
}

/** How the text of a message is read while it is written. Total and without effects. */
import type { CommandCall, MessageAttachment } from "./attachment.ts";

/** A word before the caret that suggestions are made for. */
export interface Token {
  trigger: "/" | "@";
  query: string;
  /** Where it begins, with its trigger, and where it ends, in UTF-16 units. */
  start: number;
  end: number;
}

/** `/` counts at the beginning of the message alone, `@` at the beginning of any word. */
export function tokenAt(text: string, caret: number): Token | undefined {
  const before = text.slice(0, caret);
  const command = /^\/(\S*)$/.exec(before);
  if (command) return { trigger: "/", query: command[1] ?? "", start: 0, end: caret };
  const mention = /(?:^|[\s([{"'])@([^\s@]*)$/.exec(before)?.[1];
  if (mention === undefined) return undefined;
  return { trigger: "@", query: mention, start: caret - mention.length - 1, end: caret };
}

/** The text with something else in the place of a token, and where the caret stands then. */
export function replaced(text: string, token: Token, by: string): { text: string; caret: number } {
  const rest = text.slice(token.end);
  const gap = by === "" || /^\s/.test(rest) ? "" : " ";
  return { text: text.slice(0, token.start) + by + gap + rest, caret: token.start + by.length + (by === "" ? 0 : 1) };
}

/** Reads `/name arguments`. Whether there is a command of that name is another matter. */
export function parseCommand(text: string): CommandCall | undefined {
  const [, name, rest] = /^\/(\S+)(?:\s+([\s\S]*))?$/.exec(text) ?? [];
  return name === undefined ? undefined : { name, arguments: (rest ?? "").trim() };
}

/** What the text still speaks of, and what it never named. */
export function stillMeant(text: string, attachments: readonly MessageAttachment[]): MessageAttachment[] {
  return attachments.filter(({ mention }) => mention === undefined || names(text, mention));
}

function names(text: string, mention: string): boolean {
  for (let at = text.indexOf(mention); at >= 0; at = text.indexOf(mention, at + 1)) {
    // A full stop or a colon may as well go on with a longer path or with lines of the file.
    if (/^(?:$|[\s)\]}"']|[,;:!?.]+(?:$|[\s)\]}"']))/.test(text.slice(at + mention.length))) return true;
  }
  return false;
}

/** Adds what is not there yet. */
export function withAttachments(
  attachments: readonly MessageAttachment[],
  more: readonly MessageAttachment[],
): MessageAttachment[] {
  const known = new Set(attachments.map(identity));
  return [...attachments, ...more.filter((one) => !known.has(identity(one)))];
}

function identity(attachment: MessageAttachment): string {
  return attachment.kind === "agent"
    ? `agent:${attachment.name}`
    : `file:${attachment.path}:${(attachment.lines ?? []).join("-")}:${attachment.mention ?? ""}`;
}

/** A text as a block of code that nothing in it can end. */
export function fenced(text: string, language = ""): string {
  const fence = "`".repeat(Math.max(3, ...[...text.matchAll(/`+/g)].map(([run]) => run.length + 1)));
  return `${fence}${language}\n${text}${text.endsWith("\n") ? "" : "\n"}${fence}`;
}

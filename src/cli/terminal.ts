import { createInterface } from "node:readline/promises";
import { Sequence } from "../base/async.ts";

/** Whether a person can be asked: both what is typed and what is asked must be a terminal. */
export function isSomebodyThere(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/** One question at a time: an answer must never be taken for that of another question. */
const questions = new Sequence();

/**
 * Asks a person. Undefined when there is no answer: the input has ended, or the question is over by itself.
 *
 * @param over aborts when nobody waits for the answer any more
 */
export function ask(question: string, over: AbortSignal): Promise<string | undefined> {
  return questions.run(async () => {
    if (over.aborted) return undefined;
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    const closed = new AbortController();
    terminal.once("close", () => closed.abort());
    // The terminal is in raw mode while it asks, so the key does not become a signal by itself.
    terminal.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
    try {
      return (await terminal.question(question, { signal: AbortSignal.any([over, closed.signal]) })).trim();
    } catch {
      // The question is over, or the input has ended.
      process.stderr.write("\n");
      return undefined;
    } finally {
      terminal.close();
    }
  });
}

/**
 * Text of others as it may be shown in a terminal: control characters, which could hide or change what is shown, become
 * visible; tabs and the ends of lines stay.
 */
export function plainText(text: string): string {
  return text.replace(/\r\n/g, "\n").replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    if (character === "\n" || character === "\t") return character;
    const code = character.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

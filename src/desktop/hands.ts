import { sleep } from "../base/async.ts";
import { OpenAgentError } from "../base/errors.ts";
import type { Keyboard } from "./keyboard.ts";
import { keyOfCharacter, keysOfChord, keysOfText } from "./keys.ts";
import { buttons, type RfbClient } from "./rfb.ts";

export type Button = "left" | "middle" | "right";
export type Direction = "up" | "down" | "left" | "right";

export interface Place {
  x: number;
  y: number;
}

/** Milliseconds between what a hand does; programs tell a drag from a click, and two clicks from a double click, by them. */
const [betweenMoves, betweenClicks] = [15, 40];
/** Milliseconds in which a program shows what was typed. */
const noticeMs = 400;

/**
 * Types a text as from a keyboard. Characters that the display's `keyboard` has no key for are lent one; without it the
 * server finds them keys, of which it has few.
 */
export async function typeText(
  client: RfbClient,
  text: string,
  delayMs: number,
  keyboard: Keyboard | undefined,
  signal?: AbortSignal,
): Promise<void> {
  const keys = keysOfText(text);
  const isCharacter = (key: number) => key < 0xfe00 || key > 0x01000000;
  const isUnusual = (key: number) => keyboard !== undefined && isCharacter(key) && !keyboard.has(key);
  if (keyboard === undefined || keyboard.room === 0 || !keys.some(isUnusual)) {
    await strike(client, keys, delayMs, signal);
    return;
  }
  for (const part of split(keys, isUnusual, keyboard.room)) {
    const wanted = new Set(part.filter(isUnusual));
    // Programs look up what a key means when they come to it, which must be before it means something else.
    if (keyboard.isTight(wanted)) await handled(client, signal);
    await keyboard.lend(wanted);
    await strike(client, part, delayMs, signal);
  }
}

/** Waits until programs have come to all that was typed, as far as that can be seen. */
async function handled(client: RfbClient, signal?: AbortSignal): Promise<void> {
  await client.changes(noticeMs);
  await client.still(noticeMs / 2, 10 * noticeMs, signal);
}

async function strike(
  client: RfbClient,
  keys: readonly number[],
  delayMs: number,
  signal?: AbortSignal,
): Promise<void> {
  for (const key of keys) {
    signal?.throwIfAborted();
    client.key(key, true);
    client.key(key, false);
    if (delayMs > 0) await sleep(delayMs, signal);
  }
}

/** Parts in which at most so many different keys are unusual. */
function split(keys: readonly number[], isUnusual: (key: number) => boolean, most: number): number[][] {
  const parts: number[][] = [[]];
  let seen = new Set<number>();
  for (const key of keys) {
    if (isUnusual(key) && !seen.has(key) && seen.size === most) {
      parts.push([]);
      seen = new Set();
    }
    if (isUnusual(key)) seen.add(key);
    parts.at(-1)?.push(key);
  }
  return parts;
}

/** Presses keys such as `ctrl+c` together; several with spaces between them come one after another. */
export async function pressKeys(client: RfbClient, words: string, holdMs = 0, signal?: AbortSignal): Promise<void> {
  const chords = words === " " ? [words] : words.trim().split(/\s+/);
  for (const keys of chords.map(chordOf)) {
    await holding(client, keys, () => sleep(holdMs, signal));
    await sleep(betweenMoves, signal);
  }
}

/** Does something with keys held down; without any if there is no chord. */
export async function holdingKeys(
  client: RfbClient,
  chord: string | undefined,
  work: () => Promise<void>,
): Promise<void> {
  await holding(client, chord === undefined || chord === "" ? [] : chordOf(chord), work);
}

/** Clicks at a place, or where the pointer is. */
export async function click(
  client: RfbClient,
  button: Button,
  times: number,
  place?: Place,
  signal?: AbortSignal,
): Promise<void> {
  const { x, y } = place ?? client.pointer;
  client.point(x, y, 0);
  if (place) await sleep(betweenMoves, signal);
  for (let count = 0; count < times; count++) {
    if (count > 0) await sleep(betweenClicks, signal);
    client.point(x, y, buttons[button]);
    client.point(x, y, 0);
  }
}

/** Drags with the left button, with places in between as a hand has them. */
export async function drag(client: RfbClient, from: Place, to: Place, signal?: AbortSignal): Promise<void> {
  client.point(from.x, from.y, 0);
  await sleep(betweenMoves, signal);
  client.point(from.x, from.y, buttons.left);
  try {
    const steps = 10;
    for (let step = 1; step <= steps; step++) {
      await sleep(betweenMoves, signal);
      const at = (one: number, other: number) => one + ((other - one) * step) / steps;
      client.point(at(from.x, to.x), at(from.y, to.y), buttons.left);
    }
    await sleep(betweenMoves, signal);
  } finally {
    // Where it has come to, if somebody does not wait.
    if (!client.error) client.point(client.pointer.x, client.pointer.y, 0);
  }
}

/** Turns the wheel by so many notches. */
export async function scroll(
  client: RfbClient,
  direction: Direction,
  notches: number,
  place?: Place,
  signal?: AbortSignal,
): Promise<void> {
  const { x, y } = place ?? client.pointer;
  const button = { up: buttons.up, down: buttons.down, left: buttons.scrollLeft, right: buttons.scrollRight }[
    direction
  ];
  client.point(x, y, 0);
  for (let count = 0; count < notches; count++) {
    await sleep(betweenMoves, signal);
    client.point(x, y, button);
    client.point(x, y, 0);
  }
}

async function holding(client: RfbClient, keys: readonly number[], work: () => Promise<void>): Promise<void> {
  for (const key of keys) client.key(key, true);
  try {
    await work();
  } finally {
    // No key stays down because somebody did not wait.
    if (!client.error) for (const key of [...keys].reverse()) client.key(key, false);
  }
}

function chordOf(words: string): number[] {
  if (words === " ") return [keyOfCharacter(" ")];
  const keys = keysOfChord(words);
  if (keys) return keys;
  const example = "Return, Tab, ctrl+c, alt+F4, Page_Down";
  throw new OpenAgentError(
    "invalid_input",
    `“${words}” is no key. Keys are such as ${example}; text is typed with type.`,
  );
}

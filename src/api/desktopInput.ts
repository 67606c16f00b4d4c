import { z } from "zod";
import { buttons, click, pressKeys, scroll, typeText, type Grip, type Place } from "../orchestrator/index.ts";

/** What a client of a desktop's stream can send: how it is shown, and what mouse and keyboard do. */

/** Frames in a second, and JPEG quality: what is out of range is taken as the nearest that is in it. */
export const framesPerSecond = z.number().transform((count) => Math.max(1, Math.min(30, count)));
export const quality = z.number().transform((value) => Math.max(10, Math.min(100, Math.round(value))));

const [x, y] = [z.number().min(0).max(16_383), z.number().min(0).max(16_383)];
const names = ["left", "middle", "right"] as const;
/** By name, or by its number in X. */
const button = z
  .union([z.enum(names), z.literal([1, 2, 3]).transform((number) => names[number - 1] ?? "left")])
  .nullish()
  .transform((name) => name ?? "left");
const delay = z.int().min(0).max(1000).default(1);
/** Pixels, of which a notch of a wheel has so many; right and down are positive. */
const pixels = z.number().min(-100_000).max(100_000).nullish();
const [notch, mostNotches] = [120, 10];

export const streamCommand = z.discriminatedUnion("t", [
  z.object({ t: z.literal("pause") }),
  z.object({ t: z.literal("resume") }),
  z.object({ t: z.literal("fps"), fps: framesPerSecond }),
  z.object({ t: z.literal("quality"), quality }),
  z.object({ t: z.enum(["move", "mouse_move"]), x, y }),
  z.object({ t: z.enum(["mouse_down", "mouse_up"]), x, y, button }),
  z.object({ t: z.literal("click"), x, y, button, double: z.boolean().default(false) }),
  z.object({
    t: z.literal("scroll"),
    amount: pixels,
    delta_x: pixels,
    delta_y: pixels,
    x: x.nullish(),
    y: y.nullish(),
  }),
  z.object({ t: z.literal("type"), text: z.string().max(10_000), delay_ms: delay }),
  z.object({ t: z.literal("key"), key: z.string().max(200), delay_ms: delay }),
]);

type Command = z.output<typeof streamCommand>;
type Scroll = Extract<Command, { t: "scroll" }>;
/** What goes to mouse or keyboard. */
export type InputCommand = Exclude<Command, { t: "pause" | "resume" | "fps" | "quality" }>;

/** Where a command has the pointer; undefined where it does not say. */
export function placeOf(command: InputCommand): Place | undefined {
  if (!("x" in command) || command.x == null || command.y == null) return undefined;
  return { x: command.x, y: command.y };
}

/** Does it with the hand on the display; `place` is where the pointer was last by this hand. */
export async function perform(
  command: InputCommand,
  place: Place | undefined,
  { client, keyboard, signal }: Grip,
): Promise<void> {
  switch (command.t) {
    case "move":
    case "mouse_move":
      client.point(command.x, command.y);
      return;
    case "mouse_down":
      client.point(command.x, command.y, client.held | buttons[command.button]);
      return;
    case "mouse_up":
      client.point(command.x, command.y, client.held & ~buttons[command.button]);
      return;
    case "click":
      return click(client, command.button, command.double ? 2 : 1, command);
    case "scroll":
      return turn(command, client, place);
    case "type":
      return typeText(client, command.text, command.delay_ms, keyboard, signal);
    case "key":
      if (command.key.trim() !== "") await pressKeys(client, command.key, command.delay_ms, signal);
  }
}

async function turn(
  { amount, delta_x, delta_y }: Scroll,
  client: Grip["client"],
  place: Place | undefined,
): Promise<void> {
  const right = delta_x ?? 0;
  const down = delta_y ?? (delta_x == null ? (amount ?? 0) : 0);
  const notches = (delta: number) => Math.max(1, Math.min(mostNotches, Math.floor(Math.abs(delta) / notch)));
  if (down !== 0) await scroll(client, down > 0 ? "down" : "up", notches(down), place);
  if (right !== 0) await scroll(client, right > 0 ? "right" : "left", notches(right), place);
}

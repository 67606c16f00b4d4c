import { z } from "zod";
import { sleep } from "../../base/async.ts";
import { click, drag, holdingKeys, pressKeys, scroll, typeText, type Button, type Place } from "../../desktop/hands.ts";
import { buttons, type RfbClient } from "../../desktop/rfb.ts";
import { ToolError, type Answer } from "../tool.ts";
import { desktopTool, display } from "./desktopTool.ts";
import type { Session } from "./session.ts";
import { picture } from "./viewTools.ts";

const place = z.array(z.number().min(0).max(16_383)).length(2);

const input = z.strictObject({
  action: z.enum([
    "screenshot",
    "zoom",
    "left_click",
    "right_click",
    "middle_click",
    "double_click",
    "triple_click",
    "left_click_drag",
    "left_mouse_down",
    "left_mouse_up",
    "mouse_move",
    "cursor_position",
    "scroll",
    "type",
    "key",
    "hold_key",
    "wait",
  ]),
  coordinate: place
    .optional()
    .describe("[x, y] in pixels from the top left. Clicks without it are where the pointer is"),
  start_coordinate: place.optional().describe("Where left_click_drag begins; without it, where the pointer is"),
  text: z
    .string()
    .optional()
    .describe(
      "type: the text. key and hold_key: keys such as ctrl+s, Return. Clicks and scroll: keys held down, such as shift",
    ),
  duration: z.number().min(0).max(100).optional().describe("Seconds, of hold_key and wait"),
  scroll_direction: z.enum(["up", "down", "left", "right"]).optional(),
  scroll_amount: z.number().int().min(0).max(500).optional().describe("Notches of the wheel; 3 without it"),
  region: z.array(z.number().int().min(0).max(16_384)).length(4).optional().describe("zoom: [x0, y0, x1, y1]"),
  until_still: z.boolean().default(false).describe("wait: ends early, when nothing on the screen changes any more"),
  screenshot: z.boolean().default(false).describe("Answer with a screenshot, taken when the screen is still"),
  display: display.optional(),
});

type Args = z.output<typeof input>;

/** Milliseconds without a change after which a screen is still, and those that this is waited for after an action. */
const [quietMs, mostUnrestMs] = [200, 3000];

export const computer = desktopTool(
  "desktop_computer",
  "Use the mouse, keyboard and screen of the virtual desktop. Take a screenshot first to see where things are.",
  input,
  async (args, { sessions, signal }) => {
    const session = await sessions.find(args.display);
    const answer = await perform(session, args, signal);
    if (!args.screenshot || answer.picture) return answer;
    return {
      ...answer,
      picture: await session.look(async (client) => {
        await client.still(quietMs, mostUnrestMs, signal);
        return picture(client);
      }),
    };
  },
);

async function perform(session: Session, args: Args, signal: AbortSignal): Promise<Answer> {
  switch (args.action) {
    case "screenshot":
    case "zoom":
    case "cursor_position":
      return session.look((client) => show(client, args));
    case "wait": {
      const ms = 1000 * (args.duration ?? (args.until_still ? 10 : 1));
      if (!args.until_still) await sleep(ms, signal);
      else if (!(await session.look((client) => client.still(quietMs, ms, signal))))
        return { text: `The screen still changes after ${String(ms / 1000)} s.` };
      return { text: args.until_still ? "The screen is still." : "Done." };
    }
    case "type": {
      const text = needText(args);
      await session.act(signal, async (client, whileOurs) =>
        typeText(client, text, 5, await session.keyboard(), whileOurs),
      );
      return { text: `Typed ${String(Array.from(text).length)} characters.` };
    }
    case "key":
    case "hold_key": {
      const holdMs = args.action === "key" ? 0 : 1000 * (args.duration ?? 1);
      await session.act(signal, (client, whileOurs) => pressKeys(client, needText(args), holdMs, whileOurs));
      return { text: `Pressed ${needText(args)}.` };
    }
    default:
      return session.act(signal, (client, whileOurs) => point(client, args, whileOurs));
  }
}

async function show(client: RfbClient, { action, region }: Args): Promise<Answer> {
  if (action === "cursor_position") {
    await client.refresh();
    const { x, y } = client.pointer;
    return { text: `X=${String(x)},Y=${String(y)}` };
  }
  if (action === "screenshot") return { text: "", picture: await picture(client) };
  const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = region ?? [];
  if (x1 <= x0 || y1 <= y0) throw new ToolError("zoom needs a region: [x0, y0, x1, y1] with x0 < x1 and y0 < y1.");
  // As large as a whole screenshot, by whole pixels, so that letters stay as they are.
  const scale = Math.max(1, Math.min(8, Math.floor(Math.min(client.width / (x1 - x0), client.height / (y1 - y0)))));
  const bytes = await picture(client, { x: x0, y: y0, width: x1 - x0, height: y1 - y0 }, scale);
  return { text: `Magnified ${String(scale)} times.`, picture: bytes };
}

async function point(client: RfbClient, args: Args, signal: AbortSignal): Promise<Answer> {
  const at = inside(client, args.coordinate);
  const { x, y } = at ?? client.pointer;
  switch (args.action) {
    case "left_click_drag": {
      const to = at ?? missing("left_click_drag", "coordinate");
      const from = inside(client, args.start_coordinate) ?? client.pointer;
      await holdingKeys(client, args.text, () => drag(client, from, to, signal));
      return { text: `Dragged from ${words(from)} to ${words(to)}.` };
    }
    case "left_mouse_down":
    case "left_mouse_up":
      client.point(x, y, args.action === "left_mouse_down" ? buttons.left : 0);
      break;
    case "mouse_move":
      if (!at) missing("mouse_move", "coordinate");
      client.point(x, y);
      break;
    case "scroll": {
      const direction = args.scroll_direction ?? missing("scroll", "scroll_direction");
      const notches = args.scroll_amount ?? 3;
      await holdingKeys(client, args.text, () => scroll(client, direction, notches, at, signal));
      break;
    }
    default: {
      const times = { double_click: 2, triple_click: 3 }[args.action as string] ?? 1;
      const button = ({ right_click: "right", middle_click: "middle" }[args.action as string] ?? "left") as Button;
      await holdingKeys(client, args.text, () => click(client, button, times, at, signal));
    }
  }
  return { text: `${args.action} at ${words({ x, y })}.` };
}

/** A place that a caller names must be on the desktop: at its edge, a click would land on something else. */
function inside({ width, height }: RfbClient, coordinate: readonly number[] | undefined): Place | undefined {
  if (!coordinate) return undefined;
  const [x = 0, y = 0] = coordinate.map(Math.round);
  if (x < width && y < height) return { x, y };
  throw new ToolError(`${words({ x, y })} is not on the desktop, which is ${String(width)}x${String(height)}.`);
}

function needText({ action, text }: Args): string {
  return text === undefined || text === "" ? missing(action, "text") : text;
}

function missing(action: string, argument: string): never {
  throw new ToolError(`${action} needs ${argument}.`);
}

function words({ x, y }: Place): string {
  return `${String(Math.round(x))},${String(Math.round(y))}`;
}

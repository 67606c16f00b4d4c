import { z } from "zod";
import { click, pressKeys, scroll, typeText } from "../../desktop/hands.ts";
import { ToolError } from "../tool.ts";
import { desktopTool, display, json } from "./desktopTool.ts";

const coordinate = z.number().int().min(0).max(16_383);

const type = desktopTool(
  "desktop_type",
  "Type on the desktop's keyboard: either text, or keys such as Return, Tab, Escape, ctrl+a, alt+F4.",
  z.strictObject({
    display,
    text: z.string().optional().describe("Text, in any script"),
    key: z.string().optional().describe("Keys that are pressed together; several of them with spaces in between"),
    delay_ms: z.number().int().min(0).max(1000).default(12).describe("Milliseconds between the keys"),
  }),
  async ({ display: name, text, key, delay_ms: delay }, { sessions, signal }) => {
    const session = await sessions.find(name);
    const input = text ?? key;
    if (input === undefined || (text !== undefined && key !== undefined))
      throw new ToolError("Give either text, to type characters, or key, to press keys.");
    await session.act(signal, async (client, whileOurs) => {
      if (text === undefined) await pressKeys(client, input, 0, whileOurs);
      else await typeText(client, input, delay, await session.keyboard(), whileOurs);
    });
    return json({ success: true, command: text === undefined ? "key" : "type", input });
  },
);

const clickAt = desktopTool(
  "desktop_click",
  "Click at a place, in pixels from the top left.",
  z.strictObject({
    display,
    x: coordinate,
    y: coordinate,
    button: z.enum(["left", "middle", "right"]).default("left"),
    double: z.boolean().default(false),
  }),
  async ({ display: name, x, y, button, double }, { sessions, signal }) => {
    const session = await sessions.find(name);
    await session.act(signal, (client, whileOurs) => click(client, button, double ? 2 : 1, { x, y }, whileOurs));
    return json({ success: true, x, y, button, double });
  },
);

const moveMouse = desktopTool(
  "desktop_mouse_move",
  "Move the mouse without clicking.",
  z.strictObject({ display, x: coordinate, y: coordinate }),
  async ({ display: name, x, y }, { sessions, signal }) => {
    const session = await sessions.find(name);
    await session.act(signal, (client) => {
      client.point(x, y);
      return Promise.resolve();
    });
    return json({ success: true, x, y });
  },
);

const scrollWheel = desktopTool(
  "desktop_scroll",
  "Turn the mouse wheel. Positive is down, negative is up.",
  z.strictObject({
    display,
    amount: z.number().int().min(-500).max(500).describe("Notches of the wheel"),
    x: coordinate.optional(),
    y: coordinate.optional(),
  }),
  async ({ display: name, amount, x, y }, { sessions, signal }) => {
    const session = await sessions.find(name);
    const direction = amount >= 0 ? "down" : "up";
    const place = x === undefined || y === undefined ? undefined : { x, y };
    await session.act(signal, (client, whileOurs) => scroll(client, direction, Math.abs(amount), place, whileOurs));
    return json({ success: true, amount, direction });
  },
);

export const handTools = [type, clickAt, moveMouse, scrollWheel];

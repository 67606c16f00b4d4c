import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";
import { sleep } from "../../base/async.ts";
import { encodePng, type Region } from "../../desktop/png.ts";
import type { RfbClient } from "../../desktop/rfb.ts";
import { ToolError } from "../tool.ts";
import { desktopTool, display, json } from "./desktopTool.ts";
import { output, saying } from "./programs.ts";

const side = z.number().int().min(0).max(16_384);

/** A picture of the desktop as it is now, or of a region of it. */
export async function picture(client: RfbClient, region?: Region, scale = 1): Promise<Buffer> {
  await client.refresh();
  return encodePng(client.pixels, region && within(client, region), scale);
}

const screenshot = desktopTool(
  "desktop_screenshot",
  "Take a screenshot of the desktop. It is saved as a PNG; with return_image it is in the answer as well.",
  z.strictObject({
    display,
    wait_seconds: z.number().min(0).max(300).default(0).describe("Seconds to wait before it"),
    return_image: z.boolean().default(false).describe("Put the picture into the answer, to be looked at"),
    filename: z.string().optional().describe("The name of the file"),
    region: z.strictObject({ x: side, y: side, width: side, height: side }).optional(),
  }),
  async (args, { sessions, signal }) => {
    const session = await sessions.find(args.display);
    await sleep(1000 * args.wait_seconds, signal);
    const name = fileName(args.filename);
    const bytes = await session.look((client) => picture(client, args.region));
    const path = join(sessions.pictures, name);
    writeFileSync(path, bytes, { mode: 0o600 });
    return {
      ...json({ success: true, path, size_bytes: bytes.length }),
      ...(args.return_image && { picture: bytes }),
    };
  },
);

const windowCommand = desktopTool(
  "desktop_i3_command",
  "Give a command to the window manager i3. `exec` and a command line starts a program in the desktop, with any window manager.",
  z.strictObject({ display, command: z.string().min(1).describe("Such as: exec xterm, split h, focus right") }),
  async (args, { sessions, signal }) => {
    const session = await sessions.find(args.display);
    const [, line] = /^\s*exec\s+(?:--no-startup-id\s+)?(\S.*)$/s.exec(args.command) ?? [];
    const manager = session.display.windowManager?.name;
    // As the agent's program, whatever i3 would take it for.
    if (line !== undefined) {
      // What was there before is no change.
      await session.look((client) => client.refresh());
      const pid = await session.start(["/bin/sh", "-c", line], sessions.workspace);
      // Until its window is there.
      await session.look(async (client) => (await client.changes(3000)) && client.still(400, 3000, signal));
      return json({ success: true, output: `Started as process ${String(pid)}.` });
    }
    if (manager !== "i3")
      throw new ToolError(
        `This desktop's window manager is ${manager ?? "none"}, not i3: only exec works. ` +
          "Use the mouse and the keyboard, such as alt+F4, for windows.",
      );
    const options = { env: session.environment, signal, timeout: 10_000 };
    const said = (await output("i3-msg", [args.command], options).catch(saying("i3-msg"))).trim();
    return /^[[{]/.test(said) ? { text: said } : json({ success: true, output: said });
  },
);

export const viewTools = [screenshot, windowCommand];

/** The part of a region that is on the screen. */
function within({ width, height }: RfbClient, region: Region): Region {
  const [x, y] = [Math.min(region.x, width), Math.min(region.y, height)];
  const found = { x, y, width: Math.min(region.width, width - x), height: Math.min(region.height, height - y) };
  if (found.width > 0 && found.height > 0) return found;
  throw new ToolError(`The region is not on the desktop, which is ${String(width)}x${String(height)}.`);
}

function fileName(wanted: string | undefined): string {
  if (wanted === undefined)
    return `screenshot_${new Date()
      .toISOString()
      .replaceAll(/[-:]|Z$/g, "")
      .replace("T", "_")}.png`;
  if (basename(wanted) !== wanted || wanted.startsWith(".") || /[\0\\]/.test(wanted))
    throw new ToolError(`${wanted} is no name of a file. Give a name alone, such as login.png.`);
  return wanted.toLowerCase().endsWith(".png") ? wanted : `${wanted}.png`;
}

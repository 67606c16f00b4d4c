import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { ToolError } from "../tool.ts";
import { accessibleText } from "./accessibleText.ts";
import { desktopTool, display } from "./desktopTool.ts";
import { findProgram, output, saying } from "./programs.ts";
import type { Session } from "./session.ts";
import { picture } from "./viewTools.ts";

const recognitionMs = 60_000;

export const getText = desktopTool(
  "desktop_get_text",
  "Read the text that is visible on the desktop, by window, with the roles of buttons, links and fields: what programs " +
    "tell by accessibility; where none does, by text recognition. xterm tells nothing, and chromium only when it is " +
    "started with --force-renderer-accessibility.",
  z.strictObject({
    display,
    recognise: z
      .boolean()
      .default(false)
      .describe("Use text recognition in any case, such as to read xterm beside a browser"),
  }),
  async (args, { sessions, signal }) => {
    const session = await sessions.find(args.display);
    const told = args.recognise ? undefined : await tell(session, signal);
    if (told !== undefined) return { text: `--- Accessibility tree ---\n${told}` };
    const program = findProgram("tesseract", session.environment);
    if (program === undefined) throw unreadable(session, args.recognise);
    return { text: `--- OCR Text ---\n${await recognise(session, program, signal)}` };
  },
);

async function tell(session: Session, signal: AbortSignal): Promise<string | undefined> {
  const { isAccessible, variables } = session.display;
  if (!isAccessible) return undefined;
  const { width, height } = await session.look((client) => Promise.resolve(client));
  return accessibleText(variables["DBUS_SESSION_BUS_ADDRESS"] ?? "", { x: 0, y: 0, width, height }, signal);
}

async function recognise(session: Session, program: string, signal: AbortSignal): Promise<string> {
  const path = join(session.folder, "text.png");
  // Letters of a screen are too small for it.
  writeFileSync(path, await session.look((client) => picture(client, undefined, 2)), { mode: 0o600 });
  try {
    const options = { env: session.environment, signal, timeout: recognitionMs };
    return (await output(program, [path, "stdout"], options).catch(saying("tesseract"))).trim();
  } finally {
    rmSync(path, { force: true });
  }
}

function unreadable({ display: { isAccessible } }: Session, onlyRecognise: boolean): ToolError {
  const nothing = onlyRecognise
    ? "Nothing here recognises text."
    : isAccessible
      ? "No program on this desktop tells its text, and nothing here recognises text."
      : "Nothing here reads text.";
  return new ToolError(
    `${nothing} Look at a screenshot instead, or install the packages at-spi2-core and dbus (before the desktop is ` +
      "started) or tesseract-ocr.",
  );
}

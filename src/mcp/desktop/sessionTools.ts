import { z } from "zod";
import { describeError } from "../../base/errors.ts";
import { findProgram, sandboxWords } from "./programs.ts";
import type { Session } from "./session.ts";
import { desktopTool, display, json } from "./desktopTool.ts";
import { ToolError } from "../tool.ts";

const browsers = ["chromium", "chromium-browser", "google-chrome", "firefox-esr", "firefox"];

export const startSession = desktopTool(
  "desktop_start_session",
  "Start a virtual desktop with a window manager. Returns its display, such as :99, which the other desktop_* tools need, " +
    "and the environment that a shell command needs, all of it, to show a window there and not on the user's own screen, " +
    "and to let desktop_get_text read it. Optionally starts a browser.",
  z.strictObject({
    launch_browser: z.boolean().default(false).describe("Start a browser in it"),
    url: z.string().optional().describe("What the browser opens"),
  }),
  async ({ launch_browser: wantsBrowser, url = "about:blank" }, { sessions }) => {
    if (url.startsWith("-")) throw new ToolError(`${url} is no address.`);
    const session = await sessions.start();
    // Until its window manager is there.
    await session.look((client) => client.still(150, 1500));
    const { display: shown, folder } = session;
    return json({
      success: true,
      display: shown.name,
      resolution: shown.size,
      xvfb_pid: shown.pid,
      i3_pid: shown.windowManager?.pid ?? null,
      window_manager: shown.windowManager?.name ?? null,
      screenshots_dir: sessions.pictures,
      environment: shown.variables,
      folder,
      ...(wantsBrowser && (await launchBrowser(session, url))),
    });
  },
);

export const stopSession = desktopTool(
  "desktop_stop_session",
  "Stop a virtual desktop and what was started in it.",
  z.strictObject({ display }),
  async (args, { sessions }) => {
    const session = await sessions.find(args.display);
    const killed = await sessions.stop(session);
    return json({ success: true, display: session.display.name, killed_pids: killed });
  },
);

/** A desktop without its browser is still a desktop, so what went wrong is only told. */
async function launchBrowser(session: Session, url: string): Promise<object> {
  const program = browsers.find((name) => findProgram(name, session.environment) !== undefined);
  if (program === undefined) return { browser_error: "There is no browser here. Install the package chromium." };
  const profile = `${session.folder}/browser`;
  const chromium = [
    ...[
      "--no-first-run",
      "--no-default-browser-check",
      "--disable-dev-shm-usage",
      "--disable-gpu",
      "--start-maximized",
    ],
    ...sandboxWords(),
    "--ozone-platform=x11",
    ...(session.display.isAccessible ? ["--force-renderer-accessibility"] : []),
    `--user-data-dir=${profile}`,
  ];
  const args = program.startsWith("firefox") ? ["--new-instance", "--profile", profile] : chromium;
  try {
    await session.look((client) => client.refresh());
    const pid = await session.start([program, ...args, url], session.folder);
    // Until it has drawn its window and the page.
    await session.look(async (client) => (await client.changes(10_000)) && client.still(700, 10_000));
    return { browser: program, browser_pid: pid, url };
  } catch (error) {
    return { browser_error: describeError(error) };
  }
}

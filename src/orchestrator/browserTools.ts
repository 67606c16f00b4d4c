import { chmodSync } from "node:fs";
import { delimiter, join } from "node:path";
import { writePrivateFile } from "../base/files.ts";
import { isExecutable } from "../base/paths.ts";
import type { Part } from "../protocol/configuration.ts";

/** The version that the test has seen to work. */
const fetched = ["npx", "-y", "@playwright/mcp@0.0.83"];
const installed = ["playwright-mcp", "mcp-server-playwright"];

/** Milliseconds until its tools are known: it may have to be fetched first. */
const startMs = 120_000;

/**
 * Playwright's MCP server, whose browser is shown on the desktop that was started last.
 * @param desktops where the displays of this machine lie
 * @param runtime where a program of ours can be put
 */
export function browserTools(desktops: string, runtime: string, environment: NodeJS.ProcessEnv): Part {
  const folders = (environment["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  const paths = installed.flatMap((name) => folders.map((folder) => join(folder, name)));
  const found = paths.find(isExecutable);
  const path = writeLauncher(desktops, runtime);
  // Otherwise it writes into the folder that the mission works in.
  const output = join(runtime, "desktop-browser-output");
  const words = ["--browser", "chrome", "--isolated", "--executable-path", path, "--output-dir", output];
  return {
    kind: "mcps",
    name: "playwright",
    path,
    description: "A browser on the desktop",
    entry: {
      type: "local",
      // Chromium refuses to run as root with its sandbox.
      command: [
        ...(found === undefined ? fetched : [found]),
        ...words,
        ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      ],
      // Without one it shows its browser nowhere; the launcher puts in the right one.
      environment: { DISPLAY: ":0" },
      timeout: startMs,
      enabled: true,
    },
  };
}

/** Writes what is started in the place of the browser; gives its path. */
function writeLauncher(desktops: string, runtime: string): string {
  const path = join(runtime, "desktop-browser");
  writePrivateFile(
    path,
    launcher.replace("DESKTOPS", () => `'${desktops.replaceAll("'", "'\\''")}'`),
  );
  chmodSync(path, 0o700);
  return path;
}

/** See `guard.ts` for what a display's folder holds. */
const launcher = String.raw`#!/bin/sh
# Starts the browser on the desktop that was started last.
newest=
for one in DESKTOPS/*; do
  [ -p "$one/hold" ] && [ -f "$one/display" ] && read -r n x rest <"$one/display" && kill -0 "$x" 2>/dev/null || continue
  if [ -z "$newest" ] || [ -n "$(find "$one/display" -newer "$newest/display")" ]; then newest=$one number=$n; fi
done
if [ -z "$newest" ]; then
  echo "There is no desktop. Start a desktop first: desktop_start_session." >&2
  exit 1
fi
for browser in chromium chromium-browser google-chrome google-chrome-stable; do
  command -v $browser >/dev/null && break
  browser=
done
if [ -z "$browser" ]; then
  echo "There is no browser here. Install the package chromium." >&2
  exit 1
fi
unset WAYLAND_DISPLAY AT_SPI_BUS_ADDRESS
export DISPLAY=":$number" XAUTHORITY="$newest/authority"
case $newest in
  *[!-A-Za-z0-9_/.]*) ;;
  *)
    if [ -S "$newest/bus" ]; then
      export DBUS_SESSION_BUS_ADDRESS="unix:path=$newest/bus" ACCESSIBILITY_ENABLED=1
      set -- --force-renderer-accessibility "$@"
    fi
    ;;
esac
exec "$browser" "$@"
`;

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium, type Browser } from "playwright-core";

const installCommand = "apt-get update && apt-get install -y --no-install-recommends chromium";

/** Starts Chromium, with a window when `headed`, on the display that these variables name. It can reach nothing but this machine. */
export function launchBrowser(options: { headed?: boolean; display?: Record<string, string> } = {}): Promise<Browser> {
  return chromium.launch({
    executablePath: findChromium() ?? installChromium(),
    headless: options.headed !== true,
    ...(options.display && { env: { ...process.env, ...options.display } }),
    args: [
      "--autoplay-policy=no-user-gesture-required",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-gpu",
      "--disable-quic",
      "--disable-sync",
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
      "--no-proxy-server",
    ],
  });
}

/** The browser that $CHROMIUM names, or the first that is installed. */
export function findChromium(): string | undefined {
  const { CHROMIUM } = process.env;
  if (CHROMIUM !== undefined && CHROMIUM !== "") return CHROMIUM;
  return inPath("chromium") ?? inPath("chromium-browser") ?? inPath("google-chrome");
}

function installChromium(): string {
  if (process.getuid?.() !== 0 || inPath("apt-get") === undefined)
    throw new Error(
      `There is no Chromium. Install it (on Debian: sudo sh -c '${installCommand}') or name it in $CHROMIUM.`,
    );
  console.error("Installing Chromium (once, about 40 s) …");
  execFileSync("sh", ["-c", installCommand], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  const installed = findChromium();
  if (installed === undefined) throw new Error(`'${installCommand}' brought no Chromium.`);
  return installed;
}

function inPath(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/bin"];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

// Opens the product: npm start [-- folder]. In VS Code where `code` is on PATH, else in a VS Code in the browser.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { systemCode } from "../../src/base/errors.ts";
import { locateOpenCode } from "../../src/opencode/locate.ts";
import { repository } from "../fake/bed.ts";
import { prepareSample, scriptedNotice } from "./demo.ts";
import { startEditor, type Editor } from "./editor.ts";
import { installationFolder } from "./setup.ts";

/** The same one each time, since the browser keeps state and secrets of extensions by it. */
const usualPort = 43_110;

const sample = await prepareSample();
const folder = resolve(process.argv[2] ?? sample.folder);
if (!existsSync(folder)) throw new Error(`There is no folder ${folder}.`);
const code = (process.env["PATH"] ?? "")
  .split(delimiter)
  .map((path) => join(path, process.platform === "win32" ? "code.cmd" : "code"))
  .find((path) => existsSync(path));
await (code === undefined ? openInBrowser() : openInDesktop(code));

function build(...options: string[]): void {
  execFileSync(process.execPath, [join(repository, "esbuild.mjs"), ...options], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}

async function openInDesktop(command: string): Promise<void> {
  build();
  const words = ["--new-window", "--wait", `--extensionDevelopmentPath=${repository}`, folder];
  const window = spawn(realpathSync(command), words, { stdio: "inherit", shell: process.platform === "win32" });
  greet("VS Code opens with the extension under development. Ctrl+C here, or closing the window, ends this.");
  await new Promise((closed) => window.once("exit", closed));
  process.exit(0);
}

async function openInBrowser(): Promise<void> {
  build("--package", "--target", `${process.platform}-${process.arch}`);
  const { version } = (await import("../../package.json", { with: { type: "json" } })).default;
  const vsix = join(repository, "out", `open-agent-${process.platform}-${process.arch}-${version}.vsix`);
  const { path: opencode } = await locateOpenCode({
    configured: undefined,
    environment: process.env,
    packageFolders: [repository],
  });
  const own = Object.entries(process.env).filter(([name]) => name === "HOME" || name.startsWith("XDG_"));
  const open = (port: number) =>
    startEditor({
      extension: { vsix },
      workspace: folder,
      userData: join(installationFolder(), "user"),
      extensions: join(installationFolder(), "extensions"),
      port,
      env: Object.fromEntries(own),
      settings: { "openAgent.opencode.path": opencode },
    });
  const editor = await openOnPort(open);
  greet(`Open ${editor.url}/?folder=${encodeURIComponent(folder)}\nCtrl+C ends it.`);
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => void editor.stop().finally(() => process.exit(0)));
}

/** On the usual port, or on a free one where that is taken. */
async function openOnPort(open: (port: number) => Promise<Editor>): Promise<Editor> {
  try {
    return await open(usualPort);
  } catch (error) {
    if (systemCode(error) !== "EADDRINUSE" && !String(error).includes("EADDRINUSE")) throw error;
    return open(0);
  }
}

function greet(words: string): void {
  if (sample.scripted !== undefined && folder === sample.folder) console.log(`\n${scriptedNotice}`);
  console.log(`\n${words}\nThen run “Open Agent: New Mission…” from the command palette (F1).\n`);
}

import { execFile, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { sleep, waitUntil } from "../../src/base/async.ts";
import { systemCode } from "../../src/base/errors.ts";
import { setupEditor } from "./setup.ts";

export interface EditorOptions {
  /** A package, installed as a user would, or a folder with an extension under development. */
  extension: { vsix: string } | { folder: string };
  /** The folder to open; an empty one by default. */
  workspace?: string;
  /** Added to the environment of the server and of the extension host; undefined takes a variable away. */
  env?: Record<string, string | undefined>;
  /** User settings, on top of those of `userData` or of the defaults below. */
  settings?: Record<string, unknown>;
  /** False opens the workspace in Restricted Mode. By default everything is trusted. */
  trust?: boolean;
  /**
   * A folder for user data that outlives the editor, so that another can be started on it. What extensions keep as state
   * and secrets is not there but in the browser, by port: see `port` and `newProfile`.
   */
  userData?: string;
  /** The same for the installed extensions. */
  extensions?: string;
  /** Any free one by default. */
  port?: number;
  /** Leaves the temporary folder in place. */
  keepFiles?: boolean;
}

/** A running VS Code server. */
export interface Editor {
  url: string;
  port: number;
  dirs: EditorDirs;
  /** The folder of the extension under development. */
  developed: string | undefined;
  /** What the server has printed. */
  log(): string;
  /** Ends the server with all processes that it started and removes the temporary folder. */
  stop(): Promise<void>;
}

export interface EditorDirs {
  /** Temporary folder in which all the others are that the options do not name. */
  work: string;
  /** The home directory of the server and of the extension. */
  home: string;
  userData: string;
  extensions: string;
  workspace: string;
  temporary: string;
}

const defaultSettings = {
  "chat.disableAIFeatures": true,
  "extensions.autoCheckUpdates": false,
  "extensions.autoUpdate": false,
  "files.simpleDialog.enable": true,
  "security.workspace.trust.startupPrompt": "never",
  "telemetry.telemetryLevel": "off",
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
};

/** For tests: a quick input is closed by who uses it, and not by a panel that takes the focus meanwhile. */
export const steadySettings = { "workbench.quickOpen.closeOnFocusLost": false };

const startLimitMs = 30_000;

/** Starts a VS Code server on a free loopback port, in a process group of its own and apart from the user's files. */
export async function startEditor(options: EditorOptions): Promise<Editor> {
  const { node, entry } = setupEditor();
  const dirs = makeDirs(options);
  // A remote window takes machine-scoped settings from a file of their own.
  for (const scope of ["User", "Machine"])
    writeSettings(join(dirs.userData, scope, "settings.json"), options.settings ?? {});
  const env = environment(dirs, options.env ?? {});
  const config = join(dirs.work, "code-server.yaml");
  writeFileSync(config, "");
  const places = ["--config", config, "--user-data-dir", dirs.userData, "--extensions-dir", dirs.extensions];
  if ("vsix" in options.extension) {
    const install = [entry, ...places, "--install-extension", resolve(options.extension.vsix), "--force"];
    await promisify(execFile)(node, install, { env });
  }

  const server = spawn(
    node,
    [
      ...[entry, ...places, "--auth", "none", "--bind-addr", `127.0.0.1:${String(options.port ?? 0)}`],
      ...["--session-socket", join(dirs.temporary, "session.sock"), "--disable-getting-started-override"],
      ...["--disable-telemetry", "--disable-update-check"],
      ...(options.trust === false ? [] : ["--disable-workspace-trust"]),
    ],
    { env, cwd: dirs.work, detached: true, stdio: ["ignore", "pipe", "pipe"] },
  );
  const { pid } = server;
  if (pid === undefined) throw new Error(`${node} does not start.`);
  let log = "";
  for (const stream of [server.stdout, server.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      log += text;
    });
  const dismissGuard = guard(pid, options.keepFiles === true ? "" : dirs.work);
  const end = async () => {
    await endServer(server, pid);
    dismissGuard();
    if (options.keepFiles !== true) rmSync(dirs.work, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  let ending: Promise<void> | undefined;
  const stop = () => (ending ??= end());

  const findPort = () => /HTTP server listening on \S+:(\d+)/.exec(log)?.[1];
  const ended = () => server.exitCode !== null || server.signalCode !== null;
  await waitUntil(() => findPort() !== undefined || ended(), startLimitMs);
  const port = findPort();
  if (port === undefined) {
    await stop();
    throw new Error(`The editor did not start.\n${log}`);
  }
  return {
    url: `http://localhost:${port}`,
    port: Number(port),
    dirs,
    developed: "folder" in options.extension ? resolve(options.extension.folder) : undefined,
    log: () => log,
    stop,
  };
}

function makeDirs(options: EditorOptions): EditorDirs {
  // A short name: sockets lie below, and their paths are limited to about 100 characters.
  const work = mkdtempSync(join(tmpdir(), "editor-"));
  const dirs = {
    work,
    home: options.env?.HOME ?? join(work, "home"),
    userData: options.userData ?? join(work, "user"),
    extensions: options.extensions ?? join(work, "extensions"),
    workspace: options.workspace ?? join(work, "workspace"),
    temporary: join(work, "tmp"),
  };
  for (const path of Object.values(dirs)) mkdirSync(path, { recursive: true });
  return dirs;
}

function writeSettings(path: string, settings: Record<string, unknown>): void {
  const present = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as object) : defaultSettings;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify({ ...present, ...settings }, undefined, 2));
}

function environment(dirs: EditorDirs, changes: Record<string, string | undefined>): NodeJS.ProcessEnv {
  // An editor around this process or a test tool would otherwise reach into the server.
  const foreign = /^(VSCODE_|XDG_(CONFIG|DATA|CACHE|STATE)_HOME$|NODE_(ENV|OPTIONS|V8_COVERAGE)$)/;
  const own = Object.entries(process.env).filter(([name]) => !foreign.test(name));
  return {
    ...Object.fromEntries(own),
    HOME: dirs.home,
    TMPDIR: dirs.temporary,
    EXTENSIONS_GALLERY: JSON.stringify({ serviceUrl: "", itemUrl: "", resourceUrlTemplate: "" }),
    ...changes,
  };
}

/**
 * Cleans up when this process ends in whatever way without stopping the server: the pipe to the guard closes then.
 * Gives a function that dismisses the guard.
 */
function guard(pid: number, folder: string): () => void {
  const group = `-${String(pid)}`;
  const script = `read -r _; kill -s TERM -- ${group}; sleep 2; kill -s KILL -- ${group}; rm -rf -- "$1"`;
  const shell = spawn("sh", ["-c", script, "sh", folder], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  return () => shell.kill("SIGKILL");
}

async function endServer(server: ChildProcess, pid: number): Promise<void> {
  server.kill("SIGTERM");
  // The extension host outlives the server while its extensions deactivate, for which they have five seconds.
  await untilGone(pid, /entry\b|extensionHost/, 6000);
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if (systemCode(error) !== "ESRCH") throw error;
  }
  await untilGone(pid, /./, 1000);
}

/** Waits until no process of a group whose command line matches is alive. Zombies are not. */
async function untilGone(group: number, command: RegExp, ms: number): Promise<void> {
  for (const end = Date.now() + ms; Date.now() < end;) {
    const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pgid=,stat=,args="]);
    const rows = stdout.split("\n").map((line) => line.trim().split(/\s+/));
    const alive = rows.filter(([id, state]) => Number(id) === group && state?.startsWith("Z") === false);
    if (!alive.some((row) => command.test(row.slice(2).join(" ")))) return;
    await sleep(50);
  }
}

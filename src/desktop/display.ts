import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, constants, existsSync, fstatSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { sleep } from "../base/async.ts";
import { OpenAgentError, systemCode } from "../base/errors.ts";
import { privateFolder, readTextIfPresent } from "../base/files.ts";
import { toDisposable, type Disposable } from "../base/lifetime.ts";
import { accessibilityVariables, guardCommand, longestSocketPath, screenVariables } from "./guard.ts";
import { lookAt, readPlainFile } from "./plainFile.ts";
import { mostPixels } from "./rectangles.ts";
import { windowManagerStarts } from "./x11.ts";

/** What a display is, as its guard has written it into the display's folder. */
export interface Display {
  /** As programs have it in DISPLAY. */
  name: string;
  /** As it was started, such as `1280x720`. */
  size: string;
  /** Where the X server speaks RFB; only its user can open it. */
  socket: string;
  /** The file of the cookie, as programs have it in XAUTHORITY. */
  authority: string;
  /** The X server's process, as seen where it runs. */
  pid: number;
  /** `Xvfb` cannot change its size. */
  server: "Xtigervnc" | "Xvfb";
  windowManager: { name: "openbox" | "i3"; pid: number } | undefined;
  /** Whether it takes what programs tell of what they show, by AT-SPI. */
  isAccessible: boolean;
  /** What programs need in their environment to be shown here, and nowhere else, and to tell what they show. */
  variables: Record<string, string>;
}

export interface DisplayOptions {
  /** The display's own, private folder; it is made. Its path is the same where the display runs. */
  folder: string;
  width: number;
  height: number;
  /** Seconds that the display is kept with nobody holding it. */
  graceSeconds: number;
  /** What its programs find in their environment; by default what this process has. */
  environment?: NodeJS.ProcessEnv;
  /** How to run a command where the display is to be; by default here. */
  wrap?: (argv: readonly string[]) => Promise<{ command: string; args: string[]; cwd: string; env: NodeJS.ProcessEnv }>;
}

/** The sides of a display that is asked for. */
const [leastSide, mostSide] = [64, 8192];
const [startTimeoutMs, managerMs] = [15_000, 5_000];

/** A size such as `1280x720`, with the depth that some put after it left out. */
export function parseSize(words: string): { width: number; height: number } {
  const [, width = 0, height = 0] = (/^\s*(\d{1,5})\s*x\s*(\d{1,5})(?:x\d+)?\s*$/i.exec(words) ?? []).map(Number);
  if ([width, height].every((side) => side >= leastSide && side <= mostSide)) {
    if (width * height <= mostPixels) return { width, height };
    const most = `${String(mostPixels / mostSide)} pixels high where it is ${String(mostSide)} wide`;
    throw new OpenAgentError("invalid_input", `“${words}” is too large for a desktop, which is at most ${most}.`);
  }
  const range = `${String(leastSide)} to ${String(mostSide)}`;
  throw new OpenAgentError(
    "invalid_input",
    `“${words}” is no size of a desktop. Write it as 1280x720; a side has ${range} pixels.`,
  );
}

/**
 * Starts a display, which nobody holds yet: it ends by itself soon unless somebody does. Several at once get different
 * numbers.
 */
export async function startDisplay(options: DisplayOptions): Promise<Display> {
  const { folder, width, height, graceSeconds, environment = process.env, wrap } = options;
  checkPath(folder);
  privateFolder(folder);
  writeCookie(join(folder, "authority"));
  const argv = guardCommand(folder, `${String(width)}x${String(height)}`, graceSeconds);
  const [program = "", ...rest] = argv;
  const { command, args, cwd, env } = wrap
    ? await wrap(argv)
    : { command: program, args: rest, cwd: folder, env: environment };
  const guard = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "ignore"], detached: true });
  try {
    const said = await firstLine(guard);
    guard.unref();
    const [word, ...words] = said.split(" ");
    const display = word === "ready" ? parseDisplay(folder, words.join(" ")) : undefined;
    if (display) {
      // Where it can be reached from here; in a container it is started from within.
      if (!wrap && display.windowManager) await windowManagerStarts(display, managerMs);
      return display;
    }
    throw word === "missing" ? missingServer() : failedStart(words.join(" "));
  } finally {
    // One that did not get ready in time ends by itself, since nobody holds it.
    guard.stdout.destroy();
  }
}

/** The display whose folder this is, if it is there; whether it still runs shows when somebody holds it. */
export function readDisplay(folder: string): Display | undefined {
  const text = readPlainFile(join(folder, "display"));
  return text && parseDisplay(folder, text.toString());
}

/**
 * The display whose folder this is, if one can be looked at there: its socket is one, and lies in the folder itself.
 * Nobody has to hold it for that.
 */
export function seenDisplay(
  folder: string,
): { display: Display; owner: string | undefined; since: number } | undefined {
  const inFolder = (name: string) => lookAt(join(folder, name));
  if (lookAt(folder)?.isDirectory() !== true) return undefined;
  if (inFolder("vnc.sock")?.isSocket() !== true || inFolder("hold")?.isFIFO() !== true) return undefined;
  const display = readDisplay(folder);
  const since = inFolder("display")?.mtimeMs;
  return display && since !== undefined
    ? { display, owner: readPlainFile(join(folder, "owner"))?.toString(), since }
    : undefined;
}

/** Whether somebody listens on a display's socket: nobody does when all of it was killed at once. */
export function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    const end = (is: boolean) => {
      probe.destroy();
      resolve(is);
    };
    probe.once("connect", () => end(true));
    // Too many at once is a sign of life.
    probe.once("error", (error) => end(!["ECONNREFUSED", "ENOENT"].includes(systemCode(error) ?? "")));
  });
}

/** Writes down whose display it is, for those who list displays. */
export function ownDisplay(folder: string, owner: string): void {
  writeFileSync(join(folder, "owner"), owner, { mode: 0o600 });
}

/** Where an owner's screenshots lie, beside the folders of displays; those of nobody in particular lie together. */
export function screenshotsFolder(place: string, owner: string): string {
  return join(place, owner === "" ? "screenshots" : `screenshots-${owner.replaceAll(/\W/g, "_")}`);
}

/** Keeps a display until the end of what is returned, or of this process. Undefined when it does not run any more. */
export async function holdDisplay(folder: string): Promise<Disposable | undefined> {
  const pipe = await openHold(folder);
  return pipe === undefined ? undefined : toDisposable(() => closeSync(pipe));
}

/** Keeps a display for so many seconds from when nobody holds it; says whether it still runs. */
export function keepDisplay(folder: string, seconds: number): Promise<boolean> {
  return tell(folder, `keep ${String(Math.max(0, Math.round(seconds)))}`);
}

/** Ends a display and all that runs in it, and waits until it is gone. Its folder stays. */
export async function endDisplay(folder: string): Promise<void> {
  if (!(await tell(folder, "end"))) return;
  for (let waited = 0; existsSync(join(folder, "hold")) && waited < 5000; waited += 20) await sleep(20);
}

/** The last that the X server has said, for an error's words. */
export function displayLog(folder: string): string {
  return (readTextIfPresent(join(folder, "log")) ?? "").trim().split("\n").slice(-3).join(" ");
}

async function tell(folder: string, words: string): Promise<boolean> {
  const pipe = await openHold(folder);
  if (pipe === undefined) return false;
  try {
    writeSync(pipe, `${words}\n`);
    return true;
  } finally {
    closeSync(pipe);
  }
}

/** Opens the guard's pipe. For a moment after somebody has let go, the guard does not have it open. */
async function openHold(folder: string): Promise<number | undefined> {
  for (let tries = 0; tries < 25; tries++) {
    try {
      const pipe = openSync(join(folder, "hold"), constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
      // In a container's folder its agent may have put anything in the place of the pipe.
      if (fstatSync(pipe).isFIFO()) return pipe;
      closeSync(pipe);
      return undefined;
    } catch (error) {
      if (systemCode(error) === "ENOENT" || systemCode(error) === "ELOOP") return undefined;
      if (systemCode(error) !== "ENXIO") throw error;
    }
    await sleep(20);
  }
  // Nobody reads it: all of it was killed. The next display of this folder cleans up behind it.
  return undefined;
}

/** Programs of any display number may use it; the file of a display is its own. */
function writeCookie(path: string): void {
  const field = (bytes: Buffer) => Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
  const anyHost = Buffer.from([0xff, 0xff]);
  const fields = [Buffer.alloc(0), Buffer.alloc(0), Buffer.from("MIT-MAGIC-COOKIE-1"), randomBytes(16)].map(field);
  rmSync(path, { force: true });
  writeFileSync(path, Buffer.concat([anyHost, ...fields]), { mode: 0o600, flag: "wx" });
}

function checkPath(folder: string): void {
  if (/[\s"'\\]/.test(folder))
    throw new OpenAgentError("invalid_input", `${folder} cannot be a desktop's folder: it has spaces or quotes in it.`);
  if (Buffer.byteLength(join(folder, "vnc.sock")) > longestSocketPath)
    throw new OpenAgentError("invalid_input", `${folder} is too long for a desktop's folder. Use a shorter one.`);
}

function parseDisplay(folder: string, words: string): Display | undefined {
  const [number = "", pid = "", size = "", server, manager, managerPid = ""] = words.trim().split(" ");
  if (!/^\d+$/.test(number) || (server !== "Xtigervnc" && server !== "Xvfb")) return undefined;
  const [name, authority, isAccessible] = [`:${number}`, join(folder, "authority"), existsSync(join(folder, "bus"))];
  const accessibility = isAccessible ? accessibilityVariables(folder) : {};
  return {
    name,
    size,
    socket: join(folder, "vnc.sock"),
    authority,
    pid: Number(pid),
    server,
    windowManager: manager === "openbox" || manager === "i3" ? { name: manager, pid: Number(managerPid) } : undefined,
    isAccessible,
    variables: { DISPLAY: name, XAUTHORITY: authority, ...screenVariables(folder), ...accessibility },
  };
}

function firstLine(guard: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    const timer = setTimeout(() => {
      reject(failedStart("it took too long"));
    }, startTimeoutMs);
    const end = (outcome: () => void) => {
      clearTimeout(timer);
      outcome();
    };
    guard.stdout?.on("data", (bytes: Buffer) => {
      said += bytes.toString();
      const line = said.indexOf("\n");
      if (line >= 0) end(() => resolve(said.slice(0, line)));
    });
    guard.once("error", (error) => end(() => reject(failedStart(error.message))));
    guard.stdout?.once("close", () => end(() => reject(failedStart(said.trim() || "it ended at once"))));
  });
}

function missingServer(): OpenAgentError {
  return new OpenAgentError(
    "desktop_unavailable",
    "There is no X server for a desktop here. Install the packages tigervnc-standalone-server and openbox " +
      "(or xvfb, x11vnc and openbox).",
  );
}

function failedStart(reason: string): OpenAgentError {
  const said = reason.trim().replace(/\.?$/, ".");
  const wayOut =
    "Try again. If that does not help, see that /tmp can be written to and has room, and install " +
    "tigervnc-standalone-server anew.";
  return new OpenAgentError("desktop_failed", `The desktop's X server did not start: ${said} ${wayOut}`);
}

import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { sleep } from "./async.ts";
import { systemCode } from "./errors.ts";

const run = promisify(execFile);

/** Whether a process of this number exists, whatever it is. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === "EPERM";
  }
}

/**
 * What tells a process from a later one with the same number: the time of its start, in the system's own words.
 * Undefined when there is no such process or the system does not say.
 */
export async function startTimeOf(pid: number): Promise<string | undefined> {
  try {
    if (process.platform === "linux") {
      const stat = readFileSync(`/proc/${String(pid)}/stat`, "utf8");
      const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
      // The second field is the command in parentheses and may hold anything; the start is the 20th after it.
      const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
      return ticks === undefined ? undefined : `${boot} ${ticks}`;
    }
    if (process.platform === "win32") {
      const script = `(Get-Process -Id ${String(pid)}).StartTime.Ticks`;
      return (await run("powershell.exe", ["-NoProfile", "-Command", script])).stdout.trim() || undefined;
    }
    return (await run("ps", ["-o", "lstart=", "-p", String(pid)])).stdout.trim() || undefined;
  } catch {
    return undefined;
  }
}

/**
 * Ends a process and its group: TERM, again TERM, then KILL, each with `stepMs` to act.
 * A second TERM is needed because OpenCode swallows one while it installs packages in the background.
 */
export async function endProcessGroup(pid: number, isGone: () => boolean, stepMs = 1500): Promise<void> {
  if (process.platform === "win32") {
    await run("taskkill", ["/pid", String(pid), "/T", "/F"]).catch(() => undefined);
    return;
  }
  for (const signal of ["SIGTERM", "SIGTERM", "SIGKILL"] as const) {
    if (isGone()) break;
    signalGroup(pid, signal);
    for (let waited = 0; waited < stepMs && !isGone(); waited += 25) await sleep(25);
  }
  // Children of the group's leader outlive a KILL of it.
  signalGroup(pid, "SIGKILL");
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (systemCode(error) !== "ESRCH") throw error;
  }
}

/**
 * The processes whose environment holds this variable with this value: what a server that was killed has left behind,
 * each in a group of its own. Empty where the system does not tell.
 */
export async function processesWith(name: string, value: string): Promise<number[]> {
  const wanted = `${name}=${value}`;
  if (process.platform === "linux")
    return readdirSync("/proc")
      .filter((entry) => /^\d+$/.test(entry) && environmentOf(entry).includes(wanted))
      .map(Number);
  if (process.platform !== "darwin") return [];
  const { stdout } = await run("ps", ["-axEww", "-o", "pid=,command="]);
  const lines = stdout.split("\n").filter((line) => line.split(" ").includes(wanted));
  return lines.map((line) => Number.parseInt(line, 10)).filter(Number.isInteger);
}

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    // It has ended, or belongs to somebody else.
    return [];
  }
}

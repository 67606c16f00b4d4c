import { existsSync, readdirSync, readFileSync } from "node:fs";
import { systemCode } from "../base/errors.ts";
import { endProcessGroup } from "../base/processes.ts";

/** TERM, once more at half of the time, then KILL. Resolves when nothing of the group runs any more, or it was killed. */
export function endGroup(group: number, withinMs: number): Promise<void> {
  return endProcessGroup(group, () => !isGroupAlive(group), withinMs / 2);
}

/** Whether a process of the group runs. One that has ended, and that nobody has collected yet, does not. */
export function isGroupAlive(group: number): boolean {
  try {
    process.kill(process.platform === "win32" ? group : -group, 0);
  } catch (error) {
    return systemCode(error) === "EPERM";
  }
  if (process.platform !== "linux" || !existsSync("/proc/self/stat")) return true;
  return readdirSync("/proc").some((entry) => {
    const found = /^\d+$/.test(entry) ? stateOf(entry) : undefined;
    return found?.group === group && found.state !== "Z" && found.state !== "X";
  });
}

function stateOf(pid: string): { state: string; group: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the command in parentheses and may hold anything.
    const [state = "", , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state, group: Number(group) };
  } catch {
    // It has ended.
    return undefined;
  }
}

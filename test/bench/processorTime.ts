import { readFileSync } from "node:fs";

/** Milliseconds that a process has run on a processor so far, and those of its children that have ended. */
export function processorTime(pid: number): { own: number; children: number } {
  const stat = readFileSync(`/proc/${String(pid)}/stat`, "utf8");
  // In hundredths of a second, each in user mode and in the kernel.
  const times = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 15)
    .map((hundredths) => Number(hundredths) * 10);
  const [user = NaN, kernel = NaN, childrenUser = NaN, childrenKernel = NaN] = times;
  return { own: user + kernel, children: childrenUser + childrenKernel };
}

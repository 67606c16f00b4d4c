import { closeSync, existsSync, openSync, readSync, renameSync, statSync, truncateSync } from "node:fs";
import { toDisposable, type Disposable } from "./lifetime.ts";

const keepBytes = 5_000_000;
const cutBytes = 50_000_000;

/** Begins a new log, keeping the one before as `<path>.1` when it has grown. */
export function rotateLog(path: string): void {
  if (existsSync(path) && statSync(path).size > keepBytes) renameSync(path, `${path}.1`);
}

/**
 * Reads what is added to a log file from now on, line by line; from its end when `fromStart` is false. A file that a
 * server appends to for days is cut when it grows over 50 MB.
 */
export function followLog(
  path: string,
  onLine: (line: string) => void,
  options: { fromStart: boolean; everyMs?: number },
): Disposable & { readNow(): void } {
  let offset = options.fromStart || !existsSync(path) ? 0 : statSync(path).size;
  let rest = "";
  const readNow = () => {
    if (!existsSync(path)) return;
    const size = statSync(path).size;
    if (size < offset) offset = 0;
    if (size > offset) {
      const lines = (rest + readRange(path, offset, size)).split("\n");
      offset = size;
      rest = lines.pop() ?? "";
      for (const line of lines) onLine(line);
    }
    if (size > cutBytes) {
      truncateSync(path);
      offset = 0;
    }
  };
  const timer = setInterval(readNow, options.everyMs ?? 500);
  timer.unref();
  return {
    readNow,
    ...toDisposable(() => {
      clearInterval(timer);
    }),
  };
}

/** The last lines of a log, at most `bytes` of them. */
export function logTail(path: string, bytes = 4000): string {
  if (!existsSync(path)) return "";
  const size = statSync(path).size;
  return readRange(path, Math.max(0, size - bytes), size);
}

function readRange(path: string, from: number, to: number): string {
  const file = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(to - from);
    const read = readSync(file, buffer, 0, buffer.length, from);
    return buffer.toString("utf8", 0, read);
  } finally {
    closeSync(file);
  }
}

import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { randomBytes } from "node:crypto";
import { sleep } from "../base/async.ts";
import { systemCode } from "../base/errors.ts";
import { fields, text } from "../base/fields.ts";
import { Lifetime } from "../base/lifetime.ts";
import { startTimeOf } from "../base/processes.ts";

/** A process that was started at a time: no later one with its number is taken for it. */
export interface ProcessIdentity {
  pid: number;
  startTime: string;
}

export async function identityOf(pid: number): Promise<ProcessIdentity | undefined> {
  const startTime = await startTimeOf(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

export async function isSameProcess(identity: ProcessIdentity): Promise<boolean> {
  return (await startTimeOf(identity.pid)) === identity.startTime;
}

/** Reads what `writeIdentity` or a lock has written; undefined where there is nothing that can be read. */
export function readIdentity(path: string): ProcessIdentity | undefined {
  try {
    const { pid, startTime } = fields(JSON.parse(readFileSync(path, "utf8")));
    return typeof pid === "number" ? { pid, startTime: text(startTime) } : undefined;
  } catch {
    return undefined;
  }
}

/** Those that this process holds; its own lock looks like any other's. */
const held = new Map<string, Promise<void>>();

/**
 * Runs a job while no other process, and no other call in this one, does so under the same lock file. The lock of a
 * process that was killed is taken over.
 */
export async function withLock<T>(
  path: string,
  job: () => Promise<T>,
  options: { signal?: AbortSignal; onWait?: () => void } = {},
): Promise<T> {
  for (let other = held.get(path); other; other = held.get(path)) {
    options.onWait?.();
    await (options.signal ? Promise.race([other, aborted(options.signal)]) : other);
  }
  const free = new Lifetime();
  held.set(path, new Promise((resolve) => free.add({ dispose: () => resolve() })));
  try {
    await take(path, options);
    try {
      return await job();
    } finally {
      rmSync(path, { force: true });
    }
  } finally {
    held.delete(path);
    free.dispose();
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => reject(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
    if (signal.aborted) fail();
    else signal.addEventListener("abort", fail, { once: true });
  });
}

async function take(path: string, options: { signal?: AbortSignal; onWait?: () => void }): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  writeFileSync(draft, JSON.stringify(await identityOf(process.pid)));
  let told = false;
  try {
    while (!tryLink(draft, path)) {
      const owner = readIdentity(path);
      if (!owner || owner.pid === process.pid || !(await isSameProcess(owner))) {
        bury(path, `${draft}.dead`, owner);
        continue;
      }
      if (!told) options.onWait?.();
      told = true;
      await sleep(200, options.signal);
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Removes the lock of a dead owner, but not the one that somebody else has put in its place meanwhile. */
function bury(path: string, grave: string, dead: ProcessIdentity | undefined): void {
  try {
    renameSync(path, grave);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return;
    throw error;
  }
  const found = readIdentity(grave);
  if (found?.pid !== dead?.pid || found?.startTime !== dead?.startTime) tryLink(grave, path);
  rmSync(grave, { force: true });
}

/** A link is made by one of all who try, and is never half written. */
function tryLink(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
}

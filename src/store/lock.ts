import { dirname } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { privateFolder } from "../base/files.ts";
import { systemCode } from "../base/errors.ts";
import type { Disposable } from "../base/lifetime.ts";

/**
 * Takes a lock that at most one process holds. The system itself releases it when the process ends, however it ends:
 * it is SQLite's own file lock, held by a transaction that is never finished.
 *
 * @returns the lock, to be released by disposing it; undefined when another process holds it
 */
export function tryLock(path: string, nativeBinding?: string): Disposable | undefined {
  privateFolder(dirname(path));
  const database = new SqliteDatabase(path, { timeout: 0, ...(nativeBinding !== undefined && { nativeBinding }) });
  try {
    database.exec("BEGIN IMMEDIATE");
    return {
      dispose: () => {
        database.close();
      },
    };
  } catch (error) {
    database.close();
    if (systemCode(error)?.startsWith("SQLITE_BUSY")) return undefined;
    throw error;
  }
}

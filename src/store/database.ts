import { existsSync } from "node:fs";
import { dirname } from "node:path";
import SqliteDatabase, { type Database } from "better-sqlite3";
import { describeError, OpenAgentError, systemCode, type ErrorCode } from "../base/errors.ts";
import { privateFolder } from "../base/files.ts";
import { fold } from "../protocol/search.ts";
import { migrations } from "./migrations.ts";

export interface OpenedDatabase {
  database: Database;
  /** Written by a newer version of Open Agent: it can be read, and nothing may write to it. */
  newer: boolean;
}

/**
 * Opens the mission database, creating or migrating it as needed.
 *
 * @param path file of the database
 * @param nativeBinding absolute path of better-sqlite3's `.node` file; its own search when undefined
 * @throws OpenAgentError `runtime_too_old`, `store_unreadable`, `store_full` or `store_failed`
 */
export function openDatabase(path: string, nativeBinding?: string): OpenedDatabase {
  checkRuntime();
  privateFolder(dirname(path));
  const database = load(path, nativeBinding);
  try {
    database.pragma("busy_timeout = 5000");
    const version = Number(database.pragma("user_version", { simple: true }));
    if (version > migrations.length) return { database: reopenReadOnly(database, path, nativeBinding), newer: true };
    // A file that exists is made so when it is next packed; see space.ts.
    if (version === 0) database.pragma("auto_vacuum = INCREMENTAL");
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = NORMAL");
    database.pragma("foreign_keys = ON");
    migrate(database);
    return { database, newer: false };
  } catch (error) {
    database.close();
    throw storeError(error, path);
  }
}

/** better-sqlite3 13 needs Node-API 10: on an older Node.js it would end the process without a word. */
function checkRuntime(): void {
  const nodeApi = Number(process.versions.napi ?? "0");
  if (nodeApi >= 10) return;
  throw new OpenAgentError(
    "runtime_too_old",
    `Open Agent needs Node.js 22.14 or newer; this is ${process.version} with Node-API ${String(nodeApi)}.`,
    { found: process.version },
  );
}

function load(path: string, nativeBinding: string | undefined): Database {
  try {
    return new SqliteDatabase(path, nativeBinding === undefined ? {} : { nativeBinding });
  } catch (error) {
    if (systemCode(error)?.startsWith("SQLITE_")) throw storeError(error, path);
    const missing = nativeBinding !== undefined && !existsSync(nativeBinding);
    throw new OpenAgentError(
      "runtime_too_old",
      missing
        ? `This build of Open Agent holds no SQLite for ${process.platform}-${process.arch}.`
        : `SQLite could not be loaded on this machine (on Linux it needs glibc 2.34 or newer): ${describeError(error)}`,
      { platform: `${process.platform}-${process.arch}` },
      error,
    );
  }
}

function reopenReadOnly(database: Database, path: string, nativeBinding: string | undefined): Database {
  database.close();
  return new SqliteDatabase(path, { readonly: true, ...(nativeBinding !== undefined && { nativeBinding }) });
}

function migrate(database: Database): void {
  if (Number(database.pragma("user_version", { simple: true })) === migrations.length) return;
  database.function("fold", { deterministic: true }, (text) => fold(String(text)));
  const run = database.transaction(() => {
    // Another process may have migrated while this one waited for the lock.
    for (
      let version = Number(database.pragma("user_version", { simple: true }));
      version < migrations.length;
      version++
    ) {
      database.exec(migrations[version] ?? "");
      database.pragma(`user_version = ${String(version + 1)}`);
    }
  });
  run.immediate();
}

/** Turns what SQLite throws into an error that names the file. */
export function storeError(error: unknown, path: string): OpenAgentError {
  if (error instanceof OpenAgentError) return error;
  const sqlite = systemCode(error) ?? "";
  const [code, what] = sqliteProblem(sqlite);
  return new OpenAgentError(code, `${what}: ${path} (${describeError(error)})`, { path, sqlite }, error);
}

function sqliteProblem(sqlite: string): [ErrorCode, string] {
  if (sqlite === "SQLITE_FULL" || sqlite === "ENOSPC")
    return ["store_full", "The disk that holds the missions is full"];
  if (sqlite === "SQLITE_NOTADB" || sqlite.startsWith("SQLITE_CORRUPT"))
    return ["store_unreadable", "The mission database cannot be read"];
  if (sqlite === "SQLITE_CANTOPEN" || sqlite === "EACCES")
    return ["store_unreadable", "The mission database cannot be opened"];
  return ["store_failed", "The mission database failed"];
}

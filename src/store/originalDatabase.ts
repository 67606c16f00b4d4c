import SqliteDatabase, { type Database } from "better-sqlite3";
import { describeError, OpenAgentError } from "../base/errors.ts";
import type { Fields } from "../base/fields.ts";

/** What there must be for a file to be read as an Open Agent's missions. */
const required: Readonly<Record<string, readonly string[]>> = {
  missions: ["id", "status", "title", "created_at", "updated_at"],
  mission_events: ["mission_id", "sequence", "event_type", "timestamp", "content"],
};

/** A table beside those two. `byMission`: its rows name the mission that they belong to. */
export interface OtherTable {
  name: string;
  rows: number;
  byMission: boolean;
}

/**
 * A copy of the mission database of an original Open Agent. A copy, since SQLite writes files beside one that it reads.
 * Rows are given as they are: columns differ between versions.
 */
export class OriginalDatabase {
  readonly #database: Database;
  readonly others: readonly OtherTable[];

  /**
   * @param copy the file that is opened
   * @param path the file that it is a copy of, for the user to read
   * @throws OpenAgentError `import_unusable` when it is damaged or something else
   */
  constructor(copy: string, path: string, nativeBinding?: string) {
    try {
      this.#database = new SqliteDatabase(copy, { ...(nativeBinding !== undefined && { nativeBinding }) });
    } catch (error) {
      throw unusable(path, `it cannot be opened (${describeError(error)})`, error);
    }
    try {
      this.#check(path);
      this.others = this.#otherTables();
    } catch (error) {
      this.close();
      throw error instanceof OpenAgentError ? error : unusable(path, `it is damaged (${describeError(error)})`, error);
    }
  }

  #check(path: string): void {
    const found = String(this.#database.pragma("quick_check(1)", { simple: true }));
    if (found !== "ok") throw unusable(path, `it is damaged (${found})`);
    const absent = Object.keys(required).find((table) => this.#columns(table).length === 0);
    if (absent !== undefined)
      throw unusable(path, `it is no mission database of Open Agent: there is no table ${absent}`);
    for (const [table, columns] of Object.entries(required)) {
      const there = this.#columns(table);
      const missing = columns.find((column) => !there.includes(column));
      if (missing !== undefined)
        throw unusable(path, `its table ${table} has no column ${missing}, which every known version has`);
    }
  }

  #otherTables(): OtherTable[] {
    const names = this.#database
      .prepare(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual') ORDER BY name",
      )
      .pluck()
      .all() as string[];
    return names
      .filter((name) => !Object.hasOwn(required, name) && !name.startsWith("sqlite_"))
      .map((name) => ({
        name,
        rows: this.#database
          .prepare(`SELECT count(*) FROM ${quoted(name)}`)
          .pluck()
          .get() as number,
        byMission: this.#columns(name).includes("mission_id"),
      }));
  }

  #columns(table: string): string[] {
    return this.#database.prepare("SELECT name FROM pragma_table_info(?)").pluck().all(table) as string[];
  }

  /** Oldest first. */
  missions(): Fields[] {
    return this.#database.prepare("SELECT * FROM missions ORDER BY created_at, id").all() as Fields[];
  }

  events(missionId: string): Fields[] {
    return this.#database
      .prepare("SELECT * FROM mission_events WHERE mission_id = ? ORDER BY sequence, rowid")
      .all(missionId) as Fields[];
  }

  /** A mission's rows of another table. */
  otherRows(table: OtherTable, missionId: string): Fields[] {
    if (!table.byMission) return [];
    return this.#database
      .prepare(`SELECT * FROM ${quoted(table.name)} WHERE mission_id = ?`)
      .all(missionId) as Fields[];
  }

  close(): void {
    this.#database.close();
  }
}

/** The error of a file that nothing is taken from. */
export function unusable(path: string, why: string, cause?: unknown): OpenAgentError {
  return new OpenAgentError("import_unusable", `${path} was not imported: ${why}.`, { path }, cause);
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

import type { Database } from "better-sqlite3";

/** Pages that one step looks after. */
const stepPages = 500;
/** A file is written anew when this share of it is free, and at least so many pages. */
const worthwhileShare = 0.2;
const worthwhilePages = 64;

/**
 * Gives free pages back to the disk, a bounded piece at a time. A file made before it could be shortened in pieces is
 * once written anew instead, if that is worth it and `wholly` allows it.
 *
 * @returns whether there is more to do
 */
export function reclaimStep(database: Database, wholly: boolean): boolean {
  if (mergeIndex(database)) return true;
  const free = number(database, "freelist_count");
  if (free > 0) {
    if (number(database, "auto_vacuum") !== 0) {
      database.pragma(`incremental_vacuum(${String(stepPages)})`);
      const left = number(database, "freelist_count");
      if (left > 0 && left < free) return true;
    } else if (wholly && free >= Math.max(worthwhilePages, worthwhileShare * number(database, "page_count"))) {
      database.pragma("auto_vacuum = INCREMENTAL");
      database.exec("VACUUM");
    }
  }
  shorten(database);
  return false;
}

/** Deleted rows leave the index when its pieces are merged. */
function mergeIndex(database: Database): boolean {
  const changes = () => Number(database.prepare("SELECT total_changes()").pluck().get());
  const start = changes();
  database.prepare("INSERT INTO search (search, rank) VALUES ('merge', ?)").run(stepPages);
  // As SQLite's documentation has it: fewer changes mean that nothing was left to merge.
  return changes() - start >= 2;
}

/** The file itself becomes shorter when the log has been taken into it. Readers are not waited for. */
function shorten(database: Database): void {
  database.pragma("busy_timeout = 0");
  try {
    database.pragma("wal_checkpoint(TRUNCATE)");
  } finally {
    database.pragma("busy_timeout = 5000");
  }
}

function number(database: Database, pragma: string): number {
  return Number(database.pragma(pragma, { simple: true }));
}

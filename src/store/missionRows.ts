import type { MissionHead } from "../protocol/mission.ts";
import { fold, type MissionQuery } from "../protocol/search.ts";

/** The table `missions`: what of a head stands in columns, so that lists need not read the heads that they leave out. */

export const insertHead =
  "INSERT INTO missions (id, status, run_state, archived, updated_at, pending, pinned, directory, agent, title, head) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/** With the columns of `headColumns` but the first, which comes last. */
export const updateHead =
  "UPDATE missions SET status = ?, run_state = ?, archived = ?, updated_at = ?, pending = ?, pinned = ?, directory = ?, agent = ?, title = ?, head = ? WHERE id = ?";

export function headColumns(head: MissionHead): [id: string, ...others: (string | number)[]] {
  return [
    head.id,
    head.status,
    head.runState,
    head.archivedAt === undefined ? 0 : 1,
    head.updatedAt,
    head.pending.length,
    head.pinned ? 1 : 0,
    head.directory,
    head.agent ?? head.usedAgent ?? "",
    fold(head.title),
    JSON.stringify(head),
  ];
}

/** The index `missions_listed` gives the order and holds every column but the head. */
export function listSql(query: MissionQuery): { sql: string; values: (string | number)[] } {
  const terms = ["archived = ?"];
  const values: (string | number)[] = [query.archived ? 1 : 0];
  const narrow = (term: string, ...given: (string | number)[]) => {
    terms.push(term);
    values.push(...given);
  };
  if (query.before) {
    const { pinned, updatedAt, id } = query.before;
    narrow("(pinned, updated_at, id) < (?, ?, ?)", pinned ? 1 : 0, updatedAt, id);
  }
  if (query.status) narrow(`status IN (${query.status.map(() => "?").join(", ")})`, ...query.status);
  if (query.directory !== undefined) narrow("directory = ?", query.directory);
  if (query.agent !== undefined) narrow("agent = ?", query.agent);
  const text = fold(query.text ?? "").trim();
  if (text !== "") narrow("instr(title, ?) > 0", text);
  values.push(query.limit ?? 200, query.offset ?? 0);
  const sql = `SELECT head FROM missions WHERE ${terms.join(" AND ")}
    ORDER BY pinned DESC, updated_at DESC, id DESC LIMIT ? OFFSET ?`;
  return { sql, values };
}

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import SqliteDatabase from "better-sqlite3";

/** Ids of the missions in the database that `writeOriginal` makes. */
export const original = {
  whole: "3f2b8c1e-5d4a-4e6f-9a7b-0c1d2e3f4a5b",
  stopped: "7a6b5c4d-3e2f-4a1b-8c9d-0e1f2a3b4c5d",
};

/** Tables of an original Open Agent of January 2026, and two of later versions. */
const schema = `
  CREATE TABLE missions (
    id TEXT PRIMARY KEY, status TEXT NOT NULL DEFAULT 'active', title TEXT, workspace_id TEXT NOT NULL,
    workspace_name TEXT, agent TEXT, model_override TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    interrupted_at TEXT, resumable INTEGER NOT NULL DEFAULT 0, desktop_sessions TEXT
  );
  CREATE INDEX idx_missions_updated_at ON missions(updated_at DESC);
  CREATE TABLE mission_trees (
    mission_id TEXT PRIMARY KEY REFERENCES missions(id) ON DELETE CASCADE, tree_json TEXT NOT NULL, updated_at TEXT NOT NULL
  );
  CREATE TABLE mission_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, mission_id TEXT NOT NULL REFERENCES missions(id) ON DELETE CASCADE,
    sequence INTEGER NOT NULL, event_type TEXT NOT NULL, timestamp TEXT NOT NULL, event_id TEXT, tool_call_id TEXT,
    tool_name TEXT, content TEXT, content_file TEXT, metadata TEXT
  );
  CREATE INDEX idx_events_mission ON mission_events(mission_id, sequence);
  CREATE TABLE mission_summaries (
    id TEXT PRIMARY KEY, mission_id TEXT NOT NULL, summary TEXT NOT NULL, key_files TEXT, success INTEGER, created_at TEXT
  );
  CREATE TABLE something_new (id INTEGER PRIMARY KEY, words TEXT);
`;

type Row = [type: string, content: string | null, more?: Record<string, string | null>];

/**
 * Writes a database as an original Open Agent leaves it when it is killed: in WAL mode, with its last events in the log
 * alone. Gives its path, `<folder>/.openagent/missions/missions-default.db`.
 */
export function writeOriginal(folder: string): string {
  const path = join(folder, ".openagent", "missions", "missions-default.db");
  mkdirSync(dirname(path), { recursive: true });
  const database = new SqliteDatabase(path);
  database.pragma("journal_mode = WAL");
  database.exec(schema);
  const mission = database.prepare(
    "INSERT INTO missions (id, status, title, workspace_id, workspace_name, agent, model_override, created_at, updated_at, desktop_sessions) VALUES (?, ?, ?, '00000000-0000-0000-0000-000000000000', 'host', ?, ?, ?, ?, ?)",
  );
  const made = "2026-01-20T10:00:00.000000+00:00";
  mission.run(
    original.whole,
    "completed",
    "Repair the parser",
    "build",
    "anthropic/claude-x",
    made,
    "2026-01-20T11:00:00Z",
    '[{"display":":99"}]',
  );
  mission.run(original.stopped, "interrupted", null, null, "no model at all", made, "2026-01-21T11:00:00Z", null);
  const insert = database.prepare(
    "INSERT INTO mission_events (mission_id, sequence, event_type, timestamp, event_id, tool_call_id, tool_name, content, content_file, metadata) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const add = (id: string, rows: Row[]) => {
    rows.forEach(([type, content, more = {}], index) => {
      const at = `2026-01-20T10:00:${String(index + 1).padStart(2, "0")}Z`;
      const { event = null, call = null, tool = null, file = null, metadata = null } = more;
      insert.run(id, index + 1, type, at, event, call, tool, content, file, metadata);
    });
  };
  const files = join(dirname(path), "mission_data", "default", original.whole, "events");
  mkdirSync(files, { recursive: true });
  writeFileSync(join(files, "event_8_tool_result.txt"), JSON.stringify(`${"long output ".repeat(6_000)}the end`));
  const elsewhere = `/home/gone/.openagent/missions/mission_data/default/${original.whole}/events`;
  add(original.whole, [
    ["user_message", "Why does the parser fail?", { event: "u1", metadata: '{"queued":true}' }],
    ["user_message", "Why does the parser fail?", { event: "u1", metadata: '{"queued":false}' }],
    ["thinking", "I should", { metadata: '{"done":false}' }],
    ["thinking", "I should look at the grammar", { metadata: '{"done":false}' }],
    ["thinking", "I should look at the grammar first.", { metadata: '{"done":true}' }],
    ["tool_call", '{"command":"npm test"}', { call: "call_1", tool: "bash" }],
    ["agent_sang", "a type of the future", {}],
    ["tool_result", null, { call: "call_1", tool: "bash", file: `${elsewhere}/event_8_tool_result.txt` }],
    ["tool_call", '{"filePath":"/nowhere/x.ts"}', { call: "call_2", tool: "read" }],
    ["tool_result", '{"error":"File not found"}', { call: "call_2", tool: "read" }],
    ["tool_result", null, { call: "call_3", tool: "bash", file: `${elsewhere}/event_11_tool_result.txt` }],
    [
      "assistant_message",
      "A semicolon was missing.",
      { event: "a1", metadata: '{"success":true,"cost_cents":42,"model":"anthropic/claude-x"}' },
    ],
    ["user_message", "Now break it again", { event: "u2", metadata: '{"queued":false}' }],
    ["error", "The provider is overloaded", { metadata: '{"resumable":true}' }],
    ["mission_status_changed", "Done by the user", { metadata: '{"status":"completed"}' }],
  ]);
  add(original.stopped, [
    ["user_message", "Count to a million", { event: "u3" }],
    ["assistant_message", "1, 2, 3", { event: "a3", metadata: "{}" }],
  ]);
  database.prepare('INSERT INTO mission_trees VALUES (?, \'{"id":"root"}\', ?)').run(original.whole, made);
  database
    .prepare("INSERT INTO mission_summaries VALUES ('s1', ?, 'The parser works', '[]', 1, ?)")
    .run(original.whole, made);
  database.exec("INSERT INTO something_new VALUES (1, 'unknown')");
  // It is not closed: that would take the log into the database.
  open.push(database);
  return path;
}

const open: SqliteDatabase.Database[] = [];

/** Lets go of the databases that were written. */
export function closeOriginals(): void {
  for (const database of open.splice(0)) database.close();
}

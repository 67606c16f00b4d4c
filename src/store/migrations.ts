/**
 * The database's history of itself: element n brings `user_version` n to n + 1. Append only; a released element is
 * never edited. `fold` is that of protocol/search.ts.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE missions (
    id TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    run_state TEXT NOT NULL,
    archived INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    head TEXT NOT NULL
  ) STRICT;
  CREATE INDEX missions_by_time ON missions (archived, updated_at DESC);
  CREATE INDEX missions_not_idle ON missions (run_state) WHERE run_state <> 'idle';

  CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    mission_id TEXT NOT NULL REFERENCES missions (id) ON DELETE CASCADE
  ) STRICT;
  CREATE INDEX sessions_by_mission ON sessions (mission_id);

  CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    mission_id TEXT NOT NULL REFERENCES missions (id) ON DELETE CASCADE,
    time INTEGER NOT NULL,
    type TEXT NOT NULL,
    session_id TEXT,
    message_id TEXT,
    part_id TEXT,
    key TEXT,
    data TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX events_by_key ON events (mission_id, key) WHERE key IS NOT NULL;
  CREATE INDEX events_by_mission ON events (mission_id, seq);
  CREATE INDEX events_by_message ON events (mission_id, session_id, message_id) WHERE message_id IS NOT NULL;
  CREATE INDEX events_ephemeral ON events (part_id) WHERE type IN ('text_delta', 'tool_output');
  `,
  `
  ALTER TABLE missions ADD COLUMN pending INTEGER NOT NULL DEFAULT 0;
  UPDATE missions SET pending = json_array_length(head, '$.pending');
  CREATE INDEX missions_pending ON missions (pending) WHERE pending > 0;
  `,
  `
  CREATE TABLE permission_rules (
    id TEXT PRIMARY KEY,
    scope TEXT NOT NULL,
    mission_id TEXT REFERENCES missions (id) ON DELETE CASCADE,
    directory TEXT,
    permission TEXT NOT NULL,
    pattern TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX permission_rules_by_mission ON permission_rules (mission_id) WHERE mission_id IS NOT NULL;
  `,
  `
  ALTER TABLE missions ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE missions ADD COLUMN directory TEXT NOT NULL DEFAULT '';
  ALTER TABLE missions ADD COLUMN agent TEXT NOT NULL DEFAULT '';
  ALTER TABLE missions ADD COLUMN title TEXT NOT NULL DEFAULT '';
  UPDATE missions SET
    directory = coalesce(head ->> '$.directory', ''),
    agent = coalesce(head ->> '$.agent', head ->> '$.usedAgent', ''),
    title = fold(coalesce(head ->> '$.title', ''));
  DROP INDEX missions_by_time;
  CREATE INDEX missions_listed ON missions
    (archived, pinned DESC, updated_at DESC, id DESC, status, directory, agent, title);

  CREATE VIRTUAL TABLE search USING fts5 (
    text, content = '', contentless_delete = 1, detail = none, tokenize = 'trigram case_sensitive 1'
  );
  CREATE VIRTUAL TABLE search_terms USING fts5vocab (search, row);
  CREATE TABLE search_state (indexed_to INTEGER NOT NULL) STRICT;
  INSERT INTO search_state VALUES (0);
  CREATE TRIGGER events_searched AFTER DELETE ON events
    WHEN old.type IN (
      'user_message', 'attachment', 'assistant_message', 'thinking', 'tool_call', 'tool_result', 'turn_changes',
      'question_asked', 'message_queued', 'launch_failed', 'turn_ended'
    ) AND old.seq <= (SELECT indexed_to FROM search_state)
  BEGIN
    DELETE FROM search WHERE rowid = old.seq;
  END;
  `,
];

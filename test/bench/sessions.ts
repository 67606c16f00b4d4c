/** Long sessions: real turns of a real OpenCode, copied in its database, and the same in our store. */
import { randomUUID } from "node:crypto";
import SqliteDatabase from "better-sqlite3";
import { engineV1, translatorV1 } from "../../src/opencode/engineV1.ts";
import { dataPaths } from "../../src/orchestrator/dataFolder.ts";
import type { EventBody } from "../../src/protocol/event.ts";
import { Store } from "../../src/store/store.ts";
import { script } from "../fake/bed.ts";
import type { ServerBed } from "./serverBed.ts";

export interface LongSession {
  title: string;
  length: number;
  sessionId: string;
  /** Stands at the end of the last answer, and nowhere else. */
  marker: string;
}

const report = `## What I did

I looked through the module and found **two** places that parse dates by hand. Both now use \`parseDate\`.

\`\`\`ts
export function parseDate(text: string): Date | undefined {
  const match = /^(\\d{4})-(\\d{2})-(\\d{2})$/.exec(text);
  if (!match) return undefined;
  const [, year, month, day] = match.map(Number);
  return new Date(Date.UTC(year ?? 0, (month ?? 1) - 1, day));
}
\`\`\`

| file | before | after |
| --- | --- | --- |
| \`src/dates.ts\` | 41 lines | 12 lines |
| \`src/report.ts\` | 9 lines | 2 lines |

- The tests pass: 128 of 128.
- Nothing else calls the old function.
`;

/** The turns that are copied: prose, code, a table, tool calls with output, a plan, a thought. */
const prompts = [
  script(
    { reasoning: "I look first.", text: "I look around.", tool: "glob", args: { pattern: "*" } },
    { text: report },
  ),
  "Write a small program, please. [[mission]]",
  script(
    { text: "I run the tests.", tool: "bash", args: { command: "seq 1 60", description: "Run the tests" } },
    { text: `${report}\nThat is all.` },
  ),
];

interface MessageRow {
  id: string;
  time_created: number;
  time_updated: number;
  data: string;
}
interface PartRow extends MessageRow {
  message_id: string;
}

/** Makes sessions of the given numbers of messages, in OpenCode and in our store. The server runs afterwards. */
export async function makeSessions(bed: ServerBed, lengths: ReadonlyMap<string, number>): Promise<LongSession[]> {
  await bed.start();
  const { id } = (await bed.call("/session", { title: "Template" })) as { id: string };
  const model = { providerID: "scripted", modelID: "scripted" };
  for (const text of prompts) await bed.call(`/session/${id}/message`, { parts: [{ type: "text", text }], model });
  await bed.stop();
  const database = new SqliteDatabase(bed.database);
  const sessions = [...lengths].map(([title, length]) => copySession(database, id, title, length));
  database.prepare("DELETE FROM session WHERE id = ?").run(id);
  database.close();
  await bed.start();
  for (const session of sessions) await storeSession(bed, session);
  return sessions;
}

function copySession(database: SqliteDatabase.Database, template: string, title: string, length: number): LongSession {
  const sessionId = `${template.slice(0, -4)}${String(length).padStart(4, "0")}`;
  const marker = `END-${String(length)}.`;
  const all = <Row>(sql: string) => database.prepare(sql).all(template) as Row[];
  const [session] = all<Record<string, unknown>>("SELECT * FROM session WHERE id = ?");
  insert(database, "session", {
    ...session,
    id: sessionId,
    title,
    slug: title.toLowerCase(),
    time_updated: Date.now(),
  });
  const messages = all<MessageRow>("SELECT * FROM message WHERE session_id = ? ORDER BY id");
  const parts = all<PartRow>("SELECT * FROM part WHERE session_id = ? ORDER BY id");
  const turns = inTurns(messages);
  // Whole turns at the end; the first may be cut, as if its rest had been taken back.
  const chosen: MessageRow[][] = [];
  for (let missing = length, turn = turns.length - 1; missing > 0; turn--) {
    const next = turns.at(turn % turns.length) ?? [];
    chosen.unshift(next.slice(0, missing));
    missing -= Math.min(missing, next.length);
  }
  let time = Date.now() - length * 2_000 - 3_600_000;
  let parentId = "";
  const place = { messageId: "", partId: undefined as string | undefined };
  const last = chosen.at(-1)?.at(-1)?.id;
  database.transaction(() => {
    for (const [index, message] of chosen.flat().entries()) {
      time += 2_000;
      const messageId = idAt("msg", time, 0);
      const data = JSON.parse(message.data) as { role: string; parentID?: string; time: Record<string, number> };
      if (data.role === "user") parentId = messageId;
      else data.parentID = parentId;
      data.time = { created: time, ...(data.time["completed"] !== undefined && { completed: time + 1_500 }) };
      const times = { time_created: time, time_updated: time };
      insert(database, "message", {
        ...message,
        id: messageId,
        session_id: sessionId,
        ...times,
        data: JSON.stringify(data),
      });
      for (const [number, part] of parts.filter((one) => one.message_id === message.id).entries()) {
        place.partId = idAt("prt", time, number);
        // No two copies say quite the same: what a page has drawn once must not serve it again.
        const told = part.data
          .replaceAll("128 of 128", `${String(index)} of 128`)
          .replaceAll("parseDate", `parse${String(index)}`);
        const body = JSON.parse(told) as { type: string; text?: string };
        if (body.type === "text" && index === length - 1 && message.id === last)
          body.text = `${body.text ?? ""}\n\n${marker}`;
        const ids = { id: place.partId, message_id: messageId, session_id: sessionId };
        insert(database, "part", { ...part, ...ids, ...times, data: JSON.stringify(body) });
      }
    }
  })();
  return { title, length, sessionId, marker };
}

function inTurns(messages: readonly MessageRow[]): MessageRow[][] {
  const turns: MessageRow[][] = [];
  for (const message of messages) {
    if ((JSON.parse(message.data) as { role: string }).role === "user") turns.push([]);
    turns.at(-1)?.push(message);
  }
  return turns;
}

function insert(database: SqliteDatabase.Database, table: string, row: object): void {
  const names = Object.keys(row);
  const marks = names.map(() => "?").join(", ");
  database
    .prepare(`INSERT INTO ${table} (${names.join(", ")}) VALUES (${marks})`)
    .run(...(Object.values(row) as unknown[]));
}

/** What the server holds of a session, by the code that takes it up after a reconnect, and the ends of its turns. */
async function storeSession({ bed, connection }: ServerBed, session: LongSession): Promise<void> {
  const store = new Store({ path: dataPaths(bed.data, bed.environment, false).database });
  const { sessionId, title } = session;
  const missionId = randomUUID();
  const directory = bed.project;
  try {
    const created: EventBody = { type: "mission_created", title, directory, server: connection.url };
    store.create(missionId, [created, { type: "mission_updated", sessionId }], Date.now());
    const { events } = await engineV1(connection.url, connection).snapshot({ sessionId, directory });
    const translator = translatorV1(directory);
    const bodies = events.flatMap((event) => translator.translate(event, Date.now(), "rest").events);
    store.append(missionId, bodies, Date.now());
    const ends = new Map<string, number>();
    for (const body of bodies)
      if (body.type === "message" && body.parentId !== undefined) ends.set(body.parentId, body.completedAt ?? 0);
    for (const [messageId, at] of ends)
      store.append(missionId, [{ type: "turn_ended", messageId, sessionId, outcome: "completed" }], at);
    store.append(missionId, [{ type: "mission_status_changed", status: "active" }], Date.now());
  } finally {
    store.close();
  }
}

/** An id in OpenCode's form. The number keeps those of one time apart and in order. */
function idAt(kind: "msg" | "prt", time: number, number: number): string {
  const stamp = (BigInt(time) * 4096n + BigInt(number)) % (1n << 48n);
  return `${kind}_${stamp.toString(16).padStart(12, "0")}${randomUUID().replaceAll("-", "").slice(0, 14)}`;
}

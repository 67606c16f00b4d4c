import { fields, number, optionalText, text, type Fields } from "../base/fields.ts";
import { toolCard } from "../opencode/toolCard.ts";
import type { EventBody } from "../protocol/event.ts";
import { parseModel, titleOf, type Failure, type MissionStatus } from "../protocol/mission.ts";
import type { Past } from "../store/store.ts";

/** Who holds the session of an imported mission: nobody that could be asked to go on with it. */
const importedServer = "imported from Open Agent";

const statuses: readonly MissionStatus[] = [
  "pending",
  "active",
  "completed",
  "failed",
  "interrupted",
  "blocked",
  "not_feasible",
];

/** A mission of an original Open Agent: its row, the rows of its events in order, and rows of other tables. */
export interface OriginalMission {
  id: string;
  row: Fields;
  /** With `content` read from its file where the row only names that. */
  events: readonly Fields[];
  others: readonly { table: string; rows: readonly Fields[] }[];
  /** Where it is taken to have worked; its row does not tell. */
  directory: string;
}

/** The same mission in our words. What there is no word for stands as it was in `raw` events. */
export function translateOriginal(mission: OriginalMission): Past[] {
  return new Translation(mission).run();
}

class Translation {
  readonly #mission: OriginalMission;
  readonly #sessionId: string;
  readonly #past: Past[] = [];
  /** By the id of the call. */
  readonly #calls = new Map<string, { partId: string; input: Fields }>();
  readonly #delivered: ReadonlySet<string>;
  #time: number;
  #user: string | undefined;
  #answer: (EventBody & { type: "message" }) | undefined;
  #failure: Failure | undefined;
  #cost = 0;
  #raws = 0;

  constructor(mission: OriginalMission) {
    this.#mission = mission;
    this.#sessionId = `ses_imported_${mission.id}`;
    this.#time = timeOf(mission.row["created_at"], 0);
    const sent = mission.events.filter((row) => row["event_type"] === "user_message" && !isQueued(row));
    this.#delivered = new Set(sent.map((row) => text(row["event_id"])));
  }

  run(): Past[] {
    const { row, events, others } = this.#mission;
    const model = parseModel(text(row["model_override"]));
    const agent = optionalText(row["agent"]);
    this.#say(
      {
        type: "mission_created",
        title: this.#title(),
        directory: this.#mission.directory,
        server: importedServer,
        ...(agent !== undefined && agent !== "" && { agent }),
        ...(model && { model }),
      },
      { type: "mission_updated", sessionId: this.#sessionId },
    );
    this.#keep("missions", row);
    events.forEach((event, index) => {
      this.#time = Math.max(this.#time, timeOf(event["timestamp"], this.#time));
      if (!isBeginning(event, events[index + 1])) this.#event(event);
    });
    const status = statusOf(row["status"]);
    this.#endTurn(status === "interrupted");
    for (const { table, rows } of others) for (const other of rows) this.#keep(table, other);
    this.#time = Math.max(this.#time, timeOf(row["updated_at"], this.#time));
    const title = this.#title();
    if (this.#cost > 0) this.#say({ type: "session", sessionId: this.#sessionId, title, cost: this.#cost });
    this.#say({ type: "mission_status_changed", status: status ?? "interrupted" });
    return this.#past;
  }

  #title(): string {
    const title = text(this.#mission.row["title"]).trim();
    if (title !== "") return title;
    return titleOf(text(this.#mission.events.find((row) => row["event_type"] === "user_message")?.["content"]));
  }

  #say(...bodies: EventBody[]): void {
    this.#past.push({ time: this.#time, bodies });
  }

  /** A row as it was. */
  #keep(name: string, row: Fields): void {
    this.#say({ type: "raw", id: `imported:${String(++this.#raws)}`, name, sessionId: this.#sessionId, data: row });
  }

  #event(row: Fields): void {
    const content = text(row["content"]);
    const metadata = fields(parsed(text(row["metadata"])));
    switch (row["event_type"]) {
      case "user_message":
        // It is told a second time when it is sent.
        if (!(isQueued(row) && this.#delivered.has(text(row["event_id"])))) this.#userMessage(row, content);
        return;
      case "thinking":
        this.#say({ type: "thinking", ...this.#part(row), text: content, done: true, startedAt: this.#time });
        return;
      case "text_delta":
      case "assistant_message":
        this.#answered(row, content, metadata);
        return;
      case "tool_call":
        this.#toolCall(row, fields(parsed(content)));
        return;
      case "tool_result":
        this.#toolResult(row, parsed(content));
        return;
      case "error":
        this.#failure = { name: "Error", message: content };
        if (this.#user === undefined) this.#keep("error", row);
        return;
      case "mission_status_changed": {
        const status = statusOf(metadata["status"]);
        if (status !== undefined) this.#say({ type: "mission_status_changed", status });
        if (status === undefined || content !== "") this.#keep("mission_status_changed", row);
        return;
      }
      default:
        this.#keep(text(row["event_type"], "unknown"), row);
    }
  }

  #userMessage(row: Fields, content: string): void {
    this.#endTurn(false);
    const messageId = messageIdOf(row);
    const message = { sessionId: this.#sessionId, messageId };
    this.#user = messageId;
    this.#say(
      { type: "message", ...message, role: "user", createdAt: this.#time },
      { type: "user_message", ...message, partId: partIdOf(row), text: content },
    );
  }

  #answered(row: Fields, content: string, metadata: Fields): void {
    const part = this.#part(row);
    const [model, cents] = [parseModel(text(metadata["model"])), number(metadata["cost_cents"])];
    const at = this.#time;
    this.#say({ type: "assistant_message", ...part, text: content, done: true, startedAt: at, endedAt: at });
    if (!this.#answer) return;
    const cost = (this.#answer.cost ?? 0) + cents / 100;
    this.#answer = { ...this.#answer, completedAt: at, ...(cost > 0 && { cost }), ...(model && { model }) };
    this.#cost += cents / 100;
    this.#say(this.#answer);
    if (metadata["success"] === false) this.#failure ??= { name: "Error", message: titleOf(content, 500) };
  }

  #toolCall(row: Fields, input: Fields): void {
    const [callId, tool] = [text(row["tool_call_id"]), text(row["tool_name"])];
    this.#calls.set(callId, { partId: partIdOf(row), input });
    const card = toolCard({ tool, input, metadata: {}, finished: false }, this.#mission.directory);
    this.#say({
      type: "tool_call",
      ...this.#part(row),
      callId,
      tool,
      state: "running",
      card,
      input,
      startedAt: this.#time,
    });
  }

  #toolResult(row: Fields, result: unknown): void {
    const [callId, tool] = [text(row["tool_call_id"]), text(row["tool_name"])];
    // A call and its result are one part.
    const { partId, input } = this.#calls.get(callId) ?? { partId: partIdOf(row), input: {} };
    const error = optionalText(fields(result)["error"]);
    const output = error ?? (typeof result === "string" ? result : JSON.stringify(result, undefined, 2));
    const card = toolCard({ tool, input, metadata: {}, finished: true }, this.#mission.directory);
    const state = error === undefined ? "completed" : "error";
    const part = { ...this.#part(row), partId };
    this.#say({ type: "tool_result", ...part, callId, tool, state, card, input, output, endedAt: this.#time });
  }

  /** A place in the answer to the user's latest message, which begins with it where there is none yet. */
  #part(row: Fields): { sessionId: string; messageId: string; partId: string } {
    if (!this.#answer) {
      this.#answer = {
        type: "message",
        sessionId: this.#sessionId,
        messageId: messageIdOf(row),
        role: "assistant",
        ...(this.#user !== undefined && { parentId: this.#user }),
        createdAt: this.#time,
      };
      this.#say(this.#answer);
    }
    return { sessionId: this.#sessionId, messageId: this.#answer.messageId, partId: partIdOf(row) };
  }

  #endTurn(interrupted: boolean): void {
    const [messageId, failure] = [this.#user, this.#failure];
    this.#user = this.#answer = this.#failure = undefined;
    if (messageId === undefined) return;
    const outcome = failure ? "failed" : interrupted ? "interrupted" : "completed";
    this.#say({ type: "turn_ended", messageId, sessionId: this.#sessionId, outcome, ...(failure && { failure }) });
  }
}

/** Texts were stored over and over while they grew: only the longest says something. */
function isBeginning(row: Fields, next: Fields | undefined): boolean {
  const kind = kindOf(row);
  return (
    kind !== undefined &&
    next !== undefined &&
    kindOf(next) === kind &&
    text(next["content"]).startsWith(text(row["content"]))
  );
}

function kindOf(row: Fields): string | undefined {
  if (row["event_type"] === "thinking") return "thinking";
  return row["event_type"] === "text_delta" || row["event_type"] === "assistant_message" ? "text" : undefined;
}

function isQueued(row: Fields): boolean {
  return fields(parsed(text(row["metadata"])))["queued"] === true;
}

/** Ids sort as the events do. */
function messageIdOf(row: Fields): string {
  return `msg_${numberOf(row)}`;
}

function partIdOf(row: Fields): string {
  return `prt_${numberOf(row)}`;
}

function numberOf(row: Fields): string {
  return String(number(row["sequence"])).padStart(10, "0");
}

function statusOf(value: unknown): MissionStatus | undefined {
  return statuses.find((status) => status === value);
}

function timeOf(value: unknown, otherwise: number): number {
  const time = Date.parse(text(value));
  return Number.isNaN(time) ? otherwise : time;
}

/** JSON where it is some, else the text itself. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    // Older rows hold plain text.
    return json;
  }
}

import { Fragment } from "preact";
import { isRunning } from "../src/protocol/mission.ts";
import type { PanelCommand } from "../src/protocol/panel.ts";
import type { Message, Part, Transcript, TurnEnd } from "../src/protocol/transcript.ts";
import { RevertedHere, TakenBack, TurnChanges } from "./changes.tsx";
import { Chips } from "./attachments.tsx";
import { clock, count, duration } from "./format.ts";
import { post } from "./host.ts";
import { Icon } from "./icon.tsx";
import { Fold, PartView } from "./parts.tsx";
import { canAct, isExcerpt, subAgent, view } from "./state.ts";

/** A message of the user and all that answers it. */
interface Turn {
  id: string;
  user: Message | undefined;
  answers: Message[];
  end: TurnEnd | undefined;
}

/** A line of a turn, or the finished steps that are folded into one. */
type Row = { kind: "part"; part: Part } | { kind: "steps"; id: string; parts: Part[] };

const fewSteps = 4;

/** Messages that are drawn at once when a mission is shown, and those of the same turn before them. */
const fewMessages = 6;

/** A transcript's newest turns: enough to fill the window, in most cases. */
export function newestTurns(transcript: Transcript): Transcript {
  const { messages } = transcript;
  const start = messages.slice(0, -fewMessages).findLastIndex((message) => message.role === "user");
  return start <= 0 ? transcript : { ...transcript, messages: messages.slice(start), hasEarlier: false };
}

export function TranscriptView({ transcript }: { transcript: Transcript }) {
  const turns = turnsOf(transcript.messages, transcript.ends);
  const firstId = transcript.hasEarlier ? "~" : "";
  const isEnd = !isExcerpt.value;
  return (
    <>
      {transcript.hasEarlier && (
        <button type="button" class="link earlier" onClick={() => askEarlier(transcript.messages)}>
          Show earlier messages
        </button>
      )}
      {turns.map((turn, index) => (
        <Fragment key={turn.id}>
          <Reverts after={turns[index - 1]?.id ?? firstId} before={turn.id} />
          <TurnView turn={turn} />
        </Fragment>
      ))}
      {!subAgent.value && isEnd && <Reverts after={turns.at(-1)?.id ?? ""} before="~" />}
      {!subAgent.value && isEnd && <Unsent />}
      {!isEnd && (
        <button type="button" class="link later" onClick={() => askLater(transcript.messages)}>
          Show later messages
        </button>
      )}
    </>
  );
}

/** What was taken back between two turns, and is gone. */
function Reverts({ after, before }: { after: string; before: string }) {
  const { head, transcript } = view.value ?? {};
  const between = Object.entries(transcript?.reverts ?? {}).filter(
    ([id]) => id > after && id < before && id !== head?.revertedFrom,
  );
  return between.map(([id, reverted]) => <RevertedHere key={id} reverted={reverted} />);
}

/** The message that is to be sent next, and why it was not. */
function Unsent() {
  const { head } = view.value ?? {};
  const next = head?.pending.find((message) => message.state === "queued");
  if (!head || !next || isRunning(head)) return null;
  return (
    <section class="turn" aria-label="Message that is not sent yet">
      <div class="user item" data-item={next.queueId} tabIndex={-1}>
        <h2>
          You <time>{clock(next.queuedAt)}</time>
        </h2>
        <div class="user-text">{next.text}</div>
        <Chips attachments={next.attachments ?? []} />
      </div>
      {head.failure && <Failed name={head.failure.name} message={head.failure.message} />}
    </section>
  );
}

export function askEarlier(messages: readonly Message[]): void {
  const before = messages[0]?.id;
  const session = subAgent.value && { sessionId: subAgent.value.sessionId };
  if (before !== undefined) post({ type: "earlier", before, ...session });
}

export function askLater(messages: readonly Message[]): void {
  const after = messages.at(-1)?.id;
  const session = subAgent.value && { sessionId: subAgent.value.sessionId };
  if (after !== undefined) post({ type: "later", after, ...session });
}

/** The line of folded steps that a part is in, by its id. */
export function stepsWith(partId: string, { messages, ends }: Transcript): string | undefined {
  const steps = turnsOf(messages, ends)
    .flatMap(rowsOf)
    .find((row) => row.kind === "steps" && row.parts.some(({ id }) => id === partId));
  return steps?.kind === "steps" ? steps.id : undefined;
}

function turnsOf(messages: readonly Message[], ends: Readonly<Record<string, TurnEnd>>): Turn[] {
  const turns: Turn[] = [];
  for (const message of messages) {
    const last = turns.at(-1);
    const said = message.parts.some((part) => part.kind === "text" || part.kind === "attachment");
    const summarised = message.parts.some((part) => part.kind === "compaction" && !part.automatic);
    if (summarised) turns.push({ id: message.id, user: undefined, answers: [message], end: undefined });
    else if (message.role === "user" && said)
      turns.push({ id: message.id, user: message, answers: [], end: ends[message.id] });
    else if (last) last.answers.push(message);
    else
      turns.push({
        id: message.id,
        user: undefined,
        answers: [message],
        end: message.parentId === undefined ? undefined : ends[message.parentId],
      });
  }
  return turns;
}

function TurnView({ turn }: { turn: Turn }) {
  const rows = rowsOf(turn);
  const { head, transcript } = view.value ?? {};
  const first = head?.revertedFrom;
  const gone = first !== undefined && turn.id >= first;
  return (
    <section
      class={gone ? "turn gone" : "turn"}
      aria-label={turn.user ? `Your message of ${clock(turn.user.createdAt)}` : "Earlier answer"}
    >
      {head && gone && turn.id === first && <TakenBack head={head} reverted={transcript?.reverts[first]} />}
      {turn.user && (
        <div class="user item" data-item={turn.user.id} tabIndex={-1}>
          <h2>
            {subAgent.value ? "Task" : "You"} <time>{clock(turn.user.createdAt)}</time>
          </h2>
          <UserParts parts={turn.user.parts} />
        </div>
      )}
      {rows.map((row) =>
        row.kind === "part" ? (
          <PartView key={row.part.id} part={row.part} role="assistant" />
        ) : (
          <Steps key={row.id} row={row} />
        ),
      )}
      {turn.answers.map(
        (message) =>
          message.error &&
          message.error.name !== "MessageAbortedError" && (
            <Failed key={message.id} name={message.error.name} message={message.error.message} />
          ),
      )}
      {turn.end && <EndLine turn={turn} end={turn.end} gone={gone} />}
    </section>
  );
}

/** What OpenCode makes of a command stands folded behind the user's call of it. */
function UserParts({ parts }: { parts: readonly Part[] }) {
  const called = parts.some((part) => part.kind === "text" && part.command !== undefined);
  return parts.map((part) =>
    called && part.kind === "text" && part.command === undefined ? (
      <Fold
        key={part.id}
        id={part.id}
        icon="note"
        label="What the command says"
        state="command"
        line={<span>What the command says</span>}
        body={() => <PartView part={part} role="user" />}
      />
    ) : (
      <PartView key={part.id} part={part} role="user" />
    ),
  );
}

/** Once the answer, the finished steps before it fold into one line. A failed one never hides. */
function rowsOf(turn: Turn): Row[] {
  const parts = turn.answers.flatMap((message) => message.parts);
  const answered = turn.end?.outcome === "completed" && parts.some((part) => part.kind === "text" && part.text !== "");
  if (!answered) return parts.map((part) => ({ kind: "part", part }));
  const rows: Row[] = [];
  let steps: Part[] = [];
  const flush = () => {
    if (steps.length > fewSteps) rows.push({ kind: "steps", id: `steps-${steps[0]?.id ?? ""}`, parts: steps });
    else rows.push(...steps.map((part): Row => ({ kind: "part", part })));
    steps = [];
  };
  for (const part of parts) {
    const failed = part.kind === "tool" && part.state === "error";
    if (part.kind === "text" || failed) {
      if (part.kind === "text" && part.text === "") continue;
      flush();
      rows.push({ kind: "part", part });
    } else {
      steps.push(part);
    }
  }
  flush();
  return rows;
}

function Steps({ row }: { row: { id: string; parts: Part[] } }) {
  const calls = row.parts.filter((part) => part.kind === "tool").length;
  const files = new Set(row.parts.flatMap((part) => (part.kind === "files" ? part.files : []))).size;
  const words = files === 0 ? count(calls, "step") : `${count(calls, "step")}, ${count(files, "file")} changed`;
  return (
    <Fold
      id={row.id}
      icon="list-unordered"
      label={words}
      state="steps"
      line={<span>{words}</span>}
      body={() => row.parts.map((part) => <PartView key={part.id} part={part} role="assistant" />)}
    />
  );
}

function Failed({ name, message }: { name: string; message: string }) {
  return (
    <div class="failure item" role="alert" tabIndex={-1} data-item={`failure-${name}`}>
      <Icon name="error" />
      <div>
        <div class="message">{message}</div>
        <WaysOut name={name} />
      </div>
    </div>
  );
}

/** What can be done about a failure, by its name. */
function WaysOut({ name }: { name: string }) {
  if (!canAct.value) return null;
  const connect = <CommandButton id="connectProvider" label="Connect Provider…" />;
  const model = <CommandButton id="chooseModel" label="Choose Model…" />;
  const log = <CommandButton id="showLog" label="Show OpenCode Log" />;
  const again = (
    <button type="button" class="link" onClick={() => post({ type: "resume" })}>
      Try Again
    </button>
  );
  switch (name) {
    case "no_provider":
    case "ProviderAuthError":
      return (
        <div class="actions">
          {connect}
          {again}
        </div>
      );
    case "APIError":
      return (
        <div class="actions">
          {again}
          {connect}
          {model}
        </div>
      );
    case "opencode_missing":
    case "opencode_unsupported":
    case "opencode_not_executable":
      return (
        <div class="actions">
          <CommandButton id="openSettings" label="Open Settings" />
          {again}
        </div>
      );
    case "opencode_start_failed":
    case "opencode_unreachable":
    case "opencode_config_invalid":
      return (
        <div class="actions">
          <CommandButton id="restartOpenCode" label="Restart OpenCode" />
          {log}
          {again}
        </div>
      );
    case "workspace_build_failed":
    case "workspace_not_ready":
      return (
        <div class="actions">
          <CommandButton id="showBuildLog" label="Show Build Log" />
          {again}
        </div>
      );
    case "UnknownError":
      return (
        <div class="actions">
          {model}
          {log}
        </div>
      );
    case "folder_missing":
    case "store_full":
      return <div class="actions">{again}</div>;
    default:
      return <div class="actions">{log}</div>;
  }
}

function CommandButton({ id, label }: { id: PanelCommand; label: string }) {
  return (
    <button type="button" class="link" onClick={() => post({ type: "command", id })}>
      {label}
    </button>
  );
}

function EndLine({ turn, end, gone }: { turn: Turn; end: TurnEnd; gone: boolean }) {
  const took = turn.user ? duration(end.at - turn.user.createdAt) : "";
  const shown = turn.answers.some((message) => message.error);
  if (end.outcome === "failed")
    return (
      <>
        {end.failure && !shown && <Failed name={end.failure.name} message={end.failure.message} />}
        {turn.user && !gone && (
          <p class="end failed">
            <TurnChanges turnId={turn.user.id} />
          </p>
        )}
      </>
    );
  const words = end.outcome === "completed" ? `Finished in ${took}` : `Interrupted after ${took}`;
  return (
    <p class={`end ${end.outcome}`}>
      {words}
      {end.outcome === "interrupted" && end.failure ? `: ${end.failure.message}` : ""}
      {turn.user && !gone && <TurnChanges turnId={turn.user.id} />}
    </p>
  );
}

import { useState } from "preact/hooks";
import type { PermissionReply, PermissionRequest, Question, QuestionRequest } from "../src/protocol/mission.ts";
import { Diff } from "./diff.tsx";
import { post } from "./host.ts";
import { Icon } from "./icon.tsx";
import { canAct, view } from "./state.ts";

/** What waits for the user. */
export function Requests() {
  const { head } = view.value ?? {};
  if (!head) return null;
  return (
    <>
      {head.requests.map((request) =>
        request.kind === "permission" ? (
          <PermissionCard key={request.id} request={request} by={agentOf(request.sessionId)} />
        ) : (
          <QuestionCard key={request.id} request={request} by={agentOf(request.sessionId)} />
        ),
      )}
    </>
  );
}

/** The sub-agent that asks, if it is one. */
function agentOf(sessionId: string): string {
  const child = view.value?.head.children[sessionId];
  return child ? ` (sub-agent: ${child.title})` : "";
}

const wishes: Readonly<Record<string, string>> = {
  bash: "Wants to run",
  edit: "Wants to edit",
  write: "Wants to write",
  read: "Wants to read",
  webfetch: "Wants to fetch",
  websearch: "Wants to search the web for",
  external_directory: "Wants to work outside its folder",
  task: "Wants to start a sub-agent",
  skill: "Wants to load the skill",
  doom_loop: "Repeats itself and wants to go on with",
};

function PermissionCard({ request, by }: { request: PermissionRequest; by: string }) {
  const [denying, setDenying] = useState(false);
  const [reason, setReason] = useState("");
  const [sent, setSent] = useState(false);
  const answer = (reply: PermissionReply, why = "") => {
    setSent(true);
    post({ type: "answerPermission", requestId: request.id, reply, ...(why.trim() !== "" && { reason: why }) });
  };
  const always = request.always.join(", ");
  return (
    <div class="card request item" role="alert" data-item={request.id} tabIndex={-1}>
      <h3>
        <Icon name="shield" /> {wishes[request.permission] ?? `Wants to use ${request.permission}`}
        {by}
      </h3>
      <pre class="code detail">{request.detail}</pre>
      {request.diff !== undefined && <Diff patch={request.diff} />}
      {request.patterns.length > 0 && request.patterns.join("\n") !== request.detail && (
        <p class="note">Asks for: {request.patterns.join(", ")}</p>
      )}
      {denying ? (
        <form
          class="answers"
          onSubmit={(event) => {
            event.preventDefault();
            answer("reject", reason);
          }}
        >
          <input
            type="text"
            value={reason}
            placeholder="Why, or what to do instead (empty: the turn ends)"
            aria-label="Reason for denying"
            ref={(input) => input?.focus()}
            onInput={(event) => setReason(event.currentTarget.value)}
          />
          <button type="submit" disabled={sent || !canAct.value}>
            Deny
          </button>
          <button type="button" class="secondary" onClick={() => setDenying(false)}>
            Back
          </button>
        </form>
      ) : (
        <div class="answers">
          <button type="button" class="secondary" disabled={sent || !canAct.value} onClick={() => answer("once")}>
            Allow Once
          </button>
          {always !== "" && (
            <button
              type="button"
              class="secondary"
              disabled={sent || !canAct.value}
              onClick={() => answer("always")}
              title="Until OpenCode is restarted, for all missions"
            >
              Always: <code>{always}</code>
            </button>
          )}
          <button type="button" class="secondary" disabled={sent || !canAct.value} onClick={() => setDenying(true)}>
            Deny…
          </button>
        </div>
      )}
    </div>
  );
}

function QuestionCard({ request, by }: { request: QuestionRequest; by: string }) {
  const [chosen, setChosen] = useState<string[][]>(request.questions.map(() => []));
  const [own, setOwn] = useState<string[]>(request.questions.map(() => ""));
  const [sent, setSent] = useState(false);
  const answers = request.questions.map((_, index) => {
    const words = own[index]?.trim() ?? "";
    return words === ""
      ? (chosen[index] ?? [])
      : [...(request.questions[index]?.multiple ? (chosen[index] ?? []) : []), words];
  });
  const complete = answers.every((answer) => answer.length > 0);
  const choose = (index: number, label: string, multiple: boolean) => {
    const before = chosen[index] ?? [];
    const next = !multiple
      ? [label]
      : before.includes(label)
        ? before.filter((other) => other !== label)
        : [...before, label];
    setChosen(chosen.with(index, next));
    if (!multiple) setOwn(own.with(index, ""));
  };
  return (
    <form
      aria-live="assertive"
      class="card request item"
      data-item={request.id}
      tabIndex={-1}
      onSubmit={(event) => {
        event.preventDefault();
        if (!complete) return;
        setSent(true);
        post({ type: "answerQuestion", requestId: request.id, answers });
      }}
    >
      {request.questions.map((question, index) => (
        <fieldset key={index}>
          <legend>
            <Icon name="question" /> {question.question}
            {by}
          </legend>
          <Options
            question={question}
            name={`${request.id}-${String(index)}`}
            chosen={chosen[index] ?? []}
            onChoose={(label) => choose(index, label, question.multiple)}
          />
          {question.custom && (
            <input
              type="text"
              placeholder="In your own words"
              aria-label="Answer in your own words"
              value={own[index] ?? ""}
              onInput={(event) => setOwn(own.with(index, event.currentTarget.value))}
            />
          )}
        </fieldset>
      ))}
      <div class="answers">
        <button type="submit" disabled={!complete || sent || !canAct.value}>
          Answer
        </button>
        <button
          type="button"
          class="secondary"
          disabled={sent || !canAct.value}
          onClick={() => {
            setSent(true);
            post({ type: "answerQuestion", requestId: request.id });
          }}
        >
          Dismiss
        </button>
      </div>
    </form>
  );
}

function Options({
  question,
  name,
  chosen,
  onChoose,
}: {
  question: Question;
  name: string;
  chosen: string[];
  onChoose: (label: string) => void;
}) {
  return (
    <>
      {question.options.map(({ label, description }) => (
        <label key={label} class="option">
          <input
            type={question.multiple ? "checkbox" : "radio"}
            name={name}
            checked={chosen.includes(label)}
            onChange={() => onChoose(label)}
          />
          <span>{label}</span>
          <span class="note">{description}</span>
        </label>
      ))}
    </>
  );
}

import { useState } from "preact/hooks";
import type { Question, QuestionRequest, UserRequest } from "../src/protocol/mission.ts";
import { openRequests } from "../src/protocol/permission.ts";
import { post } from "./host.ts";
import { Icon } from "./icon.tsx";
import { PermissionCard } from "./permissionCard.tsx";
import { canAct, subAgent, view } from "./state.ts";

/** What waits for the user. */
export function Requests() {
  const { head } = view.value ?? {};
  if (!head) return null;
  return (
    <>
      {openRequests(head)
        .filter(isShown)
        .map((request) =>
          request.kind === "permission" ? (
            <PermissionCard key={request.id} request={request} by={agentOf(request.sessionId)} />
          ) : (
            <QuestionCard key={request.id} request={request} by={agentOf(request.sessionId)} />
          ),
        )}
    </>
  );
}

/** With the mission is shown what any of its sub-agents asks, with a sub-agent what it asks itself. */
function isShown(request: UserRequest): boolean {
  return subAgent.value === undefined || subAgent.value.sessionId === request.sessionId;
}

/** The sub-agent that asks, if it is one. */
function agentOf(sessionId: string): string {
  const child = view.value?.head.children[sessionId];
  return child ? ` (sub-agent: ${child.title})` : "";
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

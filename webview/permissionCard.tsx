import { useState } from "preact/hooks";
import type { PermissionRequest } from "../src/protocol/mission.ts";
import { alwaysChoices, ruleScopes, type RuleScope } from "../src/protocol/permission.ts";
import { scopeWords, wishOf } from "../src/protocol/requestWords.ts";
import type { PageRequests } from "../src/protocol/panel.ts";
import { Diff } from "./diff.tsx";
import { post } from "./host.ts";
import { Icon } from "./icon.tsx";
import { canAct } from "./state.ts";

type Give = (answer: Omit<PageRequests["answerPermission"], "requestId">) => void;

/** What the agent wants to do, whole, and the answers to it. */
export function PermissionCard({ request, by }: { request: PermissionRequest; by: string }) {
  const [denying, setDenying] = useState(false);
  const [sent, setSent] = useState(false);
  const give: Give = (answer) => {
    setSent(true);
    post({ type: "answerPermission", requestId: request.id, ...answer });
  };
  const disabled = sent || !canAct.value;
  return (
    <div class="card request item" role="alert" data-item={request.id} tabIndex={-1}>
      <h3>
        <Icon name="shield" /> {wishOf(request.permission)}
        {by}
      </h3>
      <pre class="code detail">{request.detail}</pre>
      {request.diff !== undefined && <Diff patch={request.diff} />}
      {request.patterns.length > 0 && request.patterns.join("\n") !== request.detail && (
        <p class="note">Asks for: {request.patterns.join(", ")}</p>
      )}
      {denying ? (
        <Deny disabled={disabled} give={give} back={() => setDenying(false)} />
      ) : (
        <div class="answers">
          <button type="button" class="secondary" disabled={disabled} onClick={() => give({ reply: "once" })}>
            Allow Once
          </button>
          <Always request={request} disabled={disabled} give={give} />
          <button type="button" class="secondary" disabled={disabled} onClick={() => setDenying(true)}>
            Deny…
          </button>
        </div>
      )}
    </div>
  );
}

/** Allows more than this once: which pattern, and for whom. */
function Always({ request, disabled, give }: { request: PermissionRequest; disabled: boolean; give: Give }) {
  const choices = alwaysChoices(request);
  const [chosen, setChosen] = useState(0);
  const [scope, setScope] = useState<RuleScope>("mission");
  const patterns = choices[chosen];
  if (!patterns) return null;
  const words = (choice: readonly string[]) => choice.join(", ");
  return (
    <span class="always" role="group" aria-label="Allow always">
      <button
        type="button"
        class="secondary"
        disabled={disabled}
        title={`From now on ${words(patterns)} is allowed in ${scopeWords[scope]}, until you revoke it`}
        onClick={() => give({ reply: "always", patterns, scope })}
      >
        Always:{choices.length === 1 && <code> {words(patterns)}</code>}
      </button>
      {choices.length > 1 && (
        <select
          class="code"
          aria-label="What is allowed"
          disabled={disabled}
          value={String(chosen)}
          onChange={(event) => setChosen(Number(event.currentTarget.value))}
        >
          {choices.map((choice, index) => (
            <option key={index} value={String(index)}>
              {words(choice)}
            </option>
          ))}
        </select>
      )}
      <select
        aria-label="Where it is allowed"
        disabled={disabled}
        value={scope}
        onChange={(event) => setScope(ruleScopes.find((one) => one === event.currentTarget.value) ?? scope)}
      >
        {ruleScopes.map((one) => (
          <option key={one} value={one}>
            {scopeWords[one]}
          </option>
        ))}
      </select>
    </span>
  );
}

function Deny({ disabled, give, back }: { disabled: boolean; give: Give; back: () => void }) {
  const [reason, setReason] = useState("");
  return (
    <form
      class="answers"
      onSubmit={(event) => {
        event.preventDefault();
        give({ reply: "reject", ...(reason.trim() !== "" && { reason }) });
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
      <button type="submit" disabled={disabled}>
        Deny
      </button>
      <button type="button" class="secondary" onClick={back}>
        Back
      </button>
    </form>
  );
}

import { childrenOf, childState, costWithChildren, type ChildState } from "../src/protocol/children.ts";
import type { MissionHead } from "../src/protocol/mission.ts";
import type { ToolPart } from "../src/protocol/transcript.ts";
import { count, money, noticeable } from "./format.ts";
import { post } from "./host.ts";
import { Icon } from "./icon.tsx";
import { now, view } from "./state.ts";

const words: Readonly<Record<ChildState, string>> = {
  waiting_for_you: "waits for you",
  running: "running",
  failed: "failed",
  idle: "finished",
};

/** A call that has started a sub-agent: who it is, what it does at the moment, and the way to its session. */
export function SubAgentCard({ part }: { part: ToolPart }) {
  const { head } = view.value ?? {};
  const sessionId = part.card.childSessionId ?? "";
  const child = head?.children[sessionId];
  if (!head || !child) return null;
  const state = part.state === "error" ? "failed" : childState(head, sessionId);
  const active = state === "running" || state === "waiting_for_you";
  const took = part.startedAt === undefined ? "" : noticeable((part.endedAt ?? now.value) - part.startedAt);
  const cost = costWithChildren(head, sessionId);
  const own = childrenOf(head, sessionId).length;
  const facts = [
    part.state === "interrupted" ? "interrupted" : words[state],
    own > 0 ? count(own, "sub-agent") : "",
    cost > 0 ? money(cost) : "",
    took,
  ].filter((fact) => fact !== "");
  return (
    <div class={`item sub-agent ${state}`} data-item={part.id}>
      <button
        type="button"
        class="line"
        aria-label={`Sub-agent ${child.agent ?? ""}, ${part.card.object}, ${facts.join(", ")}. Opens its session.`}
        onClick={() => post({ type: "showSession", sessionId })}
      >
        <Icon name={state === "running" ? "loading" : iconOf(state)} spin={state === "running"} />
        <span class="verb">{child.agent ?? "sub-agent"}</span>
        <span class="object" title={part.card.object}>
          {part.card.object}
        </span>
        <span class="took">{facts.join(" · ")}</span>
        <Icon name="chevron-right" />
      </button>
      {active && child.activity !== undefined && <p class="note">{child.activity}</p>}
      {state === "failed" && child.failure && <p class="note">{child.failure.message}</p>}
    </div>
  );
}

function iconOf(state: ChildState): string {
  if (state === "waiting_for_you") return "bell-dot";
  return state === "failed" ? "error" : "organization";
}

/** In place of the mission's header while a sub-agent's session is shown: the way back, and where this is. */
export function SubAgentHeader({ head, sessionId }: { head: MissionHead; sessionId: string }) {
  const child = head.children[sessionId];
  const state = childState(head, sessionId);
  const cost = costWithChildren(head, sessionId);
  const parentId = child?.parentId === head.sessionId ? undefined : child?.parentId;
  const parent = parentId === undefined ? undefined : head.children[parentId];
  return (
    <header>
      <div class="title">
        <button
          type="button"
          class="link back"
          onClick={() => post({ type: "showSession", ...(parent && { sessionId: parentId ?? "" }) })}
        >
          <Icon name="arrow-left" /> {parent?.title ?? head.title}
        </button>
        <h1>{child?.title}</h1>
        {state !== "idle" && (
          <span class={`state ${state === "waiting_for_you" ? "waiting" : state}`}>
            <Icon name={state === "running" ? "loading" : iconOf(state)} spin={state === "running"} /> {words[state]}
          </span>
        )}
      </div>
      <div class="facts">
        <span>
          <Icon name="organization" /> sub-agent · {child?.agent ?? "default agent"}
        </span>
        {cost > 0 && <span title="Cost as the provider reports it, with its own sub-agents">{money(cost)}</span>}
      </div>
    </header>
  );
}

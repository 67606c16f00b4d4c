import { useEffect, useRef } from "preact/hooks";
import type { EngineState } from "../src/protocol/engineState.ts";
import { isRunning, type MissionHead } from "../src/protocol/mission.ts";
import { count, duration } from "./format.ts";
import { post } from "./host.ts";
import { Icon } from "./icon.tsx";
import { canAct, draft, engine, fault, heardAt, now, onFocusComposer, refusal, setDraft, view } from "./state.ts";

export function Footer() {
  const { head } = view.value ?? {};
  if (!head) return null;
  return (
    <footer>
      <Plan head={head} />
      <Queue head={head} />
      {fault.value !== undefined && (
        <p class="trouble" role="alert">
          <Icon name="error" /> {fault.value} What happens in the meantime is fetched when there is room again.
        </p>
      )}
      {refusal.value !== undefined && (
        <p class="trouble" role="alert">
          <Icon name="warning" /> {refusal.value}
          <button type="button" class="link" onClick={() => (refusal.value = undefined)}>
            Dismiss
          </button>
        </p>
      )}
      <p class="status" role="status">
        {statusLine(head)}
      </p>
      <Composer head={head} />
    </footer>
  );
}

/** The agent's todo list. */
function Plan({ head }: { head: MissionHead }) {
  if (head.todos.length === 0) return null;
  const done = head.todos.filter((todo) => todo.status === "completed").length;
  if (done === head.todos.length && !isRunning(head)) return null;
  return (
    <details class="plan" open={head.todos.length <= 6}>
      <summary>
        Plan: {String(done)} of {count(head.todos.length, "step")} done
      </summary>
      <ul>
        {head.todos.map((todo, index) => (
          <li key={index} class={todo.status}>
            <Icon
              name={
                todo.status === "completed"
                  ? "pass"
                  : todo.status === "in_progress"
                    ? "circle-large-filled"
                    : todo.status === "cancelled"
                      ? "circle-slash"
                      : "circle-large-outline"
              }
            />
            <span class="visually-hidden">{todo.status.replace("_", " ")}:</span> {todo.content}
          </li>
        ))}
      </ul>
    </details>
  );
}

/** Messages that wait for the agent to be done. The one that is to be sent next stands in the transcript. */
function Queue({ head }: { head: MissionHead }) {
  const waiting = head.pending.filter((message) => message.state === "queued").slice(isRunning(head) ? 0 : 1);
  return (
    <>
      {waiting.map((message) => (
        <p key={message.queueId} class="queued">
          <Icon name="clock" /> Queued: {message.text.length > 200 ? `${message.text.slice(0, 200)}…` : message.text}
        </p>
      ))}
    </>
  );
}

/** Every state has its own true sentence. */
function statusLine(head: MissionHead): string {
  const failed = head.status === "failed" && !isRunning(head);
  const server = serverLine(engine.value, isRunning(head) || (head.pending.length > 0 && !failed));
  if (server !== "") return server;
  if (head.retry) {
    const wait = head.retry.nextAt - now.value;
    return `The model is asked again ${wait > 0 ? `in ${duration(wait)}` : "now"} (attempt ${String(head.retry.attempt)}: ${head.retry.message})`;
  }
  if (head.runState === "waiting_for_you") return "The agent waits for your answer.";
  const silence = now.value - heardAt.value;
  if (isRunning(head) && silence > 120_000) return `No activity for ${duration(silence)}.`;
  if (head.runState === "waiting_for_tool") return `${count(head.runningTools.length, "tool call")} running.`;
  if (head.runState === "running") return "The model is at work.";
  if (head.pending.length > 0 && head.status !== "failed" && head.status !== "interrupted")
    return "The message waits to be sent.";
  if (head.status === "interrupted") return "Interrupted. A message goes on from here.";
  return "";
}

function serverLine(state: EngineState, concerned: boolean): string {
  if (!concerned) return "";
  switch (state.kind) {
    case "starting":
      return `OpenCode is starting (${duration(now.value - state.since)}).`;
    case "connecting":
      return "Connecting to OpenCode.";
    case "lost":
      return `Disconnected from OpenCode (${state.reason}). Reconnecting in ${duration(state.retryAt - now.value)}; the agent goes on.`;
    case "stopped":
      return "OpenCode is not running.";
    case "failed":
      return state.message;
    case "connected":
      return "";
  }
}

function Composer({ head }: { head: MissionHead }) {
  const input = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    onFocusComposer(() => input.current?.focus());
  }, []);
  useEffect(() => {
    const area = input.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${String(Math.min(area.scrollHeight, 240))}px`;
  }, [draft.value]);
  const send = () => {
    const text = draft.value;
    if (text.trim() === "" || !canAct.value) return;
    setDraft("");
    refusal.value = undefined;
    post({ type: "send", text });
  };
  if (!canAct.value)
    return <p class="status">This workspace is not trusted: missions can be read, and nothing runs.</p>;
  return (
    <div class="composer">
      <textarea
        ref={input}
        rows={1}
        value={draft.value}
        placeholder={isRunning(head) ? "Message for when the agent is done…" : "Message…"}
        aria-label="Message to the agent. Enter sends, Shift and Enter begins a new line."
        onInput={(event) => {
          post({ type: "keep" });
          setDraft(event.currentTarget.value);
        }}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          send();
        }}
      />
      <button
        type="button"
        class="send"
        title="Send (Enter)"
        aria-label="Send"
        disabled={draft.value.trim() === ""}
        onClick={send}
      >
        <Icon name="send" />
      </button>
    </div>
  );
}

import type { EngineState } from "../src/protocol/engineState.ts";
import { isOpen, isRunning, nextMessage, type MissionHead } from "../src/protocol/mission.ts";
import { Composer } from "./composer.tsx";
import { count, duration } from "./format.ts";
import { post } from "./host.ts";
import { Icon } from "./icon.tsx";
import { Queue } from "./queue.tsx";
import { Signals } from "./signals.tsx";
import { engine, fault, now, place, refusal, subAgent, view, workspace } from "./state.ts";

export function Footer() {
  const { head } = view.value ?? {};
  if (!head) return null;
  if (subAgent.value)
    return (
      <footer>
        <p class="status">A sub-agent’s session can be read. What you say goes to the mission itself.</p>
        <Signals head={head} />
      </footer>
    );
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
        {isBuilding(head) ? <Building /> : statusLine(head)}
      </p>
      <Signals head={head} />
      <Composer head={head} />
    </footer>
  );
}

/** The agent's todo list. */
function Plan({ head }: { head: MissionHead }) {
  if (head.todos.length === 0) return null;
  const done = head.todos.filter((todo) => todo.status === "completed").length;
  if (done === head.todos.length) return null;
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

/** Whether the mission waits for its workspace. */
function isBuilding(head: MissionHead): boolean {
  return workspace.value?.building === true && waitsForServer(head);
}

function Building() {
  const since = engine.value.kind === "starting" ? ` (${duration(now.value - engine.value.since)})` : "";
  return (
    <>
      Building the workspace {workspace.value?.name}
      {since} …{" "}
      <button type="button" class="link" onClick={() => post({ type: "command", id: "showBuildLog" })}>
        Show Build Log
      </button>
    </>
  );
}

/** Whether it matters to the mission how its server is. */
function waitsForServer(head: MissionHead): boolean {
  const failed = head.status === "failed" && !isRunning(head);
  return isRunning(head) || (head.pending.length > 0 && !failed);
}

/** Every state has its own true sentence. */
function statusLine(head: MissionHead): string {
  const server = serverLine(engine.value, waitsForServer(head));
  if (server !== "") return server;
  if (head.retry) {
    const wait = head.retry.nextAt - now.value;
    return `The model is asked again ${wait > 0 ? `in ${duration(wait)}` : "now"} (attempt ${String(head.retry.attempt)}: ${head.retry.message})`;
  }
  if (head.runState === "waiting_for_you") return "The agent waits for your answer.";
  if (isRunning(head) && head.summary?.state === "running") return "The conversation so far is being summarised.";
  if (head.runState === "waiting_for_tool") return `${count(head.runningTools.length, "tool call")} running.`;
  if (head.runState === "running") return "The model is at work.";
  if (place.value !== undefined)
    return `Waits until another mission ends: ${place.value === 1 ? "next" : `number ${String(place.value)}`} in line.`;
  if (isOpen(head) && nextMessage(head)) return "The message waits to be sent.";
  if (head.status === "interrupted") return "Interrupted. A message goes on from here.";
  if (head.status === "completed") return "You marked this mission as completed. A message opens it again.";
  if (head.status === "blocked") return "You marked this mission as blocked. A message opens it again.";
  if (head.status === "not_feasible") return "You marked this mission as not feasible. A message opens it again.";
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

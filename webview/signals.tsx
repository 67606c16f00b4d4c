import type { EngineState } from "../src/protocol/engineState.ts";
import { isRunning, type MissionHead } from "../src/protocol/mission.ts";
import { openRequests } from "../src/protocol/permission.ts";
import { count, duration } from "./format.ts";
import { post } from "./host.ts";
import { Icon } from "./icon.tsx";
import { activeAt, canAct, engine, now, workspace } from "./state.ts";

/** Without a sign of life for this long, the user is offered to stop. Nothing is ever stopped by itself. */
const silentMs = 120_000;
const justNowMs = 10_000;

/**
 * Three signals, apart, since each can be true without the others: the connection to OpenCode, the agent's last sign of
 * life, and what waits for the user.
 */
export function Signals({ head }: { head: MissionHead }) {
  const running = isRunning(head);
  if (!running && head.pending.length === 0) return null;
  const requests = openRequests(head).length;
  const silence = now.value - activeAt.value;
  const silent = silence > silentMs && requests === 0;
  const connection = workspace.value?.building ? building : connectionOf(engine.value);
  return (
    <div class="signals">
      <span class={`signal ${connection.fine ? "" : "bad"}`} title="Connection to OpenCode">
        <Icon name={connection.fine ? "plug" : "debug-disconnect"} /> {connection.words}
      </span>
      {running && (
        <span class={`signal ${silent ? "bad" : ""}`} title="Last sign of life of the agent">
          <Icon name="pulse" />{" "}
          {silent
            ? `no activity for ${duration(silence)}`
            : silence < justNowMs
              ? "active"
              : `active ${duration(silence)} ago`}
          {silent && canAct.value && (
            <button type="button" class="link" onClick={() => post({ type: "stop" })}>
              Stop
            </button>
          )}
        </span>
      )}
      {requests > 0 && (
        <span class="signal waiting" title="What waits for you">
          <Icon name="bell-dot" /> {count(requests, "request")} for you
        </span>
      )}
    </div>
  );
}

const building = { fine: true, words: "building the workspace" };

function connectionOf(state: EngineState): { fine: boolean; words: string } {
  switch (state.kind) {
    case "connected":
      return { fine: true, words: "connected" };
    case "starting":
      return { fine: true, words: "starting" };
    case "connecting":
      return { fine: true, words: "connecting" };
    case "lost":
      return { fine: false, words: "disconnected" };
    case "stopped":
      return { fine: false, words: "not running" };
    case "failed":
      return { fine: false, words: "not available" };
  }
}

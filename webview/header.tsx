import { formatModel, isRunning, totalCost, type MissionHead } from "../src/protocol/mission.ts";
import { duration, money } from "./format.ts";
import { post } from "./host.ts";
import { Icon } from "./icon.tsx";
import { canAct, folder, now, view } from "./state.ts";

/** One quiet line; what can be changed is a button. */
export function Header() {
  const { head } = view.value ?? {};
  if (!head) return null;
  const cost = totalCost(head);
  const model = head.model ?? head.usedModel;
  return (
    <header>
      <div class="title">
        <h1>
          <button
            type="button"
            class="plain-button"
            title="Rename"
            onClick={() => post({ type: "command", id: "renameMission" })}
          >
            {head.title}
          </button>
        </h1>
        <State head={head} />
      </div>
      <div class="facts">
        <span title={head.directory}>
          <Icon name="folder" /> host · {folder.value}
        </span>
        <button
          type="button"
          class="plain-button"
          title="Agent for the next message"
          onClick={() => post({ type: "command", id: "chooseAgent" })}
        >
          {head.agent ?? head.usedAgent ?? "default agent"}
        </button>
        <button
          type="button"
          class="plain-button"
          title={model ? `Model for the next message: ${formatModel(model)}` : "Choose a model"}
          onClick={() => post({ type: "command", id: "chooseModel" })}
        >
          {model?.modelId ?? "default model"}
        </button>
        {cost > 0 && <span title="Cost as the provider reports it">{money(cost)}</span>}
        {head.contextTokens > 0 && (
          <span title="Tokens in the context">{head.contextTokens.toLocaleString("en")} tokens</span>
        )}
        <span class="grow" />
        {isRunning(head) && canAct.value && (
          <button type="button" class="stop" onClick={() => post({ type: "stop" })}>
            <Icon name="debug-stop" /> Stop
          </button>
        )}
      </div>
    </header>
  );
}

function State({ head }: { head: MissionHead }) {
  if (!isRunning(head)) return null;
  const waiting = head.runState === "waiting_for_you";
  const elapsed = head.turnStartedAt === undefined ? "" : duration(now.value - head.turnStartedAt);
  return (
    <span class={`state ${waiting ? "waiting" : "running"}`}>
      <Icon name={waiting ? "bell-dot" : "loading"} spin={!waiting} /> {waiting ? "waits for you" : "running"} {elapsed}
    </span>
  );
}

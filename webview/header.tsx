import { contextShare, formatModel, isRunning, totalCost, type MissionHead } from "../src/protocol/mission.ts";
import { modeWords } from "../src/protocol/requestWords.ts";
import { ChangesButton } from "./changes.tsx";
import { hide, live, show, shown } from "./desktopState.ts";
import { duration, money } from "./format.ts";
import { post } from "./host.ts";
import { Icon } from "./icon.tsx";
import { canAct, folder, now, subAgent, view, workspace } from "./state.ts";
import { SubAgentHeader } from "./subAgent.tsx";

/** One quiet line; what can be changed is a button. */
export function Header() {
  const { head } = view.value ?? {};
  if (!head) return null;
  if (subAgent.value) return <SubAgentHeader head={head} sessionId={subAgent.value.sessionId} />;
  const cost = totalCost(head);
  const model = head.model ?? head.usedModel;
  return (
    <header>
      <div class="title">
        <h1>
          <button
            type="button"
            class="plain-button"
            disabled={!canAct.value}
            title="Rename"
            onClick={() => post({ type: "command", id: "renameMission" })}
          >
            {head.title}
          </button>
        </h1>
        <State head={head} />
      </div>
      <div class="facts">
        <Place head={head} />
        <button
          type="button"
          class="plain-button"
          disabled={!canAct.value}
          title="Agent for the next message"
          onClick={() => post({ type: "command", id: "chooseAgent" })}
        >
          {head.agent ?? head.usedAgent ?? "default agent"}
        </button>
        <button
          type="button"
          class="plain-button"
          disabled={!canAct.value}
          title={model ? `Model for the next message: ${formatModel(model)}` : "Choose a model"}
          onClick={() => post({ type: "command", id: "chooseModel" })}
        >
          {model?.modelId ?? "default model"}
        </button>
        <button
          type="button"
          class="plain-button"
          disabled={!canAct.value}
          title="What the agent may do without asking you"
          onClick={() => post({ type: "command", id: "choosePermissions" })}
        >
          <Icon name="shield" /> {head.permissions ? modeWords[head.permissions].toLowerCase() : "permissions"}
        </button>
        {cost > 0 && <span title="Cost as the provider reports it">{money(cost)}</span>}
        <Context head={head} />
        <span class="grow" />
        <DesktopButton />
        <ChangesButton />
        {isRunning(head) && canAct.value && (
          <button type="button" class="stop" onClick={() => post({ type: "stop" })}>
            <Icon name="debug-stop" /> Stop
          </button>
        )}
      </div>
    </header>
  );
}

/** Shows or hides the mission's desktop, where one runs. */
function DesktopButton() {
  if (live.value.length === 0) return null;
  const isShown = shown.value !== undefined;
  return (
    <button
      type="button"
      class="plain-button"
      aria-pressed={isShown}
      title={isShown ? "Hide the desktop" : "Show the agent’s desktop"}
      onClick={() => (isShown ? hide() : show(live.value.at(-1)?.id))}
    >
      <Icon name="device-desktop" /> Desktop
    </button>
  );
}

/** Where the mission works. */
function Place({ head }: { head: MissionHead }) {
  const on = workspace.value;
  if (on)
    return (
      <span title={`The workspace ${on.name}, in ${head.directory}`}>
        <Icon name={on.kind === "host" ? "folder" : on.kind === "worktree" ? "git-branch" : "package"} /> {on.name} ·{" "}
        {on.kind}
      </span>
    );
  const where = head.workspaceId === undefined ? "host" : "deleted workspace";
  return (
    <span title={head.directory}>
      <Icon name="folder" /> {where} · {folder.value}
    </span>
  );
}

/** How full the context is, and the way to make room in it. */
function Context({ head }: { head: MissionHead }) {
  if (head.contextTokens === 0) return null;
  const tokens = head.contextTokens.toLocaleString("en");
  const share = contextShare(head);
  const compact = canAct.value && !isRunning(head) && (
    <button
      type="button"
      class="link"
      title="Has the model replace the conversation so far by a summary, which makes room in its context"
      onClick={() => post({ type: "command", id: "compactMission" })}
    >
      Compact
    </button>
  );
  if (share === undefined)
    return (
      <span title="Tokens in the context">
        {tokens} tokens {compact}
      </span>
    );
  const percent = Math.round(share * 100);
  const limit = head.contextLimit?.tokens.toLocaleString("en") ?? "";
  return (
    <span class="context" title={`${tokens} of ${limit} tokens of the model's context are used`}>
      <meter value={share} max={1} aria-label="Context used" class={share > 0.9 ? "full" : ""} /> {percent} % context{" "}
      {compact}
    </span>
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

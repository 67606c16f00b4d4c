import { changeWords, lineFigures } from "../src/protocol/changes.ts";
import { isRunning, type MissionHead } from "../src/protocol/mission.ts";
import type { Reverted } from "../src/protocol/transcript.ts";
import { clock, count } from "./format.ts";
import { post } from "./host.ts";
import { Icon } from "./icon.tsx";
import { canAct, changed, view } from "./state.ts";

type TurnCommand = "showTurnChanges" | "revertTurn" | "forkMission";

/** What a turn has changed, and what can be done about it. */
export function TurnChanges({ turnId }: { turnId: string }) {
  const { head, transcript } = view.value ?? {};
  if (!head || !transcript) return null;
  const { files, more } = transcript.changes[turnId] ?? { files: [], more: 0 };
  const some = files.length + more > 0;
  const act = (id: TurnCommand, label: string, title: string, quiet: boolean) => (
    <button
      type="button"
      class={quiet ? "link quiet" : "link"}
      title={title}
      onClick={() => post({ type: "command", id, messageId: turnId })}
    >
      {label}
    </button>
  );
  return (
    <span class="turn-changes">
      {some && <span>{changeWords(files, more)}</span>}
      {some && act("showTurnChanges", "Show", "Show the changes of this turn", false)}
      {canAct.value && !isRunning(head) && act("revertTurn", "Revert", "Revert to before this turn", !some)}
      {canAct.value && act("forkMission", "Fork", "Fork from here: another mission with the history so far", true)}
    </span>
  );
}

/** Above the messages that are taken back and still there. */
export function TakenBack({ head, reverted }: { head: MissionHead; reverted: Reverted | undefined }) {
  const files = reverted?.files.length ?? 0;
  const when = reverted ? ` at ${clock(reverted.at)}` : "";
  return (
    <p class="divider taken-back" role="status">
      <Icon name="discard" /> Taken back{when} with what follows
      {files > 0 ? `: ${count(files, "file")} put back` : ""}. The next message removes it for good.
      {canAct.value && !isRunning(head) && (
        <button type="button" class="link" onClick={() => post({ type: "command", id: "unrevert" })}>
          Unrevert
        </button>
      )}
    </p>
  );
}

/** Where messages were that were taken back. */
export function RevertedHere({ reverted }: { reverted: Reverted }) {
  const files = reverted.files.length;
  return (
    <p class="divider">
      Reverted to here at {clock(reverted.at)}
      {files > 0 ? `, ${count(files, "file")} put back` : ""}.
    </p>
  );
}

/** In the header, when the mission has changed any files. */
export function ChangesButton() {
  const { files } = changed.value;
  if (files === 0) return null;
  return (
    <button
      type="button"
      class="plain-button"
      title={`Show all changes of the mission (${lineFigures(changed.value)})`}
      onClick={() => post({ type: "command", id: "showChanges" })}
    >
      <Icon name="diff-multiple" /> Changes {files.toLocaleString("en")}
    </button>
  );
}

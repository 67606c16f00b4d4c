import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { isRunning, type MissionHead, type PendingMessage } from "../src/protocol/mission.ts";
import { textLimit } from "../src/protocol/panel.ts";
import { Chips } from "./attachments.tsx";
import { count } from "./format.ts";
import { post } from "./host.ts";
import { Icon } from "./icon.tsx";
import { canAct } from "./state.ts";

/** Messages that wait for the agent to be done. The one that is to be sent next stands in the transcript. */
export function Queue({ head }: { head: MissionHead }) {
  const unsent = head.pending.filter((message) => message.state !== "sending");
  const heldOnes = unsent.filter((message) => message.state === "held");
  const inTranscript = isRunning(head) ? undefined : unsent.find((message) => message.state === "queued");
  const waiting = unsent.filter((message) => message !== inTranscript);
  if (waiting.length === 0) return null;
  return (
    <section class="queue" aria-label="Messages that wait">
      {heldOnes.length > 0 && canAct.value && (
        <p class="held">
          <Icon name="debug-pause" /> {count(heldOnes.length, "message")} held back by the stop.
          <button type="button" class="link" onClick={() => post({ type: "resume" })}>
            Send
          </button>
          <button
            type="button"
            class="link"
            onClick={() => heldOnes.forEach(({ queueId }) => post({ type: "removeMessage", queueId }))}
          >
            Remove
          </button>
        </p>
      )}
      <ol>
        {waiting.map((message, index) => (
          <Waiting
            key={message.queueId}
            message={message}
            previous={waiting[index - 1]}
            following={waiting.slice(index + 1)}
          />
        ))}
      </ol>
    </section>
  );
}

interface WaitingProps {
  message: PendingMessage;
  previous: PendingMessage | undefined;
  /** The messages behind it. */
  following: PendingMessage[];
}

function Waiting({ message, previous, following }: WaitingProps) {
  const editing = useSignal(false);
  const { queueId, text, state } = message;
  const move = (before: string | undefined) =>
    post({ type: "moveMessage", queueId, ...(before !== undefined && { before }) });
  if (editing.value)
    return (
      <li>
        <Editor
          text={text}
          onEnd={(next) => {
            editing.value = false;
            if (next !== undefined && next.trim() !== "" && next !== text)
              post({ type: "editMessage", queueId, text: next });
          }}
        />
      </li>
    );
  return (
    <li>
      <Icon name={state === "held" ? "debug-pause" : "clock"} />
      <span class="words" title={text.slice(0, 2_000)}>
        {text.slice(0, 300)}
      </span>
      <Chips attachments={message.attachments ?? []} />
      {canAct.value && (
        <span class="tools">
          {text.length <= textLimit && <Tool icon="edit" label="Edit" onClick={() => (editing.value = true)} />}
          {previous && <Tool icon="arrow-up" label="Move up" onClick={() => move(previous.queueId)} />}
          {following.length > 0 && (
            <Tool icon="arrow-down" label="Move down" onClick={() => move(following[1]?.queueId)} />
          )}
          <Tool
            icon="run-above"
            label="Send now; interrupts what runs"
            onClick={() => post({ type: "sendMessageNow", queueId })}
          />
          <Tool icon="close" label="Remove" onClick={() => post({ type: "removeMessage", queueId })} />
        </span>
      )}
    </li>
  );
}

function Tool({ icon, label, onClick }: { icon: string; label: string; onClick: () => void }) {
  return (
    <button type="button" class="plain-button" title={label} aria-label={label} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

function Editor({ text, onEnd }: { text: string; onEnd: (text: string | undefined) => void }) {
  const area = useRef<HTMLTextAreaElement>(null);
  const ended = useRef(false);
  // Taking the focused field away blurs it, which is no second end.
  const end = (next: string | undefined) => {
    if (ended.current) return;
    ended.current = true;
    onEnd(next);
  };
  useEffect(() => {
    area.current?.focus();
    area.current?.setSelectionRange(text.length, text.length);
  }, []);
  return (
    <textarea
      ref={area}
      rows={Math.min(8, text.split("\n").length)}
      defaultValue={text}
      aria-label="Waiting message. Enter keeps the change, Escape drops it."
      onBlur={(event) => end(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === "Escape") end(undefined);
        else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) end(event.currentTarget.value);
        else return;
        event.preventDefault();
        event.stopPropagation();
      }}
    />
  );
}

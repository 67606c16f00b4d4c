import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { mimeOf, sizeProblem, type MessageAttachment } from "../src/protocol/attachment.ts";
import { parseCommand, replaced, stillMeant, withAttachments, type Token } from "../src/protocol/compose.ts";
import { formatModel, isRunning, type MissionHead } from "../src/protocol/mission.ts";
import type { ComposerAction, Suggestion } from "../src/protocol/panel.ts";
import { Chips, receivePicture } from "./attachments.tsx";
import { recall, type Recalled } from "./history.ts";
import { post } from "./host.ts";
import { Icon } from "./icon.tsx";
import { attached, canAct, draft, goToEnd, isExcerpt, onComposer, refusal, setDraft, view } from "./state.ts";
import {
  close,
  commandHints,
  dismiss,
  listId,
  look,
  offer,
  optionId,
  receiveSuggestions,
  step,
  SuggestionList,
} from "./suggest.tsx";

/** Where the caret is to stand once the text is drawn. */
const wantedCaret = signal<number | undefined>(undefined);
let shown: Recalled | undefined;

export function Composer({ head }: { head: MissionHead }) {
  const input = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const deaf = onComposer((message) => {
      const area = input.current;
      if (message.type === "suggestions") receiveSuggestions(message.id, message.items);
      else if (message.type === "picture") receivePicture(message.path, message.url);
      else if (message.type === "insert") insert(message.text, message.attachments, area?.selectionEnd);
      else act(message.action, area?.selectionEnd);
      if (message.type === "composer" || message.type === "insert") area?.focus();
    });
    const still = listenForDrops();
    return () => {
      deaf();
      still();
    };
  }, []);
  useLayoutEffect(() => {
    const area = input.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${String(Math.min(area.scrollHeight, 240))}px`;
    if (wantedCaret.value === undefined) return;
    area.setSelectionRange(wantedCaret.value, wantedCaret.value);
    wantedCaret.value = undefined;
    look(area.value, area.selectionEnd);
  }, [draft.value, wantedCaret.value]);
  if (!canAct.value)
    return <p class="status">This workspace is not trusted: missions can be read, and nothing runs.</p>;
  const carried = stillMeant(draft.value, attached.value);
  const { items, active } = offer.value ?? {};
  const hint = hintFor(draft.value);
  return (
    <div class="composer">
      <SuggestionList onAccept={accept} />
      <Chips
        attachments={carried}
        onRemove={(one) =>
          setDraft(
            draft.value,
            attached.value.filter((it) => it !== one),
          )
        }
      />
      <div class="line">
        <textarea
          ref={input}
          rows={1}
          value={draft.value}
          placeholder={
            isRunning(head)
              ? "Message for when the agent is done…"
              : "Message…   / commands   @ files, symbols, problems, agents"
          }
          aria-label="Message to the agent. Enter sends, Shift and Enter begins a new line."
          aria-autocomplete="list"
          aria-haspopup="listbox"
          aria-controls={listId}
          aria-activedescendant={items && active !== undefined ? optionId(active) : undefined}
          aria-describedby="composer-hint"
          onInput={(event) => {
            const area = event.currentTarget;
            post({ type: "keep" });
            setDraft(area.value);
            look(area.value, area.selectionEnd);
          }}
          onClick={(event) => look(event.currentTarget.value, event.currentTarget.selectionEnd)}
          onBlur={close}
          onPaste={paste}
          onKeyDown={onKey}
        />
        <button
          type="button"
          class="send"
          title="Send (Enter)"
          aria-label="Send"
          disabled={draft.value.trim() === "" && carried.length === 0}
          onClick={send}
        >
          <Icon name="send" />
        </button>
      </div>
      <p id="composer-hint" class={hint === "" ? "visually-hidden" : "hint"}>
        {hint}
      </p>
      <Tools head={head} />
    </div>
  );
}

/** What can be put into the message, and what will answer it. */
function Tools({ head }: { head: MissionHead }) {
  const model = head.model ?? head.usedModel;
  return (
    <div class="composer-tools">
      <ToolButton icon="add" label="Add context: files, symbols, problems, agents (@)" onClick={() => act("context")} />
      <ToolButton icon="terminal" label="Commands (/)" onClick={() => act("commands")} />
      <ToolButton icon="attach" label="Attach files…" onClick={() => post({ type: "command", id: "attachFiles" })} />
      <span class="grow" />
      <button
        type="button"
        class="plain-button"
        title="Agent for the next message"
        onClick={() => post({ type: "command", id: "chooseAgent" })}
      >
        {head.agent ?? head.usedAgent ?? "default agent"} <Icon name="chevron-down" />
      </button>
      <button
        type="button"
        class="plain-button"
        title={model ? `Model for the next message: ${formatModel(model)}` : "Choose a model"}
        onClick={() => post({ type: "command", id: "chooseModel" })}
      >
        {model?.modelId ?? "default model"} <Icon name="chevron-down" />
      </button>
    </div>
  );
}

function ToolButton({ icon, label, onClick }: { icon: string; label: string; onClick: () => void }) {
  return (
    <button
      type="button"
      class="plain-button"
      title={label}
      aria-label={label}
      // The caret stays in the message.
      onMouseDown={(event) => event.preventDefault()}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}

function onKey(event: KeyboardEvent): void {
  if (event.isComposing || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const { value } = offer;
  const chosen = value?.items[value.active];
  if ((chosen && onListKey(event.key, chosen)) || onOwnKey(event.key)) {
    event.preventDefault();
    event.stopPropagation();
  }
}

/** Says whether the key meant something; so does the next. */
function onOwnKey(key: string): boolean {
  if (key === "ArrowUp") return walk(-1);
  if (key === "ArrowDown") return walk(1);
  if (key !== "Enter") return false;
  send();
  return true;
}

function onListKey(key: string, chosen: Suggestion): boolean {
  if (key === "ArrowDown") step(1);
  else if (key === "ArrowUp") step(-1);
  else if (key === "Escape") dismiss();
  else if (key === "Enter" || key === "Tab") accept(chosen);
  else return false;
  return true;
}

function accept(suggestion: Suggestion): void {
  const { value } = offer;
  if (!value) return;
  const { text, caret } = replaced(draft.value, value.token, suggestion.insert);
  close();
  shown = undefined;
  setDraft(text, withAttachments(attached.value, suggestion.attachment ? [suggestion.attachment] : []));
  wantedCaret.value = caret;
  if (suggestion.resolve) post({ type: "insertReference", key: suggestion.key });
}

/** Puts words where the caret is, apart from their neighbours. */
function insert(words: string, attachments: readonly MessageAttachment[], caret = draft.value.length): void {
  const [before, after] = [draft.value.slice(0, caret), draft.value.slice(caret)];
  const text = words.startsWith("\n") && before.trim() === "" ? words.slice(1) : words;
  const lead = text === "" || before === "" || /\s$/.test(before) ? "" : " ";
  const trail = text === "" || /^\s/.test(after) || text.endsWith("\n") ? "" : " ";
  post({ type: "keep" });
  setDraft(before + lead + text + trail + after, withAttachments(attached.value, attachments));
  wantedCaret.value = (before + lead + text + trail).length;
}

function act(action: ComposerAction, caret = draft.value.length): void {
  if (action === "send") send();
  else if (action === "previous") walk(-1);
  else if (action === "next") walk(1);
  else if (action === "commands") {
    if (draft.value.startsWith("/")) wantedCaret.value = draft.value.search(/\s|$/);
    else typed({ trigger: "/", query: "", start: 0, end: 0 }, "/");
  } else if (action === "context") {
    const gap = caret === 0 || /\s$/.test(draft.value.slice(0, caret)) ? "" : " ";
    typed({ trigger: "@", query: "", start: caret, end: caret }, `${gap}@`);
  }
}

/** As if the user had typed it. */
function typed({ start, end }: Token, words: string): void {
  setDraft(draft.value.slice(0, start) + words + draft.value.slice(end));
  wantedCaret.value = start + words.length;
}

function send(): void {
  const text = draft.value;
  const attachments = stillMeant(text, attached.value);
  if ((text.trim() === "" && attachments.length === 0) || !canAct.value) return;
  setDraft("", []);
  shown = undefined;
  close();
  refusal.value = undefined;
  if (isExcerpt.value) goToEnd();
  post({ type: "send", text: text.trim() === "" ? "" : text, ...(attachments.length > 0 && { attachments }) });
}

/** Shows an earlier or a later message of the user. Says whether there was one. */
function walk(by: -1 | 1): boolean {
  const sent = (view.value?.transcript.messages ?? []).flatMap(({ role, parts }) => {
    if (role !== "user") return [];
    const texts = parts.flatMap((part) => (part.kind === "text" ? [part] : []));
    const said = texts.find(({ command }) => command !== undefined) ?? texts[0];
    return said ? [said.text] : [];
  });
  const waiting = (view.value?.head.pending ?? []).filter(({ state }) => state !== "sending").map(({ text }) => text);
  const next = recall([...sent, ...waiting], draft.value, shown, by);
  if (!next) return false;
  shown = next;
  setDraft(next.text);
  wantedCaret.value = next.text.length;
  close();
  return true;
}

function hintFor(text: string): string {
  const call = /^\/\S+\s/.test(text) ? parseCommand(text) : undefined;
  const hint = call && commandHints.value.get(`/${call.name}`);
  return call && hint !== undefined && hint !== "" ? `/${call.name} ${hint}` : "";
}

// --- files --------------------------------------------------------------------------------------------------------

function paste(event: ClipboardEvent): void {
  const data = event.clipboardData;
  if (!data || data.files.length === 0 || data.types.includes("text/plain")) return;
  event.preventDefault();
  attachAll([...data.files]);
}

function attachAll(files: readonly File[]): void {
  const problem = sizeProblem(
    files.filter(({ name, type }) => type.startsWith("image/") || mimeOf(name) !== "text/plain"),
  );
  if (problem !== undefined) {
    refusal.value = problem;
    return;
  }
  post({ type: "keep" });
  for (const file of files)
    void file.arrayBuffer().then((bytes) => {
      const name = file.name === "" ? "pasted.png" : file.name;
      post({
        type: "attachFile",
        name,
        mime: file.type === "" ? mimeOf(name) : file.type,
        bytes: new Uint8Array(bytes),
      });
    });
}

const uriLists = ["application/vnd.code.uri-list", "text/uri-list"];

/** Files may be dropped anywhere on the page. */
function listenForDrops(): () => void {
  const over = (event: DragEvent) => {
    const types = event.dataTransfer?.types ?? [];
    if (types.includes("Files") || uriLists.some((type) => types.includes(type))) event.preventDefault();
  };
  const drop = (event: DragEvent) => {
    const data = event.dataTransfer;
    if (!data) return;
    const uris = uriLists
      .map((type) => data.getData(type))
      .find((list) => list.trim() !== "")
      ?.split(/\r?\n/)
      .filter((line) => line !== "" && !line.startsWith("#"));
    if (uris?.some((uri) => uri.startsWith("file:") || uri.startsWith("vscode-remote:")))
      post({ type: "attachUris", uris });
    else if (data.files.length > 0) attachAll([...data.files]);
    else return;
    event.preventDefault();
  };
  document.addEventListener("dragover", over);
  document.addEventListener("drop", drop);
  return () => {
    document.removeEventListener("dragover", over);
    document.removeEventListener("drop", drop);
  };
}

import { Component, type ComponentChildren } from "preact";
import type {
  AttachmentPart,
  CompactionPart,
  FilesPart,
  Part,
  TextPart,
  ToolPart,
} from "../src/protocol/transcript.ts";
import { allowedByWords } from "../src/protocol/requestWords.ts";
import { folderMime } from "../src/protocol/attachment.ts";
import { FileChip, pathOf, PictureFile } from "./attachments.tsx";
import { Diff } from "./diff.tsx";
import { count, duration, noticeable } from "./format.ts";
import { highlight, languageOf } from "./highlight.ts";
import { post } from "./host.ts";
import { Icon } from "./icon.tsx";
import { Markdown } from "./markdown.tsx";
import { details, now, toggle, unfolded, view, waitsForUser } from "./state.ts";
import { SubAgentCard } from "./subAgent.tsx";
import { Terminal } from "./terminal.tsx";

/** One part of a message. Drawn again only when the part itself is another one. */
export class PartView extends Component<{ part: Part; role: "user" | "assistant" }> {
  override shouldComponentUpdate(next: { part: Part }): boolean {
    return next.part !== this.props.part;
  }

  override render({ part, role }: { part: Part; role: "user" | "assistant" }) {
    switch (part.kind) {
      case "text":
        return role === "user" ? <UserText part={part} /> : <Answer part={part} />;
      case "thinking":
        return <Thinking part={part} />;
      case "tool":
        return <Call part={part} />;
      case "attachment":
        return <Attachment part={part} />;
      case "files":
        return <Files part={part} />;
      case "compaction":
        return <Compaction part={part} />;
    }
  }
}

/** A call that has started a sub-agent of which something is known, or any other. */
function Call({ part }: { part: ToolPart }) {
  const child = view.value?.head.children[part.card.childSessionId ?? ""];
  return child ? <SubAgentCard part={part} /> : <ToolCall part={part} />;
}

function UserText({ part }: { part: TextPart }) {
  return <div class={part.command === undefined ? "user-text" : "user-text called"}>{part.text}</div>;
}

function Answer({ part }: { part: TextPart }) {
  if (part.text === "") return null;
  return (
    <div class="item answer" data-item={part.id} tabIndex={-1}>
      <Markdown text={part.text} done={part.done} />
      {part.gap && <p class="note">Some of this text was lost on the way; it is completed when the step ends.</p>}
    </div>
  );
}

interface FoldProps {
  /** Beside the line, when the pointer or the focus is on it. */
  aside?: ComponentChildren;
  id: string;
  icon: string;
  spin?: boolean;
  /** Spoken label of the line. */
  label: string;
  line: ComponentChildren;
  body: () => ComponentChildren;
  isCall?: boolean;
  state?: string;
}

/** One line that unfolds in place. */
export function Fold({ id, icon, spin, label, line, body, isCall, state, aside }: FoldProps) {
  const open = unfolded.value.has(id);
  return (
    <div class={`item fold ${state ?? ""}`} data-item={id} data-call={isCall ? "1" : undefined}>
      <button
        type="button"
        class="line"
        aria-expanded={open}
        aria-label={label}
        onClick={() => toggle(id, isCall === true)}
      >
        <Icon name={open ? "chevron-down" : "chevron-right"} />
        <Icon name={icon} {...(spin !== undefined && { spin })} />
        {line}
      </button>
      {aside}
      {open && <div class="body">{body()}</div>}
    </div>
  );
}

function Thinking({ part }: { part: TextPart }) {
  if (part.done && part.text.trim() === "") return null;
  const took = (part.endedAt ?? now.value) - part.startedAt;
  const words = part.done ? `Thought for ${duration(took)}` : `Thinking for ${duration(took)}`;
  if (!part.done)
    return (
      <div class="item thinking open" data-item={part.id} tabIndex={-1}>
        <div class="line">
          <Icon name="lightbulb" />
          <span>{words}</span>
        </div>
        <div class="body thought">{tail(part.text)}</div>
      </div>
    );
  return (
    <Fold
      id={part.id}
      icon="lightbulb"
      label={words}
      state="thinking"
      line={<span>{words}</span>}
      body={() => <div class="thought">{part.text}</div>}
    />
  );
}

/** While a thought streams its latest lines are enough. */
function tail(text: string): string {
  return text.length > 1_500 ? `…${text.slice(-1_500)}` : text;
}

function ToolCall({ part }: { part: ToolPart }) {
  const { card, state } = part;
  const running = state === "running" || state === "pending";
  const waits = running && waitsForUser(part.callId);
  const verb = waits ? "Waiting for you" : running ? card.doing : card.done;
  const took = part.startedAt === undefined ? "" : noticeable((part.endedAt ?? now.value) - part.startedAt);
  const result = state === "error" ? "failed" : state === "interrupted" ? "interrupted" : (card.result ?? "");
  const label = [verb, card.object, result, took, allowance(part)].filter((word) => word !== "").join(", ");
  return (
    <Fold
      id={part.id}
      icon={waits ? "bell-dot" : running ? "loading" : card.icon}
      spin={running && !waits}
      isCall
      label={label}
      state={waits ? "waiting" : state}
      line={
        <>
          <span class="verb">{verb}</span>
          <span class={card.code ? "object code" : "object"} title={card.object}>
            {card.object}
          </span>
          <span class="result">{result}</span>
          {part.allowedBy && <Icon name="shield" />}
          <span class="took">{running && part.startedAt === undefined ? "" : took}</span>
        </>
      }
      aside={state === "completed" && isChange(part) && <OpenDiff part={part} />}
      body={() => <ToolBody part={part} />}
    />
  );
}

function ToolBody({ part }: { part: ToolPart }) {
  const detail = details.value.get(part.id);
  const whole = detail?.part ?? part;
  const running = part.state === "running" || part.state === "pending";
  const output = running ? (part.output ?? "") : (whole.output ?? "");
  if (!detail && !running) return <p class="note">Loading…</p>;
  return (
    <>
      {part.allowedBy && <p class="note">{allowance(part)}</p>}
      <Input part={whole} />
      {part.state === "error" ? <pre class="error-text">{output}</pre> : <Output part={whole} output={output} />}
      {whole.attachments.map(
        (file, index) => file.mime.startsWith("image/") && <Picture key={index} url={file.url} name={file.name} />,
      )}
      {part.picture !== undefined && <PictureFile path={part.picture} name="The desktop afterwards" />}
      <div class="actions">
        {part.card.path !== undefined && (
          <button
            type="button"
            class="link"
            onClick={() =>
              post({
                type: "openFile",
                path: part.card.path ?? "",
                ...(part.card.line !== undefined && { line: part.card.line }),
              })
            }
          >
            Open File
          </button>
        )}
        {(detail?.cut === true || output.length > 2_000) && (
          <button type="button" class="link" onClick={() => post({ type: "showOutput", partId: part.id })}>
            Show All in Editor
          </button>
        )}
        {whole.outputPath !== undefined && (
          <span class="note">OpenCode keeps the whole output in {whole.outputPath}</span>
        )}
      </div>
    </>
  );
}

/** By what it was allowed, where the user was not asked. */
function allowance({ allowedBy }: ToolPart): string {
  return allowedBy ? `Allowed by: ${allowedBy.map(allowedByWords).join(", ")}` : "";
}

/** Whether the step has changed a file. */
function isChange({ card }: ToolPart): boolean {
  return card.path !== undefined && (card.body === "diff" || card.created !== undefined);
}

function OpenDiff({ part }: { part: ToolPart }) {
  const open = () => post({ type: "command", id: "openDiff", partId: part.id });
  return (
    <button type="button" class="link aside" aria-label={`Open diff of ${part.card.object}`} onClick={open}>
      Open Diff
    </button>
  );
}

/** What the line above does not tell already. */
function Input({ part }: { part: ToolPart }) {
  const input = (part.input ?? {}) as Record<string, unknown>;
  if (part.card.body === "terminal") {
    const command = typeof input["command"] === "string" ? input["command"] : "";
    return command.includes("\n") || command.length > 80 ? <pre class="code input">{command}</pre> : null;
  }
  if (part.card.body === "diff" || part.card.body === "source") return null;
  const told = Object.values(input).every((value) => typeof value === "string" && part.card.object.includes(value));
  if (told) return null;
  return <pre class="code input">{JSON.stringify(input, null, 2).slice(0, 4_000)}</pre>;
}

function Output({ part, output }: { part: ToolPart; output: string }) {
  const { card } = part;
  switch (card.body) {
    case "terminal":
      return output === "" ? <p class="note">No output yet.</p> : <Terminal text={output} />;
    case "diff":
      return card.diff === undefined ? <pre class="plain">{output}</pre> : <Diff patch={card.diff} />;
    case "markdown":
      return <Markdown text={output} done />;
    case "source":
      return <Source part={part} output={output} />;
    case "text":
      return output === "" ? null : <pre class="plain">{output}</pre>;
  }
}

/** What was written is in the input; what was read is in the output. */
function Source({ part, output }: { part: ToolPart; output: string }) {
  const content = (part.input as { content?: unknown } | undefined)?.content;
  const code =
    typeof content === "string"
      ? content
      : output.replace(/^[\s\S]*<content>\n?/, "").replace(/\n?<\/content>[\s\S]*$/, "");
  const __html = highlight(code.slice(0, 20_000), languageOf(part.card.path ?? ""));
  return (
    <pre class="code" tabIndex={0}>
      <code dangerouslySetInnerHTML={{ __html }} />
    </pre>
  );
}

function Picture({ url, name }: { url: string; name: string }) {
  return url.startsWith("data:image/") ? (
    <img class="picture" src={url} alt={name === "" ? "Picture" : name} />
  ) : (
    <p class="note">{name}</p>
  );
}

function Attachment({ part }: { part: AttachmentPart }) {
  if (part.mime.startsWith("image/") && part.url.startsWith("data:"))
    return <Picture url={part.url} name={part.name} />;
  const path = pathOf(part.url);
  if (path === undefined)
    return (
      <p class="attachment">
        <Icon name="file" /> {part.name}
      </p>
    );
  if (part.mime.startsWith("image/")) return <PictureFile path={path} name={part.name} />;
  return <FileChip path={path} name={part.name} icon={part.mime === folderMime ? "folder" : "file"} />;
}

function Files({ part }: { part: FilesPart }) {
  const words = `Changed ${count(part.files.length, "file")}`;
  return (
    <Fold
      id={part.id}
      icon="diff-multiple"
      label={words}
      state="files"
      line={<span>{words}</span>}
      body={() => (
        <ul class="paths">
          {part.files.map((path) => (
            <li key={path}>
              <button type="button" class="link" onClick={() => post({ type: "openFile", path })}>
                {relative(path)}
              </button>
            </li>
          ))}
        </ul>
      )}
    />
  );
}

/** A path below the mission's folder is shown from there. */
function relative(path: string): string {
  const directory = view.value?.head.directory ?? "";
  return path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : path;
}

function Compaction({ part }: { part: CompactionPart }) {
  return (
    <p class="divider">
      {part.automatic
        ? "The context was full: the conversation so far was summarised."
        : "The conversation so far was summarised."}
    </p>
  );
}

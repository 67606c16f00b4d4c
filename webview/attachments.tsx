import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { folderMime, type MessageAttachment } from "../src/protocol/attachment.ts";
import { post } from "./host.ts";
import { Icon } from "./icon.tsx";

/** Pictures of the mission's own by their path; the host reads them, as the page may not. */
const pictures = signal<ReadonlyMap<string, string | undefined>>(new Map());

export function receivePicture(path: string, url: string | undefined): void {
  pictures.value = new Map(pictures.value).set(path, url);
}

/** A picture on disk. A button that opens it in the editor. */
export function PictureFile({ path, name }: { path: string; name: string }) {
  useEffect(() => {
    if (!pictures.value.has(path)) post({ type: "picture", path });
  }, [path]);
  const url = pictures.value.get(path);
  return (
    <button type="button" class="plain-button thumbnail" title={`Open ${name}`} onClick={() => open(path)}>
      {url === undefined ? <Icon name="file-media" /> : <img src={url} alt="" />} {name}
    </button>
  );
}

/** A file that the text or its sender names. */
export function FileChip({ path, name, icon }: { path: string; name: string; icon: string }) {
  return (
    <button type="button" class="plain-button chip" title={path} onClick={() => open(path)}>
      <Icon name={icon} /> {name}
    </button>
  );
}

function open(path: string): void {
  post({ type: "openFile", path });
}

/** What a message carries, with a button to leave each out where `onRemove` is given. */
export function Chips({
  attachments,
  onRemove,
}: {
  attachments: readonly MessageAttachment[];
  onRemove?: (attachment: MessageAttachment) => void;
}) {
  if (attachments.length === 0) return null;
  return (
    <ul class="chips" aria-label="Attached">
      {attachments.map((attachment) => {
        const words = wordsOf(attachment);
        return (
          <li key={`${attachment.kind}${words}`}>
            {attachment.kind === "file" && attachment.mime.startsWith("image/") ? (
              <PictureFile path={attachment.path} name={words} />
            ) : attachment.kind === "file" ? (
              <FileChip path={attachment.path} name={words} icon={attachment.mime === folderMime ? "folder" : "file"} />
            ) : (
              <span class="chip">
                <Icon name="robot" /> {words}
              </span>
            )}
            {onRemove && (
              <button
                type="button"
                class="plain-button"
                title={`Leave out ${words}`}
                aria-label={`Leave out ${words}`}
                onClick={() => onRemove(attachment)}
              >
                <Icon name="close" />
              </button>
            )}
          </li>
        );
      })}
    </ul>
  );
}

function wordsOf(attachment: MessageAttachment): string {
  if (attachment.kind === "agent") return attachment.name;
  const { name, lines } = attachment;
  return lines ? `${name}:${lines[0] === lines[1] ? String(lines[0]) : lines.join("-")}` : name;
}

/** The path in a `file:` URL. */
export function pathOf(url: string): string | undefined {
  if (!url.startsWith("file://")) return undefined;
  try {
    const path = decodeURIComponent(new URL(url).pathname);
    return /^\/[a-z]:/i.test(path) ? path.slice(1) : path;
  } catch {
    return undefined;
  }
}

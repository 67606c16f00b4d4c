/** What a message of the user carries beside its text. Plain data. */

/** A file or folder on the machine of the agent, or an agent that is to be given the work. */
export type MessageAttachment = FileAttachment | AgentAttachment;

export interface FileAttachment {
  kind: "file";
  /** Absolute. */
  path: string;
  name: string;
  /** `text/plain` and `application/x-directory` are read by OpenCode; anything else is sent as it is. */
  mime: string;
  /** How the text names it; it goes when the name is taken out of the text. */
  mention?: string;
  /** First and last line in question, from 1 on. */
  lines?: [number, number];
}

export interface AgentAttachment {
  kind: "agent";
  name: string;
  mention: string;
}

/** A command of OpenCode, by which it makes the message that the agent gets. */
export interface CommandCall {
  name: string;
  arguments: string;
}

/** Bytes of one file that is sent as it is, and of all files of one message. */
const fileLimit = 10 * 1024 * 1024;
const messageLimit = 20 * 1024 * 1024;
export const attachmentLimit = 50;

export const folderMime = "application/x-directory";

/** Whether the file itself goes to the model, and so has to keep to the limits. */
export function isSentWhole(attachment: MessageAttachment): attachment is FileAttachment {
  return attachment.kind === "file" && attachment.mime !== "text/plain" && attachment.mime !== folderMime;
}

/** Why files of these sizes cannot be sent, in the user's words; undefined when they can. */
export function sizeProblem(files: readonly { name: string; size: number }[]): string | undefined {
  const tooBig = files.find(({ size }) => size > fileLimit);
  if (tooBig) return `${tooBig.name} has ${megabytes(tooBig.size)}; a file may have ${megabytes(fileLimit)}.`;
  const sum = files.reduce((total, { size }) => total + size, 0);
  if (sum <= messageLimit) return undefined;
  const names = files.map(({ name }) => name).join(", ");
  return `${names} have ${megabytes(sum)} together; the files of one message may have ${megabytes(messageLimit)}.`;
}

function megabytes(bytes: number): string {
  return `${String(Math.ceil((bytes / 1024 / 1024) * 10) / 10)} MB`;
}

const mimes: Readonly<Record<string, string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  pdf: "application/pdf",
};

/** How a file of this name is sent: pictures and PDF as they are, anything else as text. */
export function mimeOf(name: string): string {
  const ending = /\.([^./\\]+)$/.exec(name)?.[1]?.toLowerCase() ?? "";
  return mimes[ending] ?? "text/plain";
}

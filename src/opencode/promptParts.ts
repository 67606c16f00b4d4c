import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { OpenAgentError } from "../base/errors.ts";
import { folderMime, isSentWhole } from "../protocol/attachment.ts";
import { formatModel } from "../protocol/mission.ts";
import type { Prompt, PromptFile } from "./engine.ts";

/** The body of `prompt_async`. */
export async function promptBody(prompt: Prompt) {
  const { messageId: messageID, partId, text, agent, model, agents = [], files = [] } = prompt;
  const words = text === "" ? [] : [{ id: partId, type: "text" as const, text }];
  const sources = agents.map(({ name, mention }) => ({
    type: "agent" as const,
    name,
    ...(text.includes(mention) && { source: placeOf(mention, text) }),
  }));
  return {
    messageID,
    parts: [...words, ...(await fileParts(files, text)), ...sources],
    ...(agent !== undefined && { agent }),
    ...(model && { model: { providerID: model.providerId, modelID: model.modelId } }),
  };
}

/** The body of `command`. OpenCode reads what the text mentions by itself. */
export async function commandBody({ messageId: messageID, text, agent, model, command, files = [] }: Prompt) {
  return {
    messageID,
    command: command?.name ?? "",
    arguments: command?.arguments ?? "",
    ...(agent !== undefined && { agent }),
    ...(model && { model: formatModel(model) }),
    ...(files.length > 0 && { parts: await fileParts(files, text) }),
  };
}

function fileParts(files: readonly PromptFile[], text: string) {
  return Promise.all(
    files.map(async (file) => {
      const { partId: id, name: filename, mime, path, mention } = file;
      const source =
        mention !== undefined && text.includes(mention)
          ? { source: { type: "file" as const, path, text: placeOf(mention, text) } }
          : {};
      return { id, type: "file" as const, mime, filename, url: await urlOf(file), ...source };
    }),
  );
}

/** OpenCode reads texts and folders itself; the rest is sent as it is, so that it need not be on OpenCode's machine. */
async function urlOf(file: PromptFile): Promise<string> {
  const { path, mime, lines } = file;
  if (!isSentWhole({ kind: "file", ...file })) {
    const url = pathToFileURL(mime === folderMime ? `${path}/` : path);
    if (lines) url.search = `start=${String(lines[0])}&end=${String(lines[1])}`;
    return url.href;
  }
  try {
    return `data:${mime};base64,${(await readFile(path)).toString("base64")}`;
  } catch (error) {
    throw new OpenAgentError("attachment_unusable", `${path} cannot be read.`, { path }, error);
  }
}

function placeOf(value: string, text: string) {
  const start = text.indexOf(value);
  return { value, start, end: start + value.length };
}

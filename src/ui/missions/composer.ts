import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import * as vscode from "vscode";
import { OpenAgentError, systemCode } from "../../base/errors.ts";
import type { Core } from "../../orchestrator/index.ts";
import { mimeOf, type CommandCall, type FileAttachment } from "../../protocol/attachment.ts";
import { parseCommand } from "../../protocol/compose.ts";
import { missionDigest } from "../../protocol/digest.ts";
import type { HostMessage, PageRequests } from "../../protocol/panel.ts";
import type { MissionHead } from "../../protocol/mission.ts";
import type { App } from "../app.ts";
import {
  problemsBelow,
  problemsReference,
  terminalReference,
  uriReference,
  type Reference,
} from "../library/references.ts";
import { Suggestions } from "../library/suggestions.ts";

type ComposerRequests = Pick<
  PageRequests,
  "send" | "editMessage" | "suggest" | "insertReference" | "attachFile" | "attachUris" | "picture"
>;
type Handlers = { [Type in keyof ComposerRequests]: (request: ComposerRequests[Type]) => Promise<void> | void };

/** What the host does for the composer of one panel, whose mission may change. */
export function composerHandlers(
  app: App,
  core: Core,
  missionId: () => string,
  post: (message: HostMessage) => void,
): Handlers {
  const suggestions = new Suggestions(app);
  const head = () => core.store.head(missionId());
  const insert = ({ text, attachments }: Reference) => post({ type: "insert", text, attachments });
  return {
    send: async ({ text, attachments }) => {
      const id = missionId();
      const command = await commandIn(suggestions, head(), text);
      await app.run("sendMessage", {
        missionId: id,
        text,
        ...(attachments && { attachments }),
        ...(command && { command }),
      });
    },
    editMessage: async ({ queueId, text }) => {
      const id = missionId();
      const command = await commandIn(suggestions, head(), text);
      await app.run("editMessage", { missionId: id, queueId, text, ...(command && { command }) });
    },
    suggest: async ({ id, trigger, query }) => {
      post({ type: "suggestions", id, items: await suggestions.find(core, head(), trigger, query) });
    },
    insertReference: async ({ key }) => insert(await referenceOf(core, missionId(), key)),
    attachFile: ({ name, mime, bytes }) => {
      const path = core.keepAttachment(missionId(), name, bytes);
      const known = mimeOf(name);
      const file = {
        kind: "file" as const,
        path,
        name,
        mime: known === "text/plain" && mimeOf(`.${mime.split("/")[1] ?? ""}`) === mime ? mime : known,
      };
      insert({ text: "", attachments: [file] });
    },
    attachUris: async ({ uris }) => {
      for (const uri of uris) insert(await uriReference(vscode.Uri.parse(uri, true), head().directory));
    },
    picture: async ({ path }) => {
      post({ type: "picture", path, url: await pictureAt(core, missionId(), path) });
    },
  };
}

/**
 * The command that a text calls, if it does.
 * @throws OpenAgentError `unknown_command` for a word after a slash that is none, unless it looks like a path
 */
async function commandIn(suggestions: Suggestions, head: MissionHead, text: string): Promise<CommandCall | undefined> {
  const call = parseCommand(text);
  if (!call) return undefined;
  const known = await suggestions.commands(head);
  if (known.some(({ name }) => name === call.name)) return call;
  if (call.name.includes("/")) return undefined;
  throw new OpenAgentError(
    "unknown_command",
    `There is no command /${call.name}. A space before the slash sends the message as it is.`,
    { name: call.name },
  );
}

/** What a suggestion stands for that the host has to look up. */
async function referenceOf(core: Core, missionId: string, key: string): Promise<Reference> {
  const { directory } = core.store.head(missionId);
  const [kind, ...rest] = key.split(":");
  const name = rest.join(":");
  switch (kind) {
    case "terminal":
      return terminalReference();
    case "problems": {
      const files = problemsBelow(directory).filter(({ uri }) => name === "" || uri.fsPath === name);
      return problemsReference(files, directory);
    }
    case "mission":
      return missionReference(core, missionId, name);
    default:
      throw new OpenAgentError("invalid_input", "That suggestion is known no more.");
  }
}

/** An earlier mission, as a file that tells what was said in it. */
function missionReference(core: Core, missionId: string, other: string): Reference {
  const { view } = core.store.snapshot(other, 200);
  const digest = missionDigest(view);
  const path = core.keepAttachment(missionId, `mission-${other.slice(0, 8)}.md`, Buffer.from(digest));
  const mention = `@mission:${other.slice(0, 8)}`;
  const file: FileAttachment = {
    kind: "file",
    path,
    name: `Mission “${view.head.title}”`,
    mime: "text/plain",
    mention,
  };
  return { text: `${mention} (“${view.head.title}”)`, attachments: [file] };
}

/** A picture that the user gave this mission, or one of its desktops, for the page, which may read no file. */
async function pictureAt(core: Core, missionId: string, path: string): Promise<string | undefined> {
  const mime = mimeOf(path);
  const shown = core.store.events(missionId, { types: ["attachment"] }).some(({ body }) => {
    return body.type === "attachment" && body.url === pathToFileURL(path).href;
  });
  const own = [core.attachmentsFolder(missionId), core.desktops.picturesOf(missionId)];
  if (!mime.startsWith("image/") || (!shown && !own.includes(dirname(path)))) return undefined;
  try {
    return `data:${mime};base64,${(await readFile(path)).toString("base64")}`;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

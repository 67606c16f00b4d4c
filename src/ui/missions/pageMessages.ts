import { fields, list, number, optionalNumber, optionalText, text, texts, type Fields } from "../../base/fields.ts";
import { attachmentLimit, type MessageAttachment } from "../../protocol/attachment.ts";
import { bytesIn, desktopChecks } from "../desktop/desktopMessages.ts";
import { ruleScopes } from "../../protocol/permission.ts";
import { panelCommands, type PageMessage, type PageRequests, type PageState } from "../../protocol/panel.ts";

type Checks = { [Type in keyof PageRequests]: (message: Fields) => PageRequests[Type] | undefined };

/** Makes sure of the shape of each message; what they mean is checked where it is done. */
const checks: Checks = {
  ...desktopChecks,
  ready: (message) => ({ state: pageState(message["state"]), seq: number(message["seq"]) }),
  reopen: () => ({}),
  keep: () => ({}),
  stop: () => ({}),
  resume: () => ({}),
  ack: (message) => ({ seq: number(message["seq"]) }),
  earlier: (message) => whole({ before: text(message["before"]), ...sessionIn(message) }),
  around: (message) => whole({ messageId: text(message["messageId"]), ...sessionIn(message) }),
  later: (message) => whole({ after: text(message["after"]), ...sessionIn(message) }),
  showSession: (message) => sessionIn(message),
  detail: (message) => whole({ partId: text(message["partId"]) }),
  showOutput: (message) => whole({ partId: text(message["partId"]) }),
  openLink: (message) => whole({ href: text(message["href"]) }),
  send: (message) => {
    const attachments = attachmentsIn(message["attachments"]);
    const words = text(message["text"]);
    if (words === "" && attachments.length === 0) return undefined;
    return { text: words, ...(attachments.length > 0 && { attachments }) };
  },
  suggest: (message) => {
    const trigger = (["/", "@"] as const).find((known) => known === message["trigger"]);
    return trigger && { id: number(message["id"]), trigger, query: text(message["query"]).slice(0, 500) };
  },
  insertReference: (message) => whole({ key: text(message["key"]) }),
  attachFile: (message) => {
    const bytes = bytesIn(message["bytes"]);
    return bytes && whole({ name: text(message["name"]).slice(0, 500), mime: text(message["mime"]), bytes });
  },
  attachUris: (message) => ({ uris: texts(message["uris"]).slice(0, attachmentLimit) }),
  picture: (message) => whole({ path: text(message["path"]) }),
  editMessage: (message) => whole({ queueId: text(message["queueId"]), text: text(message["text"]) }),
  removeMessage: (message) => whole({ queueId: text(message["queueId"]) }),
  sendMessageNow: (message) => whole({ queueId: text(message["queueId"]) }),
  moveMessage: (message) => {
    const before = optionalText(message["before"]);
    return whole({ queueId: text(message["queueId"]), ...(before !== undefined && { before }) });
  },
  openFile: (message) => {
    const line = optionalNumber(message["line"]);
    return whole({ path: text(message["path"]), ...(line !== undefined && { line }) });
  },
  answerPermission: (message) => {
    const reply = (["once", "always", "reject"] as const).find((known) => known === message["reply"]);
    const reason = optionalText(message["reason"]);
    const scope = ruleScopes.find((known) => known === message["scope"]);
    const patterns = texts(message["patterns"]);
    return (
      reply &&
      whole({
        requestId: text(message["requestId"]),
        reply,
        ...(reason !== undefined && { reason }),
        ...(scope && { scope }),
        ...(patterns.length > 0 && { patterns }),
      })
    );
  },
  answerQuestion: (message) => {
    const answers = message["answers"] === undefined ? {} : { answers: list(message["answers"]).map(texts) };
    return whole({ requestId: text(message["requestId"]), ...answers });
  },
  command: (message) => {
    const id = panelCommands.find((known) => known === message["id"]);
    const [messageId, partId] = [optionalText(message["messageId"]), optionalText(message["partId"])];
    return id && { id, ...(messageId !== undefined && { messageId }), ...(partId !== undefined && { partId }) };
  },
};

/** The message as the page may send it, or undefined for anything else. */
export function parsePageMessage(value: unknown): PageMessage | undefined {
  const message = fields(value);
  const type = text(message["type"]);
  if (!Object.hasOwn(checks, type)) return undefined;
  const checked = checks[type as keyof Checks](message);
  return checked && ({ type, ...checked } as PageMessage);
}

function sessionIn(message: Fields): { sessionId?: string } {
  const sessionId = optionalText(message["sessionId"]);
  return sessionId === undefined ? {} : { sessionId };
}

/** What a message may carry, as far as it is of that shape. */
function attachmentsIn(value: unknown): MessageAttachment[] {
  return list(value)
    .slice(0, attachmentLimit)
    .flatMap((item): MessageAttachment[] => {
      const facts = fields(item);
      const [name, mention] = [text(facts["name"]), optionalText(facts["mention"])];
      if (facts["kind"] === "agent")
        return name === "" || mention === undefined ? [] : [{ kind: "agent", name, mention }];
      const [path, mime] = [text(facts["path"]), text(facts["mime"])];
      if (facts["kind"] !== "file" || [path, name, mime].includes("")) return [];
      const [first, last] = list(facts["lines"]).map((line) => number(line));
      const lines = first === undefined || last === undefined ? {} : { lines: [first, last] as [number, number] };
      return [{ kind: "file", path, name, mime, ...(mention !== undefined && { mention }), ...lines }];
    });
}

/** Undefined when a text is empty. */
function whole<T extends object>(request: T): T | undefined {
  return Object.values(request).includes("") ? undefined : request;
}

export function pageState(value: unknown): PageState | undefined {
  const state = fields(value);
  const missionId = optionalText(state["missionId"]);
  if (missionId === undefined) return undefined;
  const drafts = Object.entries(fields(state["drafts"])).map(([id, draft]) => [id, text(draft)] as const);
  const subAgent = optionalText(state["subAgent"]);
  return { missionId, drafts: Object.fromEntries(drafts), ...(subAgent !== undefined && { subAgent }) };
}

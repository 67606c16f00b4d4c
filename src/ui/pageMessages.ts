import { fields, list, number, optionalNumber, optionalText, text, texts, type Fields } from "../base/fields.ts";
import { panelCommands, type PageMessage, type PageRequests, type PageState } from "../protocol/panel.ts";

type Checks = { [Type in keyof PageRequests]: (message: Fields) => PageRequests[Type] | undefined };

/** Makes sure of the shape of each message; what they mean is checked where it is done. */
const checks: Checks = {
  ready: (message) => ({ state: pageState(message["state"]) }),
  reopen: () => ({}),
  keep: () => ({}),
  stop: () => ({}),
  resume: () => ({}),
  ack: (message) => ({ seq: number(message["seq"]) }),
  earlier: (message) => whole({ before: text(message["before"]) }),
  detail: (message) => whole({ partId: text(message["partId"]) }),
  showOutput: (message) => whole({ partId: text(message["partId"]) }),
  openLink: (message) => whole({ href: text(message["href"]) }),
  send: (message) => whole({ text: text(message["text"]) }),
  openFile: (message) => {
    const line = optionalNumber(message["line"]);
    return whole({ path: text(message["path"]), ...(line !== undefined && { line }) });
  },
  answerPermission: (message) => {
    const reply = (["once", "always", "reject"] as const).find((known) => known === message["reply"]);
    const reason = optionalText(message["reason"]);
    return reply && whole({ requestId: text(message["requestId"]), reply, ...(reason !== undefined && { reason }) });
  },
  answerQuestion: (message) => {
    const answers = message["answers"] === undefined ? {} : { answers: list(message["answers"]).map(texts) };
    return whole({ requestId: text(message["requestId"]), ...answers });
  },
  command: (message) => {
    const id = panelCommands.find((known) => known === message["id"]);
    return id && { id };
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

/** Undefined when a text is empty. */
function whole<T extends object>(request: T): T | undefined {
  return Object.values(request).includes("") ? undefined : request;
}

export function pageState(value: unknown): PageState | undefined {
  const state = fields(value);
  const missionId = optionalText(state["missionId"]);
  if (missionId === undefined) return undefined;
  const drafts = Object.entries(fields(state["drafts"])).map(([id, draft]) => [id, text(draft)] as const);
  return { missionId, drafts: Object.fromEntries(drafts) };
}

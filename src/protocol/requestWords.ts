/** The words in which requests of the agent are told, in the page and in the editor alike. */
import type { UserRequest } from "./mission.ts";
import type { AllowedBy, PermissionMode, RuleScope } from "./permission.ts";

const wishes: Readonly<Record<string, string>> = {
  bash: "Wants to run",
  edit: "Wants to edit",
  write: "Wants to write",
  read: "Wants to read",
  webfetch: "Wants to fetch",
  websearch: "Wants to search the web for",
  external_directory: "Wants to work outside its folder",
  task: "Wants to start a sub-agent",
  skill: "Wants to load the skill",
  doom_loop: "Repeats itself and wants to go on with",
};

export function wishOf(permission: string): string {
  return wishes[permission] ?? `Wants to use ${permission}`;
}

/** What a request is about, whole. */
function detailOf(request: UserRequest): string {
  return request.kind === "permission" ? request.detail : request.questions.map(({ question }) => question).join("\n");
}

export const scopeWords: Readonly<Record<RuleScope, string>> = {
  mission: "this mission",
  workspace: "this workspace",
  all: "all missions",
};

export const modeWords: Readonly<Record<PermissionMode, string>> = {
  ask: "Ask",
  "allow-edits": "Allow edits",
  "allow-all": "Allow all",
};

/** "git push * (this mission)" */
export function allowedByWords(by: AllowedBy): string {
  if (by.kind === "mode")
    return `${modeWords[by.mode].toLowerCase()} (${by.of === "mission" ? "this mission" : "the settings"})`;
  return by.rules.map((rule) => `${rule.pattern} (${scopeWords[rule.scope]})`).join(", ");
}

export interface NoticeButton {
  label: string;
  does: { kind: "permission"; reply: "once" | "reject" } | { kind: "question"; answer: string } | { kind: "open" };
}

/** A notification shows about so many characters whole. */
const noticeLimit = 200;

/**
 * A request as a notification. What does not fit into one line whole can be denied there and not be allowed; a question
 * can be answered there when it is one, with few options.
 */
export function noticeOf(title: string, request: UserRequest): { message: string; buttons: NoticeButton[] } {
  const open: NoticeButton = { label: "Open", does: { kind: "open" } };
  const detail = detailOf(request);
  const isWhole = detail.length <= noticeLimit && !/[\r\n]/.test(detail);
  if (request.kind === "permission") {
    const { permission } = request;
    return {
      message: plain(`${title}: ${wishOf(permission).toLowerCase()} ${shortened(detail)}`),
      buttons: [
        ...(isWhole ? [{ label: "Allow Once", does: { kind: "permission", reply: "once" } } as const] : []),
        { label: "Deny", does: { kind: "permission", reply: "reject" } },
        open,
      ],
    };
  }
  const [question, ...others] = request.questions;
  const isSingle = question && others.length === 0 && !question.multiple && isWhole;
  const fits = isSingle && question.options.length <= 3 && question.options.every(({ label }) => label !== open.label);
  const options = fits ? question.options : [];
  return {
    message: plain(`${title}: ${shortened(detail)}`),
    buttons: [
      ...options.map(({ label }): NoticeButton => ({ label, does: { kind: "question", answer: label } })),
      open,
    ],
  };
}

function shortened(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > noticeLimit ? `${line.slice(0, noticeLimit)}…` : line;
}

/** Notifications read links out of their text; what an agent wrote must not become one. */
function plain(text: string): string {
  return text.replaceAll("](", "]\u200b(");
}

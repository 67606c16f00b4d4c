import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import type { CommandInput, Core } from "../../orchestrator/index.ts";
import type { PermissionRequest, Question, QuestionRequest, UserRequest } from "../../protocol/mission.ts";
import { alwaysChoices, openRequests, ruleScopes } from "../../protocol/permission.ts";
import { scopeWords, wishOf } from "../../protocol/requestWords.ts";
import type { App } from "../app.ts";
import type { MissionPanels } from "./panels.ts";

type PermissionAnswer = Omit<CommandInput<"answerPermission">, "missionId" | "requestId">;

/** What the user chose to do about a request. */
type Choice =
  | { does: "permission"; answer: PermissionAnswer }
  | { does: "reason" }
  | { does: "question"; answers: string[][] | undefined }
  | { does: "open" };

type Item = vscode.QuickPickItem & { choice?: Choice };

/**
 * Asks for the answers to all that a mission, or one of its sub-agents, waits for, oldest first, until the user leaves it.
 */
export async function answerRequests(
  app: App,
  panels: MissionPanels,
  missionId: string,
  subAgent?: string,
): Promise<void> {
  const core = await app.core();
  const answered = new Set<string>();
  const asks = ({ id, sessionId }: UserRequest) => !answered.has(id) && sessionId === (subAgent ?? sessionId);
  for (;;) {
    const request = openRequests(core.store.head(missionId)).find(asks);
    if (!request) {
      if (answered.size === 0) void vscode.window.showInformationMessage("The mission waits for no answer.");
      return;
    }
    answered.add(request.id);
    const choice = await withOpenRequest(core, missionId, request, (over) => ask(request, over));
    if (!choice) {
      // Answered elsewhere in the meantime, or left by the user.
      if (openRequests(core.store.head(missionId)).some(({ id }) => id === request.id)) return;
      continue;
    }
    if (choice.does === "open") {
      await panels.open(missionId, { preview: false });
      return;
    }
    await unlessAnswered(() => give(app, missionId, request.id, choice));
  }
}

/** Does it, and says so plainly when someone else was quicker. */
export async function unlessAnswered(answer: () => Promise<void>): Promise<void> {
  try {
    await answer();
  } catch (error) {
    if (!(error instanceof OpenAgentError) || error.code !== "request_gone") throw error;
    void vscode.window.showInformationMessage("That was answered already, or the agent waits for it no more.");
  }
}

async function give(app: App, missionId: string, requestId: string, choice: Choice): Promise<void> {
  switch (choice.does) {
    case "permission":
      await app.run("answerPermission", { missionId, requestId, ...choice.answer });
      return;
    case "question":
      await app.run("answerQuestion", { missionId, requestId, ...(choice.answers && { answers: choice.answers }) });
      return;
    case "reason": {
      const reason = await vscode.window.showInputBox({
        title: "Deny with a Reason",
        prompt: "The agent reads it and goes on without what it asked for.",
        placeHolder: "Why, or what to do instead",
      });
      if (reason === undefined) return;
      const why = reason.trim() === "" ? {} : { reason };
      await app.run("answerPermission", { missionId, requestId, reply: "reject", ...why });
      return;
    }
    case "open":
      return;
  }
}

/** Lends a token that is cancelled when the request is over, wherever it was answered. */
async function withOpenRequest<T>(
  core: Core,
  missionId: string,
  request: UserRequest,
  work: (over: vscode.CancellationToken) => Promise<T>,
): Promise<T> {
  const over = new vscode.CancellationTokenSource();
  const watch = core.onHead((head) => {
    if (head.id === missionId && !openRequests(head).some(({ id }) => id === request.id)) over.cancel();
  });
  try {
    return await work(over.token);
  } finally {
    watch.dispose();
    over.dispose();
  }
}

function ask(request: UserRequest, over: vscode.CancellationToken): Promise<Choice | undefined> {
  return request.kind === "permission" ? askPermission(request, over) : askQuestions(request, over);
}

async function askPermission(request: PermissionRequest, over: vscode.CancellationToken): Promise<Choice | undefined> {
  const always = alwaysChoices(request).flatMap((patterns) =>
    ruleScopes.map((scope): Item => ({
      label: `Always: ${patterns.join(", ")}`,
      description: `in ${scopeWords[scope]}`,
      choice: { does: "permission", answer: { reply: "always", patterns, scope } },
    })),
  );
  const items: Item[] = [
    {
      label: "$(close) Deny",
      description: "the turn ends",
      choice: { does: "permission", answer: { reply: "reject" } },
    },
    { label: "$(comment) Deny with a Reason…", description: "the agent goes on", choice: { does: "reason" } },
    {
      label: "$(check) Allow Once",
      detail: request.detail,
      choice: { does: "permission", answer: { reply: "once" } },
    },
    ...always,
    { label: "", kind: vscode.QuickPickItemKind.Separator },
    {
      label: "$(go-to-file) Open Mission",
      ...(request.diff !== undefined && { description: "shows the change" }),
      choice: { does: "open" },
    },
  ];
  return pickChoice(items, { title: `${wishOf(request.permission)}: ${oneLine(request.detail)}` }, over);
}

async function pickChoice(
  items: Item[],
  options: vscode.QuickPickOptions,
  over: vscode.CancellationToken,
): Promise<Choice | undefined> {
  const kept = { ...options, ignoreFocusOut: true, matchOnDetail: true };
  return (await vscode.window.showQuickPick(items, kept, over))?.choice;
}

/** One question after the other; undefined when the user leaves. */
async function askQuestions(request: QuestionRequest, over: vscode.CancellationToken): Promise<Choice | undefined> {
  const answers: string[][] = [];
  for (const [index, question] of request.questions.entries()) {
    const step = request.questions.length > 1 ? ` (${String(index + 1)} of ${String(request.questions.length)})` : "";
    const title = `${question.header === "" ? "The agent asks" : question.header}${step}`;
    const answer = await (question.multiple ? askSeveral(question, title, over) : askOne(question, title, over));
    if (!Array.isArray(answer)) return answer;
    answers.push(answer);
  }
  return { does: "question", answers };
}

async function askSeveral(question: Question, title: string, over: vscode.CancellationToken) {
  const items = question.options.map(({ label, description }) => ({ label, detail: description }));
  const options = { title, placeHolder: question.question, canPickMany: true as const, ignoreFocusOut: true };
  const chosen = await vscode.window.showQuickPick(items, options, over);
  return chosen && chosen.length > 0 ? chosen.map(({ label }) => label) : undefined;
}

async function askOne(
  question: Question,
  title: string,
  over: vscode.CancellationToken,
): Promise<string[] | Choice | undefined> {
  const own: Item = { label: "$(edit) In My Own Words…" };
  const items: Item[] = [
    ...question.options.map(({ label, description }): Item => {
      return { label, detail: description, choice: { does: "question", answers: [[label]] } };
    }),
    ...(question.custom ? [own] : []),
    { label: "", kind: vscode.QuickPickItemKind.Separator },
    { label: "$(close) Dismiss", choice: { does: "question", answers: undefined } },
    { label: "$(go-to-file) Open Mission", choice: { does: "open" } },
  ];
  const options = { title, placeHolder: question.question, ignoreFocusOut: true, matchOnDetail: true };
  const chosen = await vscode.window.showQuickPick(items, options, over);
  if (chosen === own) {
    const words = await vscode.window.showInputBox({ title, prompt: question.question, ignoreFocusOut: true }, over);
    return words === undefined || words.trim() === "" ? undefined : [words];
  }
  const choice = chosen?.choice;
  return choice?.does === "question" && choice.answers ? choice.answers.flat() : choice;
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 120 ? `${line.slice(0, 120)}…` : line;
}

import { availableParallelism, totalmem } from "node:os";
import * as vscode from "vscode";
import type { LimitKind, WorkspaceLimits } from "../../protocol/workspace.ts";
import { limitsWord, limitWords } from "./limitWords.ts";
import { askChoice, askText, type Answer, type Choice, type Step } from "../steps.ts";

type Wish = "done" | { kind: LimitKind; amount: number | undefined } | { kind: LimitKind; other: true };

/** Asks in one step for those limits that hold. What is chosen is marked, and left out when it is chosen again. */
export async function askLimits(
  step: Step,
  before: WorkspaceLimits,
  offered: readonly LimitKind[],
): Promise<Answer<WorkspaceLimits>> {
  for (let limits = before; ;) {
    const placeholder = "What all that runs in the workspace may use together; Enter goes on";
    const answer = await askChoice<Wish>(step, placeholder, itemsFor(limits, offered), "done");
    if (answer === undefined || answer === "back") return answer;
    const { value: wish } = answer;
    if (wish === "done") return { value: limits };
    const amount = "other" in wish ? await askAmount(step, wish.kind, limits[wish.kind]) : { value: wish.amount };
    if (amount === undefined) return undefined;
    if (amount !== "back") limits = withLimit(limits, wish.kind, amount.value);
  }
}

function itemsFor(limits: WorkspaceLimits, offered: readonly LimitKind[]): Choice<Wish>[] {
  const words = limitsWord(limits);
  return [
    {
      label: words === "" ? "$(check) No Limits" : "$(check) Create with These Limits",
      description: words,
      value: "done",
    },
    ...offered.flatMap((kind) => itemsOf(kind, limits[kind])),
  ];
}

function itemsOf(kind: LimitKind, chosen: number | undefined): Choice<Wish>[] {
  const { label, presets, word } = limitWords[kind];
  const fitting = presets.filter((amount) => amount <= mostOf(kind));
  const amounts = [...new Set([...fitting, ...(chosen === undefined ? [] : [chosen])])].sort((a, b) => a - b);
  return [
    { label, kind: vscode.QuickPickItemKind.Separator },
    ...amounts.map((amount): Choice<Wish> =>
      amount === chosen
        ? { label: `$(check) ${word(amount)}`, value: { kind, amount: undefined } }
        : { label: `$(blank) ${word(amount)}`, value: { kind, amount } },
    ),
    { label: `$(blank) Other ${label}…`, value: { kind, other: true } },
  ];
}

/** What this machine has; more would be no limit. */
function mostOf(kind: LimitKind): number {
  switch (kind) {
    case "memoryMb":
      return totalmem() / 2 ** 20;
    case "cpus":
      return availableParallelism();
    case "processes":
      return Infinity;
  }
}

async function askAmount(step: Step, kind: LimitKind, amount: number | undefined): Promise<Answer<number>> {
  const { prompt, example, word, parse, wrong } = limitWords[kind];
  const value = amount === undefined ? "" : kind === "memoryMb" ? word(amount) : String(amount);
  const answer = await askText(step, { prompt, value, placeholder: example }, (text) =>
    parse(text) === undefined ? wrong : undefined,
  );
  if (answer === undefined || answer === "back") return answer;
  const typed = parse(answer.value);
  return typed === undefined ? "back" : { value: typed };
}

function withLimit(limits: WorkspaceLimits, kind: LimitKind, amount: number | undefined): WorkspaceLimits {
  const { [kind]: _, ...others } = limits;
  return amount === undefined ? others : { ...others, [kind]: amount };
}

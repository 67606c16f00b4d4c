import * as vscode from "vscode";

/** What a step of several ended with: a value, or the wish to go back to the one before; undefined when the user gave up. */
export type Answer<T> = { value: T } | "back" | undefined;

/** Where a step stands among the others. */
export interface Step {
  title: string;
  /** From 1 on. */
  number: number;
  of: number;
}

export interface Choice<T> extends vscode.QuickPickItem {
  /** Absent for headings. */
  value?: T;
}

/** Asks for one of a list. `current` is the one that was chosen before. */
export function askChoice<T>(
  step: Step,
  placeholder: string,
  items: readonly Choice<T>[],
  current: T | undefined,
): Promise<Answer<T>> {
  const pick = vscode.window.createQuickPick<Choice<T>>();
  pick.placeholder = placeholder;
  pick.matchOnDescription = true;
  pick.matchOnDetail = true;
  pick.items = items;
  const active = items.find(({ value }) => value !== undefined && value === current);
  if (active) pick.activeItems = [active];
  return shown(pick, step, (finish) => {
    pick.onDidAccept(() => {
      const value = pick.selectedItems[0]?.value;
      if (value !== undefined) finish({ value });
    });
  });
}

/** Asks for a text. `check` says what is wrong with one. */
export function askText(
  step: Step,
  { prompt, value, placeholder }: { prompt: string; value: string; placeholder: string },
  check: (text: string) => string | undefined,
): Promise<Answer<string>> {
  const input = vscode.window.createInputBox();
  input.prompt = prompt;
  input.value = value;
  input.placeholder = placeholder;
  return shown(input, step, (finish) => {
    input.onDidChangeValue((text) => (input.validationMessage = check(text)));
    input.onDidAccept(() => {
      input.validationMessage = check(input.value);
      if (input.validationMessage === undefined) finish({ value: input.value });
    });
  });
}

function shown<T>(
  input: vscode.QuickPick<Choice<T>> | vscode.InputBox,
  { title, number, of }: Step,
  listen: (finish: (answer: Answer<T>) => void) => void,
): Promise<Answer<T>> {
  input.title = `${title} (${String(number)} of ${String(of)})`;
  input.ignoreFocusOut = true;
  if (number > 1) input.buttons = [vscode.QuickInputButtons.Back];
  return new Promise((resolve) => {
    const finish = (answer: Answer<T>) => {
      resolve(answer);
      input.dispose();
    };
    input.onDidTriggerButton(() => finish("back"));
    input.onDidHide(() => finish(undefined));
    listen(finish);
    input.show();
  });
}

/** Asks for a part of what is asked for in all. */
export type Ask<Draft> = (step: Step, draft: Draft) => Promise<Answer<Partial<Draft>>>;

/** Asks step by step, and back; which steps there are may follow from the answers. Undefined when the user gives up. */
export async function askSteps<Draft>(
  title: string,
  first: Draft,
  stepsFor: (draft: Draft) => readonly Ask<Draft>[],
): Promise<Draft | undefined> {
  let draft = first;
  for (let index = 0; ;) {
    const steps = stepsFor(draft);
    const ask = steps[index];
    if (!ask) return draft;
    const answer = await ask({ title, number: index + 1, of: steps.length }, draft);
    if (answer === undefined) return undefined;
    if (answer === "back") index--;
    else {
      draft = { ...draft, ...answer.value };
      index++;
    }
  }
}

/** An answer as a part of something else. */
export function mapped<T, U>(answer: Answer<T>, make: (value: T) => U): Answer<U> {
  return answer === undefined || answer === "back" ? answer : { value: make(answer.value) };
}

import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import type { ComposerAction } from "../../protocol/panel.ts";
import type { Parts } from "../commands.ts";
import {
  linesReference,
  problemsBelow,
  problemsReference,
  selectionReference,
  terminalReference,
  uriReference,
  type Reference,
} from "../library/references.ts";

type Handler = (parts: Parts, argument: unknown, selected: unknown) => Promise<unknown>;
type MissionOf = (parts: Parts, argument: unknown, question: string) => Promise<string | undefined>;
type MakeReference = (directory: string) => Promise<Reference[]> | Reference[];

/** What the problems of a file are added by: the arguments of the quick fix. */
interface ProblemsArgument {
  uri: vscode.Uri;
  problems: vscode.Diagnostic[];
}

/** The commands of the composer, and those that put something into it from elsewhere. */
export function composerCommands(missionOf: MissionOf): Readonly<Record<string, Handler>> {
  /** Into the mission in view, else one that the user chooses. */
  const add = async (parts: Parts, make: MakeReference): Promise<void> => {
    const missionId = parts.panels.nearest?.missionId ?? (await missionOf(parts, undefined, "Add to which mission?"));
    if (missionId === undefined) return;
    const { directory } = (await parts.app.core()).store.head(missionId);
    const references = await make(directory);
    const panel = await parts.panels.open(missionId, { preview: false, focusComposer: true });
    for (const { text, attachments } of references) panel.compose({ type: "insert", text, attachments });
  };
  const act = (action: ComposerAction): Handler => {
    return ({ panels }) => {
      panels.active?.compose({ type: "composer", action });
      return Promise.resolve();
    };
  };
  return {
    insertCommand: act("commands"),
    addContext: act("context"),
    sendDraft: act("send"),
    previousMessage: act("previous"),
    nextMessage: act("next"),
    attachFiles: async ({ app, panels }) => {
      const panel = panels.active;
      if (!panel) return;
      const { directory } = (await app.core()).store.head(panel.missionId);
      const chosen = await vscode.window.showOpenDialog({
        title: "Attach to the Message",
        openLabel: "Attach",
        canSelectMany: true,
        defaultUri: vscode.Uri.file(directory),
      });
      for (const uri of chosen ?? []) panel.compose({ type: "insert", ...(await uriReference(uri, directory)) });
    },
    addToMission: async (parts) => {
      const source = await chooseSource();
      if (source) await add(parts, source);
    },
    addFilesToMission: (parts, argument, selected) => {
      const uris = [selected, [argument]].find((list) => Array.isArray(list) && list.length > 0) as unknown[];
      const files = uris.filter((uri) => uri instanceof vscode.Uri);
      if (files.length === 0) throw new OpenAgentError("invalid_input", "Choose files in the Explorer first.");
      return add(parts, (directory) => Promise.all(files.map((uri) => uriReference(uri, directory))));
    },
    addProblemsToMission: (parts, argument) => {
      const { uri, problems } = argument as ProblemsArgument;
      return add(parts, (directory) => {
        const block = problemsReference([{ uri, problems }], directory);
        const file = linesReference(uri.fsPath, directory, linesOf(problems));
        return [{ text: file.mention ?? "", attachments: [file] }, block];
      });
    },
    addTerminalToMission: async (parts) => {
      const reference = await terminalReference();
      await add(parts, () => [reference]);
    },
  };
}

/** What is selected in the editor; where nothing is, the user chooses among what there is. */
async function chooseSource(): Promise<MakeReference | undefined> {
  const editor = vscode.window.activeTextEditor;
  if (editor && !editor.selection.isEmpty) return (directory) => [selectionReference(editor, directory)];
  const items: (vscode.QuickPickItem & { make: MakeReference })[] = [];
  if (editor?.document.uri.scheme === "file") {
    const { uri } = editor.document;
    const name = vscode.workspace.asRelativePath(uri);
    items.push({ label: "$(file) Current file", description: name, make: async (it) => [await uriReference(uri, it)] });
    const problems = vscode.languages.getDiagnostics(uri);
    if (problems.length > 0)
      items.push({
        label: "$(warning) Problems in the current file",
        description: String(problems.length),
        make: (directory) => [problemsReference([{ uri, problems }], directory)],
      });
  }
  items.push({
    label: "$(warning) Problems in the mission’s folder",
    make: (directory) => {
      const files = problemsBelow(directory);
      if (files.length === 0)
        throw new OpenAgentError("invalid_input", `The editor reports no problems in ${directory}.`);
      return [problemsReference(files, directory)];
    },
  });
  if (vscode.window.activeTerminal)
    items.push({
      label: "$(terminal) Terminal selection",
      description: vscode.window.activeTerminal.name,
      make: async () => [await terminalReference()],
    });
  return (await vscode.window.showQuickPick(items, { title: "Add to Mission" }))?.make;
}

function linesOf(problems: readonly vscode.Diagnostic[]): [number, number] {
  const lines = problems.flatMap(({ range }) => [range.start.line + 1, range.end.line + 1]);
  return [Math.min(...lines), Math.max(...lines)];
}

/** Offers problems of a file as something to add to a mission, among the quick fixes. */
export function offerProblems(): vscode.Disposable {
  return vscode.languages.registerCodeActionsProvider(
    { scheme: "file" },
    {
      provideCodeActions: ({ uri }, _range, { diagnostics }) => {
        if (diagnostics.length === 0 || !vscode.workspace.isTrusted) return [];
        const title = "Add to Mission…";
        const action = new vscode.CodeAction(title, vscode.CodeActionKind.QuickFix);
        const argument: ProblemsArgument = { uri, problems: [...diagnostics] };
        action.command = { title, command: "openAgent.addProblemsToMission", arguments: [argument] };
        action.diagnostics = [...diagnostics];
        return [action];
      },
    },
    { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix] },
  );
}

import * as vscode from "vscode";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { isSealed, jsonStringAt, marksIn } from "../protocol/sealed.ts";
import type { App } from "./app.ts";
import type { Handler } from "./commands.ts";
import type { Library } from "./library.ts";
import { report } from "./problems.ts";

/** The commands of the Library's encrypted values, by the part of their id after `openAgent.`. */
export function librarySecretCommands(library: Library): Readonly<Record<string, Handler>> {
  return {
    setLibraryKey: ({ app }) => setKey(app),
    encryptValue: ({ app }) => encryptValue(app, library),
    revealValue: ({ app }) => revealValue(app, library),
  };
}

const keyTitle = "Key of the Library";

async function setKey(app: App): Promise<void> {
  const key = await app.run("libraryKey", {});
  const paste = { label: "$(edit) Enter Key…", detail: "The one that the values were encrypted with" };
  const generate = { label: "$(sparkle) Generate New Key", detail: "For values that you will encrypt" };
  const copy = { label: "$(copy) Copy Key", detail: "To keep it in a safe place, or to set it elsewhere" };
  const forget = { label: "$(trash) Forget Key", detail: "Missions lack all encrypted values then" };
  const placeHolder = key === undefined ? "There is no key yet" : "There is a key";
  const items = key === undefined ? [paste, generate] : [copy, paste, generate, forget];
  const chosen = await vscode.window.showQuickPick(items, { title: keyTitle, placeHolder });
  if (chosen === copy) await copyKey(key ?? "");
  else if (chosen === paste) await enterKey(app);
  else if (chosen === generate && (await maySwitch(key, "Generate"))) await generateKey(app);
  else if (chosen === forget && (await maySwitch(key, "Forget"))) await app.run("setLibraryKey", {});
}

/** Without the key that there is, nobody can read what was encrypted with it. */
async function maySwitch(key: string | undefined, label: string): Promise<boolean> {
  if (key === undefined) return true;
  const detail =
    "What was encrypted with the present key cannot be read without it. Copy it first, if you have it nowhere else.";
  const chosen = await vscode.window.showWarningMessage(`${label} the Library’s key?`, { modal: true, detail }, label);
  return chosen === label;
}

async function enterKey(app: App): Promise<void> {
  const key = await vscode.window.showInputBox({
    title: keyTitle,
    prompt: "64 hexadecimal digits, or 32 bytes in base64. It is kept in the editor’s secret storage.",
    password: true,
    ignoreFocusOut: true,
  });
  if (key === undefined || key.trim() === "") return;
  await app.run("setLibraryKey", { key });
  void vscode.window.showInformationMessage("The next mission has the values that this key fits.");
}

async function generateKey(app: App): Promise<void> {
  const { newKey } = await import("../orchestrator/index.ts");
  const key = newKey();
  await app.run("setLibraryKey", { key });
  const words = "The Library has a new key. Keep a copy: without it nobody can read what is encrypted with it.";
  if ((await vscode.window.showInformationMessage(words, "Copy Key")) === "Copy Key") await copyKey(key);
}

async function copyKey(key: string): Promise<void> {
  await vscode.env.clipboard.writeText(key);
  void vscode.window.showInformationMessage("The key is in the clipboard.");
}

/** What is at the cursor, or selected: where it is, what it says, and how something else is written there. */
interface Found {
  editor: vscode.TextEditor;
  /** Of its document. */
  version: number;
  range: vscode.Range;
  text: string;
  written: (text: string) => string;
}

const asIs = (text: string) => text;

/** @throws OpenAgentError `invalid_input` when the editor shows no file of the Library, or there is no value */
function valueAtCursor(library: Library): Found {
  const editor = vscode.window.activeTextEditor;
  if (!editor || !library.has(editor.document.uri))
    throw new OpenAgentError("invalid_input", "Open a file of the Library, and put the cursor into the value.");
  const { document, selection } = editor;
  const base = { editor, version: document.version };
  const all = document.getText();
  const at = document.offsetAt(selection.active);
  const range = (start: number, end: number) => new vscode.Range(document.positionAt(start), document.positionAt(end));
  if (document.fileName.endsWith(".json")) {
    const found = jsonStringAt(all, at);
    if (!found)
      throw new OpenAgentError("invalid_input", "Put the cursor into the text of a value, between its quotes.");
    return { ...base, range: range(found.start, found.end), text: found.value, written: JSON.stringify };
  }
  const mark = marksIn(all).find(({ start, end }) => start <= at && at <= end);
  if (mark) {
    const { start, end, version, value } = mark;
    const text = version === undefined ? value : all.slice(start, end);
    return { ...base, range: range(start, end), text, written: asIs };
  }
  if (selection.isEmpty) throw new OpenAgentError("invalid_input", "Select the value that is to be encrypted.");
  return { ...base, range: selection, text: document.getText(selection), written: asIs };
}

async function replace({ editor, range, version, written }: Found, sealed: string): Promise<void> {
  const isSame = editor.document.version === version;
  const done = isSame && (await editor.edit((edit) => edit.replace(range, written(sealed))));
  if (!done) throw new OpenAgentError("invalid_input", "The file has changed in the meantime. Try again.");
}

async function encryptValue(app: App, library: Library): Promise<void> {
  const found = valueAtCursor(library);
  if (isSealed(found.text))
    throw new OpenAgentError("invalid_input", "This value is encrypted already. “Reveal Encrypted Value” shows it.");
  if (found.text === "") throw new OpenAgentError("invalid_input", "There is nothing to encrypt.");
  await replace(found, await app.run("sealValue", { value: found.text }));
}

async function revealValue(app: App, library: Library): Promise<void> {
  const found = valueAtCursor(library);
  if (!isSealed(found.text))
    throw new OpenAgentError("invalid_input", "This is no encrypted value. “Encrypt Value” makes it one.");
  const value = await app.run("openValue", { sealed: found.text });
  if (/[\r\n]/.test(value)) {
    const words = "The value has several lines, which are not shown here.";
    const detail = "To change it, delete it from the file, write the new one in its place and encrypt that.";
    if ((await vscode.window.showInformationMessage(words, { modal: true, detail }, "Copy")) === "Copy")
      await vscode.env.clipboard.writeText(value);
    return;
  }
  const changed = await editMasked(value);
  if (changed !== undefined && changed !== value) await replace(found, await app.run("sealValue", { value: changed }));
}

const show: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon("eye"), tooltip: "Show" };
const hide: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon("eye-closed"), tooltip: "Hide" };

/** Lets the user look at a value and change it; undefined when he gives up. */
function editMasked(value: string): Promise<string | undefined> {
  const input = vscode.window.createInputBox();
  input.title = "Encrypted Value";
  input.prompt = "Enter encrypts what you have changed; the file is not saved yet.";
  input.value = value;
  input.password = true;
  input.buttons = [show];
  input.ignoreFocusOut = true;
  return new Promise((resolve) => {
    input.onDidTriggerButton(() => {
      input.password = !input.password;
      input.buttons = [input.password ? show : hide];
    });
    input.onDidAccept(() => {
      if (input.value === "") input.validationMessage = "A value is not empty.";
      else {
        resolve(input.value);
        input.dispose();
      }
    });
    input.onDidHide(() => {
      resolve(undefined);
      input.dispose();
    });
    input.show();
  });
}

/** Encrypts what is marked in a Library's Markdown when it is saved, and dims what is encrypted. */
export function protectSecrets(app: App, library: Library): vscode.Disposable {
  const sealing = new Sealing(app);
  return vscode.Disposable.from(
    vscode.workspace.onWillSaveTextDocument((save) => {
      if (library.has(save.document.uri) && isMarked(save.document)) save.waitUntil(sealing.edits(save.document));
    }),
    // The editor does not wait for long, and goes on without what comes later.
    vscode.workspace.onDidSaveTextDocument((document) => {
      if (library.has(document.uri) && isMarked(document)) sealing.catchUp(document).catch(report);
    }),
    dimSealed(),
  );
}

/** The editor has languages of its own for skills, agents and the like. */
function isMarkdown({ fileName }: vscode.TextDocument): boolean {
  return fileName.toLowerCase().endsWith(".md");
}

function isMarked(document: vscode.TextDocument): boolean {
  return isMarkdown(document) && marksIn(document.getText()).some(({ version }) => version === undefined);
}

class Sealing {
  readonly #app: App;
  /** The user was told that there is no key. */
  #told = false;

  constructor(app: App) {
    this.#app = app;
  }

  /** What encrypts the marked values of a document; nothing where that cannot be done, which the user is told of once. */
  async edits(document: vscode.TextDocument): Promise<vscode.TextEdit[]> {
    try {
      const text = document.getText();
      const sealed = await this.#app.run("sealMarks", { text });
      if (document.getText() !== text) return [];
      const after = marksIn(sealed);
      return marksIn(text).flatMap(({ start, end, version }, index) => {
        const now = after[index];
        if (version !== undefined || !now) return [];
        const range = new vscode.Range(document.positionAt(start), document.positionAt(end));
        return [vscode.TextEdit.replace(range, sealed.slice(now.start, now.end))];
      });
    } catch (error) {
      this.#tell(error);
      return [];
    }
  }

  async catchUp(document: vscode.TextDocument): Promise<void> {
    const edits = await this.edits(document);
    if (edits.length === 0) return;
    const all = new vscode.WorkspaceEdit();
    all.set(document.uri, edits);
    if (await vscode.workspace.applyEdit(all)) await document.save();
  }

  #tell(error: unknown): void {
    this.#app.log.warn(`Marked values were saved as they are: ${describeError(error)}`);
    if (this.#told) return;
    this.#told = true;
    const words = "Values that are marked to be encrypted were saved as they are.";
    const known = error instanceof OpenAgentError ? error : new OpenAgentError("internal", describeError(error));
    void report(new OpenAgentError(known.code, `${words} ${known.message}`));
  }
}

/** What is encrypted says nothing to a reader: it is pale, behind the sign of a password. */
function dimSealed(): vscode.Disposable {
  const style = vscode.window.createTextEditorDecorationType({
    opacity: "0.35",
    before: { contentText: "••••", margin: "0 0.5em 0 0" },
  });
  const draw = (editor: vscode.TextEditor) => {
    const { document } = editor;
    if (!isMarkdown(document) && !document.fileName.endsWith(".json")) return;
    // In JSON the quotes of a mark are escaped.
    const found = document.getText().matchAll(/<encrypted v=\\?"1\\?">[^<]*<\/encrypted>/g);
    const ranges = [...found].map(
      ({ index, 0: whole }) => new vscode.Range(document.positionAt(index), document.positionAt(index + whole.length)),
    );
    editor.setDecorations(style, ranges);
  };
  const drawAll = () => {
    for (const editor of vscode.window.visibleTextEditors) draw(editor);
  };
  drawAll();
  return vscode.Disposable.from(
    style,
    vscode.window.onDidChangeVisibleTextEditors(drawAll),
    vscode.workspace.onDidChangeTextDocument(({ document }) => {
      for (const editor of vscode.window.visibleTextEditors) if (editor.document === document) draw(editor);
    }),
  );
}

import * as vscode from "vscode";
import { describeError, OpenAgentError } from "../../base/errors.ts";
import { isSealed, jsonStringAt, marksIn, sealedIn } from "../../protocol/sealed.ts";
import type { App } from "../app.ts";
import type { Handler } from "../commands.ts";
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
  const { newKey } = await import("../../orchestrator/index.ts");
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
    const [from, to] = [document.offsetAt(selection.start), document.offsetAt(selection.end)];
    const part = document.getText(selection);
    const isPart = from > found.start && to < found.end && part !== "" && !part.includes("\\");
    if (isPart && !isSealed(part))
      return { ...base, range: selection, text: part, written: (text) => JSON.stringify(text).slice(1, -1) };
    // A value may be encrypted in part: that part then, and of several the one at the cursor.
    const marks = marksIn(found.value).filter(({ version }) => version !== undefined);
    const index = sealedIn(all.slice(found.start, found.end)).findIndex(({ end }) => at <= found.start + end);
    const { start, end } = marks[Math.max(0, index)] ?? { start: 0, end: found.value.length };
    return {
      ...base,
      range: range(found.start, found.end),
      text: found.value.slice(start, end),
      written: (text) => JSON.stringify(found.value.slice(0, start) + text + found.value.slice(end)),
    };
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

/** Tells where in a document values are decrypted for missions. */
async function openedAt({ folder }: Library, document: vscode.TextDocument): Promise<(offset: number) => boolean> {
  const { openedIn, placeOf } = await import("../../orchestrator/index.ts");
  const { fsPath: path } = document.uri;
  const place = placeOf(folder, path);
  return place ? openedIn(place, path, document.getText()) : () => isMarkdown(document);
}

/** @throws OpenAgentError `invalid_input` where missions would get the encrypted text */
async function requireOpened(library: Library, { editor: { document }, range }: Found): Promise<void> {
  const isOpened = await openedAt(library, document);
  if (isOpened(document.offsetAt(range.start))) return;
  const { openedPlaces } = await import("../../orchestrator/index.ts");
  throw new OpenAgentError("invalid_input", `Nothing would open the encrypted value here. ${openedPlaces}`);
}

async function encryptValue(app: App, library: Library): Promise<void> {
  const found = valueAtCursor(library);
  if (isSealed(found.text))
    throw new OpenAgentError("invalid_input", "This value is encrypted already. “Reveal Encrypted Value” shows it.");
  if (found.text === "") throw new OpenAgentError("invalid_input", "There is nothing to encrypt.");
  await requireOpened(library, found);
  const isMarked = marksIn(found.text).length > 0;
  const sealed = isMarked ? app.run("sealMarks", { text: found.text }) : app.run("sealValue", { value: found.text });
  await replace(found, await sealed);
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

/** Encrypts what is marked in a Library's files when they are saved, and dims what is encrypted. */
export function protectSecrets(app: App, library: Library): vscode.Disposable {
  const sealing = new Sealing(app, library);
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
  return (isMarkdown(document) || document.fileName.endsWith(".json")) && document.getText().includes("<encrypted>");
}

class Sealing {
  readonly #app: App;
  readonly #library: Library;
  /** The documents whose values the user was told to be saved as they are. */
  readonly #told = new Set<string>();

  constructor(app: App, library: Library) {
    this.#app = app;
    this.#library = library;
  }

  /** What encrypts the marked values of a document; nothing where that cannot be done, of which the user is told once. */
  async edits(document: vscode.TextDocument): Promise<vscode.TextEdit[]> {
    try {
      const { unsealedIn } = await import("../../orchestrator/index.ts");
      const isOpened = await openedAt(this.#library, document);
      const text = document.getText();
      const pieces = unsealedIn(document.fileName, text).filter(({ start }) => isOpened(start));
      const sealed = await Promise.all(pieces.map((piece) => this.#app.run("sealMarks", { text: piece.text })));
      this.#told.delete(document.uri.toString());
      if (document.getText() !== text) return [];
      return pieces.map(({ start, end, written }, index) => {
        const range = new vscode.Range(document.positionAt(start), document.positionAt(end));
        return vscode.TextEdit.replace(range, written(sealed[index] ?? ""));
      });
    } catch (error) {
      this.#tell(document, error);
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

  #tell({ uri }: vscode.TextDocument, error: unknown): void {
    const file = vscode.workspace.asRelativePath(uri);
    this.#app.log.warn(`The marked values of ${file} were saved as they are: ${describeError(error)}`);
    if (this.#told.has(uri.toString())) return;
    this.#told.add(uri.toString());
    const words = `Values of ${file} that are marked to be encrypted were saved as they are.`;
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

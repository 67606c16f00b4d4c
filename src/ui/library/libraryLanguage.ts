import * as vscode from "vscode";
import type { Catalogue, Completion, Fix, Item, Problem, Reference } from "../../orchestrator/index.ts";
import { nounOf } from "../../protocol/library.ts";
import { workspaceEditOf } from "./libraryEdits.ts";
import { LibraryLenses } from "./libraryLenses.ts";
import { mainFile, type Library } from "./library.ts";
import { LineMap } from "../review/lineMap.ts";
import type { LibraryRenames } from "./libraryRenames.ts";

/** Offers what the Library knows in editors of its files. */
export function provideLibraryLanguage(library: Library, renames: LibraryRenames): vscode.Disposable {
  const lenses = new LibraryLenses(library, renames);
  let registered: vscode.Disposable | undefined;
  const register = () => {
    registered?.dispose();
    registered = library.folder === "" ? undefined : registerFor(library, renames, lenses);
  };
  register();
  const moves = library.onDidMove(register);
  return vscode.Disposable.from(moves, lenses, {
    dispose: () => {
      registered?.dispose();
    },
  });
}

function registerFor(library: Library, renames: LibraryRenames, lenses: LibraryLenses): vscode.Disposable {
  // By their names: editors have languages of their own for some of them, such as SKILL.md.
  const pattern = new vscode.RelativePattern(vscode.Uri.file(library.folder), "**/*.{md,json}");
  const selector = { scheme: "file", pattern };
  const { languages: to } = vscode;
  return vscode.Disposable.from(
    to.registerCompletionItemProvider(selector, { provideCompletionItems: completions(library) }, "/", "@", "`", '"'),
    to.registerHoverProvider(selector, { provideHover: hovers(library) }),
    to.registerDefinitionProvider(selector, { provideDefinition: definition(library) }),
    to.registerReferenceProvider(selector, { provideReferences: references(library) }),
    to.registerRenameProvider(selector, {
      prepareRename: (document, position) => prepareRename(library, document, position),
      provideRenameEdits: async (document, position, newName) => {
        const named = await namedAt(library, document, position);
        return named && renames.edit(named.kind, named.name, newName);
      },
    }),
    to.registerCodeActionsProvider(
      selector,
      { provideCodeActions: fixes(library) },
      { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix] },
    ),
    to.registerCodeLensProvider(selector, lenses),
  );
}

async function namedAt(
  library: Library,
  document: vscode.TextDocument,
  position: vscode.Position,
): Promise<Reference | undefined> {
  const catalogue = await library.catalogue();
  return catalogue.at(document.uri.fsPath, document.offsetAt(position));
}

function rangeOf(document: vscode.TextDocument, { start, end }: { start: number; end: number }): vscode.Range {
  return new vscode.Range(document.positionAt(start), document.positionAt(end));
}

const symbols: Readonly<Record<string, vscode.CompletionItemKind>> = {
  key: vscode.CompletionItemKind.Property,
  value: vscode.CompletionItemKind.EnumMember,
  tools: vscode.CompletionItemKind.Function,
  commands: vscode.CompletionItemKind.Event,
};

function completions(library: Library): vscode.CompletionItemProvider["provideCompletionItems"] {
  return async (document, position) => {
    const { complete } = await import("../../orchestrator/index.ts");
    const catalogue = await library.catalogue();
    const itemOf = ({ label, kind, detail, text, start, end }: Completion) => {
      const symbol = symbols[kind] ?? vscode.CompletionItemKind.Reference;
      const noun = kind === "key" || kind === "value" ? undefined : nounOf[kind];
      const item = new vscode.CompletionItem({ label, ...(noun !== undefined && { description: noun }) }, symbol);
      item.range = rangeOf(document, { start, end });
      item.insertText = text;
      item.filterText = document.getText(item.range).startsWith('"') ? JSON.stringify(label) : label;
      if (detail !== undefined) item.documentation = detail;
      return item;
    };
    return complete(catalogue, document.uri.fsPath, document.offsetAt(position)).map(itemOf);
  };
}

function hovers(library: Library): vscode.HoverProvider["provideHover"] {
  return async (document, position) => {
    const { hover } = await import("../../orchestrator/index.ts");
    const found = hover(await library.catalogue(), document.uri.fsPath, document.offsetAt(position));
    if (!found) return undefined;
    const words = new vscode.MarkdownString("**");
    words.appendText(found.title).appendMarkdown("**\n\n").appendText(found.words);
    return new vscode.Hover(words, rangeOf(document, found));
  };
}

/** Where an item begins: its file, or its place in the file of several. */
function placeOf(catalogue: Catalogue, item: Item): vscode.Location {
  const path = mainFile(item);
  const own = catalogue.references(item.kind, item.name).find((one) => one.own && one.path === path);
  const isShared = item.kind === "mcps" || item.kind === "plugins";
  const lines = new LineMap(isShared ? (catalogue.text(path) ?? "") : "");
  return new vscode.Location(
    vscode.Uri.file(path),
    isShared && own ? lines.range(own.start, own.end) : lines.range(0, 0),
  );
}

function definition(library: Library): vscode.DefinitionProvider["provideDefinition"] {
  return async (document, position) => {
    const named = await namedAt(library, document, position);
    const catalogue = await library.catalogue();
    const item = named && catalogue.item(named.kind, named.name);
    return item && placeOf(catalogue, item);
  };
}

function references(library: Library): vscode.ReferenceProvider["provideReferences"] {
  return async (document, position, { includeDeclaration }) => {
    const named = await namedAt(library, document, position);
    if (!named) return undefined;
    const catalogue = await library.catalogue();
    return locationsOf(catalogue, named.kind, named.name, includeDeclaration);
  };
}

/** The places that name an item. */
export function locationsOf(
  catalogue: Catalogue,
  kind: Item["kind"],
  name: string,
  withOwn: boolean,
): vscode.Location[] {
  const some = catalogue.references(kind, name).filter(({ own }) => withOwn || !own);
  return some.map(({ path, start, end }) => {
    const lines = new LineMap(catalogue.text(path) ?? "");
    return new vscode.Location(vscode.Uri.file(path), lines.range(start, end));
  });
}

async function prepareRename(library: Library, document: vscode.TextDocument, position: vscode.Position) {
  const named = await namedAt(library, document, position);
  const catalogue = await library.catalogue();
  if (!named || !catalogue.item(named.kind, named.name))
    throw new Error("There is no name of an item of the Library here.");
  const [start, end] =
    named.style === "double" || named.style === "single" ? [named.start + 1, named.end - 1] : [named.start, named.end];
  return { range: rangeOf(document, { start, end }), placeholder: named.name };
}

function fixes(library: Library): vscode.CodeActionProvider["provideCodeActions"] {
  return async (document, range, context) => {
    const { isReallyWithin } = await import("../../orchestrator/index.ts");
    const catalogue = await library.catalogue();
    // A link in the way could lead out of the Library.
    const isHere = ({ creates }: Fix) => !creates || isReallyWithin(catalogue.root, creates.path);
    const touches = (problem: Problem) => rangeOf(document, problem).intersection(range) !== undefined;
    const some = catalogue.problems(document.uri.fsPath).filter(touches);
    return some.flatMap((problem) =>
      problem.fixes.filter(isHere).map((fix) => {
        const action = new vscode.CodeAction(fix.title, vscode.CodeActionKind.QuickFix);
        action.edit = workspaceEditOf(catalogue, fix.edits);
        if (fix.creates) {
          const { path, text } = fix.creates;
          const contents = new TextEncoder().encode(text);
          action.edit.createFile(vscode.Uri.file(path), { contents, ignoreIfExists: true });
        }
        action.isPreferred = fix.preferred === true;
        action.diagnostics = context.diagnostics.filter(
          ({ code, range: shown }) => code === problem.code && shown.isEqual(rangeOf(document, problem)),
        );
        return action;
      }),
    );
  };
}

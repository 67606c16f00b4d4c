import type { ItemKind } from "../../protocol/library.ts";
import * as vscode from "vscode";
import { mainFile, type Library } from "./library.ts";
import { locationsOf } from "./libraryLanguage.ts";
import type { LibraryRenames } from "./libraryRenames.ts";

/** Says above an item who names it and which workspaces have chosen it; nothing where nobody does. */
export class LibraryLenses implements vscode.CodeLensProvider, vscode.Disposable {
  readonly #library: Library;
  readonly #renames: LibraryRenames;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #listening: vscode.Disposable;
  readonly onDidChangeCodeLenses = this.#changed.event;

  constructor(library: Library, renames: LibraryRenames) {
    this.#library = library;
    this.#renames = renames;
    this.#listening = library.onDidChange(() => {
      this.#changed.fire();
    });
  }

  async provideCodeLenses(document: vscode.TextDocument): Promise<vscode.CodeLens[]> {
    const catalogue = await this.#library.catalogue();
    const path = document.uri.fsPath;
    const place = catalogue.placeOf(path);
    if (!place) return [];
    if (place.name !== "") {
      const item = catalogue.item(place.kind, place.name);
      return item && mainFile(item) === path ? this.#lenses(document, place.kind, place.name, 0) : [];
    }
    const own = catalogue.referencesIn(path).filter((one) => one.own);
    const all = await Promise.all(own.map(({ kind, name, start }) => this.#lenses(document, kind, name, start)));
    return all.flat();
  }

  async #lenses(document: vscode.TextDocument, kind: ItemKind, name: string, at: number): Promise<vscode.CodeLens[]> {
    const places = locationsOf(await this.#library.catalogue(), kind, name, false);
    const position = document.positionAt(at);
    const range = new vscode.Range(position, position);
    const lenses: vscode.CodeLens[] = [];
    if (places.length > 0) {
      const title = places.length === 1 ? "1 reference" : `${String(places.length)} references`;
      const command = "editor.action.showReferences";
      lenses.push(new vscode.CodeLens(range, { title, command, arguments: [document.uri, position, places] }));
    }
    const names = this.#renames.workspacesWith(kind, name).map((workspace) => workspace.name);
    if (names.length > 0) {
      const title = names.length === 1 ? "Used in 1 workspace" : `Used in ${String(names.length)} workspaces`;
      const command = "openAgent.workspaces.focus";
      lenses.push(new vscode.CodeLens(range, { title, tooltip: names.join(", "), command }));
    }
    return lenses;
  }

  dispose(): void {
    this.#listening.dispose();
    this.#changed.dispose();
  }
}

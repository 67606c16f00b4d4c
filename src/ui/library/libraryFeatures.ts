import * as vscode from "vscode";
import type { App } from "../app.ts";
import type { Handler } from "../commands.ts";
import { librarySharingCommands } from "./importLibrary.ts";
import { Library } from "./library.ts";
import { libraryCommands, provideCommitted } from "./libraryCommands.ts";
import { LibraryGit } from "./libraryGit.ts";
import { libraryItemCommands } from "./libraryItems.ts";
import { provideLibraryLanguage } from "./libraryLanguage.ts";
import { LibraryRenames } from "./libraryRenames.ts";
import { librarySecretCommands, protectSecrets } from "./librarySecrets.ts";
import { LibraryView } from "./libraryView.ts";

/** All that is to be done with the Library: its view, its editors, its repository, and the commands. */
export function libraryFeatures(app: App): { handlers: Readonly<Record<string, Handler>>; all: vscode.Disposable } {
  const library = new Library(app);
  const git = new LibraryGit(app, library);
  const renames = new LibraryRenames(app, library);
  const view = new LibraryView(library, git);
  const all = vscode.Disposable.from(
    library,
    git,
    renames,
    view,
    provideLibraryLanguage(library, renames),
    provideCommitted(git),
    protectSecrets(app, library),
  );
  const handlers = {
    ...libraryItemCommands(library, renames, view),
    ...libraryCommands(library, git),
    ...librarySecretCommands(library),
    ...librarySharingCommands(library),
  };
  return { handlers, all };
}

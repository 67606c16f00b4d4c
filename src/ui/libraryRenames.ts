import * as vscode from "vscode";
import { partKinds } from "../protocol/configuration.ts";
import type { Workspace } from "../protocol/workspace.ts";
import type { Catalogue, CommandInput, Core } from "../orchestrator/index.ts";
import { type ItemKind, nounOf } from "../protocol/library.ts";
import { counted } from "../base/counted.ts";
import type { App } from "./app.ts";
import type { Library } from "./library.ts";
import { workspaceEditOf } from "./libraryEdits.ts";
import { report } from "./problems.ts";

/** A rename that the editor was given, and may carry out. */
interface Pending {
  kind: ItemKind;
  name: string;
  newName: string;
  until: number;
}

type Update = CommandInput<"updateWorkspace">;

/** A preview may stand open for so long. */
const previewMs = 10 * 60_000;

/** Renames items with all that names them: files of the Library at once, workspaces and missions when that is done. */
export class LibraryRenames implements vscode.Disposable {
  readonly #app: App;
  readonly #library: Library;
  readonly #owned: vscode.Disposable[];
  #core: Core | undefined;
  #pending: Pending[] = [];

  constructor(app: App, library: Library) {
    this.#app = app;
    this.#library = library;
    this.#owned = [
      app.onCore((core) => (this.#core = core)),
      library.onDidChange(() => void this.#followUp().catch(report)),
    ];
  }

  /** Everything that a rename changes in the Library. Throws where an item cannot be called so. */
  async edit(kind: ItemKind, name: string, newName: string): Promise<vscode.WorkspaceEdit> {
    const { rename } = await import("../orchestrator/index.ts");
    const catalogue = await this.#library.catalogue();
    const { edits, move } = rename(catalogue, kind, name, newName);
    const label = `Rename the ${nounOf[kind]} “${name}” to “${newName}”`;
    // What needs to be confirmed is shown first, with the rest of it, and is left out unless the user ticks it.
    const metadata = { label, needsConfirmation: false };
    const uncertain = { label: "Perhaps the same name", needsConfirmation: true };
    const all = workspaceEditOf(
      catalogue,
      edits.map((edit) => ({ ...edit, metadata: edit.sure ? metadata : uncertain })),
    );
    if (move) all.renameFile(vscode.Uri.file(move.from), vscode.Uri.file(move.to), {}, metadata);
    this.#pending.push({ kind, name, newName, until: Date.now() + previewMs });
    return all;
  }

  /** Asks for another name of an item, and renames it with all that names it: one edit, which can be undone. */
  async rename(kind: ItemKind, name: string): Promise<void> {
    const { nameProblem } = await import("../orchestrator/index.ts");
    const catalogue = await this.#library.catalogue();
    const newName = await vscode.window.showInputBox({
      title: `Rename the ${nounOf[kind]} “${name}”`,
      prompt: promptFor(catalogue, kind, name),
      value: name,
      validateInput: (value) => {
        if (value !== name && catalogue.item(kind, value)) return `There is a ${nounOf[kind]} “${value}” already.`;
        return nameProblem(kind, value);
      },
    });
    if (newName === undefined || newName === name) return;
    const edit = await this.edit(kind, name, newName);
    await vscode.workspace.applyEdit(edit, { isRefactoring: true });
  }

  /** The workspaces that name an item. */
  workspacesWith(kind: ItemKind, name: string): Workspace[] {
    const all = this.#core?.workspaces().workspaces ?? [];
    return all.filter(({ selection, template }) =>
      kind === "templates"
        ? template === name
        : partKinds.some((part) => part === kind && selection[part]?.includes(name)),
    );
  }

  /** Once a rename is done, offers to do the same where it is not written in the Library. */
  async #followUp(): Promise<void> {
    if (this.#pending.length === 0) return;
    const catalogue = await this.#library.catalogue();
    const done = this.#pending.filter((one) => isDone(catalogue, one));
    this.#pending = this.#pending.filter((one) => !done.includes(one) && one.until > Date.now());
    for (const one of done) await this.#changeOthers(one);
  }

  async #changeOthers({ kind, name, newName }: Pending): Promise<void> {
    if (!vscode.workspace.isTrusted) return;
    const core = await this.#app.core();
    this.#core = core;
    const workspaces = this.workspacesWith(kind, name).filter(() => kind !== "templates");
    const missions =
      kind === "agents"
        ? core.store.list({ agent: name, limit: 1_000 }).filter((head) => head.agent === name && !head.busy)
        : [];
    if (workspaces.length + missions.length === 0) return;
    const counts = [
      workspaces.length > 0 ? counted(workspaces.length, "workspace") : "",
      missions.length > 0 ? counted(missions.length, "mission") : "",
    ].filter((word) => word !== "");
    const verb = workspaces.length + missions.length === 1 ? "names" : "name";
    const words = `${counts.join(" and ")} still ${verb} the ${nounOf[kind]} “${name}”.`;
    const change = `Change to “${newName}”`;
    if ((await vscode.window.showInformationMessage(words, change)) !== change) return;
    const part = partKinds.find((one) => one === kind);
    for (const { id: workspaceId, selection } of workspaces) {
      const names = part && selection[part]?.map((one) => (one === name ? newName : one));
      if (!part || !names) continue;
      const change = { selection: { ...selection, [part]: [...new Set(names)] } } as Partial<Update>;
      await this.#app.run("updateWorkspace", { ...change, workspaceId });
    }
    for (const { id: missionId } of missions) await this.#app.run("setMissionChoice", { missionId, agent: newName });
  }

  dispose(): void {
    for (const one of this.#owned) one.dispose();
  }
}

function promptFor(catalogue: Catalogue, kind: ItemKind, name: string): string {
  const places = catalogue.references(kind, name).filter(({ own }) => !own);
  if (places.length === 0) return "Nothing else in the Library names it.";
  const files = new Set(places.map(({ path }) => path)).size;
  return `With it are changed ${counted(places.length, "reference")} in ${counted(files, "file")}.`;
}

function isDone(catalogue: Catalogue, { kind, name, newName }: Pending): boolean {
  return !catalogue.item(kind, name) && catalogue.item(kind, newName) !== undefined;
}

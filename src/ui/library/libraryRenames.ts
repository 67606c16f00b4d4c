import * as vscode from "vscode";
import { partKinds } from "../../protocol/configuration.ts";
import type { MissionHead } from "../../protocol/mission.ts";
import type { Workspace } from "../../protocol/workspace.ts";
import type { Catalogue, CommandInput, Core } from "../../orchestrator/index.ts";
import { type ItemKind, nounOf } from "../../protocol/library.ts";
import { counted } from "../../base/counted.ts";
import type { App } from "../app.ts";
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
    const { rename } = await import("../../orchestrator/index.ts");
    const catalogue = await this.#library.catalogue();
    const { edits, move } = rename(catalogue, kind, name, newName);
    const label = `Rename the ${nounOf[kind]} “${name}” to “${newName}”`;
    // What needs to be confirmed is shown first, with the rest of it, and is left out unless the user ticks it.
    const description = this.#othersWith(kind, name);
    const metadata = { label, needsConfirmation: false, ...(description !== "" && { description }) };
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
    const { nameProblem } = await import("../../orchestrator/index.ts");
    const catalogue = await this.#library.catalogue();
    const newName = await vscode.window.showInputBox({
      title: `Rename the ${nounOf[kind]} “${name}”`,
      prompt: [promptFor(catalogue, kind, name), this.#othersWith(kind, name)].join(" ").trim(),
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
    const workspaces = this.workspacesWith(kind, name);
    const missions = this.#missionsWith(kind, name);
    const resting = missions.filter(({ busy }) => !busy);
    const atWork = missions.length - resting.length;
    if (workspaces.length + missions.length === 0) return;
    const words = stillNamed(workspaces.length, resting.length, `the ${nounOf[kind]} “${name}”`);
    const busy =
      atWork > 0
        ? `${counted(atWork, "mission")} at work ${atWork === 1 ? "keeps" : "keep"} “${name}” until you choose another agent there.`
        : "";
    const change = `Change to “${newName}”`;
    const offered = words === "" ? [] : [change];
    const all = [words, busy].filter((one) => one !== "").join(" ");
    if ((await vscode.window.showInformationMessage(all, ...offered)) !== change) return;
    for (const workspace of workspaces)
      await this.#app.run("updateWorkspace", renamedIn(workspace, kind, name, newName));
    for (const { id: missionId } of resting) await this.#app.run("setMissionChoice", { missionId, agent: newName });
    // Undoing the rename changes the Library alone: then the same is offered the other way round.
    this.#pending.push({ kind, name: newName, newName: name, until: Date.now() + previewMs });
  }

  /** The missions whose agent an item is. */
  #missionsWith(kind: ItemKind, name: string): MissionHead[] {
    if (kind !== "agents" || !this.#core) return [];
    return this.#core.store.list({ agent: name, limit: 1_000 }).filter((head) => head.agent === name);
  }

  /** What is said of those outside of the Library that name an item; nothing where there are none. */
  #othersWith(kind: ItemKind, name: string): string {
    if (this.workspacesWith(kind, name).length + this.#missionsWith(kind, name).length === 0) return "";
    const who = kind === "agents" ? "Workspaces and missions" : "Workspaces";
    return `${who} that name it are asked about afterwards: they are not in this edit, and undoing it leaves them.`;
  }

  dispose(): void {
    for (const one of this.#owned) one.dispose();
  }
}

/** Who names something; nothing where nobody does. */
function stillNamed(workspaces: number, missions: number, what: string): string {
  const counts = [
    workspaces > 0 ? counted(workspaces, "workspace") : "",
    missions > 0 ? counted(missions, "mission") : "",
  ].filter((word) => word !== "");
  if (counts.length === 0) return "";
  return `${counts.join(" and ")} still ${workspaces + missions === 1 ? "names" : "name"} ${what}.`;
}

/** The change of a workspace that names an item. */
function renamedIn({ id, selection }: Workspace, kind: ItemKind, name: string, newName: string): Update {
  if (kind === "templates") return { workspaceId: id, template: newName };
  const all = Object.entries(selection).map(([part, names]) => {
    const renamed = part === kind ? names.map((one) => (one === name ? newName : one)) : names;
    return [part, [...new Set(renamed)]];
  });
  return { workspaceId: id, selection: Object.fromEntries(all) as NonNullable<Update["selection"]> };
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

import { join, relative } from "node:path";
import * as vscode from "vscode";
import { Timer } from "../../base/async.ts";
import { dataRoot, libraryIn } from "../../base/dataRoot.ts";
import { describeError } from "../../base/errors.ts";
import { Lifetime } from "../../base/lifetime.ts";
import { isWithin } from "../../base/paths.ts";
import type { Catalogue, Problem } from "../../orchestrator/index.ts";
import type { App } from "../app.ts";
import { LineMap } from "../review/lineMap.ts";
import { settings } from "../settings.ts";

/** What is typed together is shown together. */
const typingMs = 120;
/** A checkout changes many files. */
const diskMs = 250;

/** Where the Library is while the settings do not name its folder. Throws where they name no data folder that could be. */
export function usualLibraryFolder(): string {
  return libraryIn(dataRoot(settings().dataFolder, process.env));
}

/**
 * The Library as the editor sees it: its catalogue with the texts of open editors over the disk's, and its problems. It
 * is read when somebody first asks, or opens a file of it.
 */
export class Library implements vscode.Disposable {
  readonly #app: App;
  readonly #lifetime = new Lifetime();
  readonly #changed = this.#lifetime.add(new vscode.EventEmitter<void>());
  readonly #moved = this.#lifetime.add(new vscode.EventEmitter<void>());
  readonly #diagnostics = this.#lifetime.add(vscode.languages.createDiagnosticCollection("Open Agent"));
  readonly #quiet = this.#lifetime.add(new Timer());
  #folder: string;
  #open: { catalogue: Promise<Catalogue>; lifetime: Lifetime } | undefined;
  #shown: ReadonlyMap<string, readonly Problem[]> = new Map();

  /** Something in it is another than before. */
  readonly onDidChange = this.#changed.event;
  /** Its folder is another one. */
  readonly onDidMove = this.#moved.event;

  constructor(app: App) {
    this.#app = app;
    this.#folder = this.#settingsFolder();
    this.#lifetime.add(
      vscode.workspace.onDidChangeConfiguration((change) => {
        if (change.affectsConfiguration("openAgent.library") || change.affectsConfiguration("openAgent.dataDir"))
          this.#move();
      }),
    );
    this.#lifetime.add(
      vscode.workspace.onDidOpenTextDocument((document) => {
        this.#noticeDocument(document);
      }),
    );
    vscode.workspace.textDocuments.forEach((document) => {
      this.#noticeDocument(document);
    });
  }

  /** Absolute; it need not be there. */
  get folder(): string {
    return this.#folder;
  }

  /** Whether a document or file is in it. */
  has(uri: vscode.Uri): boolean {
    if (uri.scheme !== "file" || this.#folder === "") return false;
    return relative(this.#folder, uri.fsPath) !== "" && isWithin(this.#folder, uri.fsPath);
  }

  /** What it holds, as the editors have it at this moment. */
  catalogue(): Promise<Catalogue> {
    return (this.#open ??= this.#start()).catalogue;
  }

  /** Looks again at what is on the disk. */
  async refresh(): Promise<void> {
    const catalogue = await this.catalogue();
    catalogue.changed();
    this.#update(catalogue);
  }

  #settingsFolder(): string {
    try {
      return settings().library ?? usualLibraryFolder();
    } catch (error) {
      // The settings name no folder that could be; whoever needs one is told so by the core.
      this.#app.log.warn(describeError(error));
      return "";
    }
  }

  #move(): void {
    const folder = this.#settingsFolder();
    if (folder === this.#folder) return;
    this.#folder = folder;
    const before = this.#open;
    this.#open = undefined;
    before?.lifetime.dispose();
    this.#diagnostics.clear();
    this.#shown = new Map();
    this.#moved.fire();
    if (before) void this.catalogue();
    vscode.workspace.textDocuments.forEach((document) => {
      this.#noticeDocument(document);
    });
  }

  #noticeDocument(document: vscode.TextDocument): void {
    if (!this.#open && this.has(document.uri)) void this.catalogue();
  }

  #start(): { catalogue: Promise<Catalogue>; lifetime: Lifetime } {
    const lifetime = this.#lifetime.add(new Lifetime());
    const catalogue = this.#read(lifetime);
    catalogue.catch((error: unknown) => {
      this.#app.log.error(`The Library cannot be read: ${describeError(error)}`);
      this.#open = undefined;
      lifetime.dispose();
    });
    return { catalogue, lifetime };
  }

  async #read(lifetime: Lifetime): Promise<Catalogue> {
    const { Catalogue } = await import("../../orchestrator/index.ts");
    const catalogue = new Catalogue(this.#folder);
    if (this.#folder === "" || lifetime.ended) return catalogue;
    this.#follow(catalogue, lifetime);
    await catalogue.open(lifetime.signal);
    if (!lifetime.signal.aborted) this.#update(catalogue);
    return catalogue;
  }

  /** Tells the catalogue what happens in editors and on the disk. */
  #follow(catalogue: Catalogue, lifetime: Lifetime): void {
    const lay = (document: vscode.TextDocument, text: string | undefined) => {
      if (!this.has(document.uri)) return;
      catalogue.setText(document.uri.fsPath, text);
      this.#updateSoon(catalogue, typingMs, lifetime);
    };
    for (const document of vscode.workspace.textDocuments) lay(document, document.getText());
    const watcher = vscode.workspace.createFileSystemWatcher(
      new vscode.RelativePattern(vscode.Uri.file(this.#folder), "**"),
    );
    const onDisk = (uri: vscode.Uri) => {
      if (/[\\/]\.git(?:[\\/]|$)/.test(uri.fsPath.slice(this.#folder.length))) return;
      // The folder itself may have come or gone.
      catalogue.changed(uri.fsPath === this.#folder ? undefined : [uri.fsPath]);
      this.#updateSoon(catalogue, diskMs, lifetime);
    };
    const owned = [
      watcher,
      watcher.onDidChange(onDisk),
      watcher.onDidCreate(onDisk),
      watcher.onDidDelete(onDisk),
      vscode.workspace.onDidOpenTextDocument((document) => {
        lay(document, document.getText());
      }),
      vscode.workspace.onDidCloseTextDocument((document) => {
        lay(document, undefined);
      }),
      vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        if (contentChanges.length > 0) lay(document, document.getText());
      }),
    ];
    for (const one of owned) lifetime.add(one);
  }

  #updateSoon(catalogue: Catalogue, ms: number, lifetime: Lifetime): void {
    this.#quiet.set(ms, () => {
      if (!lifetime.ended) this.#update(catalogue);
    });
  }

  /** Shows the problems that are others than before, and tells the views. */
  #update(catalogue: Catalogue): void {
    const problems = catalogue.problemFiles();
    for (const path of this.#shown.keys()) if (!problems.has(path)) this.#diagnostics.delete(vscode.Uri.file(path));
    for (const [path, some] of problems) {
      if (some === this.#shown.get(path)) continue;
      const lines = new LineMap(catalogue.text(path) ?? "");
      const diagnostics = some.map((problem) => diagnosticOf(problem, lines));
      this.#diagnostics.set(vscode.Uri.file(path), diagnostics);
    }
    this.#shown = problems;
    this.#changed.fire();
  }

  dispose(): void {
    this.#lifetime.dispose();
  }
}

const severities = {
  error: vscode.DiagnosticSeverity.Error,
  warning: vscode.DiagnosticSeverity.Warning,
  information: vscode.DiagnosticSeverity.Information,
};

function diagnosticOf({ start, end, message, severity, code }: Problem, lines: LineMap): vscode.Diagnostic {
  const diagnostic = new vscode.Diagnostic(lines.range(start, end), message, severities[severity]);
  diagnostic.source = "Open Agent";
  diagnostic.code = code;
  return diagnostic;
}

/** The file to open for an item of a kind that may be a folder. */
export function mainFile({ kind, path }: { kind: string; path: string }): string {
  if (kind === "skills") return join(path, "SKILL.md");
  return kind === "scripts" ? join(path, "SCRIPT.sh") : path;
}

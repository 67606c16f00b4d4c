import { existsSync, rmSync, statSync, watch } from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import { Timer } from "../../base/async.ts";
import { describeError, OpenAgentError } from "../../base/errors.ts";
import { Lifetime } from "../../base/lifetime.ts";
import { watchFolder } from "../../base/watchFolder.ts";
import type { GitOptions, Repository, RepositoryStatus } from "../../orchestrator/index.ts";
import type { App } from "../app.ts";
import { openInGit } from "./gitExtension.ts";
import type { Library } from "./library.ts";

/** Several files are written together. */
const quietMs = 300;

/** How the Library's repository stands, and what is done with it. It is read only once somebody asks. */
export class LibraryGit implements vscode.Disposable {
  readonly #app: App;
  readonly #changed = new vscode.EventEmitter<void>();
  /** Tells when what `status` says may be different. */
  readonly onDidChange = this.#changed.event;
  readonly #quiet = new Timer();
  readonly #library: Library;
  readonly #moved: vscode.Disposable;
  #watching: Lifetime | undefined;
  #reading: Promise<void> | undefined;
  #again = false;
  #status: RepositoryStatus | undefined;

  constructor(app: App, library: Library) {
    this.#app = app;
    this.#library = library;
    this.#moved = library.onDidMove(() => {
      if (this.#watching) void this.restart();
    });
  }

  /** Undefined where the Library is no git repository, or was not looked at yet. */
  status(): RepositoryStatus | undefined {
    return this.#status;
  }

  get folder(): string {
    return this.#library.folder;
  }

  /** @throws OpenAgentError where the Library is no git repository */
  async repository(): Promise<Repository> {
    const folder = this.folder;
    if (!existsSync(join(folder, ".git"))) {
      const what = existsSync(folder) ? `The folder ${folder} is no git repository yet.` : "There is no Library yet.";
      throw new OpenAgentError("git_failed", `${what} Set up the Library first.`, { problem: "not_a_repository" });
    }
    const { Repository } = await import("../../orchestrator/index.ts");
    return new Repository(folder);
  }

  /** To be called when the Library is shown: follows its state, and has VS Code's own Git show its changes. */
  show(): void {
    if (this.#watching || !existsSync(join(this.folder, ".git"))) return;
    void this.watch();
    void openInGit(this.folder, this.#app.log);
  }

  /** Reads the state, and goes on reading it when something changes. */
  async watch(): Promise<void> {
    if (!this.#watching) await this.restart();
    else await this.refresh();
  }

  /** The same, of a folder that has become another. */
  async restart(): Promise<void> {
    const folder = this.folder;
    this.#watching?.dispose();
    const watching = (this.#watching = new Lifetime());
    const look = () => this.#quiet.set(quietMs, () => void this.refresh());
    watching.add(watchFolder(folder, look));
    const own = join(folder, ".git");
    // One of a worktree is a file that names a folder elsewhere.
    if (existsSync(own) && statSync(own).isDirectory()) {
      this.#follow(watching, own, false, look);
      this.#follow(watching, join(own, "refs"), true, look);
    }
    await this.refresh();
  }

  #follow(watching: Lifetime, folder: string, recursive: boolean, look: () => void): void {
    try {
      const watcher = watch(folder, { recursive, persistent: false }, (_, name) => {
        if (name?.endsWith(".lock") !== true) look();
      });
      // It has gone, or the system has no more watches: then each command looks.
      watcher.on("error", () => watcher.close());
      watching.add({ dispose: () => watcher.close() });
    } catch (error) {
      this.#app.log.info(`${folder} is not watched: ${describeError(error)}`);
    }
  }

  /** Reads the state now. */
  async refresh(): Promise<void> {
    this.#again = true;
    await (this.#reading ??= this.#read().finally(() => (this.#reading = undefined)));
  }

  async #read(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      try {
        this.#status = existsSync(join(this.folder, ".git")) ? await (await this.repository()).status() : undefined;
      } catch (error) {
        this.#status = undefined;
        this.#app.log.warn(describeError(error));
      }
    }
    this.#changed.fire();
  }

  /**
   * Does something with the repository while it is shown and can be cancelled; undefined when it was. A lock that was left
   * behind is removed when the user says so.
   */
  async run<T>(
    title: string,
    job: (repository: Repository, options: GitOptions) => Promise<T>,
  ): Promise<T | undefined> {
    const repository = await this.repository();
    try {
      return await withProgress(title, (options) => job(repository, options));
    } catch (error) {
      const lock = error instanceof OpenAgentError ? error.detail["lock"] : undefined;
      if (lock === undefined || !(await mayUnlock(lock))) throw error;
      rmSync(lock, { force: true });
      return await withProgress(title, (options) => job(repository, options));
    } finally {
      void this.watch();
    }
  }

  dispose(): void {
    this.#watching?.dispose();
    this.#quiet.dispose();
    this.#moved.dispose();
    this.#changed.dispose();
  }
}

/** Shows what git does, with how far it is; undefined when the user cancels it. */
export async function withProgress<T>(title: string, job: (options: GitOptions) => Promise<T>): Promise<T | undefined> {
  return vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title, cancellable: true },
    async (progress, token) => {
      const abort = new AbortController();
      token.onCancellationRequested(() => abort.abort());
      let before = "";
      try {
        return await job({
          signal: abort.signal,
          onProgress: ({ stage, percent }) => {
            const message = `${stage} ${String(percent)} %`;
            if (message !== before) progress.report({ message });
            before = message;
          },
        });
      } catch (error) {
        if (abort.signal.aborted) return undefined;
        throw error;
      }
    },
  );
}

async function mayUnlock(lock: string): Promise<boolean> {
  const remove = "Remove Lock and Try Again";
  const detail = `${lock} is there. Git leaves it behind when it is killed at work. Remove it only when no git works in the Library now.`;
  const question = "Another git is at work in the Library, or was killed there.";
  return (await vscode.window.showWarningMessage(question, { modal: true, detail }, remove)) === remove;
}

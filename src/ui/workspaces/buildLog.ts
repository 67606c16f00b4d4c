import * as vscode from "vscode";
import { followLog, type followLog as Follow } from "../../base/logFile.ts";
import type { Core } from "../../orchestrator/index.ts";
import type { App } from "../app.ts";
import { report } from "../library/problems.ts";
import { duration } from "../words.ts";
import { workspaceWith } from "./workspaceNodes.ts";

/** How often the log is looked at. */
const everyMs = 150;
const controlC = "\u0003";
const clearScreen = "\u001b[2J\u001b[3J\u001b[H";

interface Shown {
  terminal: vscode.Terminal;
  log: BuildTerminal;
}

/** A terminal for each workspace whose build log is looked at. It follows the builds that come after as well. */
export class BuildLogs implements vscode.Disposable {
  readonly #app: App;
  readonly #shown = new Map<string, Shown>();

  constructor(app: App) {
    this.#app = app;
  }

  /** Shows the log of the latest build; while it goes on, what is added to it. */
  async show(workspaceId: string): Promise<void> {
    const known = this.#shown.get(workspaceId);
    if (known) {
      known.terminal.show();
      return;
    }
    const core = await this.#app.core();
    const name = workspaceWith(core, workspaceId)?.name ?? "workspace";
    const log = new BuildTerminal(this.#app, core, workspaceId, () => this.#shown.delete(workspaceId));
    const terminal = vscode.window.createTerminal({
      name: `Build ${name}`,
      pty: log,
      iconPath: new vscode.ThemeIcon("tools"),
      isTransient: true,
    });
    this.#shown.set(workspaceId, { terminal, log });
    terminal.show();
  }

  dispose(): void {
    for (const { terminal, log } of this.#shown.values()) {
      log.close();
      terminal.dispose();
    }
  }
}

/** The log of a workspace's builds as a terminal, in which Ctrl+C cancels the one that goes on. */
class BuildTerminal implements vscode.Pseudoterminal {
  readonly #app: App;
  readonly #core: Core;
  readonly #workspaceId: string;
  readonly #closed: () => void;
  readonly #written = new vscode.EventEmitter<string>();
  readonly #ended = new vscode.EventEmitter<void>();
  readonly #listening: { dispose(): void }[] = [];
  readonly onDidWrite = this.#written.event;
  readonly onDidClose = this.#ended.event;
  #log: ReturnType<typeof Follow> | undefined;
  #building = false;
  #begun = Date.now();

  constructor(app: App, core: Core, workspaceId: string, closed: () => void) {
    this.#app = app;
    this.#core = core;
    this.#workspaceId = workspaceId;
    this.#closed = closed;
  }

  open(): void {
    this.#follow();
    this.#building = this.#status === "building";
    const look = () => this.#look();
    this.#listening.push(this.#core.onWorkspaces(look), this.#core.onReloaded(look));
    if (this.#building) return;
    this.#log?.readNow();
    this.#sayEnd();
  }

  get #status() {
    return workspaceWith(this.#core, this.#workspaceId)?.status;
  }

  #follow(): void {
    this.#log?.dispose();
    const path = this.#core.buildLogPath(this.#workspaceId);
    this.#log = followLog(path, (line) => this.#written.fire(`${line.replaceAll("\r", "")}\r\n`), {
      fromStart: true,
      everyMs,
    });
  }

  #look(): void {
    const building = this.#status === "building";
    if (building === this.#building) return;
    this.#building = building;
    if (building) {
      this.#begun = Date.now();
      this.#written.fire(clearScreen);
      this.#follow();
      return;
    }
    this.#log?.readNow();
    this.#sayEnd(duration(Date.now() - this.#begun));
  }

  /** @param took how long the build took, where that is known */
  #sayEnd(took?: string): void {
    const workspace = workspaceWith(this.#core, this.#workspaceId);
    if (!workspace) this.#say(33, "The workspace was deleted.");
    else if (workspace.status === "ready") this.#say(32, `${workspace.name} is ready${took ? `, in ${took}` : ""}.`);
    else if (workspace.status === "error") this.#say(31, `${workspace.name} was not built.`);
    else this.#say(33, `${workspace.name} is not built.`);
    this.#written.fire("Enter closes this terminal.\r\n");
  }

  #say(color: number, words: string): void {
    this.#written.fire(`\r\n\u001b[${String(color)}m${words}\u001b[0m\r\n`);
  }

  handleInput(data: string): void {
    if (data === controlC && this.#building)
      this.#app.run("cancelBuild", { workspaceId: this.#workspaceId }).catch(report);
    if ((data === "\r" || data === controlC) && !this.#building) this.#ended.fire();
  }

  close(): void {
    this.#log?.dispose();
    for (const listening of this.#listening.splice(0)) listening.dispose();
    this.#closed();
  }
}

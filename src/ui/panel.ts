import { basename, isAbsolute, join } from "node:path";
import * as vscode from "vscode";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { Lifetime } from "../base/lifetime.ts";
import type { Core } from "../orchestrator/index.ts";
import { isRunning, type MissionHead } from "../protocol/mission.ts";
import {
  detailLimit,
  slimBatch,
  slimTranscript,
  slimView,
  type HostMessage,
  type PageRequests,
  type PanelCommand,
} from "../protocol/panel.ts";
import { reduceTranscript } from "../protocol/reduce.ts";
import { emptyTranscript, type ToolPart } from "../protocol/transcript.ts";
import type { App } from "./app.ts";
import { outputUri } from "./outputDocuments.ts";
import { parsePageMessage } from "./pageMessages.ts";
import { pageDocument } from "./panelPage.ts";

/** Messages given to the page when it opens, and with each step back. */
const pageMessages = 30;
/** Batches on their way to the page before it is left to catch up by itself. */
const mostUnacknowledged = 8;

type Handlers = { [Type in keyof PageRequests]: (request: PageRequests[Type]) => unknown };

/** One mission panel: an editor tab with a page that shows a mission, and says what the user does there. */
export class MissionPanel implements vscode.Disposable {
  readonly panel: vscode.WebviewPanel;
  readonly #app: App;
  readonly #core: Core;
  readonly #lifetime = new Lifetime();
  #missionId: string;
  #kept = false;
  #ready = false;
  #watch: { dispose(): void } | undefined;
  /** The seq that the page stands at, as far as it was told. */
  #told = 0;
  #unacknowledged = 0;

  constructor(app: App, core: Core, panel: vscode.WebviewPanel, missionId: string) {
    this.#app = app;
    this.#core = core;
    this.panel = panel;
    this.#missionId = missionId;
    const owned = this.#lifetime;
    owned.add(panel.webview.onDidReceiveMessage((message: unknown) => void this.#receive(message)));
    owned.add(panel.onDidChangeViewState(() => this.#visibilityChanged()));
    owned.add(
      core.onHead((head) => {
        if (head.id === this.#missionId) this.#dress(head);
      }),
    );
    owned.add(
      core.onRemoved((id) => {
        if (id === this.#missionId) panel.dispose();
      }),
    );
    owned.add(
      core.onReloaded(() => {
        if (this.#ready && panel.visible) this.#open();
      }),
    );
    owned.add(core.onEngineState((state) => this.#post({ type: "engine", state })));
    owned.add(core.onStoreFault((message) => this.#post({ type: "fault", message })));
    panel.webview.html = pageDocument(panel.webview, app.context.extensionUri);
    this.#dressMission();
  }

  get missionId(): string {
    return this.#missionId;
  }

  /** Whether another mission may take this panel's place. */
  get isPreview(): boolean {
    return !this.#kept;
  }

  keep(): void {
    this.#kept = true;
  }

  /** Shows another mission in the same tab. */
  show(missionId: string): void {
    this.#missionId = missionId;
    this.#dressMission();
    if (this.#ready) this.#open();
  }

  focusComposer(): void {
    this.#post({ type: "focusComposer" });
  }

  #dressMission(): void {
    try {
      this.#dress(this.#core.store.head(this.#missionId));
    } catch {
      // The page says that the mission is gone.
      this.panel.title = "Mission";
    }
  }

  #dress(head: MissionHead): void {
    this.panel.title = head.title.length > 40 ? `${head.title.slice(0, 40)}…` : head.title;
    const name =
      head.runState === "waiting_for_you"
        ? "waiting"
        : isRunning(head)
          ? "running"
          : head.status === "failed"
            ? "failed"
            : "idle";
    this.panel.iconPath = vscode.Uri.joinPath(this.#app.context.extensionUri, "media", `mission-${name}.svg`);
    if (isRunning(head)) this.#kept = true;
  }

  // --- to the page ----------------------------------------------------------------------------------------------------

  #post(message: HostMessage): void {
    if (this.#ready) void this.panel.webview.postMessage(message);
  }

  /** Gives the page the whole view; from there on it gets what is new. */
  #open(): void {
    this.#stopWatching();
    try {
      const { view, seq } = this.#core.store.snapshot(this.#missionId, pageMessages);
      const folder = basename(view.head.directory);
      const canAct = vscode.workspace.isTrusted;
      this.#post({ type: "open", view: slimView(view), seq, engine: this.#core.engineState, folder, canAct });
      this.#told = seq;
      this.#unacknowledged = 0;
      this.#startWatching();
    } catch (error) {
      this.#post({ type: "missing", message: describeError(error) });
    }
  }

  #startWatching(): void {
    this.#watch = this.#core.watch(this.#missionId, this.#told, (batch) => {
      this.#told = batch.seq;
      this.#post({ type: "batch", batch: slimBatch(batch) });
      // A page that lags gets nothing more until it has caught up; what it missed is read from the store then.
      if (++this.#unacknowledged > mostUnacknowledged) this.#stopWatching();
    });
  }

  #stopWatching(): void {
    this.#watch?.dispose();
    this.#watch = undefined;
  }

  #catchUp(): void {
    if (this.#watch || !this.panel.visible) return;
    this.#unacknowledged = 0;
    const { missionId } = this;
    const events = this.#core.store.events(missionId, { after: this.#told });
    const seq = events.at(-1)?.seq;
    if (seq !== undefined) {
      this.#post({ type: "batch", batch: slimBatch({ missionId, prev: this.#told, seq, events }) });
      this.#told = seq;
    }
    this.#startWatching();
  }

  #visibilityChanged(): void {
    if (!this.#ready) return;
    if (this.panel.visible) this.#catchUp();
    else this.#stopWatching();
  }

  // --- from the page --------------------------------------------------------------------------------------------------

  async #receive(value: unknown): Promise<void> {
    const message = parsePageMessage(value);
    if (!message) {
      this.#app.log.warn(`A message of the panel was not understood: ${JSON.stringify(value).slice(0, 200)}`);
      return;
    }
    try {
      const handle = this.#handlers[message.type] as (request: typeof message) => unknown;
      await handle(message);
    } catch (error) {
      const restoreDraft = message.type === "send" ? { restoreDraft: message.text } : {};
      this.#post({ type: "refused", message: describeError(error), ...restoreDraft });
    }
  }

  readonly #handlers: Handlers = {
    ready: () => {
      this.#ready = true;
      this.#open();
    },
    reopen: () => {
      this.#open();
    },
    ack: () => {
      this.#unacknowledged = Math.max(0, this.#unacknowledged - 1);
      this.#catchUp();
    },
    keep: () => {
      this.keep();
    },
    earlier: ({ before }) => {
      const { sessionId } = this.#core.store.head(this.#missionId);
      const transcript = this.#core.store.page(this.#missionId, sessionId, { before, limit: pageMessages });
      this.#post({ type: "earlier", transcript: slimTranscript(transcript) });
    },
    detail: ({ partId }) => {
      const part = this.#toolPart(partId);
      if (!part) return;
      const cut = (part.output?.length ?? 0) > detailLimit;
      const detail = { part: cut ? { ...part, output: part.output?.slice(0, detailLimit) } : part, cut };
      this.#post({ type: "detail", partId, detail });
    },
    send: ({ text }) => {
      this.keep();
      return this.#app.run("sendMessage", { missionId: this.#missionId, text });
    },
    stop: () => this.#app.run("stopMission", { missionId: this.#missionId }),
    resume: () => this.#app.run("resumeMission", { missionId: this.#missionId }),
    answerPermission: (request) => {
      this.keep();
      return this.#app.run("answerPermission", {
        missionId: this.#missionId,
        ...pick(request, "requestId", "reply", "reason"),
      });
    },
    answerQuestion: (request) => {
      this.keep();
      return this.#app.run("answerQuestion", { missionId: this.#missionId, ...pick(request, "requestId", "answers") });
    },
    openFile: ({ path, line }) => this.#openFile(path, line),
    showOutput: async ({ partId }) => {
      const document = await vscode.workspace.openTextDocument(outputUri(this.#missionId, partId));
      await vscode.window.showTextDocument(document, { preview: true, viewColumn: vscode.ViewColumn.Beside });
    },
    openLink: ({ href }) => this.#openLink(href),
    command: ({ id }) =>
      vscode.commands.executeCommand(panelCommandIds[id], { kind: "mission", missionId: this.#missionId }),
  };

  #toolPart(partId: string): ToolPart | undefined {
    const events = this.#core.store.part(this.#missionId, partId);
    const sessionId = events
      .map(({ body }) => ("sessionId" in body ? body.sessionId : undefined))
      .find((id) => id !== undefined);
    const transcript = events.reduce((page, event) => reduceTranscript(page, event, sessionId), emptyTranscript);
    return transcript.messages.flatMap((message) => message.parts).find((part) => part.kind === "tool");
  }

  async #openFile(path: string, line: number | undefined): Promise<void> {
    const { directory } = this.#core.store.head(this.#missionId);
    const uri = vscode.Uri.file(isAbsolute(path) ? path : join(directory, path));
    const position = new vscode.Position(Math.max(0, (line ?? 1) - 1), 0);
    try {
      await vscode.workspace.fs.stat(uri);
    } catch (error) {
      throw new OpenAgentError("invalid_input", `${uri.fsPath} is not there any more.`, {}, error);
    }
    await vscode.commands.executeCommand("vscode.open", uri, {
      preview: true,
      selection: new vscode.Range(position, position),
    });
  }

  async #openLink(href: string): Promise<void> {
    if (/^(https?|mailto):/i.test(href)) {
      await vscode.env.openExternal(vscode.Uri.parse(href, true));
      return;
    }
    const [path = "", line] = decodeURIComponent(href.replace(/^file:\/\//, "")).split(/#L?|:(?=\d+$)/);
    await this.#openFile(path, line === undefined ? undefined : Number.parseInt(line, 10) || undefined);
  }

  dispose(): void {
    this.#stopWatching();
    this.#lifetime.dispose();
  }
}

const panelCommandIds: Readonly<Record<PanelCommand, string>> = {
  connectProvider: "openAgent.connectProvider",
  chooseModel: "openAgent.chooseModel",
  chooseAgent: "openAgent.chooseAgent",
  showLog: "openAgent.showOpenCodeLog",
  restartOpenCode: "openAgent.restartOpenCode",
  renameMission: "openAgent.renameMission",
  openSettings: "openAgent.openSettings",
};

function pick<T extends object, Key extends keyof T>(from: T, ...keys: Key[]): Pick<T, Key> {
  return Object.fromEntries(keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]])) as Pick<
    T,
    Key
  >;
}

import { basename } from "node:path";
import * as vscode from "vscode";
import { describeError } from "../../base/errors.ts";
import { Lifetime } from "../../base/lifetime.ts";
import type { Core } from "../../orchestrator/index.ts";
import type { EngineState } from "../../protocol/engineState.ts";
import type { EventBody } from "../../protocol/event.ts";
import { isRunning, ownServer, type MissionHead } from "../../protocol/mission.ts";
import type { DesktopAction, DesktopRequests } from "../../protocol/desktopPage.ts";
import {
  detailLimit,
  slimBatch,
  slimTranscript,
  slimView,
  type Excerpt,
  type HostMessage,
  type PageRequests,
  type PanelCommand,
  type PanelWorkspace,
  type RevealTarget,
  type SessionView,
} from "../../protocol/panel.ts";
import { cutOff, reduceTranscript } from "../../protocol/reduce.ts";
import { emptyTranscript, type ToolPart } from "../../protocol/transcript.ts";
import type { App } from "../app.ts";
import { composerHandlers } from "./composer.ts";
import { DesktopViews, keptDesktopLayout } from "../desktop/desktopViews.ts";
import { openFile, openLink } from "../openLink.ts";
import { outputUri } from "./outputDocuments.ts";
import { parsePageMessage } from "./pageMessages.ts";
import { pageDocument } from "./panelPage.ts";
import { settings } from "../settings.ts";
import { workspaceWith } from "../workspaces/workspaceNodes.ts";

/** Messages given to the page when it opens, and with each step back. */
const pageMessages = 30;
/** Batches on their way to the page before it is left to catch up by itself. */
const mostUnacknowledged = 8;

type Handlers = { [Type in keyof PageRequests]: (request: PageRequests[Type]) => unknown };
type OwnHandlers = Omit<Handlers, keyof ReturnType<typeof composerHandlers> | keyof DesktopRequests>;

/** One mission panel: an editor tab with a page that shows a mission, and says what the user does there. */
export class MissionPanel implements vscode.Disposable {
  readonly panel: vscode.WebviewPanel;
  readonly #app: App;
  readonly #core: Core;
  readonly #handlers: Handlers;
  readonly #lifetime = new Lifetime();
  readonly #desktops: DesktopViews;
  #missionId: string;
  /** The sub-agent whose session is shown in place of the mission's own. */
  #subAgent: string | undefined;
  #kept = false;
  #ready = false;
  #whenReady: HostMessage[] = [];
  #watch: { dispose(): void } | undefined;
  /** The seq that the page stands at, as far as it was told. */
  #told = 0;
  #unacknowledged = 0;
  #place: number | undefined;
  #toldDesktops: MissionHead["desktops"];

  constructor(app: App, core: Core, panel: vscode.WebviewPanel, missionId: string) {
    this.#app = app;
    this.#core = core;
    this.panel = panel;
    this.#missionId = missionId;
    const composer = composerHandlers(
      app,
      core,
      () => this.#missionId,
      (message) => this.#post(message),
    );
    const owned = this.#lifetime;
    this.#desktops = owned.add(new DesktopViews(app, core, (message) => this.#post(message)));
    this.#handlers = { ...this.#own, ...composer, ...this.#desktops.handlers };
    owned.add(panel.webview.onDidReceiveMessage((message: unknown) => void this.#receive(message)));
    owned.add(panel.onDidChangeViewState(() => this.#visibilityChanged()));
    owned.add(
      core.onHead((head) => {
        if (head.id === this.#missionId) this.#dress(head);
        if (head.id === this.#missionId && head.desktops !== this.#toldDesktops) this.#tellDesktops();
        this.#tellPlace();
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
    owned.add(core.onEngineState(() => this.#post({ type: "engine", state: this.#engineState })));
    owned.add(core.onWorkspaces(() => this.#post({ type: "workspace", workspace: this.#workspace })));
    owned.add(core.onStoreFault((message) => this.#post({ type: "fault", message })));
    owned.add(core.desktops.onChange(() => this.#tellDesktops()));
    const first = this.#view();
    this.#told = first.type === "open" ? first.seq : 0;
    panel.webview.html = pageDocument(panel.webview, app.context.extensionUri, {
      script: "main",
      title: "Mission",
      first,
    });
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
    this.#desktops.closeAll();
    this.#missionId = missionId;
    this.#subAgent = undefined;
    if (this.#ready) this.#open();
    this.#dressMission();
  }

  /** Shows the session of one of the mission's sub-agents, or (undefined) the mission's own again. */
  showSession(sessionId: string | undefined): void {
    this.#subAgent = sessionId;
    this.#openSession();
  }

  #openSession(): void {
    const session = this.#subAgent === undefined ? undefined : this.#session(this.#subAgent);
    this.#subAgent = session?.sessionId;
    this.#post({ type: "session", session });
    this.#noteSession();
  }

  #session(sessionId: string): SessionView | undefined {
    const { view, seq } = this.#core.store.snapshot(this.#missionId, pageMessages, sessionId);
    const child = view.head.children[sessionId];
    if (!child) return undefined;
    const transcript = child.busy ? view.transcript : cutOff(view.transcript, Date.now());
    return { sessionId, transcript: slimTranscript(transcript), seq };
  }

  /** For the commands that are about the panel in front. */
  #noteSession(): void {
    if (!this.panel.active) return;
    void vscode.commands.executeCommand("setContext", "openAgent.subAgentInView", this.#subAgent !== undefined);
  }

  /** Does something in the composer, as soon as the page is there. */
  compose(message: Extract<HostMessage, { type: "composer" | "insert" }>): void {
    this.#postWhenReady(message);
  }

  /** Takes the reader to a place of the session that is shown. */
  reveal(target: RevealTarget): void {
    this.#postWhenReady({ type: "reveal", target });
  }

  #postWhenReady(message: HostMessage): void {
    if (this.#ready) this.#post(message);
    else this.#whenReady.push(message);
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

  /** Of a mission that waits for others, since it moves up when they end. */
  #tellPlace(): void {
    const place = this.#core.placeOf(this.#missionId);
    if (place !== this.#place) this.#post({ type: "place", place });
    this.#place = place;
  }

  #tellChanged(): void {
    const { paths, more, additions, deletions } = this.#core.changedPaths(this.#missionId);
    this.#post({ type: "changed", files: paths.length + more, additions, deletions });
  }

  /** A start is told by the mission's events as soon as there is something to see. */
  #tellDesktops(): void {
    const { store, desktops } = this.#core;
    this.#toldDesktops = store.has(this.#missionId) ? store.head(this.#missionId).desktops : undefined;
    const live = this.#toldDesktops ? desktops.of(this.#missionId) : [];
    const opensByItself = settings().desktopOpens;
    this.#post({ type: "desktops", live, opensByItself, layout: keptDesktopLayout(this.#app) });
  }

  /** Shows a desktop of the mission beside it, the newest where none is named. */
  showDesktop(id: string | undefined): void {
    this.#postWhenReady({ type: "showDesktop", id });
  }

  /** Does what a button of the desktop in view does. */
  actOnDesktop(action: DesktopAction): void {
    this.#post({ type: "desktopAction", action });
  }

  // --- to the page ----------------------------------------------------------------------------------------------------

  #post(message: HostMessage): void {
    if (this.#ready) void this.panel.webview.postMessage(message);
  }

  get #engineState(): EngineState {
    const { store } = this.#core;
    return this.#core.engineStateOf(store.has(this.#missionId) ? store.head(this.#missionId).server : ownServer);
  }

  get #workspace(): PanelWorkspace | undefined {
    const { store } = this.#core;
    const id = store.has(this.#missionId) ? store.head(this.#missionId).workspaceId : undefined;
    const found = id === undefined ? undefined : workspaceWith(this.#core, id);
    return found && { name: found.name, kind: found.kind, building: found.status === "building" };
  }

  /** The mission as the page is to show it. */
  #view(): HostMessage {
    try {
      const { view, seq } = this.#core.store.snapshot(this.#missionId, pageMessages);
      const folder = basename(view.head.directory);
      const canAct = vscode.workspace.isTrusted;
      return {
        type: "open",
        view: slimView(view),
        seq,
        engine: this.#core.engineStateOf(view.head.server),
        folder,
        workspace: this.#workspace,
        canAct,
        now: Date.now(),
        activeAt: this.#core.store.lastActivity(this.#missionId) ?? view.head.createdAt,
      };
    } catch (error) {
      return { type: "missing", message: describeError(error) };
    }
  }

  /** Gives the page the whole view; from there on it gets what is new. */
  #open(): void {
    this.#stopWatching();
    const message = this.#view();
    this.#post(message);
    if (message.type !== "open") return;
    this.#told = message.seq;
    this.#unacknowledged = 0;
    this.#startWatching();
    this.#openAround();
  }

  /** What is not of the view itself: the place in line, and the sub-agent that is looked at. */
  #openAround(): void {
    this.#place = undefined;
    this.#tellPlace();
    this.#tellChanged();
    this.#tellDesktops();
    if (this.#subAgent !== undefined) this.#openSession();
  }

  /** What came for the page before it was there. */
  #flushWaiting(): void {
    for (const message of this.#whenReady.splice(0)) this.#post(message);
  }

  #startWatching(): void {
    this.#watch = this.#core.watch(this.#missionId, this.#told, (batch) => {
      this.#told = batch.seq;
      this.#post({ type: "batch", batch: slimBatch(batch) });
      if (batch.events.some(({ body }) => concernsChanges(body))) this.#tellChanged();
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
      this.#tellChanged();
    }
    this.#startWatching();
  }

  #tellVisibility(): void {
    this.#desktops.page = !this.panel.visible ? "hidden" : this.panel.active ? "focused" : "visible";
  }

  #visibilityChanged(): void {
    this.#tellVisibility();
    this.#noteSession();
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
    if (message.type === "send") this.keep();
    try {
      const handle = this.#handlers[message.type] as (request: typeof message) => unknown;
      await handle(message);
    } catch (error) {
      const restoreDraft =
        message.type === "send" ? { restoreDraft: message.text, restoreAttachments: message.attachments ?? [] } : {};
      this.#post({ type: "refused", message: describeError(error), ...restoreDraft });
    }
  }

  readonly #own: OwnHandlers = {
    ready: ({ state, seq }) => {
      this.#ready = true;
      // A page that is loaded again has no views any more.
      this.#desktops.closeAll();
      this.#tellVisibility();
      if (state?.missionId === this.#missionId) this.#subAgent ??= state.subAgent;
      // The document's own view is of its first load; a page that is loaded again needs another one.
      const isCurrent = seq > 0 && seq === this.#told && state?.missionId === this.#missionId && !this.#watch;
      if (!isCurrent) {
        this.#open();
        this.#flushWaiting();
        return;
      }
      this.#post({ type: "engine", state: this.#engineState });
      this.#catchUp();
      this.#openAround();
      this.#flushWaiting();
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
    showSession: ({ sessionId }) => {
      this.showSession(sessionId);
    },
    earlier: ({ before, sessionId = this.#core.store.head(this.#missionId).sessionId }) => {
      const transcript = this.#core.store.page(this.#missionId, sessionId, { before, limit: pageMessages });
      this.#post({ type: "earlier", transcript: slimTranscript(transcript) });
    },
    around: ({ messageId, sessionId }) => {
      this.#post({ type: "around", ...this.#excerpt(messageId, pageMessages / 2, sessionId) });
    },
    later: ({ after, sessionId }) => {
      this.#post({ type: "later", ...this.#excerpt(after, pageMessages, sessionId) });
    },
    detail: ({ partId }) => {
      const part = this.#toolPart(partId);
      if (!part) return;
      const cut = (part.output?.length ?? 0) > detailLimit;
      const detail = { part: cut ? { ...part, output: part.output?.slice(0, detailLimit) } : part, cut };
      this.#post({ type: "detail", partId, detail });
    },
    removeMessage: ({ queueId }) => this.#app.run("removeMessage", { missionId: this.#missionId, queueId }),
    moveMessage: (request) =>
      this.#app.run("moveMessage", { missionId: this.#missionId, ...pick(request, "queueId", "before") }),
    sendMessageNow: ({ queueId }) => this.#app.run("sendMessageNow", { missionId: this.#missionId, queueId }),
    stop: () => this.#app.run("stopMission", { missionId: this.#missionId }),
    resume: () => this.#app.run("resumeMission", { missionId: this.#missionId }),
    answerPermission: (request) => {
      this.keep();
      return this.#app.run("answerPermission", {
        missionId: this.#missionId,
        ...pick(request, "requestId", "reply", "reason", "patterns", "scope"),
      });
    },
    answerQuestion: (request) => {
      this.keep();
      return this.#app.run("answerQuestion", { missionId: this.#missionId, ...pick(request, "requestId", "answers") });
    },
    openFile: ({ path, line }) => openFile(this.#directory, path, line),
    showOutput: async ({ partId }) => {
      const document = await vscode.workspace.openTextDocument(outputUri(this.#missionId, partId));
      await vscode.window.showTextDocument(document, { preview: true, viewColumn: vscode.ViewColumn.Beside });
    },
    openLink: ({ href }) => openLink(this.#directory, href),
    command: (request) => {
      const called = { kind: "mission", missionId: this.#missionId, ...pick(request, "messageId", "partId") };
      return vscode.commands.executeCommand(panelCommandIds[request.id], called);
    },
  };

  get #directory(): string {
    return this.#core.store.head(this.#missionId).directory;
  }

  /** A page of messages of which so many come after the one that is named. */
  #excerpt(messageId: string, following: number, sessionId?: string): Excerpt {
    const { store } = this.#core;
    const { missionId } = this;
    const session = sessionId ?? store.head(missionId).sessionId ?? "";
    const before = store.messageAfter(missionId, session, messageId, following + 1);
    const transcript = store.page(missionId, session, { limit: pageMessages, ...(before !== undefined && { before }) });
    return { transcript: slimTranscript(transcript), hasLater: before !== undefined };
  }

  #toolPart(partId: string): ToolPart | undefined {
    const events = this.#core.store.part(this.#missionId, partId);
    const sessionId = events
      .map(({ body }) => ("sessionId" in body ? body.sessionId : undefined))
      .find((id) => id !== undefined);
    const transcript = events.reduce((page, event) => reduceTranscript(page, event, sessionId), emptyTranscript);
    return transcript.messages.flatMap((message) => message.parts).find((part) => part.kind === "tool");
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
  choosePermissions: "openAgent.choosePermissions",
  showLog: "openAgent.showOpenCodeLog",
  restartOpenCode: "openAgent.restartOpenCode",
  renameMission: "openAgent.renameMission",
  openSettings: "openAgent.openSettings",
  compactMission: "openAgent.compactMission",
  showChanges: "openAgent.showChanges",
  showTurnChanges: "openAgent.showTurnChanges",
  reviewChanges: "openAgent.reviewChanges",
  openDiff: "openAgent.openDiff",
  revertTurn: "openAgent.revertTurn",
  unrevert: "openAgent.unrevert",
  forkMission: "openAgent.forkMission",
  attachFiles: "openAgent.attachFiles",
  showBuildLog: "openAgent.showBuildLog",
};

function concernsChanges({ type }: EventBody): boolean {
  return ["turn_changes", "turn_reverted", "message_removed"].includes(type);
}

function pick<T extends object, Key extends keyof T>(from: T, ...keys: Key[]): Pick<T, Key> {
  return Object.fromEntries(keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]])) as Pick<
    T,
    Key
  >;
}

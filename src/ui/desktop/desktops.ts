import * as vscode from "vscode";
import { fields, optionalText } from "../../base/fields.ts";
import { Lifetime } from "../../base/lifetime.ts";
import type { Core } from "../../orchestrator/index.ts";
import type { DesktopAction, DesktopMessage, ListedDesktop } from "../../protocol/desktopPage.ts";
import { isRunning } from "../../protocol/mission.ts";
import type { App } from "../app.ts";
import { DesktopViews, keptDesktopLayout } from "./desktopViews.ts";
import { parsePageMessage } from "../missions/pageMessages.ts";
import { pageDocument, pageRoot } from "../missions/panelPage.ts";
import { describeError } from "../../base/errors.ts";

const windowType = "openAgent.desktop";

/** A page that shows desktops: all that run, or one alone. */
class DesktopPage implements vscode.Disposable {
  readonly #lifetime = new Lifetime();
  readonly #views: DesktopViews;
  readonly #post: (message: DesktopMessage) => void;

  constructor(app: App, core: Core, webview: vscode.Webview, title: string, only?: string) {
    this.#post = (message) => void webview.postMessage(message);
    this.#views = this.#lifetime.add(new DesktopViews(app, core, this.#post));
    const tell = () => {
      const desktops = listed(core);
      const canAct = vscode.workspace.isTrusted;
      this.#post({
        type: "desktopList",
        desktops,
        canAct,
        layout: keptDesktopLayout(app),
        ...(only !== undefined && { only }),
      });
    };
    this.#lifetime.add(
      webview.onDidReceiveMessage(async (value: unknown) => {
        const message = parsePageMessage(value);
        if (message?.type === "ready") {
          this.#views.closeAll();
          tell();
          return;
        }
        const handlers = this.#views.handlers as Partial<Record<string, (request: unknown) => unknown>>;
        const handle = message && handlers[message.type];
        try {
          await handle?.(message);
        } catch (error) {
          void vscode.window.showErrorMessage(describeError(error));
        }
      }),
    );
    this.#lifetime.add(core.desktops.onChange(tell));
    this.#lifetime.add(core.onReloaded(tell));
    webview.options = { enableScripts: true, localResourceRoots: [pageRoot(app.context.extensionUri)] };
    webview.html = pageDocument(webview, app.context.extensionUri, { script: "desktops", title });
  }

  set visibility(state: DesktopViews["page"]) {
    this.#views.page = state;
  }

  act(action: DesktopAction): void {
    this.#post({ type: "desktopAction", action });
  }

  dispose(): void {
    this.#lifetime.dispose();
  }
}

function listed(core: Core): ListedDesktop[] {
  const { store, desktops } = core;
  return desktops.live().map((desktop) => {
    const { missionId } = desktop;
    const head = missionId !== undefined && store.has(missionId) ? store.head(missionId) : undefined;
    return { ...desktop, title: head?.title ?? "", busy: head !== undefined && isRunning(head) };
  });
}

/** The list of desktops in the side bar, which is there as long as one runs. */
export class DesktopsView implements vscode.WebviewViewProvider, vscode.Disposable {
  readonly #app: App;
  readonly #lifetime = new Lifetime();

  constructor(app: App) {
    this.#app = app;
    this.#lifetime.add(vscode.window.registerWebviewViewProvider("openAgent.desktops", this));
    this.#lifetime.add(
      app.onCore((core) => {
        const note = () => {
          const running = core.desktops.list().length > 0;
          void vscode.commands.executeCommand("setContext", "openAgent.hasDesktops", running);
        };
        this.#lifetime.add(core.desktops.onChange(note));
        note();
      }),
    );
  }

  async resolveWebviewView(view: vscode.WebviewView): Promise<void> {
    const page = new DesktopPage(this.#app, await this.#app.core(), view.webview, "Desktops");
    const look = () => (page.visibility = view.visible ? "visible" : "hidden");
    look();
    view.onDidChangeVisibility(look);
    view.onDidDispose(() => page.dispose());
  }

  dispose(): void {
    this.#lifetime.dispose();
  }
}

/** Desktops in editors of their own, which can be moved into windows. */
export class DesktopWindows implements vscode.Disposable {
  readonly #app: App;
  readonly #open = new Map<vscode.WebviewPanel, { page: DesktopPage; desktopId: string }>();
  readonly #serializer: vscode.Disposable;

  constructor(app: App) {
    this.#app = app;
    this.#serializer = vscode.window.registerWebviewPanelSerializer(windowType, {
      deserializeWebviewPanel: async (panel, state) => {
        const desktopId = optionalText(fields(state)["desktopId"]);
        const core = await app.core();
        const isThere = desktopId !== undefined && core.desktops.list().some(({ id }) => id === desktopId);
        if (isThere) this.#show(core, panel, desktopId);
        else panel.dispose();
      },
    });
  }

  /** The desktop of the editor that the user is in. */
  get active(): { desktopId: string; act: (action: DesktopAction) => void } | undefined {
    const found = [...this.#open].find(([panel]) => panel.active)?.[1];
    return found && { desktopId: found.desktopId, act: (action) => found.page.act(action) };
  }

  /** Opens a desktop in a window of its own. */
  async open(desktopId: string): Promise<void> {
    const core = await this.#app.core();
    core.desktops.find(desktopId);
    const known = [...this.#open].find(([, open]) => open.desktopId === desktopId)?.[0];
    if (known) {
      known.reveal();
      return;
    }
    const panel = vscode.window.createWebviewPanel(windowType, "Desktop", vscode.ViewColumn.Active, {
      retainContextWhenHidden: true,
    });
    this.#show(core, panel, desktopId);
    await vscode.commands.executeCommand("workbench.action.moveEditorToNewWindow");
  }

  #show(core: Core, panel: vscode.WebviewPanel, desktopId: string): void {
    const title = listed(core).find(({ id }) => id === desktopId)?.title ?? "";
    panel.title = title === "" ? "Desktop" : `Desktop: ${title.slice(0, 40)}`;
    panel.iconPath = vscode.Uri.joinPath(this.#app.context.extensionUri, "media", "activity.svg");
    const page = new DesktopPage(this.#app, core, panel.webview, "Desktop", desktopId);
    this.#open.set(panel, { page, desktopId });
    const look = () => (page.visibility = !panel.visible ? "hidden" : panel.active ? "focused" : "visible");
    look();
    panel.onDidChangeViewState(look);
    panel.onDidDispose(() => {
      this.#open.delete(panel);
      page.dispose();
    });
  }

  dispose(): void {
    this.#serializer.dispose();
    for (const [panel] of this.#open) panel.dispose();
  }
}

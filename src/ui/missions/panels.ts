import * as vscode from "vscode";
import type { App } from "../app.ts";
import { MissionPanel } from "./panel.ts";
import { pageRoot } from "./panelPage.ts";
import { pageState } from "./pageMessages.ts";
import { describeError } from "../../base/errors.ts";
import type { RevealTarget } from "../../protocol/panel.ts";

const viewType = "openAgent.mission";

interface OpenOptions {
  /** The panel may be taken for the next mission, as the editor does with files that are only looked at. */
  preview: boolean;
  focusComposer?: boolean;
  /** The sub-agent's session to show in place of the mission's own. */
  subAgent?: string;
  /** The place to take the reader to. */
  reveal?: RevealTarget;
}

/** The open mission panels: one for each mission, and one at most that is a preview. */
export class MissionPanels implements vscode.Disposable {
  readonly #app: App;
  readonly #panels = new Set<MissionPanel>();
  readonly #serializer: vscode.Disposable;

  constructor(app: App) {
    this.#app = app;
    this.#serializer = vscode.window.registerWebviewPanelSerializer(viewType, {
      deserializeWebviewPanel: (panel, state) => this.#restore(panel, state),
    });
  }

  /** The panel that the user looks at. */
  get active(): MissionPanel | undefined {
    return [...this.#panels].find((panel) => panel.panel.active);
  }

  /** The panel that the user looks at, else the only one in sight, else the only one. */
  get nearest(): MissionPanel | undefined {
    const all = [...this.#panels];
    const visible = all.filter(({ panel }) => panel.visible);
    return this.active ?? [visible, all].find(({ length }) => length === 1)?.[0];
  }

  isVisible(missionId: string): boolean {
    return [...this.#panels].some((panel) => panel.missionId === missionId && panel.panel.visible);
  }

  async open(missionId: string, options: OpenOptions): Promise<MissionPanel> {
    const panel = this.#find(missionId, options.preview) ?? (await this.#create(missionId));
    if (!options.preview) panel.keep();
    if (panel.missionId !== missionId) panel.show(missionId);
    panel.showSession(options.subAgent);
    panel.panel.reveal(undefined, options.preview && !options.focusComposer && !options.reveal);
    if (options.reveal) panel.reveal(options.reveal);
    if (options.focusComposer) panel.compose({ type: "composer", action: "focus" });
    return panel;
  }

  #find(missionId: string, preview: boolean): MissionPanel | undefined {
    const panels = [...this.#panels];
    const reuse = preview && vscode.workspace.getConfiguration("workbench.editor").get("enablePreview") !== false;
    return panels.find((panel) => panel.missionId === missionId) ?? panels.find((panel) => reuse && panel.isPreview);
  }

  async #create(missionId: string): Promise<MissionPanel> {
    const core = await this.#app.core();
    const panel = vscode.window.createWebviewPanel(
      viewType,
      "Mission",
      { viewColumn: vscode.ViewColumn.Active, preserveFocus: true },
      { ...this.#options(), retainContextWhenHidden: true, enableFindWidget: true },
    );
    return this.#add(new MissionPanel(this.#app, core, panel, missionId));
  }

  async #restore(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    panel.webview.options = this.#options();
    const missionId = pageState(state)?.missionId;
    try {
      if (missionId === undefined) throw new Error("it is not known which mission it showed");
      const restored = this.#add(new MissionPanel(this.#app, await this.#app.core(), panel, missionId));
      restored.keep();
    } catch (error) {
      this.#app.log.warn(`A mission panel could not be restored: ${describeError(error)}`);
      panel.dispose();
    }
  }

  #options(): vscode.WebviewOptions {
    return { enableScripts: true, localResourceRoots: [pageRoot(this.#app.context.extensionUri)] };
  }

  #add(panel: MissionPanel): MissionPanel {
    this.#panels.add(panel);
    panel.panel.onDidDispose(() => {
      this.#panels.delete(panel);
      panel.dispose();
    });
    return panel;
  }

  dispose(): void {
    this.#serializer.dispose();
    for (const panel of this.#panels) panel.dispose();
  }
}

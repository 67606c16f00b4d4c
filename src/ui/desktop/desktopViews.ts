import * as vscode from "vscode";
import { describeError } from "../../base/errors.ts";
import type { Core, DesktopView } from "../../orchestrator/index.ts";
import type { DesktopLayout, DesktopMessage, DesktopRequests, Look } from "../../protocol/desktopPage.ts";
import { longestClipboard } from "../../protocol/desktopPage.ts";
import type { App } from "../app.ts";
import { desktopLayout } from "./desktopMessages.ts";

/** Views of a page at once: as many as there may be desktops, and a few more. */
const mostViews = 40;
const layoutKey = "desktop.layout";

interface OpenView {
  view: DesktopView;
  look: Look;
  floats: boolean;
  hasControl: boolean;
}

type Handlers = { [Type in keyof DesktopRequests]: (request: DesktopRequests[Type]) => unknown };

/** How the user has it by now, in all windows. */
export function keptDesktopLayout(app: App): DesktopLayout {
  return desktopLayout(app.context.globalState.get(layoutKey));
}

/** The views of desktops in one page: carries bytes between each and its X server, as fast as the page takes them. */
export class DesktopViews implements vscode.Disposable {
  readonly #app: App;
  readonly #core: Core;
  readonly #post: (message: DesktopMessage) => void;
  readonly #views = new Map<number, OpenView>();
  #page: "focused" | "visible" | "hidden" = "visible";

  /** @param post does not take what it is given apart: bytes are copied before */
  constructor(app: App, core: Core, post: (message: DesktopMessage) => void) {
    [this.#app, this.#core, this.#post] = [app, core, post];
  }

  /** Whether the page is seen. A view of a page that is not has no control, and gets nothing unless it floats. */
  get page(): "focused" | "visible" | "hidden" {
    return this.#page;
  }

  set page(state: "focused" | "visible" | "hidden") {
    this.#page = state;
    for (const open of this.#views.values()) {
      if (state === "hidden" && open.hasControl) open.view.control(false);
      this.#apply(open);
    }
  }

  /** Ends all views: the page is not there any more, or shows something else. */
  closeAll(): void {
    for (const { view } of this.#views.values()) view.dispose();
    this.#views.clear();
  }

  readonly handlers: Handlers = {
    openDesktop: ({ view, id }) => {
      if (this.#views.has(view) || this.#views.size >= mostViews) return;
      try {
        this.#open(view, id);
      } catch (error) {
        this.#post({ type: "desktopEnded", view, message: describeError(error) });
      }
    },
    closeDesktop: ({ view }) => {
      this.#views.get(view)?.view.dispose();
      this.#views.delete(view);
    },
    desktopData: ({ view, bytes }) => this.#views.get(view)?.view.viewer.receive(bytes),
    desktopAck: ({ view, count }) => this.#views.get(view)?.view.viewer.acknowledge(count),
    desktopLook: ({ view, look, gapMs, floats }) => {
      const open = this.#views.get(view);
      if (!open) return;
      Object.assign(open, { look, floats });
      open.view.viewer.gapMs = gapMs;
      this.#apply(open);
    },
    controlDesktop: ({ view, wanted }) => {
      if (!wanted || vscode.workspace.isTrusted) this.#views.get(view)?.view.control(wanted);
    },
    desktopPaste: async ({ view }) => {
      const wanted = this.#views.get(view)?.hasControl === true;
      const text = wanted ? (await vscode.env.clipboard.readText()).slice(0, longestClipboard) : "";
      this.#post({ type: "desktopClipboard", view, text });
    },
    desktopCopied: async ({ view, text }) => {
      if (this.#views.get(view)?.hasControl === true && text !== "") await vscode.env.clipboard.writeText(text);
    },
    desktopLayout: (layout) => this.#app.context.globalState.update(layoutKey, desktopLayout(layout)),
    desktopCommand: ({ id, command }) => vscode.commands.executeCommand(`openAgent.${command}`, { desktopId: id }),
  };

  #open(view: number, id: string): void {
    const opened = this.#core.desktops.view(id, {
      visibility: "hidden",
      // A copy: the buffer that bytes came in is much larger, and would be sent as a whole.
      deliver: (bytes) => this.#post({ type: "desktopData", view, bytes: new Uint8Array(bytes) }),
      controls: (hasControl) => {
        open.hasControl = hasControl;
        this.#post({ type: "desktopControl", view, hasControl });
      },
      ended: (error) => {
        this.#views.delete(view);
        opened.dispose();
        this.#post({ type: "desktopEnded", view, message: error.message });
      },
    });
    const open: OpenView = { view: opened, look: "whole", floats: false, hasControl: false };
    this.#views.set(view, open);
    this.#apply(open);
  }

  #apply({ view: { viewer }, look, floats }: OpenView): void {
    if (look === "paused" || (this.#page === "hidden" && !floats)) viewer.visibility = "hidden";
    else if (look === "thumbnail") viewer.visibility = "thumbnail";
    else viewer.visibility = this.#page === "focused" ? "focused" : "visible";
  }

  dispose(): void {
    this.closeAll();
  }
}

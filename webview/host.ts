import type { PageMessage, PageState } from "../src/protocol/panel.ts";

interface EditorApi {
  postMessage(message: unknown): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): EditorApi;

const editor = acquireVsCodeApi();

/** Says something to the extension. */
export function post(message: PageMessage): void {
  editor.postMessage(message);
}

/** What was kept of the page before it was reloaded. */
export function keptState(): PageState | undefined {
  return editor.getState() as PageState | undefined;
}

export function keepState(state: PageState): void {
  editor.setState(state);
}

/** What the window of a desktop is found by after a reload. */
export function keepWindow(state: { desktopId: string }): void {
  editor.setState(state);
}

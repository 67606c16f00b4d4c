/** What is used of noVNC 1.7; its package has no types. Facts: its docs/API.md. */
declare module "@novnc/novnc" {
  export default class RFB extends EventTarget {
    constructor(target: HTMLElement, channel: object, options?: { shared?: boolean });
    viewOnly: boolean;
    scaleViewport: boolean;
    qualityLevel: number;
    background: string;
    focusOnClick: boolean;
    focus(options?: FocusOptions): void;
    blur(): void;
    disconnect(): void;
    clipboardPasteFrom(text: string): void;
    /** For its own use: called with each size that a server tells. */
    _resize(width: number, height: number): void;
    sendKey(keysym: number, code: string, down?: boolean): void;
  }
}

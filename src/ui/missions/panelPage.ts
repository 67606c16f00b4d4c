import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import type { HostMessage } from "../../protocol/panel.ts";

/** Folder of the page's files. */
export function pageRoot(extensionUri: vscode.Uri): vscode.Uri {
  return vscode.Uri.joinPath(extensionUri, "dist", "webview");
}

/** One of our pages: the mission panel's, or that of desktops. */
export interface PageOptions {
  script: "main" | "desktops";
  title: string;
  /** What it shows before it has said that it is there; data, not script. */
  first?: HostMessage;
}

/**
 * The document of a page. Its policy lets in our script (by nonce), our styles and font, and pictures that
 * are part of the transcript; nothing from elsewhere, nothing evaluated.
 */
export function pageDocument(
  webview: vscode.Webview,
  extensionUri: vscode.Uri,
  { script, title, first }: PageOptions,
): string {
  const data = first === undefined ? "" : JSON.stringify(first).replaceAll("<", "\\u003c");
  const nonce = randomBytes(16).toString("base64url");
  const file = (name: string) => webview.asWebviewUri(vscode.Uri.joinPath(pageRoot(extensionUri), name)).toString();
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${webview.cspSource}`,
    `font-src ${webview.cspSource}`,
    "img-src data:",
    // What a desktop's canvas shows, as a video.
    "media-src mediastream: blob:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${file("main.css")}">
<title>${title}</title>
</head>
<body>
<div id="root" data-viewer="${file("viewer.js")}"></div>
<script type="application/json" id="first">${data}</script>
<script nonce="${nonce}" src="${file(`${script}.js`)}"></script>
</body>
</html>`;
}

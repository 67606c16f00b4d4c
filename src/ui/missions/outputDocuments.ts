import * as vscode from "vscode";
import type { App } from "../app.ts";

const scheme = "open-agent-output";

/** A read-only document with the whole output of a tool call. */
export function outputUri(missionId: string, partId: string): vscode.Uri {
  return vscode.Uri.from({ scheme, path: `/${missionId}/${partId}.txt` });
}

export function provideOutputs(app: App): vscode.Disposable {
  return vscode.workspace.registerTextDocumentContentProvider(scheme, {
    provideTextDocumentContent: async (uri) => {
      const [missionId = "", file = ""] = uri.path.slice(1).split("/");
      const core = await app.core();
      const events = core.store.part(missionId, file.replace(/\.txt$/, ""));
      return events.map(({ body }) => (body.type === "tool_result" ? body.output : "")).join("");
    },
  });
}

import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import type { App } from "../app.ts";
import { rememberedChoice } from "./choices.ts";
import { placeOf } from "../workspaces/defaultWorkspace.ts";
import { statusText, transcriptText } from "./toolTexts.ts";
import { existingFolder, missionByPrefix } from "../uriHandler.ts";
import { folderPaths } from "../folders.ts";

/** What other agents in the editor can do with missions. Inputs are what a model wrote: anything. */
export function registerTools(app: App): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.lm.registerTool("openagent_launchMission", launchMission(app)),
    vscode.lm.registerTool("openagent_missionStatus", missionStatus(app)),
    vscode.lm.registerTool("openagent_readTranscript", readTranscript(app)),
  );
}

function launchMission(app: App): vscode.LanguageModelTool<unknown> {
  const read = async (value: unknown) => {
    const { readToolInput } = await import("../../orchestrator/index.ts");
    const { workspace, ...input } = readToolInput("launchMission", value);
    const folder = workspace ?? folderPaths()[0];
    if (folder === undefined) throw new OpenAgentError("invalid_input", "Name a workspace: no folder is open.");
    const directory = existingFolder(folder);
    return { ...input, directory, ...(await placeOf(app, directory)) };
  };
  return {
    prepareInvocation: async ({ input }) => {
      const { prompt, words } = await read(input);
      const message = new vscode.MarkdownString("An agent will work in ");
      message.appendText(words).appendMarkdown(" on this prompt:\n");
      message.appendCodeblock(prompt, "text");
      return {
        invocationMessage: "Launching a mission",
        confirmationMessages: { title: "Launch an Open Agent mission?", message },
      };
    },
    invoke: async ({ input }, token) => {
      const { prompt, directory, place, words: _, ...others } = await read(input);
      const choice = { ...rememberedChoice(app, directory), ...others };
      const head = await app.run("createMission", { text: prompt, ...place, ...choice }, until(token));
      return answer(`The mission was launched and goes on by itself.\n${statusText(head)}`);
    },
  };
}

function missionStatus(app: App): vscode.LanguageModelTool<unknown> {
  return {
    invoke: async ({ input }) => {
      const { readToolInput } = await import("../../orchestrator/index.ts");
      const { missionId } = readToolInput("missionStatus", input);
      const { store } = await app.core();
      return answer(statusText(store.head(await missionByPrefix(app, missionId))));
    },
  };
}

function readTranscript(app: App): vscode.LanguageModelTool<unknown> {
  return {
    invoke: async ({ input }) => {
      const { readToolInput } = await import("../../orchestrator/index.ts");
      const { missionId, session, before, messages } = readToolInput("readTranscript", input);
      const { store } = await app.core();
      const head = store.head(await missionByPrefix(app, missionId));
      const query = { limit: messages, ...(before !== undefined && { before }) };
      return answer(transcriptText(head, store.page(head.id, session ?? head.sessionId, query)));
    },
  };
}

function answer(text: string): vscode.LanguageModelToolResult {
  return new vscode.LanguageModelToolResult([new vscode.LanguageModelTextPart(text)]);
}

function until(token: vscode.CancellationToken): AbortSignal {
  const abort = new AbortController();
  token.onCancellationRequested(() => {
    abort.abort(new Error("cancelled"));
  });
  return abort.signal;
}

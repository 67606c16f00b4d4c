import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import { fields, optionalText } from "../../base/fields.ts";
import { titleOf } from "../../protocol/mission.ts";
import type { ChangeDocuments, ChangeSource } from "./changeDocuments.ts";
import { missionOf, type Handler, type Parts } from "../commands.ts";
import { revertFile, revertTurn, unrevert } from "./revert.ts";
import type { Review } from "./review.ts";
import { reviewChanges } from "./reviewChanges.ts";
import { openCallDiff, showChanges } from "./showChanges.ts";
import { ago } from "../words.ts";

/** The commands about what missions have changed, by the part of their ids after `openAgent.`. */
export function changeHandlers(documents: ChangeDocuments, review: Review): Readonly<Record<string, Handler>> {
  return {
    showChanges: async (parts, argument) => {
      const missionId = await missionOf(parts, argument, "Show the changes of which mission?");
      if (missionId !== undefined) await showChanges(parts.app, documents, { missionId });
    },
    showTurnChanges: async (parts, argument) => {
      const turn = await turnFor(parts, argument, "Show the Changes of Which Turn?");
      if (turn) await showChanges(parts.app, documents, turn);
    },
    openDiff: async ({ app }, argument) => {
      const { missionId, partId } = fields(argument);
      if (typeof missionId !== "string" || typeof partId !== "string")
        throw new OpenAgentError("invalid_input", "Choose a step of a mission first.");
      await openCallDiff(app, documents, missionId, partId);
    },
    reviewChanges: async (parts, argument) => {
      const missionId = await missionOf(parts, argument, "Review the changes of which mission?");
      if (missionId !== undefined) await reviewChanges(parts.app, documents, missionId);
    },
    revertFile: async (_parts, argument) => {
      const uri = argument instanceof vscode.Uri ? argument : vscode.window.activeTextEditor?.document.uri;
      const source = uri && documents.sourceOf(uri);
      if (!source)
        throw new OpenAgentError("invalid_input", "Open the diff of a file that a mission has changed first.");
      const { path, ...from } = source;
      await revertFile(documents, from, path);
    },
    revertTurn: async (parts, argument) => {
      const turn = await turnFor(parts, argument, "Revert to Before Which Turn?");
      if (turn) await revertTurn(parts.app, turn.missionId, turn.messageId);
    },
    unrevert: async (parts, argument) => {
      const missionId = await missionOf(parts, argument, "Unrevert which mission?", (head) => {
        return head.revertedFrom !== undefined;
      });
      if (missionId !== undefined) await unrevert(parts.app, missionId);
    },
    forkMission: async (parts, argument) => {
      const turn = await turnFor(parts, argument, "Fork from Which Turn?");
      if (!turn) return;
      const { missionId, messageId } = turn;
      const fork = await parts.app.run("forkMission", { missionId, after: messageId });
      await parts.panels.open(fork.id, { preview: false, focusComposer: true });
    },
    addReviewComment: (_parts, argument) => {
      review.add(argument as vscode.CommentReply);
      return Promise.resolve();
    },
    removeReviewComment: (_parts, argument) => {
      review.remove(argument as vscode.CommentThread);
      return Promise.resolve();
    },
    sendReview: async (parts, argument) => {
      const missionId = await reviewed(parts, review, argument);
      if (missionId === undefined) return;
      await review.send(missionId);
      await parts.panels.open(missionId, { preview: false });
    },
  };
}

/** The turn that a command is about: the one it was called on, else one that is asked for. */
async function turnFor(parts: Parts, argument: unknown, title: string): Promise<Required<ChangeSource> | undefined> {
  const missionId = await missionOf(parts, argument, "Of which mission?");
  if (missionId === undefined) return undefined;
  const named = optionalText(fields(argument)["messageId"]);
  if (named !== undefined) return { missionId, messageId: named };
  const { transcript } = (await parts.app.core()).store.snapshot(missionId, 500).view;
  const items = transcript.messages
    .filter(({ role, parts: said }) => role === "user" && said.some((part) => part.kind === "text"))
    .map(({ id, createdAt, parts: said }) => ({
      label: titleOf(said.flatMap((part) => (part.kind === "text" ? [part.text] : [])).join("\n")),
      description: ago(createdAt, Date.now()),
      messageId: id,
    }));
  const chosen = await vscode.window.showQuickPick(items.toReversed(), { title });
  return chosen && { missionId, messageId: chosen.messageId };
}

/** The mission whose review is to be sent. */
async function reviewed(parts: Parts, review: Review, argument: unknown): Promise<string | undefined> {
  const named = optionalText(fields(argument)["missionId"]) ?? parts.panels.active?.missionId;
  if (named !== undefined && review.missions.includes(named)) return named;
  if (review.missions.length < 2) return review.missions[0] ?? named ?? "";
  const { store } = await parts.app.core();
  const items = review.missions.map((missionId) => ({ label: store.head(missionId).title, missionId }));
  return (await vscode.window.showQuickPick(items, { title: "Send the Review of Which Mission?" }))?.missionId;
}

import { isAbsolute, relative } from "node:path";
import * as vscode from "vscode";
import { OpenAgentError } from "../../base/errors.ts";
import { fields, list, number, text, texts } from "../../base/fields.ts";
import type { App } from "../app.ts";
import { isAfterSide, type ChangeDocuments } from "./changeDocuments.ts";
import { reviewMessage, type ReviewComment } from "./reviewMessage.ts";

interface Open {
  thread: vscode.CommentThread;
  missionId: string;
  path: string;
  /** The lines in question as they were when the user wrote of them. */
  quoted: string;
}

const controllerId = "openAgent.review";
/** Where comments that are not sent yet are kept over a restart of the window. */
const keptKey = "review";

/** The user's comments on what agents have changed, in the gutters of the changed files, until they are sent. */
export class Review implements vscode.Disposable {
  readonly #app: App;
  readonly #documents: ChangeDocuments;
  readonly #controller: vscode.CommentController;
  #open: Open[] = [];

  constructor(app: App, documents: ChangeDocuments) {
    this.#app = app;
    this.#documents = documents;
    this.#controller = vscode.comments.createCommentController(controllerId, "Mission Review");
    this.#controller.options = { prompt: "Comment for the agent…", placeHolder: "What should be different here?" };
    this.#controller.commentingRangeProvider = {
      provideCommentingRanges: (document) => {
        const ours = document.uri.scheme === "file" || isAfterSide(document.uri);
        if (!ours || !documents.sourceOf(document.uri)) return [];
        return [new vscode.Range(0, 0, Math.max(0, document.lineCount - 1), 0)];
      },
    };
    this.#restore();
  }

  /** Missions for which there are comments that are not sent. */
  get missions(): string[] {
    return [...new Set(this.#open.map(({ missionId }) => missionId))];
  }

  add(reply: vscode.CommentReply): void {
    const { thread, text: body } = reply;
    if (body.trim() === "") return;
    if (!this.#open.some((open) => open.thread === thread)) {
      const source = this.#documents.sourceOf(thread.uri);
      if (!source) throw new OpenAgentError("invalid_input", "This file is not among the changes of a mission.");
      this.#open.push({ thread, missionId: source.missionId, path: source.path, quoted: linesOf(thread) });
    }
    thread.comments = [...thread.comments, comment(body)];
    thread.label = "For the agent, not sent yet";
    this.#changed();
  }

  remove(thread: vscode.CommentThread): void {
    this.#open = this.#open.filter((open) => open.thread !== thread);
    thread.dispose();
    this.#changed();
  }

  /** Sends all comments on a mission's changes as one message. */
  async send(missionId: string): Promise<void> {
    const sent = this.#open.filter((open) => open.missionId === missionId);
    if (sent.length === 0)
      throw new OpenAgentError(
        "invalid_input",
        "There are no comments yet. Show the changes, and use the plus sign beside a line.",
      );
    const { directory } = (await this.#app.core()).store.head(missionId);
    const comments = sent.map((open) => asComment(open, directory));
    await this.#app.run("sendMessage", { missionId, text: reviewMessage(comments) });
    this.#open = this.#open.filter((open) => !sent.includes(open));
    for (const { thread } of sent) {
      thread.state = vscode.CommentThreadState.Resolved;
      thread.label = "Sent to the agent";
      thread.canReply = false;
      thread.contextValue = "sent";
      thread.collapsibleState = vscode.CommentThreadCollapsibleState.Collapsed;
    }
    this.#changed();
  }

  #changed(): void {
    void vscode.commands.executeCommand("setContext", "openAgent.reviewComments", this.#open.length);
    const kept = this.#open.map(({ thread, missionId, path, quoted }) => ({
      missionId,
      path,
      quoted,
      uri: thread.uri.toString(),
      lines: [thread.range?.start.line ?? 0, thread.range?.end.line ?? 0],
      comments: thread.comments.map(bodyOf),
    }));
    void this.#app.context.workspaceState.update(keptKey, kept);
  }

  #restore(): void {
    for (const kept of list(this.#app.context.workspaceState.get(keptKey)).map(fields)) {
      const [start, end] = list(kept["lines"]).map((line) => number(line));
      const range = new vscode.Range(start ?? 0, 0, end ?? 0, 0);
      const comments = texts(kept["comments"]).map(comment);
      const thread = this.#controller.createCommentThread(vscode.Uri.parse(text(kept["uri"])), range, comments);
      thread.label = "For the agent, not sent yet";
      const [missionId, path, quoted] = [text(kept["missionId"]), text(kept["path"]), text(kept["quoted"])];
      this.#open.push({ thread, missionId, path, quoted });
    }
    if (this.#open.length > 0) this.#changed();
  }

  dispose(): void {
    this.#controller.dispose();
  }
}

function comment(body: string): vscode.Comment {
  return { body, mode: vscode.CommentMode.Preview, author: { name: "You" } };
}

function bodyOf({ body }: vscode.Comment): string {
  return typeof body === "string" ? body : body.value;
}

function linesOf(thread: vscode.CommentThread): string {
  const document = vscode.workspace.textDocuments.find(({ uri }) => uri.toString() === thread.uri.toString());
  const [first, last] = [thread.range?.start.line ?? 0, thread.range?.end.line ?? 0];
  return document?.getText(document.validateRange(new vscode.Range(first, 0, last, Number.MAX_SAFE_INTEGER))) ?? "";
}

function asComment({ thread, path, quoted }: Open, directory: string): ReviewComment {
  const inside = relative(directory, path);
  return {
    path: inside.startsWith("..") || isAbsolute(inside) ? path : inside,
    line: (thread.range?.start.line ?? 0) + 1,
    lastLine: (thread.range?.end.line ?? 0) + 1,
    quoted,
    text: thread.comments.map(bodyOf).join("\n\n"),
  };
}

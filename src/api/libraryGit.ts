import { Hono } from "hono";
import { z } from "zod";
import { OpenAgentError } from "../base/errors.ts";
import { Repository, type Core } from "../orchestrator/index.ts";
import { body } from "./body.ts";

/** The routes of the Library's git repository. */
export function gitRoutes(core: Core): Hono {
  const app = new Hono();
  const library = () => new Repository(core.libraryFolder);
  app.get("/status", async (context) => {
    const { path, remote, branch, clean, ahead, behind, modifiedFiles } = await currentStatus(library());
    const known = remote === undefined ? {} : { remote };
    return context.json({ path, ...known, branch, clean, ahead, behind, modified_files: modifiedFiles });
  });
  app.post("/sync", async (context) => {
    const outcome = await library().pull();
    if (outcome.kind === "no_upstream")
      throw new OpenAgentError("git_failed", "The Library has no branch at a remote to sync with.");
    if (outcome.kind === "diverged")
      throw new OpenAgentError(
        "git_failed",
        `DIVERGED_HISTORY: the Library has ${String(outcome.ahead)} commits that ${outcome.upstream} lacks, which has ${String(outcome.behind)} more. Merge or rebase them with git, or in the editor.`,
      );
    return context.text(outcome.kind === "updated" ? "Synced successfully" : "The Library is up to date");
  });
  app.post("/commit", async (context) => {
    const { message } = await body(context, z.object({ message: z.string() }));
    const name = context.req.header("x-openagent-git-author-name")?.trim() ?? "";
    const address = context.req.header("x-openagent-git-author-email")?.trim() ?? "";
    const author = name === "" || address === "" ? {} : { author: `${name} <${address}>` };
    const { kind } = await library().commit(message, author);
    return context.text(kind === "committed" ? "Committed successfully" : "Nothing to commit");
  });
  app.post("/push", async (context) => {
    const { kind } = await library().push();
    return context.text(kind === "pushed" ? "Pushed successfully" : "Everything is pushed already");
  });
  return app;
}

/** As the remote is now, or as it was when it was last heard of. */
async function currentStatus(library: Repository) {
  try {
    return await library.status({ fetch: true });
  } catch (error) {
    if (!(error instanceof OpenAgentError)) throw error;
    return library.status();
  }
}

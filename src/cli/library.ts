import { relative } from "node:path";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { Catalogue, Repository, type PullOutcome, type RepositoryStatus } from "../orchestrator/index.ts";
import { counted } from "../base/counted.ts";
import { plainText } from "./terminal.ts";

/** Runs `library <verb> …` on the Library in `root`. Resolves with the exit code; 2 for a call that cannot be understood. */
export async function runLibraryCommand(
  root: string,
  [verb, ...words]: readonly string[],
  { json }: { json: boolean },
  misused: (problem: string) => number,
): Promise<number> {
  const [message] = words;
  const surplus = words[verb === "commit" ? 1 : 0];
  if (surplus !== undefined)
    return misused(`“${surplus}” is one argument too many.${verb === "commit" ? " Put the message in quotes." : ""}`);
  const library = new Repository(root);
  const print = (text: string, value: unknown) =>
    void process.stdout.write(json ? `${JSON.stringify(value)}\n` : `${plainText(text)}\n`);
  switch (verb) {
    case "status": {
      const status = await currentStatus(library);
      print(statusText(status), statusJson(status));
      return 0;
    }
    case "sync": {
      const outcome = await library.pull();
      print(pullText(outcome), outcome);
      return outcome.kind === "diverged" || (outcome.kind === "no_upstream" && outcome.remote === undefined) ? 1 : 0;
    }
    case "commit": {
      if (message === undefined) return misused("library commit needs a message.");
      const outcome = await library.commit(message);
      const text =
        outcome.kind === "nothing"
          ? "There is nothing to commit."
          : `${outcome.commit}  ${counted(outcome.files, "file")}`;
      print(text, outcome);
      return 0;
    }
    case "push": {
      const outcome = await library.push();
      const text = outcome.kind === "pushed" ? "was pushed to" : "is there already, at";
      print(`${outcome.branch} ${text} ${outcome.remote}.`, outcome);
      return 0;
    }
    case "lint":
      return lint(root, json);
    default:
      return misused("library takes one of status, sync, commit, push, lint.");
  }
}

/** As the remote is now, or as it was when it was last heard of. */
async function currentStatus(library: Repository): Promise<RepositoryStatus> {
  try {
    return await library.status({ fetch: true });
  } catch (error) {
    const status = await library.status();
    process.stderr.write(`${plainText(describeError(error))}\n`);
    return status;
  }
}

function statusText(status: RepositoryStatus): string {
  const { path, branch, detached, upstream, ahead, behind, remote, modifiedFiles, inProgress } = status;
  const goes = upstream === undefined ? "" : `, ${String(ahead)} ahead of ${upstream}, ${String(behind)} behind`;
  return [
    `Library  ${path}`,
    ...(remote === undefined ? ["Remote   none"] : [`Remote   ${remote}`]),
    `Branch   ${detached ? `none, at the commit ${branch}` : branch}${goes}`,
    ...(inProgress === undefined ? [] : [`A ${inProgress} is under way.`]),
    ...(modifiedFiles.length === 0 ? ["Nothing is changed."] : modifiedFiles),
  ].join("\n");
}

/** The original's names, with what it lacks. */
function statusJson(status: RepositoryStatus): object {
  const { modifiedFiles, inProgress, files: _, ...rest } = status;
  return { ...rest, modified_files: modifiedFiles, ...(inProgress && { in_progress: inProgress }) };
}

function pullText(outcome: PullOutcome): string {
  switch (outcome.kind) {
    case "updated":
      return `${counted(outcome.commits, "commit")} came in.`;
    case "up_to_date":
      return outcome.ahead === 0
        ? "Up to date."
        : `Nothing new at the remote; ${counted(outcome.ahead, "commit")} here to push.`;
    case "no_upstream":
      return outcome.remote === undefined
        ? "The Library has no remote to sync with. Add one: git remote add origin <address>"
        : "The branch is not at the remote yet. Push it first.";
    case "diverged":
      return (
        `Both sides have gone on: ${counted(outcome.ahead, "commit")} only here, ${String(outcome.behind)} only at ` +
        `${outcome.upstream}. Nothing was changed. Run “Open Agent: Sync Library” in the editor, or git merge or git ` +
        `rebase ${outcome.upstream} in the folder.`
      );
  }
}

/** As compilers do: a line for each problem. 1 when there is an error or a warning. */
function lint(root: string, json: boolean): number {
  const catalogue = new Catalogue(root);
  const items = catalogue.items();
  const problems = catalogue.problems();
  if (items.length + problems.length === 0)
    throw new OpenAgentError("folder_missing", `There is no Library in ${root}, or it is empty.`, { path: root });
  for (const { path, start, severity, code, message } of problems) {
    const before = (catalogue.text(path) ?? "").slice(0, start);
    const line = before.split("\n").length;
    const column = start - before.lastIndexOf("\n");
    const file = relative(root, path);
    if (json) process.stdout.write(`${JSON.stringify({ file, line, column, severity, code, message })}\n`);
    else process.stdout.write(`${plainText(`${file}:${String(line)}:${String(column)}  ${severity}  ${message}`)}\n`);
  }
  const bad = problems.filter(({ severity }) => severity !== "information").length;
  if (!json)
    process.stdout.write(`${counted(items.length, "item")}, ${bad === 0 ? "no problems" : counted(bad, "problem")}.\n`);
  return bad === 0 ? 0 : 1;
}

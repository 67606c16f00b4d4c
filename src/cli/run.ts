import { sleep } from "../base/async.ts";
import { OpenAgentError } from "../base/errors.ts";
import { Lifetime, toDisposable } from "../base/lifetime.ts";
import { checkChoice, checkFolder } from "../api/checks.ts";
import { storedEventJson } from "../api/shapes.ts";
import type { Core } from "../orchestrator/index.ts";
import {
  isRunning,
  type MissionHead,
  type PermissionRequest,
  type QuestionRequest,
  type UserRequest,
} from "../protocol/mission.ts";
import { explain } from "./hints.ts";
import { alwaysChoices, openRequests } from "../protocol/permission.ts";
import { eventPrinter } from "./output.ts";
import { ask, isSomebodyThere, plainText } from "./terminal.ts";

interface NewMission {
  kind: "new";
  text: string;
  directory: string;
  workspaceId?: string;
  agent?: string;
  model?: string;
}

interface ResumedMission {
  kind: "resumed";
  missionId: string;
  /** Puts what is not committed in its folder into a stash before. */
  cleanWorkspace: boolean;
}

export interface RunOptions {
  core: Core;
  begin: NewMission | ResumedMission;
  json: boolean;
  allowAll: boolean;
  /** OpenCode may run on another machine, whose folders cannot be seen from here. */
  attached: boolean;
}

/** Runs one mission to the end of its turn. Resolves with the exit code: 0 when the turn ended well. */
export async function runMission(options: RunOptions): Promise<number> {
  const { core } = options;
  const { id, from } =
    options.begin.kind === "new" ? await create(options, options.begin) : await resume(core, options.begin);
  const end = await new Promise<MissionHead | undefined>((resolve) => {
    const lifetime = new Lifetime();
    const finish = (head: MissionHead | undefined) => {
      lifetime.dispose();
      resolve(head);
    };
    const print = options.json
      ? (event: Parameters<typeof storedEventJson>[0]) =>
          void process.stdout.write(`${JSON.stringify(storedEventJson(event))}\n`)
      : eventPrinter((words) => process.stdout.write(words));
    const answerNew = answering(options, id, lifetime);
    let printedTo = from;
    const look = () => {
      if (!core.store.has(id)) {
        finish(undefined);
        return;
      }
      const events = core.store.events(id, { after: printedTo });
      printedTo = events.at(-1)?.seq ?? printedTo;
      for (const event of events) print(event);
      const head = core.store.head(id);
      answerNew(openRequests(head));
      if (isOver(head)) finish(head);
    };
    lifetime.add(stopOnInterrupt(core, id));
    lifetime.add(core.watch(id, from, look));
    lifetime.add(core.onRemoved(look));
    look();
  });
  if (!end) throw new OpenAgentError("mission_not_found", `Mission ${id} was deleted while it ran.`);
  return end.status === "active" || end.status === "completed" ? 0 : 1;
}

/** The mission, and the seq after which its news begin. */
interface Begun {
  id: string;
  from: number;
}

async function create(options: RunOptions, { text, directory, workspaceId, ...chosen }: NewMission): Promise<Begun> {
  if (!options.attached) checkFolder(directory);
  const choice = await checkChoice(options.core, directory, chosen);
  const { id } = await options.core.run("createMission", {
    text,
    directory,
    ...(workspaceId !== undefined && { workspaceId }),
    ...choice,
  });
  return { id, from: 0 };
}

async function resume(core: Core, { missionId, cleanWorkspace }: ResumedMission): Promise<Begun> {
  if (isRunning(core.store.head(missionId)))
    throw new OpenAgentError("mission_busy", "The mission is at work already.", { missionId });
  const from = core.store.lastSeq(missionId);
  if (cleanWorkspace) {
    const { files, stash } = await core.run("resumeInCleanWorkspace", { missionId });
    const kept = stash === undefined ? "There was nothing to put away." : `They are in the git stash ${stash}.`;
    process.stderr.write(`Uncommitted files put away: ${String(files)}. ${kept}\n`);
  } else await core.run("resumeMission", { missionId });
  return { id: missionId, from };
}

function isOver(head: MissionHead): boolean {
  if (isRunning(head)) return false;
  return (
    head.status === "failed" ||
    head.status === "interrupted" ||
    (head.turnEndedAt !== undefined && head.pending.length === 0)
  );
}

function stopOnInterrupt(core: Core, missionId: string) {
  let interrupts = 0;
  const interrupt = () => {
    if (interrupts++ > 0) process.exit(130);
    process.stderr.write("\nStopping. Once more leaves it running.\n");
    core.run("stopMission", { missionId }).catch((error: unknown) => process.stderr.write(`${explain(error)}\n`));
  };
  process.on("SIGINT", interrupt);
  return toDisposable(() => process.removeListener("SIGINT", interrupt));
}

// --- what the agent asks ------------------------------------------------------------------------------------------------

/** Answers each request once; what is answered elsewhere is asked no more. */
function answering(options: RunOptions, missionId: string, lifetime: Lifetime) {
  const open = new Map<string, AbortController>();
  lifetime.add(
    toDisposable(() => {
      for (const over of open.values()) over.abort();
    }),
  );
  return (requests: readonly UserRequest[]): void => {
    for (const [id, over] of open) if (!requests.some((request) => request.id === id)) over.abort();
    for (const request of requests.filter(({ id }) => !open.has(id))) {
      const over = new AbortController();
      open.set(request.id, over);
      void answer(options, missionId, request, over.signal);
    }
  };
}

async function answer(options: RunOptions, missionId: string, request: UserRequest, over: AbortSignal): Promise<void> {
  const { core } = options;
  const give =
    request.kind === "permission"
      ? await permissionAnswer(options, missionId, request, over)
      : await questionAnswer(options, missionId, request, over);
  while (!over.aborted) {
    try {
      await give();
      return;
    } catch (error) {
      if (error instanceof OpenAgentError && error.code === "request_gone") return;
      process.stderr.write(`${explain(error)}\n`);
      // Without an answer the mission would wait for ever; the next leader may take it.
      await sleep(1_000);
      if (!core.store.has(missionId)) return;
    }
  }
}

async function permissionAnswer(
  { core, allowAll }: RunOptions,
  missionId: string,
  request: PermissionRequest,
  over: AbortSignal,
): Promise<() => Promise<void>> {
  const reply = (word: "once" | "always" | "reject", reason?: string) => () =>
    core.run("answerPermission", {
      missionId,
      requestId: request.id,
      reply: word,
      ...(reason !== undefined && { reason }),
    });
  if (allowAll) return reply("once");
  const words = plainText(`${request.permission}: ${request.detail}`);
  const nobody = "Nobody is there to allow this. Go on without it, or end here and say what you would need.";
  if (!isSomebodyThere()) {
    process.stderr.write(`Denied, since nobody is there to ask (--allow-all allows everything): ${words}\n`);
    return reply("reject", nobody);
  }
  const [always] = alwaysChoices(request);
  const forGood = always ? ` [a]lways (${plainText(always.join(", "))}),` : "";
  for (;;) {
    const said = await ask(`The agent wants to use ${words}\nAllow? [y]es once,${forGood} [n]o: `, over);
    if (said === undefined) return reply("reject", nobody);
    if (/^y(es)?$/i.test(said)) return reply("once");
    if (always && /^a(lways)?$/i.test(said)) return reply("always");
    if (/^no?$/i.test(said)) {
      const why = await ask("Why (empty: the turn ends): ", over);
      return why ? reply("reject", why) : reply("reject");
    }
  }
}

async function questionAnswer(
  { core }: RunOptions,
  missionId: string,
  request: QuestionRequest,
  over: AbortSignal,
): Promise<() => Promise<void>> {
  const reply = (answers?: string[][]) => () =>
    core.run("answerQuestion", { missionId, requestId: request.id, ...(answers && { answers }) });
  if (!isSomebodyThere()) {
    const words = plainText(request.questions.map(({ question }) => question).join(" / "));
    process.stderr.write(`Dismissed, since nobody is there to answer: ${words}\n`);
    return reply();
  }
  const answers: string[][] = [];
  for (const question of request.questions) {
    const options = question.options.map(
      ({ label, description }, index) => `  ${String(index + 1)}. ${label} — ${description}`,
    );
    const said = await ask(
      `${plainText([question.question, ...options].join("\n"))}\nNumber${question.multiple ? "s" : ""} or your own words: `,
      over,
    );
    if (said === undefined) return reply();
    const numbers = /^[\d\s,]+$/.test(said) ? said.split(/[\s,]+/).map(Number) : [];
    const chosen = numbers.flatMap((number) => question.options[number - 1]?.label ?? []);
    answers.push(chosen.length > 0 ? chosen : [said]);
  }
  return reply(answers);
}

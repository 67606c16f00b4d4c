import { createInterface } from "node:readline/promises";
import { storedEventJson } from "../api/shapes.ts";
import { describeError } from "../base/errors.ts";
import type { Core } from "../orchestrator/index.ts";
import {
  isRunning,
  type MissionHead,
  type PermissionRequest,
  type QuestionRequest,
  type UserRequest,
} from "../protocol/mission.ts";
import { eventPrinter } from "./output.ts";

export interface RunOptions {
  core: Core;
  text: string;
  directory: string;
  agent?: string;
  model?: string;
  json: boolean;
  allowAll: boolean;
}

/** Runs one mission to the end of its turn. Resolves with the exit code: 0 when the turn ended well. */
export async function runMission(options: RunOptions): Promise<number> {
  const { core } = options;
  const head = await core.run("createMission", {
    text: options.text,
    directory: options.directory,
    ...(options.agent !== undefined && { agent: options.agent }),
    ...(options.model !== undefined && { model: options.model }),
  });
  const print = eventPrinter((text) => process.stdout.write(text));
  let printedTo = 0;
  const answering = new Set<string>();
  return new Promise((resolve) => {
    const look = () => {
      const events = core.store.events(head.id, { after: printedTo });
      printedTo = events.at(-1)?.seq ?? printedTo;
      for (const event of events) {
        if (options.json) process.stdout.write(`${JSON.stringify(storedEventJson(event))}\n`);
        else print(event);
      }
      const now = core.store.head(head.id);
      for (const request of now.requests.filter(({ id }) => !answering.has(id))) {
        answering.add(request.id);
        answer(options, head.id, request).catch((error: unknown) => process.stderr.write(`${describeError(error)}\n`));
      }
      if (!isOver(now)) return;
      watch.dispose();
      process.removeListener("SIGINT", interrupt);
      resolve(now.status === "active" || now.status === "completed" ? 0 : 1);
    };
    let interrupts = 0;
    const interrupt = () => {
      if (interrupts++ > 0) process.exit(130);
      process.stderr.write("Stopping. Once more leaves it running.\n");
      core
        .run("stopMission", { missionId: head.id })
        .catch((error: unknown) => process.stderr.write(`${describeError(error)}\n`));
    };
    process.on("SIGINT", interrupt);
    const watch = core.watch(head.id, 0, look);
    look();
  });
}

function isOver(head: MissionHead): boolean {
  if (isRunning(head)) return false;
  return (
    head.status === "failed" ||
    head.status === "interrupted" ||
    (head.turnEndedAt !== undefined && head.pending.length === 0)
  );
}

async function answer(options: RunOptions, missionId: string, request: UserRequest): Promise<void> {
  if (request.kind === "permission") await answerPermission(options, missionId, request);
  else await answerQuestion(options, missionId, request);
}

async function answerPermission(options: RunOptions, missionId: string, request: PermissionRequest): Promise<void> {
  const { core } = options;
  const reply = (word: "once" | "always" | "reject", reason?: string) =>
    core.run("answerPermission", {
      missionId,
      requestId: request.id,
      reply: word,
      ...(reason !== undefined && { reason }),
    });
  if (options.allowAll) return reply("once");
  const words = `${request.permission}: ${request.detail}`;
  if (!process.stdin.isTTY) {
    process.stderr.write(`Denied, since nobody is there to ask: ${words}\n`);
    return reply("reject", "Nobody is there to allow this. Go on without it, or end here and say what you would need.");
  }
  const said = await ask(
    `The agent wants to use ${words}\nAllow? [y]es once, [a]lways (${request.always.join(", ")}), [n]o: `,
  );
  if (/^y/i.test(said)) return reply("once");
  if (/^a/i.test(said)) return reply("always");
  return reply("reject", (await ask("Why (empty: the turn ends): ")) || undefined);
}

async function answerQuestion(options: RunOptions, missionId: string, request: QuestionRequest): Promise<void> {
  const { core } = options;
  if (!process.stdin.isTTY) {
    process.stderr.write(
      `Dismissed, since nobody is there to answer: ${request.questions.map(({ question }) => question).join(" / ")}\n`,
    );
    return core.run("answerQuestion", { missionId, requestId: request.id });
  }
  const answers: string[][] = [];
  for (const question of request.questions) {
    const options = question.options.map(
      ({ label, description }, index) => `  ${String(index + 1)}. ${label} — ${description}`,
    );
    const said = await ask(
      `${question.question}\n${options.join("\n")}\nNumber${question.multiple ? "s" : ""} or your own words: `,
    );
    const numbers = /^[\d\s,]+$/.test(said) ? said.split(/[\s,]+/).map(Number) : [];
    const chosen = numbers.flatMap((number) => question.options[number - 1]?.label ?? []);
    answers.push(chosen.length > 0 ? chosen : [said]);
  }
  return core.run("answerQuestion", { missionId, requestId: request.id, answers });
}

async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(question)).trim();
  } finally {
    terminal.close();
  }
}

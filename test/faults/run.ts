// Rounds of random faults against the real product: npm run faults -- [--n 1000] [--seconds 60] [--seed S] [--kind own|attached]
import { parseArgs } from "node:util";
import { buildExtension } from "../host/built.ts";
import { playRound, type RoundResult } from "./round.ts";
import { makeWorld, type World } from "./world.ts";

export interface FaultOptions {
  rounds: number;
  /** No round begins after so many milliseconds. */
  limitMs: number;
  /** Of the first round; the others follow it. */
  seed: number;
  kind?: World["kind"];
  onRound?: (result: RoundResult, ms: number) => void;
}

/** A world serves so many rounds before another is made. */
const roundsInWorld = 10;

/** Plays rounds one after the other; gives those that did not end as they must. A seed plays the same round again. */
export async function playFaults(options: FaultOptions): Promise<{ played: number; problems: RoundResult[] }> {
  const began = Date.now();
  const problems: RoundResult[] = [];
  let played = 0;
  const isOver = () => played >= options.rounds || Date.now() - began > options.limitMs;
  while (!isOver()) {
    const kind = options.kind ?? (Math.floor(played / roundsInWorld) % 2 === 0 ? "own" : "attached");
    const world = await makeWorld(kind);
    try {
      for (let index = 0; index < roundsInWorld && !isOver(); index++) {
        const start = Date.now();
        const result = await playRound(world, options.seed + played);
        if (result.problem !== undefined) result.problem += `\n${logsOf(world)}`;
        played++;
        options.onRound?.(result, Date.now() - start);
        if (result.problem === undefined) continue;
        problems.push(result);
        // What went wrong must not spoil the rounds that follow.
        break;
      }
    } finally {
      await world.close();
    }
  }
  return { played, problems };
}

function logsOf(world: World): string {
  return world.processes
    .map(({ process, log }) => `--- log of ${String(process.pid)}\n${log.join("").slice(-4_000)}`)
    .join("\n");
}

export function describeRound({ seed, faults, problem }: RoundResult): string {
  return `seed ${String(seed)} (${faults.join("; ")})${problem === undefined ? "" : `\n${problem}`}`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      n: { type: "string", default: "20" },
      seconds: { type: "string" },
      seed: { type: "string" },
      kind: { type: "string" },
    },
  });
  buildExtension();
  const { kind } = values;
  if (kind !== undefined && kind !== "own" && kind !== "attached") throw new Error(`There is no world “${kind}”.`);
  const { played, problems } = await playFaults({
    rounds: Number(values.n),
    limitMs: values.seconds === undefined ? Infinity : Number(values.seconds) * 1_000,
    seed: values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed),
    ...(kind !== undefined && { kind }),
    onRound: (result, ms) => {
      console.log(
        `${result.problem === undefined ? "ok " : "BAD"} ${(ms / 1000).toFixed(1).padStart(5)} s  ${describeRound(result)}`,
      );
    },
  });
  console.log(
    `\n${String(played)} rounds, ${String(problems.length)} with problems${problems.map(({ seed }) => ` ${String(seed)}`).join("")}`,
  );
  process.exit(problems.length > 0 ? 1 : 0);
}

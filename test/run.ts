// All tests, or some kinds of them: npm test [-- unit contract …] [--grep expression]
import { fork } from "node:child_process";
import { globSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import Mocha from "mocha";
import { buildForAll } from "./host/built.ts";
import { launchBrowser } from "./host/chromium.ts";
import { runMocha, type Outcome } from "./host/outcome.ts";
import { runVscodeTests } from "./vscode/run.ts";

const root = join(import.meta.dirname, "..");
const kinds = ["unit", "golden", "property", "contract", "faults", "vscode", "e2e"] as const;
type Kind = (typeof kinds)[number];

/** What one process runs: files of one kind, or `vscode`, whose tests share a window. */
interface Job {
  kind: Kind;
  files: string[];
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { grep: { type: "string" }, job: { type: "string" } },
});
if (values.job !== undefined) {
  const outcome = await run(JSON.parse(values.job) as Job);
  process.send?.(outcome, () => process.exit(0));
  await new Promise(() => undefined);
}
const unknown = positionals.filter((word) => !kinds.some((kind) => kind === word));
if (unknown.length > 0)
  throw new Error(`There are no tests of the kind ${unknown.join(", ")}; only ${kinds.join(", ")}.`);
const wanted = kinds.filter((kind) => positionals.length === 0 || positionals.includes(kind));

// Says at once, and not after minutes, when there is no browser and none can be installed.
if (wanted.includes("vscode") || wanted.includes("e2e")) await (await launchBrowser()).close();
buildForAll({ packed: wanted.includes("e2e") });
const began = performance.now();
const totals = new Map<Kind, Outcome>();
// Most of the time goes by in waiting, so three processes run at once, with one browser at most.
const files = (kind: Kind) => globSync(`test/${kind}/*.test.ts`, { cwd: root }).sort();
const whole = (kind: Kind): Job[] => [{ kind, files: files(kind) }];
const each = (kind: Kind): Job[] => files(kind).map((file) => ({ kind, files: [file] }));
// What takes longest begins first, so that no lane is left alone with it in the end: what is known to, then large files.
const longest =
  /\/(?:containers|backends|builds|server|queue|faults|configuration|missions|outside|cli|composer)\.test\.ts$/;
const weight = ({ files: [file = ""] }: Job) => statSync(join(root, file)).size + (longest.test(file) ? 1e6 : 0);
const withBrowser = [...whole("vscode"), ...each("e2e")];
const others = [...each("faults"), ...each("contract")].sort((one, other) => weight(other) - weight(one));
others.unshift(...(["unit", "golden", "property"] as const).flatMap(whole));
await Promise.all([lane(withBrowser, others), lane(others), lane(others)]);

console.log();
for (const [kind, counts] of totals) console.log(`${kind}: ${words(counts)}`);
const total = sum([...totals.values()]);
if (total.pending > 0)
  console.log(`\n${String(total.pending)} could not run on this machine; each says why in its own words.`);
console.log(`\n${words(total)}, ${since(began)}`);
// Last, so that a log of which only the end is kept says it.
for (const { title, error } of total.retried) console.log(`tried again: ${title}: ${error}`);
for (const { title, error } of total.failures) console.log(`failed: ${title}: ${error}`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);

/** Runs what waits, one after another, each in a process of its own. */
async function lane(...queues: Job[][]): Promise<void> {
  for (const queue of queues)
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      if (!wanted.includes(job.kind)) continue;
      const outcome = await runApart(job);
      totals.set(job.kind, sum([totals.get(job.kind) ?? [], outcome].flat()));
    }
}

/** Runs a job in a process of its own, and prints what it said when it is done. */
function runApart(job: Job): Promise<Outcome> {
  const started = performance.now();
  const grep = values.grep === undefined ? [] : ["--grep", values.grep];
  const child = fork(import.meta.filename, ["--job", JSON.stringify(job), ...grep], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const said: Buffer[] = [];
  child.stdout?.on("data", (bytes: Buffer) => said.push(bytes));
  child.stderr?.on("data", (bytes: Buffer) => said.push(bytes));
  return new Promise((resolve) => {
    let outcome: Outcome | undefined;
    child.on("message", (message) => (outcome = message as Outcome));
    child.on("close", (code) => {
      const title = [job.kind, ...(job.files.length === 1 ? [basename(job.files[0] ?? "")] : [])].join(" ");
      if (!outcome) {
        const error = `It ended with ${String(code)} before its tests did.`;
        said.push(Buffer.from(`${error}\n`));
        outcome = { passed: 0, failed: 1, pending: 0, failures: [{ title, error }], retried: [] };
      }
      if (outcome.passed + outcome.failed + outcome.pending > 0)
        console.log(`\n=== ${title}: ${since(started)} ===\n${Buffer.concat(said).toString().trimEnd()}`);
      resolve(outcome);
    });
  });
}

async function run(job: Job): Promise<Outcome> {
  if (job.kind === "vscode") return runVscodeTests(values.grep === undefined ? {} : { grep: values.grep });
  // A browser and an editor on a machine that is slow at times; what was tried twice is said.
  const retries = job.kind === "e2e" ? 1 : 0;
  const mocha = new Mocha({ timeout: 60_000, retries, ...(values.grep !== undefined && { grep: values.grep }) });
  for (const file of job.files) mocha.addFile(join(root, file));
  await mocha.loadFilesAsync();
  return runMocha(mocha, {
    onRetry: ({ title, error }) => {
      console.log(`    tried again: ${title} (${error})`);
    },
  });
}

function sum(outcomes: Outcome[]): Outcome {
  const all = (count: (one: Outcome) => number) => outcomes.reduce((so, one) => so + count(one), 0);
  return {
    passed: all(({ passed }) => passed),
    failed: all(({ failed }) => failed),
    pending: all(({ pending }) => pending),
    failures: outcomes.flatMap(({ failures }) => failures),
    retried: outcomes.flatMap(({ retried }) => retried),
  };
}

function words({ passed, failed }: Outcome): string {
  return `${String(passed)} passed, ${String(failed)} failed`;
}

function since(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(0)} s`;
}

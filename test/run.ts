// All tests, or some kinds of them: npm test [-- unit contract …] [--grep expression]
import { fork } from "node:child_process";
import { globSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import Mocha from "mocha";
import { buildForAll } from "./host/built.ts";
import { launchBrowser } from "./host/chromium.ts";
import type { SuiteReport } from "./host/suiteRunner.ts";
import { runVscodeTests } from "./vscode/run.ts";

const root = join(import.meta.dirname, "..");
const kinds = ["unit", "golden", "property", "contract", "faults", "vscode", "e2e"] as const;
type Kind = (typeof kinds)[number];
type Counts = Pick<SuiteReport, "passed" | "failed" | "pending">;

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
  const counts = await run(JSON.parse(values.job) as Job);
  process.send?.(counts, () => process.exit(0));
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
const none: Counts = { passed: 0, failed: 0, pending: 0 };
const totals = new Map<Kind, Counts>();
// Most of the time goes by in waiting, so two processes run at once, with one browser at most. Beside `vscode`, whose one
// window is the busiest of all, only what is idle most of the time. What takes longest begins first.
const startsNoMission = /contract\/(?:library(?:Git|Remotes|Cli|Api)|worktrees|workspaceMcp\w*)\.test\.ts$/;
const files = (kind: Kind) => globSync(`test/${kind}/*.test.ts`, { cwd: root }).sort();
const whole = (kind: Kind): Job[] => [{ kind, files: files(kind) }];
const each = (kind: Kind): Job[] => files(kind).map((file) => ({ kind, files: [file] }));
const size = ({ files: [file = ""] }: Job) => statSync(join(root, file)).size;
const contracts = each("contract").sort((one, other) => size(other) - size(one));
const isLight = ({ files: [file = ""] }: Job) => startsNoMission.test(file);
const shared = each("faults").concat(contracts.filter((job) => !isLight(job)));
const light = contracts.filter(isLight);
await Promise.all([lane((["unit", "golden", "property", "vscode"] as const).flatMap(whole)), lane(light)]);
await Promise.all([lane(each("e2e"), shared), lane(shared)]);

console.log();
for (const [kind, counts] of totals) console.log(`${kind}: ${words(counts)}`);
const total = [...totals.values()].reduce(add, none);
if (total.pending > 0)
  console.log(`\n${String(total.pending)} could not run on this machine; each says why in its own words.`);
console.log(`\n${words(total)}, ${since(began)}`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);

/** Runs what waits, one after another, each in a process of its own. */
async function lane(...queues: Job[][]): Promise<void> {
  for (const queue of queues)
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      if (!wanted.includes(job.kind)) continue;
      const counts = await runApart(job);
      totals.set(job.kind, add(totals.get(job.kind) ?? none, counts));
    }
}

/** Runs a job in a process of its own, and prints what it said when it is done. */
function runApart(job: Job): Promise<Counts> {
  const started = performance.now();
  const grep = values.grep === undefined ? [] : ["--grep", values.grep];
  const child = fork(import.meta.filename, ["--job", JSON.stringify(job), ...grep], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const said: Buffer[] = [];
  child.stdout?.on("data", (bytes: Buffer) => said.push(bytes));
  child.stderr?.on("data", (bytes: Buffer) => said.push(bytes));
  return new Promise((resolve) => {
    let counts: Counts | undefined;
    child.on("message", (message) => (counts = message as Counts));
    child.on("close", (code) => {
      if (!counts) said.push(Buffer.from(`It ended with ${String(code)} before its tests did.\n`));
      const { passed, failed, pending } = counts ?? { passed: 0, failed: 1, pending: 0 };
      const title = [job.kind, ...(job.files.length === 1 ? [basename(job.files[0] ?? "")] : [])].join(" ");
      if (passed + failed + pending > 0)
        console.log(`\n=== ${title}: ${since(started)} ===\n${Buffer.concat(said).toString().trimEnd()}`);
      resolve({ passed, failed, pending });
    });
  });
}

async function run(job: Job): Promise<Counts> {
  if (job.kind === "vscode") return runVscodeTests(values.grep === undefined ? {} : { grep: values.grep });
  // A browser and an editor on a machine that is slow at times; what was tried twice is said.
  const retries = job.kind === "e2e" ? 1 : 0;
  const mocha = new Mocha({ timeout: 60_000, retries, ...(values.grep !== undefined && { grep: values.grep }) });
  for (const file of job.files) mocha.addFile(join(root, file));
  await mocha.loadFilesAsync();
  return new Promise((resolve) => {
    const runner = mocha.run((failed) => {
      const { passes: passed = 0, pending = 0 } = runner.stats ?? {};
      resolve({ passed, failed, pending });
    });
    runner.on("retry", (test: Mocha.Test, error: Error) => {
      console.log(`    tried again: ${test.fullTitle()} (${error.message.slice(0, 300)})`);
    });
  });
}

function add(one: Counts, other: Counts): Counts {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    pending: one.pending + other.pending,
  };
}

function words({ passed, failed }: Counts): string {
  return `${String(passed)} passed, ${String(failed)} failed`;
}

function since(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(0)} s`;
}

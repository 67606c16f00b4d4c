// All tests, or some kinds of them: npm test [-- unit contract …] [--grep expression]
import { execFileSync, fork } from "node:child_process";
import { globSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import Mocha from "mocha";
import { launchBrowser } from "./host/chromium.ts";
import type { SuiteReport } from "./host/suiteRunner.ts";
import { runVscodeTests } from "./vscode/run.ts";

const root = join(import.meta.dirname, "..");

/** In the order of what they cost. Those of `vscode` run inside an editor. */
const kinds = ["unit", "golden", "property", "contract", "faults", "vscode", "e2e"] as const;
type Kind = (typeof kinds)[number];

/** These mostly wait: each file runs in a process of its own, and several of them at once. */
const apart: readonly Kind[] = ["contract", "faults"];
const lanes = 2;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { grep: { type: "string" }, file: { type: "string" } },
});
if (values.file !== undefined) {
  const counts = await runFiles([values.file], 0);
  process.send?.(counts, () => process.exit(0));
  await new Promise(() => undefined);
}
const unknown = positionals.filter((word) => !kinds.some((kind) => kind === word));
if (unknown.length > 0)
  throw new Error(`There are no tests of the kind ${unknown.join(", ")}; only ${kinds.join(", ")}.`);
const wanted = kinds.filter((kind) => positionals.length === 0 || positionals.includes(kind));

if (wanted.some((kind) => kind === "vscode" || kind === "e2e")) await prepareBrowser();
execFileSync(process.execPath, [join(root, "esbuild.mjs")], { stdio: ["ignore", "ignore", "inherit"] });

const together = apart.filter((kind) => wanted.includes(kind));
const runs = wanted.map((kind) => (apart.includes(kind) ? together : [kind]));
let total: Counts = { passed: 0, failed: 0, pending: 0 };
for (const run of new Set(runs)) {
  console.log(`\n=== ${run.join(", ")} ===`);
  const began = performance.now();
  const counts = await runKinds(run);
  total = add(total, counts);
  const { passed, failed } = counts;
  console.log(`${run.join(", ")}: ${String(passed)} passed, ${String(failed)} failed, ${since(began)}`);
}
if (total.pending > 0)
  console.log(`\n${String(total.pending)} could not run on this machine; each says why in its own words.`);
console.log(`\n${String(total.passed)} passed, ${String(total.failed)} failed`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);

/** Says at once, and not after minutes, when there is no browser and none can be installed. */
async function prepareBrowser(): Promise<void> {
  await (await launchBrowser()).close();
}

async function runKinds(run: readonly Kind[]): Promise<Counts> {
  if (run.includes("vscode")) return runVscodeTests(values.grep === undefined ? {} : { grep: values.grep });
  const files = run.flatMap((kind) => globSync(`test/${kind}/*.test.ts`, { cwd: root }).sort());
  if (!run.some((kind) => apart.includes(kind))) return runFiles(files, run.includes("e2e") ? 1 : 0);
  // What takes longest first, so that none of them runs alone in the end.
  const weight = (file: string) =>
    file.includes("/faults/") ? Number.MAX_SAFE_INTEGER : statSync(join(root, file)).size;
  const waiting = files.sort((one, other) => weight(other) - weight(one));
  let counts: Counts = { passed: 0, failed: 0, pending: 0 };
  const lane = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const more = await runApart(file);
      counts = add(counts, more);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return counts;
}

/** Runs a file in a process of its own, and prints what it said when it is done. */
function runApart(file: string): Promise<Counts> {
  const grep = values.grep === undefined ? [] : ["--grep", values.grep];
  const began = performance.now();
  const child = fork(import.meta.filename, ["--file", file, ...grep], { stdio: ["ignore", "pipe", "pipe", "ipc"] });
  const said: Buffer[] = [];
  child.stdout?.on("data", (bytes: Buffer) => said.push(bytes));
  child.stderr?.on("data", (bytes: Buffer) => said.push(bytes));
  return new Promise((resolve) => {
    let counts: Counts | undefined;
    child.on("message", (message) => (counts = message as Counts));
    child.on("close", (code) => {
      if (!counts) said.push(Buffer.from(`${file} ended with ${String(code)} before its tests did.\n`));
      const { passed, failed, pending } = counts ?? { passed: 0, failed: 1, pending: 0 };
      if (passed + failed + pending > 0) console.log(`${Buffer.concat(said).toString()}${file}: ${since(began)}`);
      resolve({ passed, failed, pending });
    });
  });
}

async function runFiles(files: readonly string[], retries: number): Promise<Counts> {
  const mocha = new Mocha({
    timeout: 60_000,
    retries,
    ...(values.grep !== undefined && { grep: values.grep }),
  });
  for (const file of files) mocha.addFile(join(root, file));
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

type Counts = Pick<SuiteReport, "passed" | "failed" | "pending">;

function add(one: Counts, other: Counts): Counts {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    pending: one.pending + other.pending,
  };
}

function since(began: number): string {
  return `${((performance.now() - began) / 1000).toFixed(0)} s`;
}

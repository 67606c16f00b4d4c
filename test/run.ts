// All tests, or some kinds of them: npm test [-- unit contract …] [--grep expression]
import { execFileSync, fork } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import Mocha from "mocha";
import { launchBrowser } from "./host/chromium.ts";
import type { SuiteReport } from "./host/suiteRunner.ts";
import { runVscodeTests } from "./vscode/run.ts";

const root = join(import.meta.dirname, "..");

/**
 * In the order of what they cost. Those of `vscode` run inside an editor, those of `contract`, which mostly wait, in a
 * process for each file and two of these at once, all others in this process.
 */
const kinds = ["unit", "golden", "property", "contract", "faults", "vscode", "e2e"] as const;
type Kind = (typeof kinds)[number];

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

let total = { passed: 0, failed: 0, pending: 0 };
for (const kind of wanted) {
  console.log(`\n=== ${kind} ===`);
  const began = performance.now();
  const { passed, failed, pending } = await runKind(kind);
  total = { passed: total.passed + passed, failed: total.failed + failed, pending: total.pending + pending };
  console.log(`${kind}: ${String(passed)} passed, ${String(failed)} failed, ${seconds(performance.now() - began)}`);
}
if (total.pending > 0)
  console.log(`\n${String(total.pending)} could not run on this machine; each says why in its own words.`);
console.log(`\n${String(total.passed)} passed, ${String(total.failed)} failed`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);

/** Says at once, and not after minutes, when there is no browser and none can be installed. */
async function prepareBrowser(): Promise<void> {
  await (await launchBrowser()).close();
}

async function runKind(kind: Kind): Promise<Counts> {
  if (kind === "vscode") return runVscodeTests(values.grep === undefined ? {} : { grep: values.grep });
  const files = globSync(`test/${kind}/*.test.ts`, { cwd: root }).sort();
  if (kind !== "contract") return runFiles(files, kind === "e2e" ? 1 : 0);
  const counts: Counts[] = [];
  const lane = async () => {
    for (let file = files.shift(); file !== undefined; file = files.shift()) counts.push(await runApart(file));
  };
  await Promise.all([lane(), lane()]);
  const sum = (name: keyof Counts) => counts.reduce((all, one) => all + one[name], 0);
  return { passed: sum("passed"), failed: sum("failed"), pending: sum("pending") };
}

/** Runs a file in a process of its own, and prints what it said when it is done. */
function runApart(file: string): Promise<Counts> {
  const grep = values.grep === undefined ? [] : ["--grep", values.grep];
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
      if (passed + failed + pending > 0) process.stdout.write(Buffer.concat(said));
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

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(0)} s`;
}

// All tests, or some kinds of them: npm test [-- unit contract …] [--grep expression]
import { execFileSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import Mocha from "mocha";
import { launchBrowser } from "./host/chromium.ts";
import type { SuiteReport } from "./host/suiteRunner.ts";
import { runVscodeTests } from "./vscode/run.ts";

const root = join(import.meta.dirname, "..");

/** In the order of what they cost. Those of `vscode` run inside an editor, all others in this process. */
const kinds = ["unit", "golden", "property", "contract", "faults", "vscode", "e2e"] as const;
type Kind = (typeof kinds)[number];

const { values, positionals } = parseArgs({ allowPositionals: true, options: { grep: { type: "string" } } });
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
  const mocha = new Mocha({
    timeout: 60_000,
    ...(kind === "e2e" && { retries: 1 }),
    ...(values.grep !== undefined && { grep: values.grep }),
  });
  for (const file of globSync(`test/${kind}/*.test.ts`, { cwd: root }).sort()) mocha.addFile(join(root, file));
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

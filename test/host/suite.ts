/** What the extension host loads and runs: all test files that were built beside this one. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { runSuite } from "./suiteRunner.ts";

export async function run(): Promise<void> {
  const names = readdirSync(__dirname).filter((name) => name.endsWith(".test.cjs"));
  await runSuite(
    names.sort().map((name) => join(__dirname, name)),
    { timeoutMs: 120_000 },
  );
}

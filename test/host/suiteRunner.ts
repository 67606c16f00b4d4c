import { writeFileSync } from "node:fs";
import { format } from "node:util";
import Mocha from "mocha";
import { driver, variables } from "./driver.ts";
import { runMocha } from "./outcome.ts";

/**
 * Runs files of mocha tests inside an extension host: prints through the driver, writes the report, rejects when a test
 * has failed. Part of a bundle, so the files are absolute paths of what is loaded at run time.
 */
export async function runSuite(files: string[], options: { timeoutMs?: number } = {}): Promise<void> {
  const { [variables.grep]: grep, [variables.report]: reportPath } = process.env;
  const mocha = new Mocha({
    ui: "bdd",
    color: false,
    timeout: options.timeoutMs ?? 30_000,
    // A browser and an editor on a machine that is slow at times; what was tried twice is said.
    retries: 1,
    ...(grep !== undefined && { grep }),
  });
  let printed: Promise<unknown> = Promise.resolve();
  // The console of an extension host is mixed with the workbench's own log.
  Mocha.reporters.Base.consoleLog = (...args: unknown[]) => {
    printed = printed.then(() => driver.print(format(...args)));
  };
  for (const file of files) mocha.addFile(file);
  mocha.suite.afterEach(async function () {
    // One that is tried again has no state.
    if (this.currentTest && this.currentTest.state !== "passed") await keepLook(this.currentTest.title);
  });
  await mocha.loadFilesAsync();
  const report = await runMocha(mocha, {
    onRetry: ({ title, error }) => {
      Mocha.reporters.Base.consoleLog(`    tried again: ${title} (${error})`);
    },
    onFailure: (test) => {
      if (test instanceof Mocha.Hook) void keepLook(test.title);
    },
  });
  if (reportPath !== undefined) writeFileSync(reportPath, JSON.stringify(report, undefined, 2));
  await printed;
  if (report.failed > 0) throw new Error(`${String(report.failed)} tests have failed.`);
}

/** Keeps what the window looks like. */
async function keepLook(title: string): Promise<void> {
  await driver.screenshot(`failed-${title.replace(/\W+/g, "-").slice(0, 60)}`);
}

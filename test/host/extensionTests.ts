import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { format } from "node:util";
import type { Page } from "playwright-core";
import { launchBrowser } from "./chromium.ts";
import { variables } from "./driver.ts";
import { serveDriver } from "./driverServer.ts";
import { startEditor, steadySettings, type EditorOptions } from "./editor.ts";
import { newProfile, openWorkbench } from "./page.ts";
import type { Outcome } from "./outcome.ts";

export interface ExtensionTestOptions extends EditorOptions {
  /** Absolute path of a module that exports `run(): Promise<void>`, which calls `runSuite`. */
  suite: string;
  /** For the whole run, from the opening of the window; default three minutes. */
  timeoutMs?: number;
  /** Only tests whose title fits this regular expression. */
  grep?: string;
  headed?: boolean;
  /** Folder for screenshots and logs; default out/extension-tests. */
  artifacts?: string;
}

/** Runs a suite inside the extension host of a real editor. Rejects when the suite could not be run to its end. */
export async function runInExtensionHost(options: ExtensionTestOptions): Promise<Outcome> {
  await using cleanup = new AsyncDisposableStack();
  const artifacts = resolve(options.artifacts ?? join("out", "extension-tests"));
  mkdirSync(artifacts, { recursive: true });
  const files = mkdtempSync(join(tmpdir(), "suite-"));
  cleanup.defer(() => {
    rmSync(files, { recursive: true, force: true });
  });
  const report = join(files, "report.json");
  const socket = join(files, "driver.sock");

  const env = {
    ...options.env,
    [variables.driver]: socket,
    [variables.report]: report,
    [variables.grep]: options.grep,
  };
  const editor = cleanup.adopt(
    await startEditor({ ...options, env, settings: { ...steadySettings, ...options.settings } }),
    (started) => started.stop(),
  );
  const browser = cleanup.adopt(await launchBrowser(options), (started) => started.close());
  const lines: string[] = [];
  let end!: (outcome: number | Error) => void;
  const exitCode = new Promise<number>((succeed, fail) => {
    end = (outcome) => {
      if (typeof outcome === "number") succeed(outcome);
      else fail(outcome);
    };
  });
  // Tests run only when an extension is under development, even an empty one.
  const developed = editor.developed ?? emptyExtension(join(files, "empty"));
  const opening = openWorkbench(
    await newProfile(browser, { still: true }),
    { ...editor, developed },
    {
      suite: options.suite,
      prepare: async (page) => {
        listen(page, lines, end);
        // A page behind another one is drawn once a second.
        page.on("popup", () => void page.bringToFront());
        cleanup.adopt(await serveDriver(page, socket, artifacts), (server) => {
          server.close();
        });
        // The workbench calls these when it runs tests. The log is its own and the extension host's console.
        await page.exposeFunction("codeAutomationLog", (_kind: string, args: unknown) => {
          lines.push(format(...[args].flat()));
        });
        await page.exposeFunction("codeAutomationExit", end);
      },
    },
  );
  const timeoutMs = options.timeoutMs ?? 180_000;
  const timer = setTimeout(() => {
    end(new Error(`The tests did not end within ${String(timeoutMs / 1000)} s.`));
  }, timeoutMs);
  try {
    const [page, code] = await Promise.all([opening, exitCode]);
    await page.screenshot({ path: join(artifacts, "end.png") });
    return readReport(report, code);
  } catch (error) {
    throw new Error([error, `Logs are in ${artifacts}.`, ...errorsIn(lines)].join("\n"), { cause: error });
  } finally {
    clearTimeout(timer);
    writeFileSync(join(artifacts, "workbench.log"), lines.join("\n"));
    writeFileSync(join(artifacts, "server.log"), editor.log());
  }
}

function listen(page: Page, lines: string[], end: (error: Error) => void): void {
  page.on("console", (message) => lines.push(`[${message.type()}] ${message.text()}`));
  page.on("pageerror", (error) => lines.push(`[page error] ${error.message}`));
  page.on("crash", () => {
    end(new Error("The page has crashed."));
  });
}

/** The newest errors of a log, without the complaints of every run about addons that are not compiled. */
function errorsIn(lines: string[]): string[] {
  const errors = lines.filter((line) => line.startsWith("[error]") && !/spdlog|native-watchdog|404/.test(line));
  return errors.slice(-8).map((line) => line.split("\n").slice(0, 3).join("\n"));
}

function readReport(path: string, code: number): Outcome {
  if (!existsSync(path)) throw new Error(`The suite ended with code ${String(code)} and without a report.`);
  const report = JSON.parse(readFileSync(path, "utf8")) as Outcome;
  if (code !== 0 && report.failed === 0) throw new Error(`The suite ended with code ${String(code)}.`);
  return report;
}

function emptyExtension(folder: string): string {
  mkdirSync(folder);
  const manifest = { name: "empty", publisher: "test", version: "0.0.1", engines: { vscode: "*" } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  return folder;
}

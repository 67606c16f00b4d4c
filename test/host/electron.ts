// The suite of test/vscode in a desktop VS Code, which is downloaded: npm run test:electron
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { downloadAndUnzipVSCode } from "@vscode/test-electron";
import { _electron } from "playwright-core";
import { withSuite, type PreparedSuite } from "../vscode/run.ts";
import { variables } from "./driver.ts";
import { serveDriver } from "./driverServer.ts";
import type { Outcome } from "./outcome.ts";

const executablePath = await downloadAndUnzipVSCode("stable");
const { passed, failed } = await withSuite(runInDesktop);
console.log(`${String(passed)} passed, ${String(failed)} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

async function runInDesktop(prepared: PreparedSuite): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "desktop-"));
  const [report, socket, userData] = [join(folder, "report.json"), join(folder, "driver.sock"), join(folder, "user")];
  mkdirSync(join(userData, "User"), { recursive: true });
  writeFileSync(join(userData, "User", "settings.json"), JSON.stringify(prepared.settings));
  const inherited = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !entry[0].startsWith("VSCODE_"),
  );
  const app = await _electron.launch({
    executablePath,
    args: [
      `--extensionDevelopmentPath=${prepared.extension.folder}`,
      `--extensionTestsPath=${prepared.suite}`,
      `--user-data-dir=${userData}`,
      "--disable-extensions",
      "--disable-workspace-trust",
      "--skip-welcome",
      prepared.workspace,
    ],
    env: {
      ...Object.fromEntries(inherited),
      ...prepared.env,
      [variables.driver]: socket,
      [variables.report]: report,
    },
  });
  const closed = new Promise<void>((resolve) => {
    app.once("close", () => {
      resolve();
    });
  });
  const driver = await serveDriver(await app.firstWindow(), socket, prepared.artifacts);
  try {
    await closed;
    return JSON.parse(readFileSync(report, "utf8")) as Outcome;
  } finally {
    driver.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

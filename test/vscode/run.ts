import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { makeBed, opencodeBinary, repository } from "../fake/bed.ts";
import { buildExtension } from "../host/built.ts";
import { runInExtensionHost } from "../host/extensionTests.ts";
import { installationFolder } from "../host/setup.ts";
import type { Outcome } from "../host/outcome.ts";

/** Commands that begin with `touch` or `rm` ask for permission; all others run. */
const permission = { bash: { "*": "allow", "touch *": "ask", "rm *": "ask" } };

/**
 * Builds the extension and its tests, and runs these in the extension host of a real editor, with a real OpenCode and a
 * scripted model. One window serves them all.
 */
export function runVscodeTests(options: { grep?: string; headed?: boolean } = {}): Promise<Outcome> {
  return withSuite((prepared) => runInExtensionHost({ ...options, ...prepared, timeoutMs: 1_200_000 }));
}

/** What an editor needs to run the tests. */
export interface PreparedSuite {
  /** Path of the suite's module. */
  suite: string;
  extension: { folder: string };
  workspace: string;
  env: Record<string, string>;
  settings: Record<string, unknown>;
  artifacts: string;
}

/** Builds the suite and a user's machine to run it on. */
export async function withSuite<T>(run: (prepared: PreparedSuite) => Promise<T>): Promise<T> {
  buildExtension();
  const suite = await buildSuite(join(repository, "out", "vscode-suite"));
  const bed = await makeBed({ config: { permission }, development: true });
  try {
    return await run({
      suite,
      extension: { folder: repository },
      workspace: bed.project,
      env: {
        HOME: bed.home,
        OPEN_AGENT_DATA_DIR: bed.data,
        OPEN_AGENT_CONTAINER_TEMPLATES: join(installationFolder(), "templates"),
      },
      settings: { "openAgent.opencode.path": opencodeBinary },
      artifacts: join(repository, "out", "vscode"),
    });
  } finally {
    await bed.close();
  }
}

/** Gives the path of the suite's module. The extension host loads CommonJS only. */
async function buildSuite(outdir: string): Promise<string> {
  rmSync(outdir, { recursive: true, force: true });
  const tests = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".test.ts"));
  const host = join(repository, "test", "host");
  await build({
    entryPoints: [join(host, "suite.ts"), ...tests.map((name) => join(import.meta.dirname, name))],
    entryNames: "[name]",
    outdir,
    outExtension: { ".js": ".cjs" },
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node22",
    sourcemap: "inline",
    external: ["vscode", "mocha"],
    logLevel: "warning",
  });
  return join(outdir, "suite.cjs");
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { grep: { type: "string" }, headed: { type: "boolean" } } });
  const report = await runVscodeTests({
    ...(values.grep !== undefined && { grep: values.grep }),
    ...(values.headed === true && { headed: true }),
  });
  process.exitCode = report.failed > 0 || report.passed === 0 ? 1 : 0;
}

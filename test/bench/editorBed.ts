/** The real editor with the packaged extension, for all measures that need one. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { repository } from "../fake/bed.ts";
import { setupEditor } from "../host/setup.ts";

/** Packs the extension of a folder. */
export async function pack(folder: string): Promise<string> {
  const vsix = `${folder}.vsix`;
  const vsce = join(repository, "node_modules", "@vscode", "vsce", "vsce");
  const options = ["--no-dependencies", "--allow-missing-repository", "--skip-license", "--out", vsix];
  await promisify(execFile)(process.execPath, [vsce, "package", ...options], { cwd: folder });
  return vsix;
}

/** Installs packages into a folder of extensions, as a user would. */
export async function install(vsixes: readonly string[], extensions: string): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), "bench-install-"));
  try {
    const { node, entry } = setupEditor();
    const config = join(work, "code-server.yaml");
    writeFileSync(config, "");
    const places = ["--config", config, "--user-data-dir", join(work, "user"), "--extensions-dir", extensions];
    const wanted = vsixes.flatMap((vsix) => ["--install-extension", vsix]);
    await promisify(execFile)(node, [entry, ...places, ...wanted], { env: { ...process.env, HOME: work } });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Writes an extension that needs no build. */
export function writeExtension(folder: string, { manifest, code }: { manifest: object; code: string }): void {
  mkdirSync(folder, { recursive: true });
  const facts = { publisher: "bench", version: "0.0.1", engines: { vscode: "^1.104.0" }, main: "./main.js" };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ ...facts, ...manifest }));
  writeFileSync(join(folder, "main.js"), code);
  writeFileSync(join(folder, "README.md"), "An extension of a measurement.\n");
}

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** A real VS Code server and the Node that it needs. */
export interface EditorInstallation {
  /** Path of the Node executable. */
  node: string;
  /** Path of the script that starts code-server. */
  entry: string;
}

const codeServer = "code-server@4.139.1";
const platform = `${process.platform}-${process.arch}`;
const nodePackage = `node-${platform}`;
const nodeVersion = "24.21.0";

/** Addons and extensions that no test needs: half of the installation. */
const unneeded = [
  "extensions/copilot",
  "extensions/mermaid-markdown-features",
  "node_modules/@github",
  "node_modules/@microsoft/mxc-sdk",
  "node_modules/@vscode/sqlite3",
  "node_modules/@vscode/windows-process-tree",
];

/** Where the editor, its user data and the sample folder are. */
export function installationFolder(): string {
  return process.env.OPEN_AGENT_HOST_DIR ?? join(homedir(), ".cache", "open-agent-editor");
}

/**
 * Installs VS Code (as code-server) from npm into $OPEN_AGENT_HOST_DIR or ~/.cache/open-agent-editor, unless it is
 * there. Takes about 20 s and 450 MB and needs no compiler. The editor writes log files only when
 * OPEN_AGENT_HOST_SPDLOG=1 is set at the installation, which compiles an addon.
 */
export function setupEditor(): EditorInstallation {
  if (process.platform === "win32") throw new Error("code-server does not run on Windows; use WSL.");
  const folder = join(installationFolder(), "editor");
  const withLogs = process.env.OPEN_AGENT_HOST_SPDLOG === "1";
  const stamp = join(folder, "stamp");
  const wanted = `${codeServer} ${nodePackage}@${nodeVersion}${withLogs ? " with logs" : ""}`;
  const installed = existsSync(stamp) ? readFileSync(stamp, "utf8") : "";
  if (installed !== wanted && installed !== `${wanted} with logs`) {
    console.error(`Installing ${wanted} in ${folder} (once, about 20 s) …`);
    const draft = `${folder}.${String(process.pid)}`;
    install(draft, withLogs);
    writeFileSync(join(draft, "stamp"), wanted);
    rmSync(folder, { recursive: true, force: true });
    renameSync(draft, folder);
  }
  return { node: nodeIn(folder), entry: join(serverIn(folder), "out", "node", "entry.js") };
}

function install(folder: string, withLogs: boolean): void {
  rmSync(folder, { recursive: true, force: true });
  for (const name of ["node", "server"]) {
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, "package.json"), '{"private":true}');
  }
  npm(join(folder, "node"), "install", `${nodePackage}@${nodeVersion}`);
  // The install scripts would compile addons that no test uses; the needed ones are in the packages ready-made.
  npm(join(folder, "server"), "install", codeServer, "--ignore-scripts", "--engine-strict=false");
  const editor = join(serverIn(folder), "lib", "vscode");
  npm(editor, "install", "--omit=dev", "--ignore-scripts");
  if (withLogs) npm(editor, "rebuild", "@vscode/spdlog", `--nodedir=${dirname(dirname(nodeIn(folder)))}`);
  for (const path of unneeded) rmSync(join(editor, path), { recursive: true, force: true });
  const ripgreps = join(editor, "node_modules", "@vscode", "ripgrep-universal", "bin");
  for (const name of readdirSync(ripgreps))
    if (name !== platform) rmSync(join(ripgreps, name), { recursive: true, force: true });
}

function npm(folder: string, ...args: string[]): void {
  execFileSync("npm", [...args, "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: folder,
    stdio: ["ignore", "inherit", "inherit"],
  });
}

function nodeIn(folder: string): string {
  return join(folder, "node", "node_modules", nodePackage, "bin", "node");
}

function serverIn(folder: string): string {
  return join(folder, "server", "node_modules", "code-server");
}

if (import.meta.main) console.log(setupEditor());

import { execFile } from "node:child_process";
import { closeSync, existsSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, isAbsolute, join, sep } from "node:path";
import { promisify } from "node:util";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { readTextIfPresent } from "../base/files.ts";

export interface LocateOptions {
  /** The user's setting: an absolute path. */
  configured: string | undefined;
  environment: NodeJS.ProcessEnv;
  /** Folders whose `node_modules` may hold the npm package; development and `npm start`. */
  packageFolders: readonly string[];
}

export interface Executable {
  path: string;
  /** As it answers to `--version`. */
  version: string;
}

/**
 * Finds the OpenCode executable: the configured one, else a real executable on PATH or where OpenCode's installer puts
 * it, else the platform binary of the npm package. An npm shim is never returned: spawning one fails on Windows and
 * leaves the server without a handle elsewhere.
 *
 * @throws OpenAgentError `opencode_missing`, `opencode_not_executable`, `opencode_unsupported` or `opencode_start_failed`
 */
export async function locateOpenCode(options: LocateOptions): Promise<Executable> {
  const { configured } = options;
  if (configured !== undefined && configured !== "") {
    const path = realExecutable(configured);
    if (path === undefined)
      throw new OpenAgentError("opencode_not_executable", `${configured} is not an OpenCode executable.`, {
        path: configured,
      });
    return checked(path);
  }
  const path = onPath(options.environment) ?? inPackages(options.packageFolders);
  if (path === undefined) throw new OpenAgentError("opencode_missing", "OpenCode was not found on this machine.");
  return checked(path);
}

async function checked(path: string): Promise<Executable> {
  const version = await askVersion(path);
  if (!isSupported(version))
    throw new OpenAgentError(
      "opencode_unsupported",
      `OpenCode ${version} was found at ${path}; Open Agent speaks with 1.18 or newer 1.x.`,
      { version, path },
    );
  return { path, version };
}

/** Protocol V1 as of 1.18; OpenCode 2 has another protocol under the same command name. */
export function isSupported(version: string): boolean {
  const [major, minor] = version.split(".").map(Number);
  return major === 1 && minor !== undefined && minor >= 18;
}

/** What files have answered: it takes most of a second to ask one. */
const versions = new Map<string, string>();

async function askVersion(path: string): Promise<string> {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(path);
    const file = JSON.stringify([path, ino, size, mtimeMs, ctimeMs]);
    const known = versions.get(file);
    if (known !== undefined) return known;
    const { stdout } = await promisify(execFile)(path, ["--version"], { timeout: 20_000, encoding: "utf8" });
    const version = /\d+\.\d+\.\d+\S*/.exec(stdout)?.[0];
    if (version === undefined) throw new Error(`it answered ${JSON.stringify(stdout.slice(0, 200))} to --version`);
    versions.set(file, version);
    return version;
  } catch (error) {
    throw new OpenAgentError(
      "opencode_start_failed",
      `${path} could not be run: ${describeError(error)}`,
      { path },
      error,
    );
  }
}

const windows = process.platform === "win32";
const commandName = windows ? "opencode.exe" : "opencode";

function onPath(environment: NodeJS.ProcessEnv): string | undefined {
  const home = environment["HOME"] ?? homedir();
  const folders = (environment["PATH"] ?? environment["Path"] ?? "")
    .split(delimiter)
    .filter((folder) => isAbsolute(folder));
  // A window opened from the desktop does not have the shell's PATH.
  const usual = [join(home, ".opencode", "bin"), join(home, ".local", "bin"), join(home, ".bun", "bin")];
  for (const folder of [...folders, ...usual]) {
    const found = realExecutable(join(folder, commandName)) ?? (windows ? behindShim(folder) : undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** On Windows npm puts `opencode.cmd` on PATH, with the package beside it. */
function behindShim(folder: string): string | undefined {
  return existsSync(join(folder, "opencode.cmd")) ? inPackages([folder]) : undefined;
}

/** The executable itself, or the platform binary when `path` is the script that npm puts in its place. */
function realExecutable(path: string): string | undefined {
  if (!existsSync(path) || !statSync(path).isFile()) return undefined;
  const real = realpathSync(path);
  if (isBinary(real)) return real;
  const packageRoot = real.lastIndexOf(`${sep}node_modules${sep}`);
  return packageRoot < 0 ? undefined : inPackages([real.slice(0, packageRoot)]);
}

function isBinary(path: string): boolean {
  const file = openSync(path, "r");
  try {
    const start = Buffer.alloc(4);
    readSync(file, start, 0, 4, 0);
    const magic = start.readUInt32BE(0);
    const machO = [0xcffaedfe, 0xcefaedfe, 0xcafebabe];
    return magic === 0x7f454c46 || machO.includes(magic) || start.toString("latin1", 0, 2) === "MZ";
  } finally {
    closeSync(file);
  }
}

function inPackages(folders: readonly string[]): string | undefined {
  const names = packageNames(process.platform, process.arch, windows ? "" : (readTextIfPresent("/proc/cpuinfo") ?? ""));
  for (const folder of folders) {
    for (let at = folder; ; at = dirname(at)) {
      for (const name of names) {
        const path = join(at, "node_modules", name, "bin", commandName);
        if (existsSync(path) && isBinary(path)) return path;
      }
      if (dirname(at) === at) break;
    }
  }
  return undefined;
}

/**
 * The npm packages whose binary runs on such a machine, the best first. The plain x64 binary dies of an illegal
 * instruction where the processor has no AVX2.
 *
 * @param cpuinfo what Linux says of its processors; empty elsewhere
 */
export function packageNames(platform: string, architecture: string, cpuinfo: string): string[] {
  const base = `opencode-${platform === "win32" ? "windows" : platform}-${architecture}`;
  const lacksAvx2 = platform === "linux" && architecture === "x64" && cpuinfo !== "" && !cpuinfo.includes(" avx2");
  const variants = lacksAvx2 ? ["-baseline", "-baseline-musl"] : ["", "-baseline", "-musl", "-baseline-musl"];
  return variants.map((variant) => base + variant);
}

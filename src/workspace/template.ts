import { createHash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { privateFolder } from "../base/files.ts";
import type { Workspace } from "../protocol/workspace.ts";
import type { PrepareOptions } from "./backend.ts";
import { bootstrapOf } from "./distribution.ts";
import { handOver, helperEnvironment } from "./handover.ts";
import type { Limiter } from "./limits.ts";
import { withLock } from "./lock.ts";
import { contained, containerEnvironment, hostnameOf, isRoot, sandbox } from "./sandbox.ts";
import { findTool, runTool, tryTool } from "./tools.ts";

type Recipe = Pick<Workspace, "distro" | "devContainer" | "packages" | "initScript" | "environment">;

/**
 * File systems that were built once and are only read afterwards. Each lies in `<folder>/<key>/rootfs`, with its log
 * beside it in `<folder>/<key>.log`. It appears whole or not at all.
 */
export class Templates {
  readonly #folder: string;
  readonly #mirror: string | undefined;

  constructor(folder: string, mirror?: string) {
    this.#folder = folder;
    this.#mirror = mirror;
  }

  /** Names a file system by what it is made of. */
  keyOf(recipe: Recipe): string {
    const { distro = "debian-bookworm", devContainer, packages, initScript, environment } = recipe;
    const base = devContainer === undefined ? [distro, [...new Set(packages)].sort()] : ["devcontainer", devContainer];
    const made = [...base, ...(initScript ? [initScript, environment] : [])];
    return createHash("sha256").update(JSON.stringify(made)).digest("hex").slice(0, 16);
  }

  rootOf(recipe: Recipe): string {
    return join(this.#folder, this.keyOf(recipe), "rootfs");
  }

  logOf(recipe: Recipe): string {
    return join(this.#folder, `${this.keyOf(recipe)}.log`);
  }

  /** What of a file system that was built is not there. */
  missing(recipe: Recipe): string | undefined {
    const root = this.rootOf(recipe);
    const gone = ["bin", "etc", "usr", "var"].find((name) => !existsSync(join(root, name)));
    return gone === undefined ? undefined : `${join(root, gone)} is missing.`;
  }

  /** Builds what is missing. `limiter` holds the init script. */
  async build(workspace: Workspace, options: PrepareOptions, limiter?: Limiter): Promise<void> {
    checkPackages(workspace.packages);
    const { initScript, ...base } = workspace;
    // Most scripts are changed a few times until they work; the packages need not be fetched anew each time.
    if (initScript && (this.missing(workspace) !== undefined || options.rebuild)) await this.build(base, options);
    privateFolder(this.#folder);
    const lock = join(this.#folder, `${this.keyOf(workspace)}.lock`);
    const onWait = () => options.output("Waiting for another build of the same file system …\n");
    await withLock(lock, () => this.#buildLocked(workspace, options, limiter), { ...options, onWait });
  }

  async #buildLocked(workspace: Workspace, options: PrepareOptions, limiter?: Limiter): Promise<void> {
    const key = this.keyOf(workspace);
    const home = join(this.#folder, key);
    for (const name of readdirSync(this.#folder))
      if (name.startsWith(`${key}.draft`) || name.startsWith(`${key}.old`)) await removeTree(join(this.#folder, name));
    if (!options.rebuild && this.missing(workspace) === undefined) return;
    const draft = join(this.#folder, `${key}.draft`);
    const log = this.logOf(workspace);
    writeFileSync(log, `${new Date().toISOString()} ${workspace.distro ?? "debian-bookworm"}\n`, { mode: 0o600 });
    const output = (text: string) => {
      appendFileSync(log, text);
      options.output(text);
    };
    try {
      mkdirSync(draft, { mode: 0o755 });
      const run = { ...options, output };
      if (workspace.initScript) await this.#complete(workspace, draft, run, limiter);
      else await this.#bootstrap(workspace, draft, run);
      if (existsSync(home)) renameSync(home, join(this.#folder, `${key}.old`));
      renameSync(draft, home);
      await removeTree(join(this.#folder, `${key}.old`));
    } catch (error) {
      await removeTree(draft);
      appendSafely(log, `\n${describeError(error)}\n`);
      throw error;
    }
  }

  async #bootstrap(workspace: Workspace, draft: string, options: PrepareOptions): Promise<void> {
    const root = join(draft, "rootfs");
    mkdirSync(root, { mode: 0o755 });
    const { command, args } = bootstrapOf(
      workspace.distro ?? "debian-bookworm",
      workspace.packages,
      root,
      this.#mirror,
    );
    const [first, ...rest] = contained([command, ...args]);
    const env = { PATH: process.env["PATH"], TMPDIR: process.env["TMPDIR"], ...proxies(), LC_ALL: "C.UTF-8" };
    const made = await tryTool(first, rest, { env, output: options.output, ...optionalSignal(options) });
    options.signal?.throwIfAborted();
    if (made.exitCode !== 0) throw buildFailed(workspace, reasonIn(made.stdout + made.stderr) || made.ending);
    // Mount points for the host's own, and nothing of the host's in the file system itself.
    const tidy =
      'cd "$1" && rm -rf dev/* etc/resolv.conf && : >etc/resolv.conf && printf "127.0.0.1 localhost\\n" >etc/hosts';
    const [shell, ...shellArgs] = contained(["/bin/sh", "-c", tidy, "sh", root]);
    await runTool(shell, shellArgs, { code: "workspace_build_failed" });
  }

  async #complete(
    workspace: Workspace,
    draft: string,
    options: PrepareOptions,
    { outside, inside }: Limiter = { outside: [], inside: [] },
  ): Promise<void> {
    const { initScript = "", ...base } = workspace;
    const root = join(draft, "rootfs");
    await copyTree(this.rootOf(base), root, optionalSignal(options));
    const script = join(draft, "init.sh");
    writeFileSync(script, initScript.endsWith("\n") ? initScript : `${initScript}\n`);
    const before = join(draft, "before.sh");
    writeFileSync(before, watching);
    const [target, beforeTarget] = ["/run/init.sh", "/run/before-init.sh"];
    const given = handOver(["/bin/bash", target], {
      ...containerEnvironment,
      ...workspace.environment,
      DEBIAN_FRONTEND: "noninteractive",
      BASH_ENV: beforeTarget,
    });
    const holding = contained([
      ...inside,
      ...sandbox({
        root,
        cwd: "/root",
        binds: [
          { source: script, target, writable: false },
          { source: before, target: beforeTarget, writable: false },
        ],
        network: "host",
        hostname: hostnameOf(workspace.name),
      }),
      ...given.argv,
    ]);
    const [command = "", ...args] = [...outside, ...holding];
    const env = { ...helperEnvironment(), ...given.env };
    options.output("Running the init script\n");
    const ran = await tryTool(command, args, { env, output: options.output, ...optionalSignal(options) });
    options.signal?.throwIfAborted();
    if (ran.exitCode === 0) return;
    const said = (ran.stdout + ran.stderr).trim().split("\n");
    const line = said.findLast((text) => text.startsWith(failedLine))?.slice(failedLine.length);
    const syntax = said.findLast((text) => text.includes(": syntax error"))?.slice(target.length + 2);
    const last = said.findLast((text) => !text.startsWith(failedLine)) ?? "";
    throw buildFailed(workspace, `the init script failed: ${syntax ?? line ?? ran.ending}${last ? `\n${last}` : ""}`);
  }
}

const failedLine = "open-agent: failed at ";

/**
 * What bash reads before a script so that the script stops at the first line that fails, and says which. While a script
 * ends, bash names the command that ended it once more, with another line.
 */
const watching = `unset BASH_ENV
set -eET
trap '[[ $BASH_COMMAND == "$open_agent_command" ]] || { open_agent_line=$LINENO; open_agent_command=$BASH_COMMAND; }' DEBUG
trap 'open_agent_failed="line $LINENO, exit code $?: $BASH_COMMAND"' ERR
trap 'open_agent_code=$?; trap - DEBUG; [ $open_agent_code = 0 ] ||
  echo "${failedLine}\${open_agent_failed:-line $open_agent_line, exit code $open_agent_code: $open_agent_command}" >&2' EXIT
`;

/** Names of packages stand on a command line. */
function checkPackages(packages: readonly string[]): void {
  const wrong = packages.find((name) => !/^[A-Za-z0-9][A-Za-z0-9+.:_-]*$/.test(name));
  if (wrong !== undefined) throw new OpenAgentError("invalid_input", `“${wrong}” is no name of a package.`);
}

/** Copies a folder that may hold files of users that only a root of the namespace can read. `to` must not be there. */
export async function copyTree(from: string, to: string, options: { signal?: AbortSignal } = {}): Promise<void> {
  const [command, ...args] = contained(["cp", "-a", "--reflink=auto", from, to]);
  await runTool(command, args, { code: "workspace_build_failed", ...options });
}

/** Deletes a folder that may hold files of users that only a root of the namespace can delete. */
export async function removeTree(path: string): Promise<void> {
  // Where no users are set aside for an ordinary user, all files are his own.
  if (!isRoot() && existsSync(path) && findTool("newuidmap") !== undefined) {
    const [command, ...args] = contained(["rm", "-rf", "--one-file-system", path]);
    await tryTool(command, args);
  }
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    throw new OpenAgentError("workspace_busy", `${path} could not be deleted: ${describeError(error)}`);
  }
}

function buildFailed(workspace: Workspace, reason: string): OpenAgentError {
  return new OpenAgentError("workspace_build_failed", `The workspace ${workspace.name} was not built: ${reason}`);
}

/** The lines of a bootstrap's output that say what went wrong, at most five. */
function reasonIn(said: string): string {
  const lines = said.split("\n").map((line) => line.trim());
  const wrong = lines.filter((line) => /^(E:|W: Failed|Err:)|No space left|cannot |Could not|Unable to/.test(line));
  return [...new Set(wrong.length > 0 ? wrong : lines.filter((line) => line !== "").slice(-3))].slice(0, 5).join("\n");
}

/** What names the way to the network; it is the host's configuration and no secret of a mission. */
function proxies(): NodeJS.ProcessEnv {
  const names = ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
  return Object.fromEntries(names.map((name) => [name, process.env[name]]));
}

function optionalSignal({ signal }: PrepareOptions): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

/** A log on a full disk is no further reason to fail. */
function appendSafely(path: string, text: string): boolean {
  try {
    appendFileSync(path, text);
    return true;
  } catch {
    return false;
  }
}

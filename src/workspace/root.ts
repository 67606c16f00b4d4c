import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sleep, waitUntil } from "../base/async.ts";
import { OpenAgentError, systemCode } from "../base/errors.ts";
import { privateFolder, readTextIfPresent, writePrivateFile } from "../base/files.ts";
import type { Workspace } from "../protocol/workspace.ts";
import { helperPath } from "./handover.ts";
import { identityOf, isSameProcess, readIdentity, withLock } from "./lock.ts";
import { contained, isRoot, userNamespace } from "./sandbox.ts";
import { copyTree, removeTree } from "./template.ts";
import { killGroup, needTool, runTool } from "./tools.ts";

/**
 * A workspace's own file system: a template's with its changes above, or a copy of it where the system mounts no
 * overlay. The mount exists in one place only, the mount namespace of a process that does nothing but hold it, since two
 * mounts of the same changes would spoil them. The holder outlives us, is on record, and ends with the folder.
 */
export class WorkspaceRoot {
  readonly #folder: string;
  readonly #template: string;
  readonly #mark: string;

  constructor(folder: string, template: string) {
    this.#folder = folder;
    this.#template = template;
    this.#mark = `open-agent:${createHash("sha256").update(folder).digest("hex").slice(0, 16)}`;
  }

  /** Where the file system is seen, in the holder's namespace. */
  get path(): string {
    return join(this.#folder, "root");
  }

  /** What of it is missing. */
  missing(): string | undefined {
    this.#recover();
    const needed = this.#isCopy ? [join(this.path, "usr")] : [join(this.#folder, "upper"), this.#template];
    const gone = needed.find((path) => !existsSync(path));
    return gone === undefined ? undefined : `${gone} is missing.`;
  }

  /** Makes it, without changes, unless it is there. */
  async create(): Promise<void> {
    if (existsSync(join(this.#folder, "upper")) || this.#isCopy) return;
    privateFolder(this.#folder);
    mkdirSync(join(this.#folder, "upper"), { mode: 0o755 });
    try {
      await this.holder();
    } catch {
      await this.#copy();
    }
  }

  /** Deletes it. */
  async destroy(): Promise<void> {
    await this.stop();
    await removeTree(this.#folder);
  }

  /** What is put before a command that shall see it. */
  async entering(): Promise<string[]> {
    const pid = String(await this.holder());
    const user = isRoot() ? [] : ["--user", "--preserve-credentials"];
    return [needTool("nsenter", "util-linux"), `--target=${pid}`, ...user, "--mount", "--"];
  }

  /** The process that holds the mount; it is started when there is none. */
  async holder(): Promise<number> {
    const known = readIdentity(this.#record);
    if (known && (await isSameProcess(known))) return known.pid;
    return withLock(`${this.#folder}.lock`, async () => {
      const other = readIdentity(this.#record);
      if (other && (await isSameProcess(other))) return other.pid;
      // Without this folder it was never mounted.
      if (existsSync(join(this.#folder, "work"))) await this.#endUsers();
      return this.#startHolder();
    });
  }

  async #startHolder(): Promise<number> {
    const gone = this.missing();
    if (gone !== undefined) throw new OpenAgentError("workspace_not_ready", `The file system is incomplete: ${gone}`);
    for (const name of ["work", "root"]) mkdirSync(join(this.#folder, name), { recursive: true, mode: 0o755 });
    const options = [`lowerdir=template`, "upperdir=upper", "workdir=work", ...(isRoot() ? [] : ["userxattr"])];
    // Short names, since a path may hold what separates options. A link would be followed at any time, a bind is not.
    const mount =
      'mkdir -p template && mount --bind "$1" template && mount -t overlay "$2" -o "$3" root && umount template';
    const script = `${this.#isCopy ? "true" : mount} && echo ready && while [ -d work ]; do sleep 30; done`;
    const child = spawn(
      needTool("unshare", "util-linux"),
      [
        ...userNamespace(),
        ...["--mount", "--propagation=slave", "/bin/sh", "-c", script],
        ...["open-agent-holder", this.#template, this.#mark, options.join(",")],
      ],
      {
        cwd: this.#folder,
        env: { PATH: helperPath },
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
      },
    );
    let [said, wrong, ended] = ["", "", false];
    child.stdout.on("data", (bytes: Buffer) => (said += bytes.toString()));
    child.stderr.on("data", (bytes: Buffer) => (wrong += bytes.toString()));
    child.on("close", () => (ended = true));
    child.on("error", (error) => ((ended = true), (wrong = error.message)));
    await waitUntil(() => ended || said.includes("ready"), 20_000, 1);
    const identity = child.pid === undefined || !said.includes("ready") ? undefined : await identityOf(child.pid);
    if (!identity) {
      killGroup(child.pid);
      throw new OpenAgentError("workspace_not_ready", `The file system could not be mounted: ${wrong.trim()}`);
    }
    child.stdout.destroy();
    child.stderr.destroy();
    child.unref();
    writePrivateFile(this.#record, JSON.stringify(identity));
    return identity.pid;
  }

  /** Ends the holder and all that uses the file system. */
  async stop(): Promise<void> {
    const holder = readIdentity(this.#record);
    if (holder && (await isSameProcess(holder))) killGroup(holder.pid);
    await this.#endUsers();
    rmSync(this.#record, { force: true });
  }

  /** Ends all processes that have the overlay, or the copy, in their mounts. */
  async #endUsers(): Promise<void> {
    for (let left = this.#users(), round = 0; left.length > 0; left = this.#users(), round++) {
      if (round === 200)
        throw new OpenAgentError("workspace_busy", `Processes that use the workspace do not end: ${left.join(", ")}`);
      for (const pid of left) tryKill(pid);
      await sleep(10);
    }
  }

  /** Who has it among its mounts, or is just about to. */
  #users(): number[] {
    const copy = this.#isCopy ? folderId(this.path) : undefined;
    const sees = (pid: string) =>
      copy === undefined
        ? procFile(pid, "mountinfo").includes(` - overlay ${this.#mark} `)
        : folderId(`/proc/${pid}/root`) === copy;
    const holder = readIdentity(this.#record)?.pid;
    const enters = (pid: string) =>
      holder !== undefined && procFile(pid, "cmdline").includes(`nsenter\0--target=${String(holder)}\0`);
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && (sees(name) || enters(name)))
      .map(Number);
  }

  /** Finishes an exchange of the changes that was cut off. The new ones were whole by then. */
  #recover(): void {
    const next = join(this.#folder, "next");
    if (existsSync(join(this.#folder, "old")) && existsSync(next) && !existsSync(this.#changes))
      renameSync(next, this.#changes);
  }

  async reset(): Promise<void> {
    await this.stop();
    if (this.#isCopy) {
      await removeTree(this.path);
      await this.#copy();
      return;
    }
    await this.#replaceUpper(undefined);
  }

  async snapshot(name: string): Promise<void> {
    await this.stop();
    const folder = join(privateFolder(join(this.#folder, "snapshots")), checkName(name));
    await removeTree(`${folder}~`);
    await copyTree(this.#changes, `${folder}~`);
    await removeTree(folder);
    renameSync(`${folder}~`, folder);
  }

  snapshots(): string[] {
    const folder = join(this.#folder, "snapshots");
    return existsSync(folder)
      ? readdirSync(folder)
          .filter((name) => !name.endsWith("~"))
          .sort()
      : [];
  }

  async forget(name: string): Promise<void> {
    await removeTree(join(this.#folder, "snapshots", checkName(name)));
  }

  /** Bytes of the changes and of what was kept of them. */
  async usage(): Promise<number> {
    const folders = [this.#changes, join(this.#folder, "snapshots")].filter((path) => existsSync(path));
    const [command, ...args] = contained(["du", "--summarize", "--bytes", "--one-file-system", ...folders]);
    const said = folders.length === 0 ? "" : await runTool(command, args);
    return said
      .split("\n")
      .map((line) => Number.parseInt(line, 10))
      .reduce((sum, bytes) => sum + (bytes || 0), 0);
  }

  async restore(name: string): Promise<void> {
    const kept = join(this.#folder, "snapshots", checkName(name));
    if (!existsSync(kept)) throw new OpenAgentError("invalid_input", `There is no snapshot ${name}.`);
    await this.stop();
    await this.#replaceUpper(kept);
  }

  /** Begins with the changes of another of the same template. */
  async fork(from: WorkspaceRoot): Promise<void> {
    if (existsSync(join(this.#folder, "upper")) || this.#isCopy)
      throw new OpenAgentError("invalid_input", "The workspace has a file system already.");
    await from.stop();
    privateFolder(this.#folder);
    if (from.#isCopy) writeFileSync(join(this.#folder, "copy"), "");
    await this.#replaceUpper(from.#changes);
  }

  /** Sets the changes, or for a copy all of it, to those of a folder. The old stay until the new are whole. */
  async #replaceUpper(from: string | undefined): Promise<void> {
    const [next, old] = [join(this.#folder, "next"), join(this.#folder, "old")];
    await removeTree(next);
    await removeTree(old);
    if (from === undefined) mkdirSync(next, { mode: 0o755 });
    else await copyTree(from, next);
    if (existsSync(this.#changes)) renameSync(this.#changes, old);
    renameSync(next, this.#changes);
    await removeTree(old);
    await removeTree(join(this.#folder, "work"));
    mkdirSync(join(this.#folder, "work"), { mode: 0o755 });
  }

  async #copy(): Promise<void> {
    await removeTree(join(this.#folder, "upper"));
    await removeTree(this.path);
    await copyTree(this.#template, this.path);
    writeFileSync(join(this.#folder, "copy"), "");
  }

  get #changes(): string {
    return this.#isCopy ? this.path : join(this.#folder, "upper");
  }

  get #isCopy(): boolean {
    return readTextIfPresent(join(this.#folder, "copy")) !== undefined;
  }

  get #record(): string {
    return join(this.#folder, "holder.json");
  }
}

function checkName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) return name;
  throw new OpenAgentError("invalid_input", `“${name}” is no name of a snapshot: letters, digits, “-”, “_” and “.”.`);
}

function procFile(pid: string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    // It has ended, or belongs to somebody else.
    return "";
  }
}

/** Tells a folder from all others, by whatever path it is reached. */
function folderId(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path);
    return `${String(dev)} ${String(ino)}`;
  } catch {
    return undefined;
  }
}

export function tryKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (systemCode(error) !== "ESRCH") throw error;
  }
}

/** The workspace's own folder below the containers'. */
export function rootFolder(containers: string, workspace: Pick<Workspace, "id">): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(workspace.id))
    throw new OpenAgentError("invalid_input", `“${workspace.id}” is no id of a workspace.`);
  return join(containers, "workspaces", workspace.id);
}

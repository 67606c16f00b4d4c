import { createReadStream, existsSync } from "node:fs";
import { resolve } from "node:path";
import { sleep } from "../base/async.ts";
import { OpenAgentError } from "../base/errors.ts";
import { followLog } from "../base/logFile.ts";
import type { Core } from "../orchestrator/index.ts";
import { backendKinds, distros, isContainer, type Workspace } from "../protocol/workspace.ts";
import { plainText } from "./terminal.ts";

export interface WorkspaceOptions {
  json: boolean;
  /** Folder in which missions work. */
  dir?: string | undefined;
  kind?: string | undefined;
  distro?: string | undefined;
  /** Names of packages, separated by commas. */
  packages?: string | undefined;
  network?: string | undefined;
  rebuild: boolean;
  discard: boolean;
}

/** Each verb, and what it takes besides the workspace's name: nothing, a name, or a command. */
const verbs = {
  create: undefined,
  build: undefined,
  exec: "a command: exec <name> -- <command>",
  snapshot: "a name for the snapshot",
  snapshots: undefined,
  restore: "the snapshot's name",
  reset: undefined,
  fork: "a name for the fork",
  secret: "the name of an environment variable",
  delete: undefined,
} as const;
type Verb = keyof typeof verbs;

function isVerb(word: string | undefined): word is Verb {
  return word !== undefined && Object.hasOwn(verbs, word);
}

/** Runs `workspace <verb> …`. Resolves with the exit code; 2 for a call that cannot be understood. */
export async function runWorkspaceCommand(
  core: Core,
  [verb, ...words]: readonly string[],
  options: WorkspaceOptions,
  misused: (problem: string) => number,
): Promise<number> {
  const [name, ...argv] = words;
  if (verb === "list") return name === undefined ? list(core, options.json) : misused(`“${name}” is too much.`);
  if (!isVerb(verb)) return misused(`workspace takes one of list, ${Object.keys(verbs).join(", ")}.`);
  if (name === undefined) return misused(`workspace ${verb} needs the workspace's name.`);
  const needed = verbs[verb];
  const surplus = verb === "exec" ? undefined : argv[needed === undefined ? 0 : 1];
  if (needed !== undefined && argv.length === 0) return misused(`workspace ${verb} needs ${needed}.`);
  if (surplus !== undefined) return misused(`“${surplus}” is one argument too many.`);
  return await run(core, verb, name, argv, options);
}

function list(core: Core, json: boolean): number {
  const { workspaces, problems } = core.workspaces();
  for (const workspace of workspaces)
    process.stdout.write(
      json
        ? `${JSON.stringify(workspace)}\n`
        : `${plainText(workspace.name).padEnd(24)}  ${workspace.kind.padEnd(8)}  ${workspace.status.padEnd(8)}  ${workspace.directory}\n`,
    );
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  return problems.length === 0 ? 0 : 1;
}

async function run(
  core: Core,
  verb: Verb,
  name: string,
  argv: readonly string[],
  options: WorkspaceOptions,
): Promise<number> {
  const [other = ""] = argv;
  const id = () => workspaceNamed(core, name).id;
  switch (verb) {
    case "create": {
      const workspace = await create(core, name, options);
      process.stdout.write(options.json ? `${JSON.stringify(workspace)}\n` : `${workspace.id}\n`);
      return isContainer(workspace.kind) ? await build(core, workspace, false) : 0;
    }
    case "build":
      return await build(core, workspaceNamed(core, name), options.rebuild);
    case "exec":
      return await exec(core, workspaceNamed(core, name), argv);
    case "snapshot":
      await core.run("snapshotWorkspace", { workspaceId: id(), name: other });
      return 0;
    case "snapshots":
      for (const kept of await core.run("workspaceSnapshots", { workspaceId: id() })) process.stdout.write(`${kept}\n`);
      return 0;
    case "restore":
      await core.run("restoreWorkspace", { workspaceId: id(), name: other });
      return 0;
    case "reset":
      await core.run("resetWorkspace", { workspaceId: id() });
      return 0;
    case "fork":
      process.stdout.write(`${(await core.run("forkWorkspace", { workspaceId: id(), name: other })).id}\n`);
      return 0;
    case "secret": {
      const value = process.stdin.isTTY ? undefined : (await readAll()).replace(/\r?\n$/, "");
      if (value === undefined)
        throw new OpenAgentError("invalid_input", "The secret comes from standard input; an empty one deletes it.");
      await core.run("setWorkspaceSecret", { workspaceId: id(), name: other, ...(value !== "" && { value }) });
      return 0;
    }
    case "delete":
      await core.run("deleteWorkspace", { workspaceId: id(), discard: options.discard });
      return 0;
  }
}

/** The workspace of this name or id, which may be cut short. */
export function workspaceNamed(core: Core, name: string): Workspace {
  const { workspaces } = core.workspaces();
  const [exact] = workspaces.filter((one) => one.name === name || one.id === name);
  const [first, second] = workspaces.filter(({ id }) => id.startsWith(name));
  if (exact) return exact;
  if (first && !second) return first;
  const problem = first ? `More than one workspace's id begins with ${name}.` : `There is no workspace “${name}”.`;
  throw new OpenAgentError("workspace_not_found", `${problem} \`workspace list\` shows them.`);
}

async function create(core: Core, name: string, options: WorkspaceOptions): Promise<Workspace> {
  if (options.kind === "worktree")
    return (await core.run("createWorktree", { folder: resolve(options.dir ?? "."), name })).workspace;
  const kind = backendKinds.find((one) => one === options.kind) ?? (await usualKind(core, options.kind));
  const distro = distros.find((one) => one === options.distro);
  if (options.distro !== undefined && !distro)
    throw new OpenAgentError("invalid_input", `--distro is one of ${distros.join(", ")}.`);
  const { network = "private" } = options;
  if (network !== "private" && network !== "host")
    throw new OpenAgentError("invalid_input", "--network is private or host.");
  return core.run("createWorkspace", {
    name,
    kind,
    ...(options.dir !== undefined && { directory: resolve(options.dir) }),
    ...(distro && { distro }),
    ...(options.packages !== undefined && { packages: options.packages.split(",").filter((one) => one !== "") }),
    ...(isContainer(kind) && { network }),
  });
}

/** The first kind of container that this machine offers. */
async function usualKind(core: Core, asked: string | undefined): Promise<Workspace["kind"]> {
  if (asked !== undefined) throw new OpenAgentError("invalid_input", `--kind is one of ${backendKinds.join(", ")}.`);
  const probes = (await core.run("probeWorkspaces", {})).filter(({ kind }) => isContainer(kind));
  const usable = probes.find(({ available }) => available);
  if (usable) return usable.kind;
  const reasons = probes.map(({ kind, reason = "", remedy = "" }) => `${kind}: ${reason} ${remedy}`);
  throw new OpenAgentError("workspace_unavailable", `No container can be made here. ${reasons.join(" ")}`);
}

/** Builds it and prints the log as it grows. */
async function build(core: Core, { id }: Workspace, rebuild: boolean): Promise<number> {
  await core.run("buildWorkspace", { workspaceId: id, rebuild });
  const path = core.buildLogPath(id);
  const log = followLog(path, (line) => void process.stderr.write(`${plainText(line)}\n`), {
    fromStart: true,
    everyMs: 100,
  });
  try {
    for (;;) {
      const workspace = core.workspaces().workspaces.find((one) => one.id === id);
      if (workspace?.status === "ready") return 0;
      if (workspace?.status !== "building") {
        if (existsSync(path)) log.readNow();
        process.stderr.write(`${workspace?.error ?? "The workspace was deleted."}\n`);
        return 1;
      }
      await sleep(100);
    }
  } finally {
    log.dispose();
  }
}

async function exec(core: Core, { id }: Workspace, argv: readonly string[]): Promise<number> {
  const stdin = process.stdin.isTTY ? undefined : await readAll();
  const result = await core.run("execInWorkspace", {
    workspaceId: id,
    argv: [...argv],
    ...(stdin !== undefined && stdin !== "" && { stdin }),
  });
  process.stdout.write(result.stdout);
  process.stderr.write(result.stderr);
  return result.exitCode ?? 1;
}

async function readAll(): Promise<string> {
  let text = "";
  for await (const chunk of createReadStream("", { fd: 0, encoding: "utf8", autoClose: false })) text += String(chunk);
  return text;
}

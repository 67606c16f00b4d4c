/** Composition root without VS Code: the same core behind a small command line and Open Agent's HTTP API. */
import { once } from "node:events";
import { existsSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { checkFolder } from "./api/checks.ts";
import { serveApi } from "./api/server.ts";
import { iso, searchHitJson, storedEventJson } from "./api/shapes.ts";
import { describeError, OpenAgentError, systemCode } from "./base/errors.ts";
import type { Logger } from "./base/log.ts";
import { explain } from "./cli/hints.ts";
import { runLibraryCommand } from "./cli/library.ts";
import { reportText } from "./cli/report.ts";
import { runMission, type RunOptions } from "./cli/run.ts";
import { plainText } from "./cli/terminal.ts";
import { runWorkspaceCommand, workspaceNamed } from "./cli/workspaces.ts";
import {
  containersIn,
  Core,
  dataPaths,
  exportMission,
  fileSecrets,
  nativeBindingIn,
  withLibraryKey,
  type DataPaths,
} from "./orchestrator/index.ts";
import type { EventType } from "./protocol/event.ts";
import { worktreeName } from "./protocol/workspace.ts";

/** Put in by the build. */
declare const OPEN_AGENT_VERSION: string;
const version = OPEN_AGENT_VERSION;

const usage = `Open Agent ${version}, headless

  run "<prompt>" [--dir D] [--workspace W | --worktree] [--agent A] [--model provider/model] [--json] [--allow-all]
        Runs a mission to the end of its turn. Exit code 0 when it ended well, else 1. It works in the folder, in a
        workspace, or in a git worktree of its own.
  resume <id> [--clean-workspace] [--json] [--allow-all]
        Lets a mission go on, to the end of its turn. The id may be cut short. With --clean-workspace all that is not
        committed in its folder is put into a git stash before.
  list [--archived] [--json]
        Shows the missions, newest first.
  events <id> [--types a,b]
        Prints a mission's stored events as JSON lines. An id may be cut short, here and below.
  search "<words>" [--json]
        Shows where all of the words occur, newest first; a phrase goes into double quotes.
  export <id> [--json]
        Prints a mission as Markdown, or as JSON with all that is stored, which can be imported again.
  import <file>
        Takes in the missions of an original Open Agent's missions*.db, which is only read, or an exported mission.
  pin <id>, unpin <id>
        Puts a mission before all others, or lets it go.
  workspace list [--json]
  workspace create <name> [--kind K] [--dir D] [--distro X] [--packages a,b] [--network private|host]
        Makes a workspace for missions and builds it: a container (bwrap, podman, docker or nspawn; the first that can be
        used here by default), a git worktree, or a folder of the host.
  workspace build <name> [--rebuild]
  workspace exec <name> -- <command>
        Runs a command in it, with its input, outputs and exit code.
  workspace snapshot <name> <snapshot>, snapshots <name>, restore <name> <snapshot>, reset <name>
        Keeps what is installed or changed in a container's file system, lists what was kept, goes back to it, or to what
        was built.
  workspace fork <name> <new name>
        Makes another container that begins as this one is.
  workspace secret <name> <VARIABLE>
        Sets a secret environment variable of whatever runs in it, from standard input; empty input deletes it.
  workspace delete <name> [--discard]
        Deletes it; its folder stays, but for a worktree. With --discard also what is nowhere else.
  library status|sync|push [--dir D] [--json]
  library commit "<message>" [--dir D] [--json]
        Shows how the Library's git repository and its remote stand, takes over what is new there, pushes, or commits all
        that has changed. The Library is the folder, else \`library\` in the data folder.
  library lint [--dir D] [--json]
        Shows what in the Library cannot be used. Exit code 1 when there is something.
  serve [--port N] [--dir D]
        Serves Open Agent's HTTP API on loopback. The bearer token is in the data folder.

  --data-dir D   Data folder (default: OPEN_AGENT_DATA_DIR, else ~/.openagent)
  --opencode P   OpenCode executable (default: the one on PATH)
  --url U        A running OpenCode server to use; its password is taken from OPENCODE_SERVER_PASSWORD
  --verbose      Logs to standard error

The environment variable PRIVATE_KEY is the key of the Library's encrypted values.
`;

const { values, positionals } = parseOptions();

function parseOptions() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        dir: { type: "string" },
        agent: { type: "string" },
        model: { type: "string" },
        json: { type: "boolean", default: false },
        "allow-all": { type: "boolean", default: false },
        "clean-workspace": { type: "boolean", default: false },
        archived: { type: "boolean", default: false },
        workspace: { type: "string" },
        worktree: { type: "boolean", default: false },
        kind: { type: "string" },
        distro: { type: "string" },
        packages: { type: "string" },
        network: { type: "string" },
        rebuild: { type: "boolean", default: false },
        discard: { type: "boolean", default: false },
        types: { type: "string" },
        port: { type: "string", default: "0" },
        "data-dir": { type: "string" },
        opencode: { type: "string" },
        url: { type: "string" },
        verbose: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    // Node names the option, and what is wrong with it.
    process.stderr.write(`${describeError(error)}\n\n${usage}`);
    return process.exit(2);
  }
}

/** What each command must be given, and how the user finds it; undefined for one that is given nothing. */
const commands = {
  run: "run needs a prompt.",
  resume: "resume needs a mission's id; `list` shows them.",
  list: undefined,
  events: "events needs a mission's id; `list` shows them.",
  search: "search needs words to look for.",
  export: "export needs a mission's id; `list` shows them.",
  import: "import needs a file.",
  pin: "pin needs a mission's id; `list` shows them.",
  unpin: "unpin needs a mission's id; `list --json` shows them.",
  workspace: "workspace needs what to do: list, create, build, exec or delete.",
  library: "library needs what to do: status, sync, commit, push or lint.",
  serve: undefined,
} as const;
type Command = keyof typeof commands;

/** Who only reads shall not become the one who runs the missions. */
const readers: readonly Command[] = ["list", "events", "search", "export"];
/** What is written as several words is one argument in quotes. */
const quotes: Partial<Record<Command, string>> = {
  run: " Put the prompt in quotes.",
  search: " Put the words in quotes.",
};

/** The key of the Library's encrypted values, which nothing that this process starts shall see. */
const libraryKey = process.env["PRIVATE_KEY"];
delete process.env["PRIVATE_KEY"];

function paths(): DataPaths {
  return dataPaths(values["data-dir"] && resolve(values["data-dir"]), process.env, false);
}

/** Where this program lies, and what belongs to it. */
const program = dirname(realpathSync(process.argv[1] ?? "."));

function openCore(command: Command): Core {
  return new Core({
    paths: paths(),
    nativeBinding: nativeBindingIn(join(program, "native")),
    guard: join(program, "guard.js"),
    build: version,
    environment: process.env,
    containers: containersIn(process.env),
    packageFolders: [program],
    ...findRipgrep(program),
    settings: () => ({ executable: values.opencode && resolve(values.opencode), attachedUrl: values.url }),
    attachedPassword: () => Promise.resolve(process.env["OPENCODE_SERVER_PASSWORD"]),
    secrets: withLibraryKey(fileSecrets(paths().secrets), libraryKey),
    log: values.verbose ? stderrLogger : quietLogger,
    mayAct: () => !readers.includes(command),
  });
}

/** The ripgrep among the development packages; one that is installed is found on PATH. */
function findRipgrep(program: string): { ripgrepFolder?: string } {
  const name = process.platform === "win32" ? "rg.exe" : "rg";
  const path = join("node_modules", "@vscode", `ripgrep-${process.platform}-${process.arch}`, "bin");
  for (let at = program; ; at = dirname(at)) {
    const ripgrepFolder = join(at, path);
    if (existsSync(join(ripgrepFolder, name))) return { ripgrepFolder };
    if (dirname(at) === at) return {};
  }
}

const say = (level: string) => (message: string) => void process.stderr.write(`[${level}] ${message}\n`);
const stderrLogger: Logger = { debug: say("debug"), info: say("info"), warn: say("warning"), error: say("error") };
const quietLogger: Logger = { ...stderrLogger, debug: () => undefined, info: () => undefined, warn: () => undefined };

async function main(): Promise<number> {
  const [name, argument, ...rest] = positionals;
  if (values.help || name === undefined) {
    process.stdout.write(usage);
    return values.help ? 0 : 2;
  }
  if (!isCommand(name)) return misused(`There is no command “${name}”.`);
  const needed = commands[name];
  if (needed !== undefined && argument === undefined) return misused(needed);
  const odd = needed === undefined ? argument : ["workspace", "library"].includes(name) ? undefined : rest[0];
  if (odd !== undefined) return misused(`“${odd}” is one argument too many.${quotes[name] ?? ""}`);
  // It needs no missions, and no OpenCode.
  if (name === "library")
    return runLibraryCommand(resolve(values.dir ?? paths().library), positionals.slice(1), values, misused);
  const core = openCore(name);
  try {
    switch (name) {
      case "run":
        return await run(core, {
          kind: "new",
          text: argument ?? "",
          ...(await place(core, argument ?? "")),
          ...(values.agent !== undefined && { agent: values.agent }),
          ...(values.model !== undefined && { model: values.model }),
        });
      case "resume": {
        const missionId = named(core, argument ?? "");
        return await run(core, { kind: "resumed", missionId, cleanWorkspace: values["clean-workspace"] });
      }
      case "list":
        return list(core);
      case "events":
        return events(core, argument ?? "");
      case "search":
        return search(core, argument ?? "");
      case "export":
        return await exportTo(core, argument ?? "");
      case "import":
        return await importFrom(core, argument ?? "");
      case "pin":
      case "unpin":
        await core.run("pinMission", { missionId: named(core, argument ?? ""), pinned: name === "pin" });
        return 0;
      case "workspace":
        return await runWorkspaceCommand(core, positionals.slice(1), values, misused);
      case "serve":
        return await serve(core);
    }
  } finally {
    await core.dispose();
  }
}

function isCommand(name: string): name is Command {
  return Object.hasOwn(commands, name);
}

function misused(problem: string): number {
  process.stderr.write(`${problem}\n\n${usage}`);
  return 2;
}

/** Where a new mission works. */
async function place(core: Core, text: string): Promise<{ directory: string; workspaceId?: string }> {
  const folder = resolve(values.dir ?? ".");
  if (values.workspace === undefined && !values.worktree) return { directory: folder };
  if (values.workspace !== undefined && values.worktree)
    throw new OpenAgentError("invalid_input", "Give --workspace or --worktree, not both.");
  if (values.workspace !== undefined) {
    const { id, directory } = workspaceNamed(core, values.workspace);
    return { directory, workspaceId: id };
  }
  const made = await core.run("createWorktree", { folder, name: worktreeName(text) });
  return { directory: made.folder, workspaceId: made.workspace.id };
}

function run(core: Core, begin: RunOptions["begin"]): Promise<number> {
  return runMission({
    core,
    begin,
    json: values.json,
    allowAll: values["allow-all"],
    attached: values.url !== undefined,
  });
}

function list(core: Core): number {
  for (const head of core.store.list({ archived: values.archived, limit: 1000 })) {
    if (values.json) process.stdout.write(`${JSON.stringify(head)}\n`);
    else
      process.stdout.write(
        `${head.id.slice(0, 8)}  ${iso(head.updatedAt)}  ${head.status.padEnd(12)}  ${plainText(head.title)}\n`,
      );
  }
  return 0;
}

/** The mission whose id begins like this. */
function named(core: Core, prefix: string): string {
  const [missionId, another] = prefix === "" ? [] : core.store.findByPrefix(prefix);
  if (missionId === undefined) throw new OpenAgentError("mission_not_found", `There is no mission “${prefix}”.`);
  if (another !== undefined)
    throw new OpenAgentError("invalid_input", `More than one mission's id begins with ${prefix}. Give more of it.`);
  return missionId;
}

function events(core: Core, prefix: string): number {
  const missionId = named(core, prefix);
  const types = (values.types ?? "").split(",").filter((type) => type !== "") as EventType[];
  for (const event of core.store.events(missionId, { types }))
    process.stdout.write(`${JSON.stringify(storedEventJson(event))}\n`);
  return 0;
}

/** Like grep: 0 when something was found, else 1. */
function search(core: Core, text: string): number {
  const hits = core.store.search({ text, limit: 100 });
  for (const hit of hits) {
    if (values.json) process.stdout.write(`${JSON.stringify(searchHitJson(hit))}\n`);
    else
      process.stdout.write(
        `${hit.missionId.slice(0, 8)}  ${iso(hit.time)}  ${plainText(hit.title)}\n          ${plainText(hit.snippet.text)}\n`,
      );
  }
  return hits.length > 0 ? 0 : 1;
}

async function exportTo(core: Core, prefix: string): Promise<number> {
  for await (const piece of exportMission(core.store, named(core, prefix), values.json ? "json" : "markdown"))
    if (!process.stdout.write(piece)) await once(process.stdout, "drain");
  return 0;
}

async function importFrom(core: Core, file: string): Promise<number> {
  const report = await core.run("importMissions", { path: resolve(file) });
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : plainText(reportText(report)));
  return 0;
}

async function serve(core: Core): Promise<number> {
  const port = /^\d{1,5}$/.test(values.port) ? Number(values.port) : NaN;
  if (!(port <= 65_535))
    throw new OpenAgentError("invalid_input", `“${values.port}” is no port. Give a number up to 65535, or 0 for any.`);
  const directory = resolve(values.dir ?? ".");
  const attached = values.url !== undefined;
  if (!attached) checkFolder(directory);
  const jpegProgram = join(program, "jpeg.cjs");
  const api = await serveApi({ core, version, port, directory, attached, jpegProgram });
  process.stdout.write(`Open Agent listens on ${api.url}\nBearer token: ${core.paths.apiToken}\n`);
  await new Promise<void>((stop) => {
    process.once("SIGINT", () => stop());
    process.once("SIGTERM", () => stop());
  });
  await api.close();
  return 0;
}

process.stdout.on("error", (error) => {
  // Whoever read this has gone; the mission goes on.
  process.exit(systemCode(error) === "EPIPE" ? 1 : 2);
});

main().then(
  (code) => exit(code),
  (error: unknown) => {
    process.stderr.write(`${explain(error)}\n`);
    exit(1);
  },
);

/** Not before all is written: a pipe may be slower than we are. */
function exit(code: number): void {
  process.stdout.write("", () => process.exit(code));
}

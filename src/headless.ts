/** Composition root without VS Code: the same core behind a small command line and Open Agent's HTTP API. */
import { realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { serveApi } from "./api/server.ts";
import { iso, storedEventJson } from "./api/shapes.ts";
import { describeError, OpenAgentError } from "./base/errors.ts";
import type { Logger } from "./base/log.ts";
import { runMission } from "./cli/run.ts";
import { Core, dataPaths, nativeBindingIn } from "./orchestrator/index.ts";
import type { EventType } from "./protocol/event.ts";

/** Put in by the build. */
declare const OPEN_AGENT_VERSION: string;
const version = OPEN_AGENT_VERSION;

const usage = `Open Agent ${version}, headless

  run "<prompt>" [--dir D] [--agent A] [--model provider/model] [--json] [--allow-all]
        Runs a mission to the end of its turn. Exit code 0 when it ended well, else 1.
  list [--archived] [--json]
        Shows the missions, newest first.
  events <id> [--types a,b]
        Prints a mission's stored events as JSON lines. The id may be cut short.
  serve [--port N] [--dir D]
        Serves Open Agent's HTTP API on loopback. The bearer token is in the data folder.

  --data-dir D   Data folder (default: OPEN_AGENT_DATA_DIR, else ~/.openagent)
  --opencode P   OpenCode executable (default: the one on PATH)
  --url U        A running OpenCode server to use; its password is taken from OPENCODE_SERVER_PASSWORD
  --verbose      Logs to standard error
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dir: { type: "string" },
    agent: { type: "string" },
    model: { type: "string" },
    json: { type: "boolean", default: false },
    "allow-all": { type: "boolean", default: false },
    archived: { type: "boolean", default: false },
    types: { type: "string" },
    port: { type: "string", default: "0" },
    "data-dir": { type: "string" },
    opencode: { type: "string" },
    url: { type: "string" },
    verbose: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function openCore(): Core {
  const program = dirname(realpathSync(process.argv[1] ?? "."));
  return new Core({
    paths: dataPaths(values["data-dir"] && resolve(values["data-dir"]), process.env, false),
    nativeBinding: nativeBindingIn(join(program, "native")),
    guard: join(program, "guard.js"),
    build: version,
    environment: process.env,
    packageFolders: [program],
    settings: () => ({ executable: values.opencode && resolve(values.opencode), attachedUrl: values.url }),
    attachedPassword: () => Promise.resolve(process.env["OPENCODE_SERVER_PASSWORD"]),
    log: values.verbose ? stderrLogger : quietLogger,
    mayAct: () => true,
  });
}

const say = (level: string) => (message: string) => void process.stderr.write(`[${level}] ${message}\n`);
const stderrLogger: Logger = { debug: say("debug"), info: say("info"), warn: say("warning"), error: say("error") };
const quietLogger: Logger = { ...stderrLogger, debug: () => undefined, info: () => undefined, warn: () => undefined };

async function main(): Promise<number> {
  const [command, argument] = positionals;
  if (values.help || command === undefined) {
    process.stdout.write(usage);
    return values.help ? 0 : 2;
  }
  const core = openCore();
  try {
    switch (command) {
      case "run":
        return await run(core, argument);
      case "list":
        return list(core);
      case "events":
        return events(core, argument);
      case "serve":
        return await serve(core);
      default:
        throw new OpenAgentError("invalid_input", `There is no command “${command}”.\n\n${usage}`);
    }
  } finally {
    await core.dispose();
  }
}

function run(core: Core, text: string | undefined): Promise<number> {
  if (text === undefined) throw new OpenAgentError("invalid_input", "run needs a prompt.");
  return runMission({
    core,
    text,
    directory: resolve(values.dir ?? "."),
    ...(values.agent !== undefined && { agent: values.agent }),
    ...(values.model !== undefined && { model: values.model }),
    json: values.json,
    allowAll: values["allow-all"],
  });
}

function list(core: Core): number {
  for (const head of core.store.list({ archived: values.archived, limit: 1000 })) {
    if (values.json) process.stdout.write(`${JSON.stringify(head)}\n`);
    else
      process.stdout.write(
        `${head.id.slice(0, 8)}  ${iso(head.updatedAt)}  ${head.status.padEnd(12)}  ${head.title}\n`,
      );
  }
  return 0;
}

function events(core: Core, prefix: string | undefined): number {
  if (prefix === undefined) throw new OpenAgentError("invalid_input", "events needs a mission's id.");
  const [missionId, another] = core.store.findByPrefix(prefix);
  if (missionId === undefined) throw new OpenAgentError("mission_not_found", `There is no mission ${prefix}.`);
  if (another !== undefined)
    throw new OpenAgentError("invalid_input", `More than one mission's id begins with ${prefix}.`);
  const types = (values.types ?? "").split(",").filter((type) => type !== "") as EventType[];
  for (const event of core.store.events(missionId, { types }))
    process.stdout.write(`${JSON.stringify(storedEventJson(event))}\n`);
  return 0;
}

async function serve(core: Core): Promise<number> {
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new OpenAgentError("invalid_input", `“${values.port}” is no port.`);
  const api = await serveApi({ core, version, port, directory: resolve(values.dir ?? ".") });
  process.stdout.write(`Open Agent listens on ${api.url}\nBearer token: ${core.paths.apiToken}\n`);
  await new Promise<void>((stop) => {
    process.once("SIGINT", () => stop());
    process.once("SIGTERM", () => stop());
  });
  await api.close();
  return 0;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${describeError(error)}\n`);
    process.exit(1);
  },
);

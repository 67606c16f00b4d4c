import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { OpenAgentError } from "../base/errors.ts";
import { fields, list, optionalText, text, type Fields } from "../base/fields.ts";
import { readJsonc } from "../base/jsonc.ts";
import { variableName } from "../protocol/workspace.ts";
import type { PrepareOptions } from "./backend.ts";
import type { EngineClient } from "./engineClient.ts";
import { findTool, tryTool } from "./tools.ts";

/** The files that describe the dev containers of a folder. */
export function findDevContainers(folder: string): string[] {
  const below = join(folder, ".devcontainer");
  const named = existsSync(below) ? readdirSync(below).sort() : [];
  const files = [join(below, "devcontainer.json"), join(folder, ".devcontainer.json")];
  return [...files, ...named.map((name) => join(below, name, "devcontainer.json"))].filter((path) => existsSync(path));
}

/** A dev container that is to be made, for a folder that has the same path inside. */
export interface DevContainer {
  file: string;
  folder: string;
}

/** What a dev container is to be. */
export interface Wishes {
  /** The file's. */
  config: Fields;
  /** What its image says of itself, with most of what the file does; later entries win. */
  metadata: readonly Fields[];
}

/** Makes the image that a file describes, with the Dev Containers CLI; without that only an image that is named can be used. */
export async function buildImage(
  client: EngineClient,
  { file, folder }: DevContainer,
  image: string,
  options: PrepareOptions,
): Promise<Wishes> {
  const config = fields(readJsonc(file));
  if (config["dockerComposeFile"] !== undefined)
    throw failed(`${file} is for Docker Compose. A workspace is one container: name an image or a Dockerfile.`);
  const cli = findTool("devcontainer");
  if (cli !== undefined) {
    await runCli(client, cli, { file, folder }, image, options);
    return { config, metadata: await metadataOf(client, image) };
  }
  const named = optionalText(config["image"]);
  if (named === undefined || Object.keys(fields(config["features"])).length > 0)
    throw failed(
      `${file} can only be built by the Dev Containers CLI, which was not found. Install it with “npm install -g @devcontainers/cli”.`,
    );
  const base = substituted(named, { folder, container: {} });
  const tool = { output: options.output, code: "workspace_build_failed", ...signalOf(options) } as const;
  if ((await client.try(["image", "inspect", base])) === undefined) await client.run([], ["pull", base], tool);
  await client.run([], ["tag", base, image], tool);
  return { config, metadata: [...(await metadataOf(client, image)), config] };
}

async function runCli(
  client: EngineClient,
  cli: string,
  { file, folder }: DevContainer,
  image: string,
  options: PrepareOptions,
): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), "open-agent-dev-"));
  try {
    const { global } = await client.flags();
    const engine = join(scratch, "engine");
    writeFileSync(engine, `#!/bin/sh\nexec ${[client.path(), ...global].map(quoted).join(" ")} "$@"\n`, {
      mode: 0o700,
    });
    const place = ["--workspace-folder", folder, "--config", file];
    const args = [
      "build",
      ...place,
      "--image-name",
      image,
      "--docker-path",
      global.length > 0 ? engine : client.path(),
    ];
    const built = await tryTool(cli, args, { env: client.environment(), output: options.output, ...signalOf(options) });
    options.signal?.throwIfAborted();
    if (built.exitCode !== 0)
      throw failed(`${file} could not be built: ${reasonIn(built.stdout + built.stderr) ?? built.ending}`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** What the engine said last. The CLI's own words, a line of JSON, say only that something failed. */
function reasonIn(said: string): string | undefined {
  const lines = said.split("\n").map((line) => line.replace(/^\[[^\]]*\] /, "").trim());
  const own = lines.find((line) => line.startsWith('{"outcome":"error"'));
  const last = lines.findLast((line) => /^error\b/i.test(line)) ?? own?.match(/"description":"([^"]*)"/)?.[1];
  return last?.replace(/^error:? */i, "");
}

async function metadataOf(client: EngineClient, image: string): Promise<Fields[]> {
  const said = fields(list(JSON.parse((await client.try(["image", "inspect", image])) ?? "[]"))[0]);
  const label = text(fields(fields(said["Config"])["Labels"])["devcontainer.metadata"], "[]");
  const value: unknown = JSON.parse(label);
  return (Array.isArray(value) ? value : [value]).map(fields);
}

/** What is left to do for an image. */
export interface Completion {
  environment: Record<string, string>;
  /** What is run once, in the folder. */
  commands: string[][];
  /** What is asked for that a workspace does not have, as sentences. */
  left: string[];
}

/** How an image becomes a dev container, by what it says of itself. `environment`: the image's own. */
export function completionOf(
  { config, metadata }: Wishes,
  environment: Readonly<Record<string, string>>,
  folder: string,
): Completion {
  const added = (key: string, container: Readonly<Record<string, string>>) =>
    Object.fromEntries(
      metadata
        .flatMap((entry) => Object.entries(fields(entry[key])))
        .flatMap(([name, value]) =>
          typeof value === "string" ? [[name, substituted(value, { folder, container })]] : [],
        ),
    ) as Record<string, string>;
  const ofContainer = added("containerEnv", environment);
  const all = { ...environment, ...ofContainer };
  const wished = { ...ofContainer, ...added("remoteEnv", all) };
  const commands = ["onCreateCommand", "updateContentCommand", "postCreateCommand"]
    .flatMap((key) => metadata.flatMap((entry) => commandsIn(entry[key])))
    .map((words) => words.map((word) => substituted(word, { folder, container: all })));
  // Engines read them from a file, a line for each.
  const isLine = ([name, value]: [string, string]) => variableName.test(name) && !/[\r\n]/.test(value);
  const [taken, not] = [Object.entries(wished).filter(isLine), Object.entries(wished).filter((one) => !isLine(one))];
  return {
    environment: Object.fromEntries(taken),
    commands,
    left: [
      ...leftOut([...metadata, config]),
      ...not.map(
        ([name]) => `A workspace does without ${name}: a variable is a name of letters and a value of one line.`,
      ),
    ],
  };
}

const notTaken = [
  ...["mounts", "workspaceMount", "runArgs", "privileged", "capAdd", "securityOpt", "entrypoint"],
  ...["initializeCommand", "postStartCommand", "postAttachCommand"],
];

function leftOut(metadata: readonly Fields[]): string[] {
  const isAsked = (value: unknown) =>
    Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null && value !== false;
  const names = notTaken.filter((name) => metadata.some((entry) => isAsked(entry[name])));
  const users = metadata.map((entry) => optionalText(entry["remoteUser"]) ?? optionalText(entry["containerUser"]));
  const user = users.findLast((one) => one !== undefined);
  return [
    ...(names.length > 0 ? [`A workspace does without ${names.join(", ")}.`] : []),
    ...(user !== undefined && user !== "root" ? [`Everything runs as root, not as ${user}.`] : []),
  ];
}

/** A command is a line for the shell, a list of words, or several of these by names. */
function commandsIn(value: unknown): string[][] {
  if (typeof value === "string") return value.trim() === "" ? [] : [["/bin/sh", "-c", value]];
  if (Array.isArray(value)) return value.length === 0 ? [] : [value.map(String)];
  return Object.values(fields(value)).flatMap(commandsIn);
}

/** A text with the values of the variables that dev containers know; of others it stays as it is. */
function substituted(
  value: string,
  { folder, container }: { folder: string; container: Readonly<Record<string, string>> },
): string {
  const known: Readonly<Record<string, string>> = {
    localWorkspaceFolder: folder,
    containerWorkspaceFolder: folder,
    localWorkspaceFolderBasename: basename(folder),
    containerWorkspaceFolderBasename: basename(folder),
    devcontainerId: createHash("sha256").update(folder).digest("hex").slice(0, 52),
  };
  return value.replaceAll(
    /\$\{(?:(localEnv|containerEnv):([^:}]+)(?::([^}]*))?|(\w+))\}/g,
    (whole, from, name, otherwise, plain) => {
      if (from === undefined) return known[String(plain)] ?? whole;
      const values: Readonly<Record<string, string | undefined>> = from === "localEnv" ? process.env : container;
      return values[String(name)] ?? (otherwise === undefined ? "" : String(otherwise));
    },
  );
}

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

function failed(message: string): OpenAgentError {
  return new OpenAgentError("workspace_build_failed", message);
}

function signalOf({ signal }: PrepareOptions): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

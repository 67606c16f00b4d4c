import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { readTextIfPresent, privateFolder } from "../base/files.ts";
import { fields } from "../base/fields.ts";
import { readJsonc } from "../base/jsonc.ts";
import type { Logger } from "../base/log.ts";
import type { Part } from "../protocol/configuration.ts";

export interface HomeOptions {
  /** Folder for all that belongs to our OpenCode server. */
  folder: string;
  /** The environment that the user's own tools see. */
  environment: NodeJS.ProcessEnv;
  /** What stands in its place where the server runs inside of a container. */
  inside?: NodeJS.ProcessEnv;
  /** The guard plugin's file (`guard.ts`, or what is built of it). */
  guard: string;
  /** Folder with a `rg`, used where PATH has none. */
  ripgrepFolder?: string;
  /** Variables that the agent's shell may see although their names look like secrets. */
  passEnvironment: readonly string[];
  /** Providers that the user defined in Open Agent: the `provider` object of an OpenCode configuration. */
  providers: Record<string, unknown>;
  /** Names of OpenCode's tools that no agent may use. */
  deny?: readonly string[];
  /** Folder that OpenCode reads besides the user's own configuration. */
  configuration?: string;
  /** Version of the OpenCode that will run. */
  version: string;
  log: Logger;
}

/**
 * Prepares what an OpenCode server of ours runs with, and returns its environment.
 *
 * OpenCode writes into its global configuration folder at every start: a `.gitignore`, and by a background npm install
 * 63 MB of packages. So it is given a copy of the user's folder, in which that install finds nothing to do. The user's
 * provider logins (`auth.json` in OpenCode's data folder) are the user's own. Sessions go into a database of our own.
 * All of this measured with opencode 1.18.33.
 */
export function prepareHome(options: HomeOptions, password: string): NodeJS.ProcessEnv {
  const configHome = join(privateFolder(options.folder), "config");
  const original = nonEmpty(options.environment["XDG_CONFIG_HOME"]);
  mirrorConfiguration(userConfiguration(options.environment), configHome, options);
  const environment = inherited(options);
  const restore = {
    XDG_CONFIG_HOME: options.inside ? null : (original ?? null),
    ...(options.inside && { XDG_DATA_HOME: null }),
    OPENCODE_SERVER_PASSWORD: null,
    OPENCODE_SERVER_USERNAME: null,
  };
  const hide = ["OPENCODE_CONFIG_CONTENT", "OPENCODE_AUTH_CONTENT", ...Object.keys(quiet)];
  if (options.configuration !== undefined) hide.push("OPENCODE_CONFIG_DIR");
  if (environment["GIT_CONFIG_COUNT"] === undefined) hide.push(...Object.keys(everyName));
  return {
    ...environment,
    ...quiet,
    ...(environment["GIT_CONFIG_COUNT"] === undefined && everyName),
    XDG_CONFIG_HOME: configHome,
    ...(options.inside && { XDG_DATA_HOME: dataHome(options.folder) }),
    ...(options.configuration !== undefined && { OPENCODE_CONFIG_DIR: options.configuration }),
    OPENCODE_DB: join(options.folder, "opencode.db"),
    OPENCODE_SERVER_USERNAME: "opencode",
    OPENCODE_SERVER_PASSWORD: password,
    OPEN_AGENT_GUARD: JSON.stringify({ restore, hide, pass: options.passEnvironment, deny: options.deny }),
  };
}

/** Where a server inside of a container keeps its data. */
function dataHome(folder: string): string {
  return join(folder, "share");
}

/** The file of the user's provider logins, and where a server inside of a container looks for it. */
export function loginsFile(folder: string, environment: NodeJS.ProcessEnv): { source: string; target: string } {
  const userHome = environment["HOME"] ?? homedir();
  const userData = nonEmpty(environment["XDG_DATA_HOME"]) ?? join(userHome, ".local", "share");
  const place = (base: string) => join(base, "opencode", "auth.json");
  return { source: place(userData), target: place(dataHome(folder)) };
}

/** The MCP servers that the user's own configuration of OpenCode starts on this machine. What does not parse has none. */
export function usersServers(environment: NodeJS.ProcessEnv): Part[] {
  const userHome = environment["HOME"] ?? homedir();
  const folder = userConfiguration(environment);
  const paths = [
    ...["config.json", "opencode.json", "opencode.jsonc"].map((name) => join(folder, name)),
    ...[environment["OPENCODE_CONFIG"] ?? ""].filter((path) => path !== ""),
    ...["opencode.json", "opencode.jsonc"].map((name) => join(userHome, ".opencode", name)),
  ];
  const servers = new Map<string, Part>();
  for (const path of paths.filter((one) => existsSync(one)))
    for (const [name, value] of Object.entries(fields(fields(readIfParsing(path))["mcp"]))) {
      const entry = { ...fields(servers.get(name)?.entry), ...fields(value) };
      servers.set(name, { kind: "mcps", name, path, entry });
    }
  return [...servers.values()].filter(({ entry }) => Array.isArray(fields(entry)["command"]));
}

/** The folder of the user's own configuration of OpenCode. */
function userConfiguration(environment: NodeJS.ProcessEnv): string {
  const userHome = environment["HOME"] ?? homedir();
  return join(nonEmpty(environment["XDG_CONFIG_HOME"]) ?? join(userHome, ".config"), "opencode");
}

function readIfParsing(path: string): unknown {
  try {
    return readJsonc(path);
  } catch {
    // OpenCode says what is wrong with it.
    return undefined;
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

/** What OpenCode would do on the network by itself; and npm retries for over a minute when there is no network. */
const quiet = {
  OPENCODE_DISABLE_AUTOUPDATE: "1",
  OPENCODE_DISABLE_MODELS_FETCH: "1",
  OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
  OPENCODE_DISABLE_SHARE: "1",
  OPENCODE_DISABLE_EMBEDDED_WEB_UI: "1",
  npm_config_fetch_retries: "0",
};

/**
 * OpenCode asks git for the names of the files that a step has changed. Of a renamed one git names the new one alone,
 * and a revert would delete it without bringing back the old one.
 */
const everyName = { GIT_CONFIG_COUNT: "1", GIT_CONFIG_KEY_0: "diff.renames", GIT_CONFIG_VALUE_0: "false" };

function inherited({ environment, inside, ripgrepFolder, log }: HomeOptions): NodeJS.ProcessEnv {
  const kept = Object.entries(inside ?? environment).filter(([name, value]) => {
    if (value === undefined || /^(VSCODE_|ELECTRON_|OPEN_AGENT_)/.test(name)) return false;
    // OpenCode reads its switches strictly: an empty one ends the server at its start.
    return !(name.startsWith("OPENCODE_") && value === "");
  });
  const result: NodeJS.ProcessEnv = Object.fromEntries(kept);
  const path = Object.keys(result).find((name) => name.toUpperCase() === "PATH") ?? "PATH";
  const folders = (result[path] ?? "").split(delimiter);
  const ripgrep = process.platform === "win32" ? "rg.exe" : "rg";
  const isThere = (folder: string) => folder !== "" && existsSync(join(folder, ripgrep));
  if (!inside && folders.some(isThere)) return result;
  if (ripgrepFolder !== undefined) result[path] = [...folders, ripgrepFolder].join(delimiter);
  else log.warn(`There is no ${ripgrep} on PATH: OpenCode will download one when it first searches files.`);
  return result;
}

function mirrorConfiguration(source: string, configHome: string, options: HomeOptions): void {
  const target = join(configHome, "opencode");
  const draft = `${target}.next`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  // What no agent may do OpenCode itself, the user's own tools must not do for it.
  const left = options.deny ? ["tool", "tools"] : [];
  if (existsSync(source)) {
    for (const name of readdirSync(source))
      if (!left.includes(name)) copyEntry(join(source, name), join(draft, name), options.log);
  }
  providePackages(source, target, draft, options.version);
  mkdirSync(join(draft, "plugin"), { recursive: true });
  cpSync(options.guard, join(draft, "plugin", `open-agent-${basename(options.guard)}`));
  addProviders(join(draft, "config.json"), options);
  rmSync(target, { recursive: true, force: true });
  renameSync(draft, target);
}

function copyEntry(from: string, to: string, log: Logger): void {
  if (["node_modules", ".git"].includes(basename(from))) return;
  try {
    cpSync(from, to, {
      recursive: true,
      dereference: true,
      filter: (path) =>
        basename(path) !== "node_modules" &&
        (lstatSync(path).isFile() || lstatSync(path).isDirectory() || lstatSync(path).isSymbolicLink()),
    });
  } catch (error) {
    log.warn(`${from} was left out of OpenCode's configuration: ${String(error)}`);
  }
}

/**
 * Gives OpenCode's configuration folder the packages that it would install by itself. The user's own are linked; where
 * there are none and nothing needs any, a lock file that promises them is enough.
 */
function providePackages(source: string, target: string, draft: string, version: string): void {
  const users = join(source, "node_modules");
  if (existsSync(users)) {
    symlinkSync(users, join(draft, "node_modules"), "junction");
    return;
  }
  const needed = ["plugin", "plugins", "tool", "tools", "package.json"].some((name) => existsSync(join(source, name)));
  const installed = join(target, "node_modules");
  if (needed) {
    if (existsSync(installed) && lstatSync(installed).isDirectory()) {
      renameSync(installed, join(draft, "node_modules"));
      cpIfPresent(join(target, "package-lock.json"), join(draft, "package-lock.json"));
    }
    return;
  }
  const dependencies = { "@opencode-ai/plugin": version };
  mkdirSync(join(draft, "node_modules"));
  writeFileSync(join(draft, "package.json"), JSON.stringify({ dependencies }));
  writeFileSync(
    join(draft, "package-lock.json"),
    JSON.stringify({ lockfileVersion: 3, packages: { "": { dependencies } } }),
  );
}

function cpIfPresent(from: string, to: string): void {
  if (existsSync(from)) cpSync(from, to);
}

/** `config.json` is the first of OpenCode's three global files, so whatever the user's own files say wins over ours. */
function addProviders(path: string, { providers, log }: HomeOptions): void {
  if (Object.keys(providers).length === 0) return;
  try {
    const own = JSON.parse(readTextIfPresent(path) ?? "{}") as { provider?: Record<string, unknown> };
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, JSON.stringify({ ...own, provider: { ...providers, ...own.provider } }, null, 2));
  } catch (error) {
    log.warn(
      `OpenCode's config.json does not parse, so the endpoints defined in Open Agent are left out: ${String(error)}`,
    );
  }
}

import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, extname, join } from "node:path";
import { privateFolder } from "../base/files.ts";
import { readDesktopSettings } from "../library/productSettings.ts";
import type { Connection } from "../opencode/connection.ts";
import { usersServers } from "../opencode/home.ts";
import type { InsideOptions } from "../opencode/inside.ts";
import type { Executable } from "../opencode/locate.ts";
import { OpenCodeServer, type ServerPlace } from "../opencode/server.ts";
import type { Part } from "../protocol/configuration.ts";
import { ownServer, serverInside } from "../protocol/mission.ts";
import { isContainer, type Workspace } from "../protocol/workspace.ts";
import { Configurations } from "./configurations.ts";
import type { CoreOptions } from "./core.ts";
import { EngineHost } from "./engineHost.ts";
import { asProviders, readEndpoints } from "./endpoints.ts";
import type { HostOptions } from "./engines.ts";
import { browserEnvironment, browserPart, browserTools } from "./browserTools.ts";
import { desktopPart, desktopServer, desktopTools, type DesktopServer } from "./desktop.ts";
import { desktopsFolder } from "./desktops.ts";
import { LibraryKey } from "./libraryKey.ts";
import {
  deniedOutside,
  libraryTools,
  serverThrough,
  startedInside,
  toolsInside,
  type OutsideOptions,
} from "./outside.ts";
import type { Workspaces } from "./workspaces.ts";

export function configurationsOf(core: CoreOptions): Configurations {
  const { paths, settings, environment, log } = core;
  const library = () => settings().library ?? paths.library;
  const folder = (workspace: Workspace | undefined) =>
    workspace ? join(paths.workspaces, workspace.id, "opencode") : paths.opencode;
  return new Configurations({
    library,
    folder,
    servers: paths.servers,
    key: new LibraryKey(core.secrets),
    toolPackage: program(core, "toolPackage"),
    environment,
    isOutside: (workspace) => isOutside(core, workspace),
    log,
  });
}

/** Whether a workspace is a container and its OpenCode runs outside of it. */
function isOutside({ settings }: CoreOptions, { kind }: Workspace): boolean {
  return isContainer(kind) && settings().containerOpenCode === "outside";
}

/** A program of ours that is run by others: it lies beside the guard. */
function program({ guard }: CoreOptions, name: string): string {
  return join(dirname(guard), name + extname(guard));
}

/** The host of the OpenCode server that the settings name: a running one by its URL, or our own. */
export function mainHost(core: CoreOptions, configurations: Configurations, hears: HostOptions): EngineHost {
  const { paths, log, settings } = core;
  const server = new OpenCodeServer({
    ...serverOptions(core),
    folder: paths.opencode,
    record: paths.serverRecord,
    configuration: (executable) => configurations.write(undefined, executable, desktopOf(core, executable)),
  });
  const attachment = async (): Promise<Connection | undefined> => {
    const url = settings().attachedUrl;
    return url === undefined
      ? undefined
      : { url, username: "opencode", password: (await core.attachedPassword()) ?? "" };
  };
  return new EngineHost({ ...hears, id: ownServer, server, attachment, log });
}

/** The host of a workspace's own OpenCode server. It builds a container first where that is not ready. */
export function insideHost(
  core: CoreOptions,
  { workspaces, configurations }: { workspaces: Workspaces; configurations: Configurations },
  id: string,
  hears: HostOptions,
): EngineHost {
  const workspace = workspaces.get(id);
  const folder = join(workspaces.folderOf(id), "opencode");
  const outside = isOutside(core, workspace);
  const names = ({ secrets, environment }: Workspace) => [...secrets, ...Object.keys(environment)];
  const server = new OpenCodeServer({
    ...serverOptions(core, () => names(workspaces.get(id))),
    folder,
    record: join(core.paths.runtime, `opencode-${id}.json`),
    configuration: async (executable) => {
      const options = {
        workspaces,
        workspaceId: id,
        folder,
        executable,
        program: (name: string) => program(core, name),
      };
      const workspace = workspaces.get(id);
      if (!outside) return configurations.write(workspace, executable, desktopOf(core, executable, workspace));
      const desktop = desktopServerOf(core, workspace);
      const parts = [
        await toolsInside(options, desktop ? desktopBinds(desktop) : []),
        ...(desktop ? await desktopInside(options, desktop) : []),
        ...(existsSync(configurations.library) ? [libraryTools(options, configurations.library)] : []),
      ];
      return configurations.write(workspace, executable, {
        parts,
        permission: deniedOutside.permission,
        outside: {
          servers: usersServers(core.environment),
          started: (server) => startedInside(options, server),
        },
      });
    },
    ...(!isContainer(workspace.kind) && { variables: () => variablesOf(workspaces, id) }),
    ...(outside && { deny: deniedOutside.tools, variables: () => Promise.resolve(deniedOutside.variables) }),
    ...(isContainer(workspace.kind) && !outside && { place: placeOf(core, workspaces, workspace) }),
  });
  const attachment = () => Promise.resolve(undefined);
  return new EngineHost({ ...hears, id: serverInside(id), server, attachment, log: core.log });
}

/** What agents have for a desktop where their OpenCode runs, if the settings say so. */
function desktopOf(core: CoreOptions, executable: Executable, workspace?: Workspace): { parts: Part[] } {
  const desktop = desktopServerOf(core, workspace);
  if (!desktop) return { parts: [] };
  const { browser } = desktop;
  const browsers = browser === undefined ? [] : [browserTools(executable, browser, desktop)];
  return { parts: [desktopTools(executable, desktop), ...browsers] };
}

function desktopServerOf(core: CoreOptions, workspace?: Workspace): DesktopServer | undefined {
  const { paths, settings } = core;
  if (settings().desktop !== true) return undefined;
  const inside = workspace && isContainer(workspace.kind) ? workspace.id : undefined;
  const folder = privateFolder(desktopsFolder(paths.desktops, inside));
  const { graceSeconds } = readDesktopSettings(settings().library ?? paths.library);
  const desktop = desktopServer(program(core, "desktopMcp"), folder, settings(), graceSeconds, workspace);
  return { ...desktop, ...(settings().browserTools === true && { browser: program(core, "browserMcp") }) };
}

/** What has to be seen in a container so that a desktop can be started there, and looked at from here. */
function desktopBinds({ program, browser, folder }: DesktopServer) {
  const programs = [program, ...(browser === undefined ? [] : [browser])];
  return [
    ...programs.map((path) => ({ source: path, target: path, writable: false })),
    { source: folder, target: folder, writable: true },
  ];
}

/** The desktop's servers in a container, for an OpenCode outside of it. */
async function desktopInside(options: OutsideOptions, desktop: DesktopServer): Promise<Part[]> {
  const through = (program: string, file: string, environment: Record<string, string>) =>
    serverThrough(options, { program, file, environment, binds: desktopBinds(desktop) });
  const { path, command } = await through(desktop.program, "desktop.json", desktop.environment);
  const parts = [desktopPart(path, command, { BUN_BE_BUN: "1" })];
  if (desktop.browser === undefined) return parts;
  const browser = await through(desktop.browser, "browser.json", browserEnvironment(desktop));
  return [...parts, browserPart(browser.path, browser.command, desktop)];
}

async function variablesOf(workspaces: Workspaces, id: string): Promise<Record<string, string>> {
  const workspace = workspaces.get(id);
  return { ...workspace.environment, ...(await workspaces.secrets.environment(workspace)) };
}

function placeOf(core: CoreOptions, workspaces: Workspaces, { id, network }: Workspace): ServerPlace {
  const egress: InsideOptions["egress"] = { program: program(core, "egress"), localPorts: () => localPorts(core) };
  return {
    wrap: async (argv, { env, ...options }) => {
      const workspace = await workspaces.ready(id);
      const secrets = await workspaces.secrets.environment(workspace);
      const desktop = desktopServerOf(core, workspace);
      const binds = [...options.binds, ...(desktop ? desktopBinds(desktop) : [])];
      const all = { ...options, binds, env: { ...secrets, ...env }, outlives: true };
      return workspaces.backendOf(workspace).wrap(workspace, argv, all);
    },
    // Of the others, all ends with the process that was started.
    clear: async () => {
      const workspace = workspaces.get(id);
      if (["podman", "docker"].includes(workspace.kind)) await workspaces.backendOf(workspace).stop(workspace);
    },
    environment: {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      LANG: "C.UTF-8",
      HOME: "/root",
    },
    bridge: program(core, "bridge"),
    ...(network === "private" && { egress }),
  };
}

/** The ports of this machine that the user's model providers listen on. */
function localPorts({ paths, environment }: CoreOptions): number[] {
  const home = environment["HOME"] ?? homedir();
  const folder = join(environment["XDG_CONFIG_HOME"] ?? join(home, ".config"), "opencode");
  const files = ["config.json", "opencode.json", "opencode.jsonc"].map((name) => readIfAny(join(folder, name)));
  const urls = files.flatMap((text) => [...text.matchAll(/"baseURL"\s*:\s*"([^"]+)"/g)].map(([, url]) => url ?? ""));
  return [...urls, ...readEndpoints(paths.endpoints).map(({ baseUrl }) => baseUrl)].flatMap((url) => {
    const { hostname = "", port = "", protocol } = URL.parse(url) ?? {};
    if (!["127.0.0.1", "localhost", "[::1]"].includes(hostname)) return [];
    return [Number(port === "" ? (protocol === "https:" ? 443 : 80) : port)];
  });
}

function readIfAny(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** `passed`: names of variables that the agent's shell sees besides those that the settings name. */
function serverOptions(core: CoreOptions, passed: () => readonly string[] = () => []) {
  const { paths, log, settings, environment, packageFolders, guard, ripgrepFolder } = core;
  return {
    guard,
    ...(ripgrepFolder !== undefined && { ripgrepFolder }),
    providers: () => asProviders(readEndpoints(paths.endpoints)),
    log,
    environment,
    packageFolders,
    configured: () => settings().executable,
    passEnvironment: () => [...(settings().passEnvironment ?? []), ...passed()],
  };
}

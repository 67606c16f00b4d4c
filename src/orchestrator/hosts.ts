import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, extname, join } from "node:path";
import type { Connection } from "../opencode/connection.ts";
import type { InsideOptions } from "../opencode/inside.ts";
import { OpenCodeServer, type ServerPlace } from "../opencode/server.ts";
import { ownServer, serverInside } from "../protocol/mission.ts";
import type { Workspace } from "../protocol/workspace.ts";
import type { CoreOptions } from "./core.ts";
import { EngineHost } from "./engineHost.ts";
import { asProviders, readEndpoints } from "./endpoints.ts";
import type { HostOptions } from "./engines.ts";
import type { Workspaces } from "./workspaces.ts";

/** The host of the OpenCode server that the settings name: a running one by its URL, or our own. */
export function mainHost(core: CoreOptions, hears: HostOptions): EngineHost {
  const { paths, log, settings } = core;
  const server = new OpenCodeServer({ ...serverOptions(core), folder: paths.opencode, record: paths.serverRecord });
  const attachment = async (): Promise<Connection | undefined> => {
    const url = settings().attachedUrl;
    return url === undefined
      ? undefined
      : { url, username: "opencode", password: (await core.attachedPassword()) ?? "" };
  };
  return new EngineHost({ ...hears, id: ownServer, server, attachment, log });
}

/** The host of the OpenCode server inside of a container. It builds the container first where it is not ready. */
export function insideHost(core: CoreOptions, workspaces: Workspaces, id: string, hears: HostOptions): EngineHost {
  const server = new OpenCodeServer({
    ...serverOptions(core, () => workspaces.get(id).secrets),
    folder: join(workspaces.folderOf(id), "opencode"),
    record: join(core.paths.runtime, `opencode-${id}.json`),
    place: placeOf(core, workspaces, workspaces.get(id)),
  });
  const attachment = () => Promise.resolve(undefined);
  return new EngineHost({ ...hears, id: serverInside(id), server, attachment, log: core.log });
}

function placeOf(core: CoreOptions, workspaces: Workspaces, { id, network }: Workspace): ServerPlace {
  const program = (name: string) => join(dirname(core.guard), name + extname(core.guard));
  const egress: InsideOptions["egress"] = { program: program("egress"), localPorts: () => localPorts(core) };
  return {
    wrap: async (argv, { env, ...options }) => {
      const workspace = await workspaces.ready(id);
      const secrets = await workspaces.secrets.environment(workspace);
      const all = { ...options, env: { ...secrets, ...env }, outlives: true };
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
    bridge: program("bridge"),
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

import { isAbsolute } from "node:path";
import { z } from "zod";
import type { Engine } from "../opencode/engine.ts";
import {
  knownPart,
  withoutSecrets,
  type GeneratedConfiguration,
  type McpServer,
  type McpStatus,
  type RunningConfiguration,
} from "../protocol/configuration.ts";
import { serverInside } from "../protocol/mission.ts";
import { hasOwnServer } from "../protocol/workspace.ts";
import { command } from "./command.ts";
import { mainServer } from "./engines.ts";
import type { Leader } from "./leader.ts";
import { createFrom, saveAsTemplate, templates } from "./templates.ts";
import { workspaceId, workspaceWish } from "./workspaceCommands.ts";

const templateName = z.string().min(1).max(100);
/** OpenCode makes the names of tools of it. */
const serverName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "has other characters than letters, digits, “-” and “_”");
/** A directory, and the workspace that it is in. */
const place = z.object({
  directory: z.string().min(1).max(4096).refine(isAbsolute, "the path is not absolute"),
  workspaceId: workspaceId.optional(),
});

/** The OpenCode server that a mission there would run on. */
function serverOf(leader: Leader, { workspaceId: id }: z.output<typeof place>): string {
  const own = id !== undefined && hasOwnServer(leader.workspaces.get(id));
  return own ? serverInside(id) : mainServer;
}

/** The engine there, if that runs. */
async function connectedEngine(leader: Leader, input: z.output<typeof place>): Promise<Engine | undefined> {
  const server = serverOf(leader, input);
  return leader.engines.connected(server) && leader.engineFor(input.directory, server);
}

/** What can be asked of the leader about what agents are given. */
export const configurationCommands = {
  /** All that workspaces can choose from, and what of it cannot be used. */
  knownParts: command(z.object({}), async (leader): Promise<Omit<GeneratedConfiguration, "folder">> => {
    const { parts, problems } = await leader.configurations.all();
    return { parts: parts.map(knownPart), problems };
  }),
  /** What is generated for the missions of a workspace, or for those of none. */
  generatedConfiguration: command(z.object({ workspaceId: workspaceId.optional() }), (leader, input) =>
    generated(leader, input.workspaceId),
  ),
  /** The MCP servers, and how the OpenCode gets on with them that missions in a directory would run on, if it runs. */
  mcpServers: command(place, async (leader, input): Promise<(McpServer & { status?: McpStatus })[]> => {
    const engine = await connectedEngine(leader, input);
    const states = engine ? await engine.mcpServers(input.directory) : {};
    return (await leader.configurations.servers()).map((server) => {
      const status = states[server.name];
      return { ...server, entry: withoutSecrets(server.entry), ...(status && { status }) };
    });
  }),
  /** Adds or replaces one of the user's own MCP servers. Throws `invalid_input`. */
  setMcpServer: command(
    z.object({ name: serverName, server: z.record(z.string(), z.unknown()) }),
    async (leader, { name, server }) => {
      leader.configurations.setServer(name, server);
      await leader.sync();
    },
  ),
  removeMcpServer: command(z.object({ name: serverName }), async (leader, { name }) => {
    leader.configurations.setServer(name, undefined);
    await leader.sync();
  }),
  /** Takes effect on the next mission. */
  enableMcpServer: command(z.object({ name: serverName, enabled: z.boolean() }), async (leader, { name, enabled }) => {
    await leader.configurations.enableServer(name, enabled);
    await leader.sync();
  }),
  /** Connects it anew. */
  connectMcpServer: command(place.extend({ name: serverName }), async (leader, { name, ...input }) => {
    const engine = await leader.engineFor(input.directory, serverOf(leader, input));
    await engine.connectMcpServer(input.directory, name);
  }),
  /** Gives the page that the user must open to log in at a remote server, or "" where none is needed. */
  beginMcpLogin: command(place.extend({ name: serverName }), async (leader, { name, ...input }): Promise<string> => {
    const engine = await leader.engineFor(input.directory, serverOf(leader, input));
    return engine.beginMcpLogin(input.directory, name);
  }),
  finishMcpLogin: command(
    place.extend({ name: serverName, code: z.string().min(1).max(10_000) }),
    async (leader, { name, code, ...input }) => {
      const engine = await leader.engineFor(input.directory, serverOf(leader, input));
      await engine.finishMcpLogin(input.directory, name, code);
      await leader.loginsChanged();
    },
  ),
  removeMcpLogin: command(place.extend({ name: serverName }), async (leader, { name, ...input }) => {
    const engine = await leader.engineFor(input.directory, serverOf(leader, input));
    await engine.removeMcpLogin(input.directory, name);
    await leader.loginsChanged();
  }),
  workspaceTemplates: command(z.object({}), (leader) => templates(leader)),
  /** Gives the names of secrets that need the user's values as well. */
  createFromTemplate: command(workspaceWish.extend({ template: templateName }), (leader, { template, ...wish }) =>
    createFrom(leader, template, wish),
  ),
  /** Throws `invalid_input` where there is a template of this name that is not to be replaced. */
  saveAsTemplate: command(
    z.object({ workspaceId, name: templateName, replace: z.boolean().default(false) }),
    (leader, { workspaceId: id, name, replace }) => {
      saveAsTemplate(leader, id, name, replace);
    },
  ),
  /** What the OpenCode goes by that runs for a directory; undefined when none does. */
  runningConfiguration: command(place, async (leader, input): Promise<RunningConfiguration | undefined> =>
    (await connectedEngine(leader, input))?.configuration(input.directory),
  ),
  /** Generates it anew where a server runs; elsewhere that happens at its start. */
  syncConfiguration: command(z.object({ workspaceId: workspaceId.optional() }), async (leader, input) => {
    await leader.sync();
    return generated(leader, input.workspaceId);
  }),
};

function generated(leader: Leader, id: string | undefined): Promise<GeneratedConfiguration> {
  const workspace = id === undefined ? undefined : leader.workspaces.get(id);
  return leader.configurations.generated(workspace && hasOwnServer(workspace) ? workspace : undefined);
}

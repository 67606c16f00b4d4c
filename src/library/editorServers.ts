import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { OpenAgentError } from "../base/errors.ts";
import { fields, list, text } from "../base/fields.ts";
import { readJsonc } from "../base/jsonc.ts";

/** A server as the editor's lists have it. */
export type EditorServer = Readonly<Record<string, unknown>>;

/** A file of the user's own in which the editor keeps MCP servers. */
export interface EditorFile {
  path: string;
  /** The profile of the editor that it belongs to, unless that is the default one. */
  profile?: string;
}

/**
 * The user's own lists of the editor that has an extension's data in that folder, which is
 * `…/User/globalStorage/<extension>` in every profile.
 */
export function editorFiles(storage: string): EditorFile[] {
  const user = dirname(dirname(storage));
  if (basename(user) !== "User") return [];
  const profiles = join(user, "profiles");
  const ids = existsSync(profiles) ? readdirSync(profiles) : [];
  const names = profileNames(join(user, "globalStorage", "storage.json"));
  return [
    { path: join(user, "mcp.json") },
    // What a machine that the editor is connected to has for itself.
    { path: join(dirname(user), "Machine", "mcp.json") },
    ...ids.map((id) => ({ path: join(profiles, id, "mcp.json"), profile: names.get(id) ?? id })),
  ].filter(({ path }) => existsSync(path));
}

/** By the names of their folders. */
function profileNames(path: string): Map<string, string> {
  const state = existsSync(path) ? fields(readJsonc(path)) : {};
  const known = list(state["userDataProfiles"]).map(fields);
  return new Map(known.map(({ location, name }) => [text(location), text(name)]));
}

/**
 * The servers of a `mcp.json`, in which the editor allows comments and trailing commas.
 * @throws OpenAgentError `invalid_input` when it does not parse
 */
export function readEditorServers(path: string): Record<string, EditorServer> {
  return editorServers(fields(readJsonc(path))["servers"]);
}

/** The servers of a list of the editor's, without what is none. */
export function editorServers(all: unknown): Record<string, EditorServer> {
  return Object.fromEntries(
    Object.entries(fields(all)).flatMap(([name, server]) => {
      const known = fields(server);
      return "command" in known || "url" in known ? [[name, known]] : [];
    }),
  );
}

/**
 * A server of the editor's in our words.
 * @throws OpenAgentError `invalid_input` when it needs what only the editor has
 */
export function translatedServer(
  server: EditorServer,
  places: { folder: string; home: string },
): Record<string, unknown> {
  if (server["envFile"] !== undefined)
    throw new OpenAgentError("invalid_input", "it reads variables from a file: put them into its “env” instead");
  const quoted = (path: string) => JSON.stringify(path).slice(1, -1);
  const words = JSON.stringify(server)
    .replaceAll(/\$\{env:(\w+)\}/g, "{env:$1}")
    .replaceAll("${workspaceFolder}", () => quoted(places.folder))
    .replaceAll("${userHome}", () => quoted(places.home));
  const input = /\$\{input:([^}]+)\}/.exec(words)?.[1];
  if (input !== undefined)
    throw new OpenAgentError(
      "invalid_input",
      `it asks for “${input}”: put the value into an environment variable or a secret, and name it as {env:NAME}`,
    );
  const editors = /\$\{(?:config|command|workspaceFolder):[^}]+\}/.exec(words)?.[0];
  if (editors !== undefined)
    throw new OpenAgentError(
      "invalid_input",
      `it uses ${editors}, which only the editor knows: write the value instead`,
    );
  return JSON.parse(words) as Record<string, unknown>;
}

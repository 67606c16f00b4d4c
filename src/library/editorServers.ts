import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { parse, printParseErrorCode, type ParseError } from "jsonc-parser";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { fields, list, text } from "../base/fields.ts";
import { readTextIfPresent } from "../base/files.ts";

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

/** By the names of their folders. A file that does not parse names none. */
function profileNames(path: string): Map<string, string> {
  const known = list(fields(parse(readTextIfPresent(path) ?? "{}"))["userDataProfiles"]).map(fields);
  return new Map(known.map(({ location, name }) => [text(location), text(name)]));
}

/**
 * The servers of a `mcp.json`, in which the editor allows comments and trailing commas.
 * @throws OpenAgentError `invalid_input` when it does not parse
 */
export function readEditorServers(path: string): Record<string, EditorServer> {
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (error) {
    throw new OpenAgentError("invalid_input", `${path} cannot be read: ${describeError(error)}`, { path });
  }
  const errors: ParseError[] = [];
  const value: unknown = parse(content, errors, { allowTrailingComma: true, allowEmptyContent: true });
  const [first] = errors;
  if (first) {
    const line = content.slice(0, first.offset).split("\n").length;
    const words = `${printParseErrorCode(first.error)} in line ${String(line)}`;
    throw new OpenAgentError("invalid_input", `${path} does not parse: ${words}`, { path });
  }
  return editorServers(fields(value)["servers"]);
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

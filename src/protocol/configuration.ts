/** All kinds of things that agents are given, as a workspace selects them. */
export const partKinds = ["skills", "commands", "agents", "tools", "rules", "mcps", "plugins"] as const;
export type PartKind = (typeof partKinds)[number];

/** One thing that agents know or can do. */
export interface Part {
  kind: PartKind;
  /** Unique in its kind. Of nested commands and agents with slashes. */
  name: string;
  description?: string;
  /** Absolute: its file, or its folder if it is a skill; of an MCP server or plugin the file that names it. */
  path: string;
  /** What OpenCode is given in place of what a file holds; by the file's path in a skill's folder, otherwise by "". */
  texts?: Readonly<Record<string, string>>;
  /** Of an MCP server or a plugin: what stands for it in OpenCode's configuration. */
  entry?: unknown;
}

/** Why a part is not given to agents, or not whole. */
export interface PartProblem {
  kind: PartKind;
  name: string;
  path: string;
  /** A sentence for the user. */
  message: string;
  /** Agents have the part all the same. */
  given?: true;
}

/** Which parts the missions of a workspace have. A kind that is left out: all of them. */
export type Selection = Readonly<Partial<Record<PartKind, readonly string[]>>>;

export function isSame(one: Pick<Part, "kind" | "name">, other: Pick<Part, "kind" | "name">): boolean {
  return one.kind === other.kind && one.name === other.name;
}

export function isSelected({ kind, name }: Pick<Part, "kind" | "name">, selection: Selection): boolean {
  return selection[kind]?.includes(name) ?? true;
}

/**
 * Where an MCP server runs: `workspace` wherever a mission runs; `global` on the host, for the missions whose OpenCode
 * runs there.
 */
export type ServerScope = "global" | "workspace";

/** An MCP server as it is written down. */
export interface McpServer {
  name: string;
  description?: string;
  scope: ServerScope;
  /** As OpenCode is told of it. */
  entry: Readonly<Record<string, unknown>>;
  /** The file that it is in. */
  path: string;
  /** Whether that is the user's own list, not the Library. */
  own: boolean;
}

/** How OpenCode gets on with an MCP server. */
export interface McpStatus {
  state: "connected" | "disabled" | "failed" | "needs_auth" | "needs_client_registration";
  error?: string;
}

/** What is told of a part; of an MCP server's entry without the values of variables and headers. */
export type KnownPart = Pick<Part, "kind" | "name" | "description" | "entry">;

export function knownPart({ kind, name, description, entry }: Part): KnownPart {
  const known = { kind, name, ...(description !== undefined && { description }) };
  if (entry === undefined) return known;
  return { ...known, entry: kind === "mcps" ? withoutSecrets(entry as Record<string, unknown>) : entry };
}

/** What is generated for a server, and what was left out. */
export interface GeneratedConfiguration {
  /** The folder that OpenCode reads; it may not be there before the server's first start. */
  folder: string;
  parts: KnownPart[];
  problems: PartProblem[];
}

/** What OpenCode goes by in a directory, as far as that can be generated. Values of variables and headers are left out. */
export interface RunningConfiguration {
  agents: string[];
  /** With the skills, which can be called like commands. */
  commands: string[];
  instructions: string[];
  plugins: string[];
  mcp: Record<string, unknown>;
  permission: unknown;
}

/** An MCP server's entry with the names of its variables and headers, but without their values or a client's secret. */
export function withoutSecrets(entry: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { environment, headers, oauth, ...rest } = entry;
  const names = (values: unknown) => Object.keys(Object(values) as object);
  return {
    ...rest,
    ...(oauth !== undefined && { oauth: withoutClientSecret(oauth) }),
    ...(environment !== undefined && { environment: names(environment) }),
    ...(headers !== undefined && { headers: names(headers) }),
  };
}

function withoutClientSecret(oauth: unknown): unknown {
  if (typeof oauth !== "object" || oauth === null) return oauth;
  const { clientSecret: _, ...rest } = oauth as Record<string, unknown>;
  return rest;
}

/** The words of a problem, with what it is about. */
export function describeProblem({ kind, name, message, given }: PartProblem): string {
  const noun = kind === "mcps" ? "MCP server" : kind.slice(0, -1);
  return `The ${noun} “${name}” is ${given ? "not whole" : "left out"}: ${message}`;
}

/** All kinds of things that a Library holds, in the order in which they are shown. */
export const itemKinds = [
  "skills",
  "commands",
  "agents",
  "tools",
  "rules",
  "mcps",
  "plugins",
  "templates",
  "scripts",
  "settings",
] as const;
export type ItemKind = (typeof itemKinds)[number];

/** What one item of a kind is called. */
export const nounOf: Readonly<Record<ItemKind, string>> = {
  skills: "skill",
  commands: "command",
  agents: "agent",
  tools: "tool",
  rules: "rule",
  mcps: "MCP server",
  plugins: "plugin",
  templates: "workspace template",
  scripts: "init script",
  settings: "settings file",
};

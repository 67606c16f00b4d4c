import { pathFor } from "./layout.ts";
import { newSkill } from "./skillRules.ts";

/** Kinds of which a new item is a file, or a folder with one. */
export const creatableKinds = ["skills", "commands", "agents", "tools", "rules", "templates", "scripts"] as const;
export type CreatableKind = (typeof creatableKinds)[number];

/** The file of a new item, with a text to begin with. */
export function newItem(root: string, kind: CreatableKind, name: string): { path: string; text: string } {
  return { path: pathFor(root, kind, name), text: texts[kind](name) };
}

const markdown = (head: readonly string[], body: string) => `---\n${head.join("\n")}\n---\n\n${body}\n`;
const title = (name: string) => name.charAt(0).toUpperCase() + name.slice(1).replaceAll(/[-_]+/g, " ");

const texts: Readonly<Record<CreatableKind, (name: string) => string>> = {
  skills: newSkill,
  commands: () => markdown(["description: What it does."], "What the agent is asked to do: $ARGUMENTS"),
  agents: () => markdown(["description: What it is for.", "mode: all"], "You are …"),
  tools: (name) =>
    [
      'import { tool } from "@opencode-ai/plugin";',
      "",
      `/** ${title(name)}. */`,
      "export default tool({",
      '  description: "What it does, and when an agent should use it.",',
      '  args: { text: tool.schema.string().describe("What it works on") },',
      "  async execute({ text }) {",
      "    return text;",
      "  },",
      "});",
      "",
    ].join("\n"),
  rules: (name) => markdown(["description: What it asks for."], `# ${title(name)}\n\nWhat every agent keeps to.`),
  templates: (name) =>
    `${JSON.stringify({ name, description: "What it is for.", distro: "debian-bookworm", skills: [], env_vars: {}, encrypted_keys: [], init_script: "" }, null, 2)}\n`,
  scripts: () => "#!/usr/bin/env bash\n# Description: What it installs.\nset -euo pipefail\n",
};

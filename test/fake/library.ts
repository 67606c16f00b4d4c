import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Writes files below a folder, with their folders. */
export function writeFiles(root: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    if (text.startsWith("#!")) chmodSync(join(root, path), 0o755);
  }
}

const head = (fields: object, body: string) =>
  `---\n${Object.entries(fields)
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join("\n")}\n---\n${body}\n`;

/** A Library in the original's layout, with one usable item of each kind. */
export const usableItems: Readonly<Record<string, string>> = {
  // The original adds the name where a skill's head lacks it.
  "skill/greeting/SKILL.md": head({ description: "Greets people. # not a comment" }, "Run scripts/greet.sh."),
  "skill/greeting/scripts/greet.sh": "#!/bin/sh\necho greetings from the skill\n",
  "skill/greeting/references/deep/words.md": "words\n",
  "skill/farewell/SKILL.md": head({ name: "farewell", description: "Says goodbye." }, "Wave."),
  "command/deploy.md": head({ description: "Deploys.", params: ["target"] }, "Deploy to $ARGUMENTS."),
  "agent/reviewer.md": head(
    { description: "Reviews.", mode: "primary", permissions: { edit: "deny" }, rules: ["style"] },
    "You review.",
  ),
  "rule/style.md": head({ description: "Style." }, "Always write in small letters, says the Library."),
  "tool/adding.ts": [
    'import { tool } from "@opencode-ai/plugin";',
    "/** Adds one. */",
    "export default tool({",
    '  description: "Adds one to a number.",',
    "  args: { number: tool.schema.number() },",
    "  async execute({ number }) { return `the sum is ${number + 1}`; },",
    "});",
  ].join("\n"),
  "mcp/servers.json": JSON.stringify({
    idle: { type: "local", command: ["true"], env: { A: "b" }, enabled: false },
  }),
};

/** What cannot be used, and why. */
export const brokenItems: Readonly<Record<string, string>> = {
  "skill/Big Name/SKILL.md": head({ description: "Its name is none." }, ""),
  "skill/silent/SKILL.md": head({ name: "silent" }, "No description."),
  "skill/hollow/notes.md": "no SKILL.md\n",
  "command/bad-head.md": "---\ndescription: [unclosed\n---\nbody\n",
  "agent/odd-mode.md": head({ description: "Odd.", mode: "nonsense" }, "You are odd."),
  "tool/broken.ts": "export default {{{\n",
  "mcp/servers.json": JSON.stringify({
    idle: { type: "local", command: ["true"], env: { A: "b" }, enabled: false },
    shapeless: { type: "local" },
    sealed: { type: "local", command: ["true"], env: { KEY: '<encrypted v="1">abc</encrypted>' } },
    refused: { type: "remote", url: "http://127.0.0.1:9/mcp", oauth: [1], enabled: false },
  }),
  "plugins.json": "{ not json",
};

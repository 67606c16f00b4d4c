/** A key of the head of a Markdown file, or of a map in it. */
export interface HeadKey {
  words: string;
  values?: readonly string[];
}

const description = { words: "What it is for, and when to use it. Agents and users choose by it." };
const model = { words: "The model that it runs with, as “provider/model”." };

/** What OpenCode and Open Agent understand in the heads of Markdown files. */
export const headKeys: Readonly<Partial<Record<ItemKind, Readonly<Record<string, HeadKey>>>>> = {
  skills: {
    name: { words: "The skill's name: that of its folder." },
    description: { words: "What the skill is for, and when to use it. Agents choose by it; 1024 characters at most." },
    license: { words: "Under which terms it may be used." },
    compatibility: { words: "What it needs, or which agents it is made for." },
    metadata: { words: "Anything else about it, as names and texts." },
  },
  commands: {
    description,
    agent: { words: "The agent that it runs with." },
    model,
    subtask: { words: "Whether it runs as a sub-agent, apart from the conversation.", values: ["true", "false"] },
    params: { words: "What it is given: names, or maps with “name”, “required” and “description”." },
  },
  agents: {
    description,
    mode: {
      words: "primary: users choose it. subagent: other agents call it. all: both.",
      values: ["primary", "subagent", "all"],
    },
    model,
    variant: { words: "The variant of the model, such as how hard it thinks." },
    temperature: { words: "How freely the model chooses its words." },
    top_p: { words: "Which share of likely words the model chooses from." },
    steps: { words: "How often it may call the model in a turn." },
    color: { words: "The colour that it is shown in." },
    hidden: { words: "Whether users do not see it.", values: ["true", "false"] },
    disable: { words: "Whether it is switched off.", values: ["true", "false"] },
    permission: { words: "What it may do: allow, ask or deny, for each tool, or for patterns of what the tool does." },
    rules: { words: "Rules of the Library that belong to it." },
    options: { words: "Options of the model's provider." },
  },
  rules: { description: { words: "What the rule is about." } },
};

/** What can be allowed to an agent. */
export const permissionKeys: Readonly<Record<string, string>> = {
  "*": "Everything that is not named.",
  read: "Reading files.",
  edit: "Changing files.",
  glob: "Finding files by their names.",
  grep: "Searching in files.",
  list: "Listing folders.",
  bash: "Running commands.",
  task: "Calling other agents.",
  skill: "Loading skills.",
  webfetch: "Reading pages of the web.",
  websearch: "Searching the web.",
  external_directory: "Leaving the mission's folder.",
  todowrite: "Keeping a list of what to do.",
  question: "Asking the user.",
  lsp: "Asking language servers.",
  doom_loop: "Doing the same thing again and again.",
};

export const permissionLevels = ["allow", "ask", "deny"] as const;
import type { ItemKind } from "../protocol/library.ts";

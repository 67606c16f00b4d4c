import type { ItemKind } from "../protocol/library.ts";
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { basename, extname, join, relative, sep } from "node:path";
import { foundSkill, type Found } from "./found.ts";
import { parseFrontMatter, printFrontMatter } from "./frontMatter.ts";

/** Where projects keep what other agents read, besides files of instructions. */
const places: readonly { folder: string; kind: ItemKind; claude?: true }[] = [
  { folder: ".claude/skills", kind: "skills" },
  { folder: ".claude/commands", kind: "commands", claude: true },
  { folder: ".claude/agents", kind: "agents", claude: true },
  ...(["skill", "command", "agent", "tool"] as const).flatMap((noun) => [
    { folder: `.opencode/${noun}`, kind: `${noun}s` as const },
    { folder: `.opencode/${noun}s`, kind: `${noun}s` as const },
  ]),
];

const instructions: readonly [file: string, suffix: string][] = [
  ["AGENTS.md", "agents"],
  ["CLAUDE.md", "claude"],
  [".github/copilot-instructions.md", "copilot"],
];

/** What the folder of a project tells other agents, as items of a Library. */
export function projectItems(project: string): Found[] {
  const items = places.flatMap(({ folder, kind, claude }) => {
    const path = join(project, ...folder.split("/"));
    if (!existsSync(path)) return [];
    if (kind === "skills") return skillsIn(path);
    return filesIn(path, kind).map((found) => (claude ? fromClaude(found) : found));
  });
  return [...items, ...rulesOf(project)];
}

function skillsIn(folder: string): Found[] {
  const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, "SKILL.md")));
  return names.sort().map((name) => foundSkill(join(folder, name), name));
}

function filesIn(folder: string, kind: ItemKind): Found[] {
  const ending = kind === "tools" ? /\.[jt]s$/ : /\.md$/;
  const entries = readdirSync(folder, { withFileTypes: true, recursive: kind !== "tools" });
  const paths = entries.filter((entry) => !entry.isDirectory() && ending.test(entry.name));
  return paths
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => {
      const name = relative(folder, path).split(sep).join("/").slice(0, -extname(path).length);
      return { kind, name, path, notes: [] };
    });
}

/** Files of instructions, each as a rule. One that is another's link or twin is that one. */
function rulesOf(project: string): Found[] {
  const there = instructions.filter(([file]) => existsSync(join(project, ...file.split("/"))));
  const seen = new Set<string>();
  return there.flatMap(([file, suffix]): Found[] => {
    const path = join(project, ...file.split("/"));
    if (relative(realpathSync(project), realpathSync(path)).startsWith("..")) return [];
    const text = readFileSync(path, "utf8");
    if (text.trim() === "" || seen.has(text)) return [];
    seen.add(text);
    const name = `${basename(project).replaceAll(/[^\p{L}\p{N}_.-]+/gu, "-")}-${suffix}`;
    const hasHead = text.startsWith("---");
    const head = `---\ndescription: ${JSON.stringify(`${file} of ${basename(project)}`)}\n---\n\n`;
    const notes = ["It holds for all missions that have it, not for those in this project alone."];
    return [{ kind: "rules", name, path, notes, ...(!hasHead && { text: head + text }) }];
  });
}

/** Claude Code's tools in OpenCode's words. */
const tools: Readonly<Record<string, string>> = {
  Bash: "bash",
  Edit: "edit",
  MultiEdit: "edit",
  NotebookEdit: "edit",
  Glob: "glob",
  Grep: "grep",
  LS: "list",
  Read: "read",
  Task: "task",
  TodoWrite: "todowrite",
  WebFetch: "webfetch",
  WebSearch: "websearch",
  Write: "write",
};

/** A command or agent of Claude Code's in OpenCode's words, as far as they are the same. */
function fromClaude(found: Found): Found {
  const notes: string[] = [];
  const matter = readHead(found.path);
  if (!matter) return found;
  const { head, fields } = matter;
  const isAgent = found.kind === "agents";
  const kept = isAgent ? ["name", "description", "tools"] : ["description"];
  const dropped = Object.keys(fields).filter((key) => !kept.includes(key));
  for (const key of dropped) head.delete(key);
  if (dropped.length > 0) notes.push(`Claude Code’s own is left out: ${dropped.join(", ")}.`);
  if (isAgent) {
    head.set("mode", "subagent");
    const named = fields["tools"];
    const names = typeof named === "string" ? named.split(",") : Array.isArray(named) ? named.map(String) : undefined;
    if (names)
      notes.push(
        setTools(
          matter,
          names.map((name) => name.trim()),
        ),
      );
  }
  if (dropped.length === 0 && !isAgent) return found;
  return { ...found, text: printFrontMatter(matter), notes: [...found.notes, ...notes] };
}

function readHead(path: string): ReturnType<typeof parseFrontMatter> | undefined {
  try {
    return parseFrontMatter(readFileSync(path, "utf8"));
  } catch {
    // The catalogue of the drafts says what is wrong with it.
    return undefined;
  }
}

function setTools({ head }: ReturnType<typeof parseFrontMatter>, names: readonly string[]): string {
  const known = names.flatMap((name) => tools[name.replace(/\(.*$/, "")] ?? []);
  const unknown = names.filter((name) => name !== "" && tools[name.replace(/\(.*$/, "")] === undefined);
  head.delete("tools");
  head.set("permission", Object.fromEntries([["*", "deny"], ...known.map((name) => [name, "allow"])]));
  const rest = unknown.length === 0 ? "" : ` Not known here: ${unknown.join(", ")}.`;
  return `It may use ${known.join(", ") || "no tools"}, as its own words say: check its permission.${rest}`;
}

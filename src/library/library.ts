import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { isPair } from "yaml";
import { describeError, systemCode } from "../base/errors.ts";
import type { Part, PartKind, PartProblem } from "../protocol/configuration.ts";
import { readServers, serversIn } from "./servers.ts";
import { parseFrontMatter, printFrontMatter } from "./frontMatter.ts";

/** What a Library holds for agents. A folder that is not there is an empty one. */
export interface Contents {
  parts: Part[];
  problems: PartProblem[];
}

/** The folder of each kind in the layout of Open Agent's Libraries, with the plural that older ones have. */
const folders = {
  skills: ["skill", "skills"],
  commands: ["command", "commands"],
  agents: ["agent", "agents"],
  tools: ["tool", "tools"],
  rules: ["rule", "rules"],
} as const;
type FileKind = keyof typeof folders;

/** OpenCode's rules for the head of a `SKILL.md`. */
const skillName = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const skillNameLimit = 64;
const descriptionLimit = 1024;

/** Reads what is in a Library. What cannot be used is a problem, and nothing else suffers from it. */
export function readLibrary(root: string): Contents {
  const contents: Contents = { parts: [], problems: [] };
  for (const kind of Object.keys(folders) as FileKind[])
    for (const folder of folders[kind]) {
      for (const [name, path] of entries(kind, join(root, folder)))
        take(contents, kind, name, path, () => readPart(kind, name, path));
    }
  addServers(contents, serversIn(root));
  addPlugins(contents, join(root, "plugins.json"));
  return contents;
}

function take(contents: Contents, kind: PartKind, name: string, path: string, read: () => Part | undefined): void {
  try {
    const part = read();
    if (!part) return;
    if (contents.parts.some((other) => other.kind === kind && other.name === name))
      throw new Error("there is another one of this name");
    contents.parts.push(part);
  } catch (error) {
    contents.problems.push({ kind, name, path, message: describeError(error) });
  }
}

/** Names and paths of what a folder holds of a kind. */
function entries(kind: FileKind, folder: string): [string, string][] {
  if (!existsSync(folder)) return [];
  const inside = readdirSync(folder, { withFileTypes: true, recursive: kind === "commands" || kind === "agents" });
  return inside
    .filter((entry) => !entry.name.startsWith("."))
    .flatMap((entry): [string, string][] => {
      const path = join(entry.parentPath, entry.name);
      if (kind === "skills") return entry.isDirectory() ? [[entry.name, path]] : [];
      const ending = kind === "tools" ? /\.[jt]s$/ : /\.md$/;
      if (!entry.isFile() || !ending.test(entry.name)) return [];
      return [[relative(folder, path).replaceAll("\\", "/").replace(ending, ""), path]];
    })
    .sort(([one], [other]) => one.localeCompare(other));
}

function readPart(kind: FileKind, name: string, path: string): Part {
  if (kind === "skills") return readSkill(name, path);
  const text = readFileSync(path, "utf8");
  if (kind === "tools") {
    const words = /\/\*\*\s*(.*?)\s*\*\//s.exec(text)?.[1]?.replaceAll(/\s*\n\s*\*?\s*/g, " ");
    return { kind, name, path, ...described(words) };
  }
  const matter = parseFrontMatter(text);
  const part: Part = { kind, name, path, ...described(matter.fields["description"]) };
  if (kind !== "agents") return part;
  const { permission, permissions, rules } = matter.fields;
  if (permissions === undefined && rules === undefined) return part;
  // The Library's own words for what OpenCode calls otherwise, or does not know.
  matter.head.delete("rules");
  if (permission !== undefined) matter.head.delete("permissions");
  else renameKey(matter, "permissions", "permission");
  return { ...part, texts: { "": printFrontMatter(matter) } };
}

function renameKey({ head }: ReturnType<typeof parseFrontMatter>, from: string, to: string): void {
  const pairs = (head.contents as { items?: unknown[] } | null)?.items ?? [];
  const pair = pairs.filter(isPair).find(({ key }) => String(key) === from);
  if (pair) pair.key = head.createNode(to);
}

function readSkill(name: string, path: string): Part {
  const file = join(path, "SKILL.md");
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") throw new Error("it has no file SKILL.md", { cause: error });
    throw error;
  }
  requireInside(path);
  const matter = parseFrontMatter(text);
  const { name: own = name, description } = matter.fields;
  if (own !== name) throw new Error(`its head calls it “${String(own)}”, but its folder is “${name}”`);
  if (!skillName.test(name) || name.length > skillNameLimit)
    throw new Error("its name may have small letters, digits and single dashes between them, 64 characters at most");
  if (typeof description !== "string" || description.trim() === "")
    throw new Error("its head has no description, so that no agent would know of it");
  if (description.length > descriptionLimit)
    throw new Error(`its description has more than ${String(descriptionLimit)} characters`);
  const part: Part = { kind: "skills", name, path, description };
  if (matter.fields["name"] !== undefined) return part;
  matter.head.set("name", name);
  return { ...part, texts: { "SKILL.md": printFrontMatter(matter) } };
}

/** A link out of a skill would give agents what is not in the Library. */
function requireInside(folder: string): void {
  const root = realpathSync(folder);
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const way = relative(root, realpathSync(path));
    if (way.startsWith("..")) throw new Error(`${relative(folder, path)} is a link that leads out of it`);
  }
}

function described(words: unknown): { description?: string } {
  return typeof words === "string" && words !== "" ? { description: words } : {};
}

function addServers(contents: Contents, path: string): void {
  const { servers, problems } = readServers(path);
  for (const { name, description, entry } of servers)
    contents.parts.push({ kind: "mcps", name, path, ...described(description), entry });
  for (const { name, message } of problems) contents.problems.push({ kind: "mcps", name, path, message });
}

/** `plugins.json`: `{id: {package, description?, enabled = true}}`. */
function addPlugins(contents: Contents, path: string): void {
  if (!existsSync(path)) return;
  let all: [string, unknown][] = [];
  take(contents, "plugins", basename(path), path, () => {
    all = Object.entries(JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>);
    return undefined;
  });
  for (const [name, value] of all)
    take(contents, "plugins", name, path, () => {
      const { package: entry, description, enabled } = Object(value) as Record<string, unknown>;
      if (enabled === false) return undefined;
      if (typeof entry !== "string" || entry === "") throw new Error("it names no package");
      return { kind: "plugins", name, path, ...described(description), entry };
    });
}

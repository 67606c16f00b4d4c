import { type ItemKind } from "../protocol/library.ts";
import { basename, join } from "node:path";
import { isPair } from "yaml";
import { describeError } from "../base/errors.ts";
import { partKinds, type Part, type PartKind, type PartProblem } from "../protocol/configuration.ts";
import { Catalogue, type Item } from "./catalogue.ts";
import { parseFrontMatter, printFrontMatter } from "./frontMatter.ts";
import { pathFor } from "./layout.ts";
import { readablePart } from "./readable.ts";
import type { Key } from "./sealed.ts";
import { readServers, serversIn } from "./servers.ts";

/** What a Library holds for agents. A folder that is not there is an empty one. */
export interface Contents {
  parts: Part[];
  problems: PartProblem[];
}

/**
 * Reads what is in a Library. What cannot be used is a problem, and nothing else suffers from it. A catalogue that is
 * kept spares the reading of what has not changed.
 * @param key opens its encrypted values
 */
export function readLibrary(root: string, key?: Key, catalogue = new Catalogue(root)): Contents {
  catalogue.changed();
  const contents: Contents = { parts: [], problems: [] };
  for (const item of catalogue.items()) {
    const { kind, name, path } = item;
    if (kind === "mcps" || !isPartKind(kind)) continue;
    take(contents, kind, name, path, () => {
      const found = readPart(catalogue, item);
      const { part, problem } = found ? readablePart(found, key) : {};
      if (problem) contents.problems.push(problem);
      return part;
    });
  }
  addObstacles(contents, catalogue);
  if (!addFileProblem(contents, catalogue, "mcps")) addServers(contents, serversIn(root), key);
  addFileProblem(contents, catalogue, "plugins");
  return contents;
}

function isPartKind(kind: ItemKind): kind is PartKind {
  return partKinds.some((one) => one === kind);
}

function take(contents: Contents, kind: PartKind, name: string, path: string, read: () => Part | undefined): void {
  try {
    const part = read();
    if (part) contents.parts.push(part);
  } catch (error) {
    contents.problems.push({ kind, name, path, message: describeError(error) });
  }
}

/** The part that an item is. Throws with the words of the editor's own problem where it cannot be one. */
function readPart(catalogue: Catalogue, item: Item): Part | undefined {
  const { name, path, description } = item;
  const [error] = catalogue.errorsOf(item);
  if (error) throw new Error(clause(error.message));
  const part = { name, path, ...(description !== undefined && { description }) };
  switch (item.kind) {
    case "skills": {
      const matter = parseFrontMatter(catalogue.text(join(path, "SKILL.md")) ?? "");
      if (matter.fields["name"] !== undefined) return { kind: "skills", ...part };
      matter.head.set("name", name);
      return { kind: "skills", ...part, texts: { "SKILL.md": printFrontMatter(matter) } };
    }
    case "agents":
      return agentPart(part, catalogue.text(path) ?? "");
    case "plugins": {
      const all = JSON.parse(catalogue.text(path) ?? "{}") as Record<string, Record<string, unknown>>;
      const { package: entry, enabled } = all[name] ?? {};
      return enabled === false ? undefined : { kind: "plugins", ...part, entry };
    }
    default:
      return isPartKind(item.kind) ? { kind: item.kind, ...part } : undefined;
  }
}

function agentPart(part: Omit<Part, "kind">, text: string): Part {
  const matter = parseFrontMatter(text);
  const { permission, permissions, rules } = matter.fields;
  if (permissions === undefined && rules === undefined) return { kind: "agents", ...part };
  // The Library's own words for what OpenCode calls otherwise, or does not know.
  matter.head.delete("rules");
  if (permission !== undefined) matter.head.delete("permissions");
  else renameKey(matter, "permissions", "permission");
  return { kind: "agents", ...part, texts: { "": printFrontMatter(matter) } };
}

/** A sentence as a clause after a colon. */
function clause(sentence: string): string {
  return sentence.replace(/^(?:Its?|There)\b/, (word) => word.toLowerCase()).replace(/\.$/, "");
}

/** What would be an item, but is a link or cannot be listed. */
function addObstacles(contents: Contents, catalogue: Catalogue): void {
  for (const { code, path, message } of catalogue.problems()) {
    const { kind, name, file } = (code === "link" || code === "unreadable" ? catalogue.placeOf(path) : undefined) ?? {};
    if (kind === undefined || !name || file !== undefined || !isPartKind(kind)) continue;
    if (!catalogue.item(kind, name)) contents.problems.push({ kind, name, path, message: clause(message) });
  }
}

function renameKey({ head }: ReturnType<typeof parseFrontMatter>, from: string, to: string): void {
  const pairs = (head.contents as { items?: unknown[] } | null)?.items ?? [];
  const pair = pairs.filter(isPair).find(({ key }) => String(key) === from);
  if (pair) pair.key = head.createNode(to);
}

function described(words: unknown): { description?: string } {
  return typeof words === "string" && words !== "" ? { description: words } : {};
}

function addServers(contents: Contents, path: string, key: Key | undefined): void {
  const { servers, problems } = readServers(path, key);
  for (const { name, description, entry } of servers)
    contents.parts.push({ kind: "mcps", name, path, ...described(description), entry });
  for (const { name, message } of problems) contents.problems.push({ kind: "mcps", name, path, message });
}

/** A file of several items that cannot be read at all; whether it is one. */
function addFileProblem(contents: Contents, catalogue: Catalogue, kind: "mcps" | "plugins"): boolean {
  const path = pathFor(catalogue.root, kind, "");
  const error = catalogue.problems(path).find(({ severity, item }) => severity === "error" && item === undefined);
  if (error) contents.problems.push({ kind, name: basename(path), path, message: clause(error.message) });
  return error !== undefined;
}

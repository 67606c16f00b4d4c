import type { ItemKind } from "../protocol/library.ts";
import { getLocation } from "jsonc-parser";
import type { Catalogue } from "./catalogue.ts";
import { knownAgents } from "./commandRules.ts";
import { written } from "./edits.ts";
import { headPlace } from "./frontMatter.ts";
import { headKeys, permissionKeys, permissionLevels } from "./headKeys.ts";
import type { Place } from "./layout.ts";

/** What could be written at a place, and what it replaces. */
export interface Completion {
  label: string;
  /** A kind of items, or a key or value of a head. */
  kind: ItemKind | "key" | "value";
  detail?: string;
  text: string;
  start: number;
  end: number;
}

const none: readonly Completion[] = [];
const listsOfTemplates: Readonly<Partial<Record<string, ItemKind>>> = {
  skills: "skills",
  tools: "tools",
  mcps: "mcps",
  plugins: "plugins",
  init_scripts: "scripts",
};

/** What could be written at a place of a file. It need not parse there. */
export function complete(catalogue: Catalogue, path: string, offset: number): readonly Completion[] {
  const place = catalogue.placeOf(path);
  const text = catalogue.text(path);
  if (!place || text === undefined) return none;
  if (path.endsWith(".json")) return inJson(catalogue, place, text, offset);
  if (!path.endsWith(".md")) return none;
  const head = headPlace(text);
  const isHead = head === "open" || (head !== undefined && head.start <= offset && offset <= head.end);
  if (!isHead) return head && offset < head.body ? none : inBody(catalogue, place, text, offset);
  // Only what is named SKILL.md in a skill has a head that somebody reads.
  return place.file !== undefined && place.file !== "SKILL.md" ? none : inHead(catalogue, place.kind, text, offset);
}

function items(catalogue: Catalogue, kind: ItemKind, start: number, end: number, style?: "double"): Completion[] {
  const own = catalogue.items(kind).map(({ name, description }) => ({ name, detail: description }));
  const others = kind === "agents" ? knownAgents.map((name) => ({ name, detail: "Of OpenCode" })) : [];
  return [...own, ...others.filter(({ name }) => !own.some((one) => one.name === name))].map(({ name, detail }) => ({
    label: name,
    kind,
    ...(detail !== undefined && { detail }),
    text: style ? written(name, style) : name,
    start,
    end,
  }));
}

function inJson(catalogue: Catalogue, { kind, name }: Place, text: string, offset: number): readonly Completion[] {
  const { path, isAtPropertyKey, previousNode } = getLocation(text, offset);
  const [key = "", index] = path;
  if (isAtPropertyKey) return none;
  const isSettings = kind === "settings" && name === "config";
  const wanted =
    kind === "templates" && index !== undefined
      ? listsOfTemplates[key]
      : isSettings && (key === "default_agent" || (key === "hidden_agents" && index !== undefined))
        ? "agents"
        : undefined;
  if (!wanted || path.length > 2) return none;
  const inside = previousNode && previousNode.offset <= offset && offset <= previousNode.offset + previousNode.length;
  const [start, end] = inside ? [previousNode.offset, previousNode.offset + previousNode.length] : [offset, offset];
  return items(catalogue, wanted, start, end, "double");
}

/** What stands before a place in its line, and which keys the line is below. */
function lineAt(text: string, offset: number): { before: string; rest: number; parents: string[] } {
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  const before = text.slice(start, offset);
  const parents: string[] = [];
  let indent = /^[ \t]*(?:- )?/.exec(before)?.[0].length ?? 0;
  for (const line of text.slice(0, start).split(/\r?\n/).reverse()) {
    const found = /^([ \t]*)(?:"([^"]*)"|'([^']*)'|([^\s#:"'-][^:]*)):(?:\s|$)/.exec(line);
    if (!found) continue;
    const [, space = "", ...names] = found;
    if (space.length >= indent) continue;
    parents.unshift(names.join(""));
    indent = space.length;
    if (indent === 0) break;
  }
  const rest = /^[\w./-]*/.exec(text.slice(offset))?.[0].length ?? 0;
  return { before, rest, parents };
}

function inHead(catalogue: Catalogue, kind: ItemKind, text: string, offset: number): readonly Completion[] {
  const { before, rest, parents } = lineAt(text, offset);
  const end = offset + rest;
  const [top] = parents;
  const keys = headKeys[kind] ?? {};
  const item = /^\s*- ["']?([\w./-]*)$/.exec(before);
  if (item) {
    const start = offset - (item[1]?.length ?? 0);
    return kind === "agents" && top === "rules" ? items(catalogue, "rules", start, end) : none;
  }
  const flow = /^rules:\s*\[(?:.*[\s,[])?["']?([\w./-]*)$/.exec(before);
  if (flow && kind === "agents") return items(catalogue, "rules", offset - (flow[1]?.length ?? 0), end);
  const value = /^(\s*)["']?([^\s:"']+)["']?:\s+["']?([\w./-]*)$/.exec(before);
  if (value) {
    const [, indent = "", key = "", typed = ""] = value;
    const start = offset - typed.length;
    const isLevel =
      kind === "agents" && (top === "permission" || top === "permissions" || (indent === "" && key === "permission"));
    if (kind === "commands" && key === "agent" && indent === "") return items(catalogue, "agents", start, end);
    const values = isLevel ? permissionLevels : indent === "" ? keys[key]?.values : undefined;
    return (values ?? []).map((label) => ({ label, kind: "value", text: label, start, end }));
  }
  const word = /^\s*(\w*)$/.exec(before);
  if (!word) return none;
  const start = offset - (word[1]?.length ?? 0);
  if (before.startsWith(" ") || before.startsWith("\t"))
    return kind === "agents" && parents.length === 1 && /^permissions?$/.test(top ?? "")
      ? permissions(catalogue, start, end)
      : none;
  const there = new Set([...text.matchAll(/^(\w+):/gm)].map(([, key]) => key));
  return Object.entries(keys)
    .filter(([key]) => !there.has(key))
    .map(([label, { words }]) => ({ label, kind: "key", detail: words, text: `${label}: `, start, end }));
}

function permissions(catalogue: Catalogue, start: number, end: number): Completion[] {
  const known = Object.entries(permissionKeys).map(([label, detail]): Completion => {
    return { label, kind: "key", detail, text: `${label === "*" ? '"*"' : label}: `, start, end };
  });
  return [...known, ...items(catalogue, "tools", start, end).map((one) => ({ ...one, text: `${one.label}: ` }))];
}

function inBody(catalogue: Catalogue, { kind }: Place, text: string, offset: number): readonly Completion[] {
  const { before, rest } = lineAt(text, offset);
  const forms: readonly [RegExp, ItemKind][] = [
    [/(?:^|[\s(`"'“])\/([\w/-]*)$/, "commands"],
    ...(kind === "commands" ? [[/(?:^|[\s(`"'“])@([\w/-]*)$/, "agents"] as [RegExp, ItemKind]] : []),
    [/\bskill[: ]\s?[`"'“]([\w-]*)$/i, "skills"],
    [/\b(?:sub)?agent[: ]\s?[`"'“]([\w-]*)$/i, "agents"],
    [/\bskill\/([\w-]*)$/, "skills"],
  ];
  for (const [pattern, wanted] of forms) {
    const found = pattern.exec(before);
    if (found) return items(catalogue, wanted, offset - (found[1]?.length ?? 0), offset + rest);
  }
  return none;
}

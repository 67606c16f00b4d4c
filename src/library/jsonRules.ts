import type { ItemKind } from "../protocol/library.ts";
import type { Findings, Held } from "./analysis.ts";
import { describeError } from "../base/errors.ts";
import { knownAgents } from "./commandRules.ts";
import { removal, replaceText, styleOf } from "./edits.ts";

import { looksSecret } from "./plainSecrets.ts";
import { isSealed, marksIn } from "../protocol/sealed.ts";
import { serverEntry } from "./servers.ts";
import { namePattern, templateShape } from "./templates.ts";
import { entry, namesIn, plain, readJson, textIn, valueOf, type Entry, type Node } from "./tree.ts";

/** Reads a file of JSON that has to hold a map. Where it cannot be read, that is a problem. */
function readMap(f: Findings, comments = false): Node | undefined {
  const { tree, errors } = readJson(f.text, comments);
  const [error] = errors;
  if (error) {
    f.problem(error, "error", "json", `It is no JSON: ${error.message}.`);
    return undefined;
  }
  if (tree?.kind !== "map") {
    const at = tree ?? { start: 0, end: f.text.length };
    f.problem(at, "error", "json", "It is no JSON object: it has to begin with “{”.");
    return undefined;
  }
  for (const one of tree.entries) {
    if (entry(tree, one.key) === one) continue;
    const fix = { title: `Remove This “${one.key}”`, edits: [removal(f.path, f.text, tree, one)] };
    f.problem(one, "warning", "duplicate-key", `It has “${one.key}” again further down, and only that counts.`, [fix]);
  }
  return tree;
}

/** A key that is the name of an item. */
function held(f: Findings, kind: ItemKind, { key, start, end, value }: Entry): Held {
  f.mention({ kinds: [kind], name: key, start, end, style: "double", own: true });
  const description = textIn(valueOf(value, "description"));
  return { name: key, start, end, ...(description !== undefined && description !== "" && { description }) };
}

/** `mcp/servers.json`: the shapes of the original, of OpenCode and of VS Code. */
export function checkServers(f: Findings): Held[] {
  const tree = readMap(f);
  if (!tree) return [];
  for (const one of tree.entries) {
    checkServer(f, one);
    for (const key of ["env", "environment", "headers"])
      for (const variable of valueOf(one.value, key)?.entries ?? []) checkVariable(f, one.key, variable);
  }
  return tree.entries.filter((one) => entry(tree, one.key) === one).map((one) => held(f, "mcps", one));
}

function checkServer(f: Findings, { key: name, value, start, end }: Entry): void {
  try {
    serverEntry(plain(value));
    const type = entry(value, "type");
    const remote = entry(value, "url") !== undefined && entry(value, "command") === undefined;
    if (!type && value.kind === "map") addType(f, value, name, remote ? "remote" : "local");
    const [sealed] = textsIn(value, name).filter((one) => isSealed(textIn(one.value) ?? ""));
    const words = `${sealed?.key ?? ""} is encrypted: missions have it where the key of the Library is set.`;
    if (sealed) f.problem(sealed.value, "information", "sealed", words, [], name);
  } catch (error) {
    const type = entry(value, "type");
    const known = ["local", "stdio", "remote", "http", "sse"];
    if (type && !known.some((one) => one === type.value.value)) {
      const types = ["local", "remote"].map((one) => ({
        title: `Change to “${one}”`,
        edits: [replaceText(f.path, type.value, one)],
      }));
      const fixes = type.value.style === "double" ? types : [];
      const said = type.value.kind === "value" ? `“${String(type.value.value)}”` : "this";
      f.problem(type.value, "error", "server-type", `Its type is local or remote, not ${said}.`, fixes, name);
      return;
    }
    const at = type?.value ?? { start, end };
    f.problem(at, "error", "server-shape", sentence(describeError(error)), [], name);
  }
}

/** The values below a node, each with the key that it is below. */
function textsIn(value: Node, key: string): { key: string; value: Node }[] {
  if (value.kind === "value") return [{ key, value }];
  const inList = value.items.flatMap((one) => textsIn(one, key));
  return [...inList, ...value.entries.flatMap((one) => textsIn(one.value, one.key))];
}

function addType(f: Findings, map: Node, name: string, type: string): void {
  const [first] = map.entries;
  if (!first) return;
  const edits = [f.edit({ start: first.start, end: first.start }, `"type": "${type}", `)];
  const words = `Its type is not said. Open Agent takes it for ${type}; other programs may not.`;
  f.problem(first, "information", "server-type-missing", words, [{ title: `Add "type": "${type}"`, edits }], name);
}

function checkVariable(f: Findings, server: string, { key, value }: Entry): void {
  const text = textIn(value);
  if (text === undefined || !looksSecret(key, text)) return;
  const variable = key.toUpperCase().replaceAll(/\W/g, "_");
  const scheme = /^(?:Bearer|Basic|token)\s+/i.exec(text)?.[0] ?? "";
  const name =
    key.toLowerCase() === "authorization" ? `${server.toUpperCase().replaceAll(/\W/g, "_")}_TOKEN` : variable;
  const placeholder = `${scheme}{env:${name}}`;
  const edits = [f.edit(value, JSON.stringify(placeholder))];
  const fix = { title: `Replace by “${placeholder}”`, edits, preferred: true };
  const words = `The value of ${key} looks like a secret. Everybody can read it who gets the Library.`;
  f.problem(value, "warning", "plain-secret", words, [fix], server);
}

/** `plugins.json`: `{id: {package, description?, enabled = true}}`. */
export function checkPlugins(f: Findings): Held[] {
  const tree = readMap(f);
  if (!tree) return [];
  for (const { key, value, start, end } of tree.entries) {
    const used = textIn(valueOf(value, "package"));
    if (valueOf(value, "enabled")?.value !== false && (used === undefined || used === ""))
      f.problem({ start, end }, "error", "plugin-shape", "It names no package.", [], key);
    const enabled = valueOf(value, "enabled");
    if (enabled && typeof enabled.value !== "boolean")
      f.problem(enabled, "warning", "plugin-shape", "“enabled” is true or false.", [], key);
  }
  return tree.entries.filter((one) => entry(tree, one.key) === one).map((one) => held(f, "plugins", one));
}

const templateLists: Readonly<Record<string, ItemKind>> = {
  skills: "skills",
  tools: "tools",
  mcps: "mcps",
  plugins: "plugins",
  init_scripts: "scripts",
};

/** `workspace-template/<name>.json`. */
export function checkTemplate(f: Findings): string | undefined {
  const tree = readMap(f);
  if (!tree) return undefined;
  checkTemplateShape(f, tree);
  checkTemplateName(f, tree);
  for (const [key, kind] of Object.entries(templateLists)) {
    const list = valueOf(tree, key);
    for (const { name, node } of namesIn(list)) {
      const required = { severity: "warning" as const, ...(list && { remove: removal(f.path, f.text, list, node) }) };
      f.mention({ kinds: [kind], name, start: node.start, end: node.end, style: "double", required });
    }
  }
  checkTemplateVariables(f, tree);
  return textIn(valueOf(tree, "description"));
}

function checkTemplateShape(f: Findings, tree: Node): void {
  const { error } = templateShape.safeParse(plain(tree));
  for (const issue of error?.issues ?? []) {
    let at = tree;
    for (const step of issue.path) at = (typeof step === "number" ? at.items[step] : valueOf(at, String(step))) ?? at;
    const words = `“${issue.path.join(".")}” has another form than expected: ${issue.message}.`;
    f.problem(at, "error", "template-shape", words);
  }
}

function checkTemplateName(f: Findings, tree: Node): void {
  const { name } = f.place;
  const own = entry(tree, "name");
  if (!namePattern.test(name))
    f.problem(tree, "error", "template-name", "Its file has no name that a template can have.");
  if (!own) return;
  const style = styleOf(own.value);
  f.mention({ kinds: ["templates"], name, own: true, start: own.value.start, end: own.value.end, style });
  if (own.value.value === name || own.value.value === null) return;
  const said = own.value.kind === "value" ? String(own.value.value) : "…";
  const edits = [f.edit(own.value, JSON.stringify(name))];
  const words = `It calls itself “${said}”, but its file is “${name}”, which counts.`;
  const fixes = own.value.kind === "value" ? [{ title: `Change to “${name}”`, edits, preferred: true }] : [];
  f.problem(own.value, "warning", "template-name-file", words, fixes);
}

function checkTemplateVariables(f: Findings, tree: Node): void {
  const variables = valueOf(tree, "env_vars");
  const keys = valueOf(tree, "encrypted_keys");
  for (const { name, node } of namesIn(keys)) {
    if (!keys || entry(variables, name)) continue;
    const fixes = [{ title: `Remove “${name}”`, edits: [removal(f.path, f.text, keys, node)] }];
    const words = `There is no “${name}” in env_vars. Whoever makes a workspace of it is asked for the value.`;
    f.problem(node, "information", "encrypted-key", words, fixes);
  }
  for (const { key, value } of variables?.entries ?? []) {
    const text = textIn(value);
    const isListed = namesIn(keys).some(({ name }) => name === key);
    if (text === undefined || !(isListed ? isPlain(text) : looksSecret(key, text))) continue;
    const edits = [f.edit(value, '""'), ...listKey(f, tree, keys, key)];
    const ask = { title: "Ask for It When a Workspace Is Made", edits, preferred: true };
    const marked = JSON.stringify(`<encrypted>${text}</encrypted>`);
    const encrypt = { title: "Encrypt It When the File Is Saved", edits: [f.edit(value, marked)] };
    const said = isListed ? "is to be encrypted, and is not" : "looks like a secret";
    const words = `The value of ${key} ${said}. Everybody can read it who gets the Library.`;
    f.problem(value, "warning", "plain-secret", words, [ask, encrypt]);
  }
}

/** Whether a value can be read by everybody, as a whole or in part. */
function isPlain(text: string): boolean {
  return text !== "" && marksIn(text).length === 0 && !isSealed(text);
}

/** Edits that name a variable among the encrypted ones. */
function listKey(f: Findings, tree: Node, keys: Node | undefined, key: string) {
  if (namesIn(keys).some(({ name }) => name === key)) return [];
  const text = JSON.stringify(key);
  if (keys?.kind === "list") {
    const last = keys.items.at(-1);
    const at = last ? last.end : keys.start + 1;
    return [f.edit({ start: at, end: at }, last ? `, ${text}` : text)];
  }
  if (keys) return [f.edit(keys, `[${text}]`)];
  const variables = entry(tree, "env_vars");
  if (!variables) return [];
  const indent = /[^\S\n]*$/.exec(f.text.slice(0, variables.start))?.[0] ?? "";
  const line = f.text.slice(0, variables.start).endsWith(`\n${indent}`) ? `\n${indent}` : " ";
  return [f.edit({ start: variables.start, end: variables.start }, `"encrypted_keys": [${text}],${line}`)];
}

/** `openagent/config.json` and files for OpenCode, which may have comments. */
export function checkSettings(f: Findings): void {
  const tree = readMap(f, f.path.replaceAll("\\", "/").includes("/opencode/"));
  if (!tree || f.place.name !== "config") return;
  const hidden = valueOf(tree, "hidden_agents");
  if (hidden && hidden.kind !== "list" && hidden.value !== null)
    f.problem(hidden, "warning", "settings-shape", "“hidden_agents” is a list of names.");
  const single = valueOf(tree, "default_agent");
  if (single && typeof single.value !== "string" && single.value !== null)
    f.problem(single, "warning", "settings-shape", "“default_agent” is a name.");
  for (const { name, node } of [...namesIn(hidden), ...namesIn(single, true)]) {
    const remove = hidden && node !== single ? { remove: removal(f.path, f.text, hidden, node) } : {};
    f.mention({
      kinds: ["agents"],
      name,
      start: node.start,
      end: node.end,
      style: "double",
      required: { severity: "information", known: knownAgents, ...remove },
    });
  }
}

function sentence(words: string): string {
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}.`;
}

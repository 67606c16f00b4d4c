import type { Findings, Fix } from "./analysis.ts";
import { entryEnd, lineEnd, removal, replaceText, styleOf } from "./edits.ts";
import { checkModel, readHead, type Head } from "./head.ts";
import { entry, namesIn, type Entry, type Node } from "./tree.ts";

const modes = ["primary", "subagent", "all"] as const;
const levels = ["allow", "ask", "deny"] as const;
/** The permission that stands for a tool of another name. */
const permissionOf: Readonly<Record<string, string>> = { write: "edit", patch: "edit", multiedit: "edit" };
const shapes: readonly { keys: readonly string[]; type: "number" | "boolean" | "string"; words: string }[] = [
  { keys: ["temperature", "top_p", "steps", "maxSteps"], type: "number", words: "a number" },
  { keys: ["disable", "hidden"], type: "boolean", words: "true or false" },
  { keys: ["description", "color", "variant", "prompt"], type: "string", words: "a text" },
];

export function checkAgent(f: Findings): { head?: Head } {
  const head = readHead(f);
  if (!head) return {};
  const { tree } = head;
  checkMode(f, entry(tree, "mode"));
  checkModel(f, entry(tree, "model"));
  for (const { keys, type, words } of shapes)
    for (const key of keys) {
      const one = entry(tree, key);
      if (one && one.value.value !== null && typeof one.value.value !== type)
        f.problem(one.value, "warning", "agent-shape", `OpenCode expects ${words} as “${key}”.`);
    }
  if (tree) checkPermissions(f, tree);
  checkRules(f, entry(tree, "rules")?.value);
  if (tree) checkTools(f, tree);
  return { head };
}

function checkMode(f: Findings, one: Entry | undefined): void {
  if (!one || modes.some((mode) => mode === one.value.value)) return;
  const fixes = modes.map((mode) => ({ title: `Change to “${mode}”`, edits: [replaceText(f.path, one.value, mode)] }));
  const said = one.value.kind === "value" ? String(one.value.value) : "…";
  const words = `Its mode is “${said}”, but OpenCode knows only primary, subagent and all.`;
  f.problem(one.value, "error", "agent-mode", words, one.value.kind === "value" && said !== "null" ? fixes : []);
}

function checkPermissions(f: Findings, tree: Node): void {
  const wrong = entry(tree, "permissions");
  const right = entry(tree, "permission");
  if (wrong) {
    const title = right ? "Remove “permissions”" : "Change to “permission”";
    const edit = right ? removal(f.path, f.text, tree, wrong) : replaceText(f.path, wrong, "permission");
    const words = right
      ? "OpenCode reads “permission”, which is there as well: “permissions” counts for nothing."
      : "OpenCode reads “permission”. Open Agent changes that for it; other programs may not.";
    f.problem(wrong, "warning", "permissions", words, [{ title, edits: [edit], preferred: true }]);
  }
  const used = right ?? wrong;
  if (!used) return;
  if (used.value.kind === "value" && used.value.value !== null) checkLevel(f, used.value);
  for (const { key, value } of used.value.entries) {
    if (value.kind === "value") checkLevel(f, value);
    for (const pattern of value.entries) {
      checkLevel(f, pattern.value);
      const kinds = key === "skill" ? (["skills"] as const) : key === "task" ? (["agents"] as const) : [];
      if (kinds.length > 0) f.mention({ kinds, name: pattern.key, ...keyPlace(f, pattern) });
    }
    if (value.kind === "list") f.problem(value, "error", "permission-level", levelWords("a list"));
  }
  for (const one of used.value.entries) mentionTool(f, one);
}

/** A key that is the name of a tool: the Library's own, or one of an MCP server, which begins with the server's name. */
function mentionTool(f: Findings, one: Entry): void {
  const { start, style } = keyPlace(f, one);
  f.mention({ kinds: ["tools"], name: one.key, ...keyPlace(f, one) });
  const first = start + (style === "plain" ? 0 : 1);
  for (const { index } of one.key.matchAll(/(?<=\w)_/g)) {
    const name = one.key.slice(0, index);
    // Where the key is written in another way, its places are others.
    if (f.text.slice(first, first + name.length) !== name) continue;
    f.mention({ kinds: ["mcps"], name, start: first, end: first + name.length, style: "text" });
  }
}

const levelWords = (said: string) => `A permission is allow, ask or deny; ${said} is none of them.`;

function checkLevel(f: Findings, node: Node): void {
  if (levels.some((level) => level === node.value)) return;
  const fixes = levels.map((level) => ({ title: `Change to “${level}”`, edits: [replaceText(f.path, node, level)] }));
  const said = node.kind === "value" ? `“${String(node.value)}”` : "what is here";
  const fixable = node.kind === "value" && node.value !== null && node.style !== "folded";
  f.problem(node, "error", "permission-level", levelWords(said), fixable ? fixes : []);
}

function keyPlace(f: Findings, { start, end }: Entry) {
  const [quote = ""] = f.text.slice(start, end);
  const style = quote === '"' ? ("double" as const) : quote === "'" ? ("single" as const) : ("plain" as const);
  return { start, end, style };
}

function checkRules(f: Findings, node: Node | undefined): void {
  if (!node || node.value === null) return;
  if (node.kind !== "list") f.problem(node, "warning", "agent-shape", "Its rules are no list of names.");
  for (const { name, node: one } of namesIn(node))
    f.mention({
      kinds: ["rules"],
      name,
      start: one.start,
      end: one.end,
      style: styleOf(one),
      required: { severity: "warning", remove: removal(f.path, f.text, node, one) },
    });
}

function checkTools(f: Findings, tree: Node): void {
  const tools = entry(tree, "tools");
  if (!tools || tools.value.value === null) return;
  for (const one of tools.value.entries) {
    mentionTool(f, one);
    if (typeof one.value.value !== "boolean")
      f.problem(one.value, "warning", "agent-shape", `OpenCode expects true or false for the tool “${one.key}”.`);
  }
  const fix = conversion(f, tree, tools);
  const words = "OpenCode has replaced “tools” by “permission”, and may drop it.";
  f.problem(tools, "information", "tools-deprecated", words, fix ? [fix] : []);
}

/** Says with `permission` what `tools` says. */
function conversion(f: Findings, tree: Node, tools: Entry): Fix | undefined {
  const title = "Convert to “permission”";
  const { value: map } = tools;
  if (map.kind !== "map" || map.entries.some(({ value }) => typeof value.value !== "boolean")) return undefined;
  const named = map.entries.map((one) => ({ one, name: permissionOf[one.key] ?? one.key }));
  const level = ({ value }: Entry) => (value.value === true ? "allow" : "deny");
  const there = entry(tree, "permission") ?? entry(tree, "permissions");
  if (!there) {
    // In place, so that what is written around it stays.
    if (named.some(({ name }, index) => named.findIndex((other) => other.name === name) !== index)) return undefined;
    const edits = named.flatMap(({ one, name }) => [
      ...(name === one.key ? [] : [replaceText(f.path, one, name)]),
      f.edit(one.value, level(one)),
    ]);
    return { title, edits: [replaceText(f.path, tools, "permission"), ...edits], preferred: true };
  }
  const target = there.value;
  const [first] = target.entries;
  if (target.kind !== "map" || !target.block || !first || !tree.block) return undefined;
  const indent = " ".repeat(first.start - (f.text.lastIndexOf("\n", first.start - 1) + 1));
  const missing = named.filter(
    ({ name }, index) => !entry(target, name) && named.findIndex((other) => other.name === name) === index,
  );
  const last = target.entries.at(-1) ?? first;
  const newline = f.text.indexOf("\n", entryEnd(last) - 1);
  if (newline < 0) return undefined;
  const lines = missing.map(({ one, name }) => {
    const key = f.text.slice(one.start, one.end);
    return `${indent}${name === one.key ? key : name}: ${level(one)}${lineEnd(f.text)}`;
  });
  const edits = [
    f.edit({ start: newline + 1, end: newline + 1 }, lines.join("")),
    removal(f.path, f.text, tree, tools),
  ];
  return { title, edits, preferred: true };
}

import { isAbsolute, relative } from "node:path";
import type { ToolCard } from "../protocol/event.ts";
import { fields, list, number, optionalNumber, optionalText, text, type Fields } from "../base/fields.ts";
import { desktopCard, desktopTool, desktopUse } from "./desktopCards.ts";

/** What OpenCode tells of a tool call; `metadata` fills up while it runs. */
export interface ToolFacts {
  tool: string;
  input: Fields;
  metadata: Fields;
  /** It ran to its end, so `metadata` holds the result. */
  finished: boolean;
  /** What it has answered, if it has. */
  output?: unknown;
}

type Describe = (facts: ToolFacts, directory: string) => ToolCard;

/** How each of OpenCode's own tools is drawn. Names and fields: opencode 1.18.33. */
const cards: Readonly<Record<string, Describe>> = {
  bash: ({ input, metadata, finished }) => ({
    icon: "terminal",
    doing: "Running",
    done: "Ran",
    object: oneLine(text(input["command"])),
    code: true,
    ...(finished && result(exitText(metadata))),
    body: "terminal",
  }),
  read: ({ input, metadata }, directory) => {
    const display = fields(metadata["display"]);
    const from = optionalNumber(display["lineStart"]);
    return {
      ...fileCard("file", "Reading", "Read", text(input["filePath"]), directory),
      ...(from !== undefined && { line: from }),
      ...(from !== undefined && from > 1 && result(`lines ${String(from)}–${String(number(display["lineEnd"]))}`)),
      body: "source",
    };
  },
  write: ({ input, metadata }, directory) => ({
    ...fileCard("new-file", "Writing", "Wrote", text(input["filePath"]), directory),
    ...(typeof metadata["exists"] === "boolean" && { created: !metadata["exists"] }),
    ...result(counted(lineCount(text(input["content"])), "line")),
    body: "source",
  }),
  edit: (facts, directory) => editCard(facts, directory),
  multiedit: (facts, directory) => editCard(facts, directory),
  patch: (facts, directory) => editCard(facts, directory),
  apply_patch: (facts, directory) => editCard(facts, directory),
  glob: ({ input, metadata, finished }) => ({
    ...plainCard("search", "Finding", "Found", text(input["pattern"])),
    code: true,
    ...(finished && result(counted(number(metadata["count"]), "file"))),
  }),
  grep: ({ input, metadata, finished }, directory) => {
    const where = optionalText(input["path"]) ?? optionalText(input["include"]);
    const object =
      where === undefined ? quoted(input["pattern"]) : `${quoted(input["pattern"])} in ${shown(where, directory)}`;
    return {
      ...plainCard("search", "Searching", "Searched", object),
      ...(finished && result(counted(number(metadata["matches"]), "match", "matches"))),
    };
  },
  list: ({ input }, directory) =>
    plainCard("list-tree", "Listing", "Listed", shown(text(input["path"], directory), directory)),
  webfetch: ({ input }) => ({ ...plainCard("globe", "Fetching", "Fetched", text(input["url"])), body: "markdown" }),
  websearch: ({ input }) => plainCard("globe", "Searching the web for", "Searched the web for", quoted(input["query"])),
  task: ({ input, metadata }) => ({
    ...plainCard("organization", "Delegating", "Delegated", text(input["description"])),
    ...result(text(input["subagent_type"])),
    ...(optionalText(metadata["sessionId"]) !== undefined && { childSessionId: text(metadata["sessionId"]) }),
    body: "markdown",
  }),
  todowrite: ({ input }) => {
    const todos = list(input["todos"]).map(fields);
    const completed = todos.filter((todo) => todo["status"] === "completed").length;
    const object = todos.length === 0 ? "the plan" : `the plan: ${String(completed)} of ${String(todos.length)} done`;
    return plainCard("checklist", "Updating", "Updated", object);
  },
  skill: ({ input }) => ({
    ...plainCard("book", "Loading skill", "Loaded skill", text(input["name"])),
    body: "markdown",
  }),
  question: ({ input }) => {
    const first = fields(list(input["questions"])[0]);
    return plainCard("comment-discussion", "Asking", "Asked", oneLine(text(first["question"])));
  },
  invalid: ({ input }) =>
    plainCard("warning", "Calling unavailable tool", "Called unavailable tool", text(input["tool"])),
};

/** A call of any tool, in one line. `directory` is the mission's; paths below it are shown relative to it. */
export function toolCard(facts: ToolFacts, directory: string): ToolCard {
  const describe = Object.hasOwn(cards, facts.tool) ? cards[facts.tool] : undefined;
  if (describe) return describe(facts, directory);
  const desktop = desktopTool(facts.tool);
  if (desktop !== undefined) return ofDesktop(desktop, facts);
  return plainCard("tools", "Calling", "Called", otherTool(facts));
}

function ofDesktop(name: string, { input, finished, output }: ToolFacts): ToolCard {
  const { icon, doing, done, object } = desktopCard(name, input);
  const use = finished ? desktopUse(name, input, output) : undefined;
  return { ...plainCard(icon, doing, done, object), ...(use && { desktop: use }) };
}

function otherTool({ tool, input }: ToolFacts): string {
  const values = Object.values(input).filter((value) => typeof value === "string" || typeof value === "number");
  return oneLine([tool, ...values.map(String)].join(" "));
}

function editCard({ input, metadata }: ToolFacts, directory: string): ToolCard {
  const fileDiff = fields(metadata["filediff"]);
  const path = optionalText(input["filePath"]) ?? optionalText(fileDiff["file"]) ?? patchedFile(text(metadata["diff"]));
  const diff = optionalText(metadata["diff"]) ?? optionalText(fileDiff["patch"]);
  const changes = diff === undefined ? undefined : changeCounts(diff);
  return {
    ...fileCard("edit", "Editing", "Edited", path, directory),
    ...(changes && result(`+${String(changes.added)} −${String(changes.removed)}`)),
    ...(changes?.line !== undefined && { line: changes.line }),
    body: "diff",
    ...(diff !== undefined && { diff }),
  };
}

function changeCounts(diff: string): { added: number; removed: number; line: number | undefined } {
  const lines = diff.split("\n");
  const hunk = lines.findIndex((line) => line.startsWith("@@"));
  const body = hunk < 0 ? [] : lines.slice(hunk);
  const start = /^@@ -\d+(?:,\d+)? \+(\d+)/.exec(lines[hunk] ?? "")?.[1];
  return {
    added: body.filter((line) => line.startsWith("+") && !line.startsWith("+++")).length,
    removed: body.filter((line) => line.startsWith("-") && !line.startsWith("---")).length,
    line: start === undefined ? undefined : Number(start),
  };
}

function patchedFile(diff: string): string {
  return /^\+\+\+ (?:b\/)?(\S.*)$/m.exec(diff)?.[1] ?? "";
}

function plainCard(icon: string, doing: string, done: string, object: string): ToolCard {
  return { icon, doing, done, object: oneLine(object), body: "text" };
}

function fileCard(icon: string, doing: string, done: string, path: string, directory: string): ToolCard {
  const absolute = isAbsolute(path) ? { path } : {};
  return { icon, doing, done, object: shown(path, directory), code: true, ...absolute, body: "text" };
}

function result(words: string): { result?: string } {
  return words === "" ? {} : { result: words };
}

function exitText(metadata: Fields): string {
  if (metadata["exit"] === null) return "stopped";
  const exit = optionalNumber(metadata["exit"]);
  return exit === undefined || exit === 0 ? "" : `exit ${String(exit)}`;
}

/** A path below the mission's directory is shown relative to it. */
function shown(path: string, directory: string): string {
  if (!isAbsolute(path)) return path;
  const inside = relative(directory, path);
  return inside === "" || inside.startsWith("..") || isAbsolute(inside) ? path : inside;
}

function quoted(value: unknown): string {
  return `“${oneLine(text(value))}”`;
}

function oneLine(words: string): string {
  const line = words.replace(/\s+/g, " ").trim();
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}

function lineCount(content: string): number {
  return content === "" ? 0 : content.replace(/\n$/, "").split("\n").length;
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${String(count)} ${count === 1 ? one : many}`;
}

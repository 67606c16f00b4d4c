import { dirname, join } from "node:path";
import * as vscode from "vscode";
import { describeError } from "../../base/errors.ts";
import type { CommandChoice, Core } from "../../orchestrator/index.ts";
import { fuzzyBest } from "../../protocol/fuzzy.ts";
import type { MissionHead } from "../../protocol/mission.ts";
import type { Suggestion } from "../../protocol/panel.ts";
import type { App } from "../app.ts";
import { fileReference, linesReference, problemsBelow, shortPath } from "./references.ts";
import { ago, stateWord } from "../words.ts";

const most = 30;
const mostFiles = 20_000;
/** Files and commands of a folder are looked up anew after so long. */
const rememberMs = 10_000;

/** What can be put into a message, by what the user has typed. One for each window; it remembers lists for a moment. */
export class Suggestions {
  readonly #app: App;
  readonly #remembered = new Map<string, { at: number; value: Promise<unknown> }>();

  constructor(app: App) {
    this.#app = app;
  }

  find(core: Core, head: MissionHead, trigger: "/" | "@", query: string): Promise<Suggestion[]> {
    return trigger === "/" ? this.#commands(head, query) : this.#context(core, head, query);
  }

  /** The commands that a mission can call. Rejects when OpenCode cannot be asked. */
  commands({ id: missionId, directory, server }: MissionHead): Promise<CommandChoice[]> {
    return this.#remember(`commands:${server}:${directory}`, () => this.#app.run("commands", { directory, missionId }));
  }

  async #commands(head: MissionHead, query: string): Promise<Suggestion[]> {
    const commands = await this.commands(head);
    return fuzzyBest(query, commands, ({ name }) => name, most).map(({ name, description, source, hints }) => ({
      key: `command:${name}`,
      label: `/${name}`,
      detail: description,
      icon: source === "skill" ? "mortar-board" : source === "mcp" ? "server" : "terminal",
      insert: `/${name}`,
      ...(hints.length > 0 && { hint: hints.map(hintWord).join(" ") }),
    }));
  }

  async #context(core: Core, head: MissionHead, query: string): Promise<Suggestion[]> {
    const { directory } = head;
    const [files, symbols, agents] = await Promise.all([
      this.#orNothing(this.#files(directory)),
      this.#orNothing(symbolsLike(directory, query)),
      this.#orNothing(this.#agents(head)),
    ]);
    const nearby = [...agents, ...places(directory), ...missions(core, head)];
    if (query === "") return [...openFiles(files).slice(0, 8), ...nearby.slice(0, 14)];
    const wanted = query.toLowerCase();
    const others = fuzzyBest(query, nearby, ({ label }) => label, 8);
    // A path is what most words mean, unless something else begins just so.
    const first = others.filter(({ label }) => label.toLowerCase().startsWith(wanted));
    const last = others.filter((one) => !first.includes(one) && one.label.toLowerCase().includes(wanted));
    const found = fuzzyBest(query, files, ({ label }) => label, most);
    return [...first, ...found.slice(0, 12), ...symbols, ...last, ...found.slice(12)].slice(0, most);
  }

  async #files(directory: string): Promise<Suggestion[]> {
    return this.#remember(`files:${directory}`, async () => {
      const pattern = new vscode.RelativePattern(vscode.Uri.file(directory), "**/*");
      const uris = await vscode.workspace.findFiles(pattern, excluded(directory), mostFiles);
      const paths = uris.map(({ fsPath }) => fsPath).sort();
      const folders = new Set<string>();
      for (const path of paths)
        for (let at = dirname(path); at.length > directory.length && !folders.has(at); at = dirname(at))
          folders.add(at);
      return [
        ...paths.map((path) => fileSuggestion(path, directory, false)),
        ...[...folders].map((path) => fileSuggestion(path, directory, true)),
      ];
    });
  }

  async #agents({ directory, id: missionId }: MissionHead): Promise<Suggestion[]> {
    const { subagents } = await this.#remember(`choices:${missionId}`, () =>
      this.#app.run("choices", { directory, missionId }),
    );
    return subagents.map(({ name, description }) => ({
      key: `agent:${name}`,
      label: name,
      detail: description === "" ? "agent" : `agent · ${description}`,
      icon: "robot",
      insert: `@${name}`,
      attachment: { kind: "agent", name, mention: `@${name}` },
    }));
  }

  /** One source that fails does not take the others away. */
  async #orNothing(source: Promise<Suggestion[]>): Promise<Suggestion[]> {
    try {
      return await source;
    } catch (error) {
      this.#app.log.warn(`Some suggestions are missing: ${describeError(error)}`);
      return [];
    }
  }

  #remember<T>(key: string, make: () => Promise<T>): Promise<T> {
    const known = this.#remembered.get(key);
    if (known && Date.now() - known.at < rememberMs) return known.value as Promise<T>;
    const value = make();
    this.#remembered.set(key, { at: Date.now(), value });
    value.catch(() => this.#remembered.delete(key));
    return value;
  }
}

/** `$1` and `$ARGUMENTS`, as a person would say it. */
function hintWord(hint: string): string {
  if (/^[<[]/.test(hint)) return hint;
  return hint === "$ARGUMENTS" ? "[arguments]" : `[${hint.replace(/^\$/, "")}]`;
}

function fileSuggestion(path: string, directory: string, isFolder: boolean): Suggestion {
  const attachment = fileReference(path, directory, isFolder);
  return {
    key: `file:${path}`,
    label: shortPath(path, directory) + (isFolder ? "/" : ""),
    detail: "",
    icon: isFolder ? "folder" : "file",
    insert: attachment.mention ?? "",
    attachment,
  };
}

/** With nothing typed yet, the files that are open come first, and then the folder's own. */
function openFiles(files: readonly Suggestion[]): Suggestion[] {
  const open = new Set(
    vscode.window.tabGroups.all.flatMap(({ tabs }) =>
      tabs.flatMap(({ input }) => (input instanceof vscode.TabInputText ? [`file:${input.uri.fsPath}`] : [])),
    ),
  );
  const top = files.filter(({ label }) => !label.slice(0, -1).includes("/"));
  return [...files.filter(({ key }) => open.has(key)), ...top.filter(({ key }) => !open.has(key))];
}

function places(directory: string): Suggestion[] {
  const found: Suggestion[] = [];
  const add = (key: string, label: string, detail: string, icon: string) =>
    void found.push({ key, label, detail, icon, insert: "", resolve: true });
  if (vscode.window.activeTerminal)
    add("terminal", "terminal selection", vscode.window.activeTerminal.name, "terminal");
  const problems = problemsBelow(directory);
  const sum = problems.reduce((total, file) => total + file.problems.length, 0);
  if (sum > 0) add("problems", "problems", `all ${String(sum)} in the folder`, "warning");
  for (const { uri, problems: here } of problems.slice(0, 20))
    add(`problems:${uri.fsPath}`, `problems in ${shortPath(uri.fsPath, directory)}`, String(here.length), "warning");
  return found;
}

function missions(core: Core, own: MissionHead): Suggestion[] {
  return core.store
    .list({ limit: 100 })
    .filter(({ id, sessionId }) => id !== own.id && sessionId !== undefined)
    .map((head) => ({
      key: `mission:${head.id}`,
      label: head.title,
      detail: `mission · ${stateWord(head)} · ${ago(head.updatedAt, Date.now())}`,
      icon: "rocket",
      insert: "",
      resolve: true,
    }));
}

async function symbolsLike(directory: string, query: string): Promise<Suggestion[]> {
  if (query.length < 2) return [];
  const found = await vscode.commands.executeCommand<vscode.SymbolInformation[] | undefined>(
    "vscode.executeWorkspaceSymbolProvider",
    query,
  );
  const below = (found ?? []).filter(
    ({ location: { uri } }) => uri.scheme === "file" && uri.fsPath.startsWith(join(directory, "/")),
  );
  return fuzzyBest(query, below, ({ name }) => name, 12).map(({ name, kind, location: { uri, range } }) => {
    const attachment = linesReference(uri.fsPath, directory, [range.start.line + 1, range.end.line + 1]);
    return {
      key: `symbol:${name}:${attachment.mention ?? ""}`,
      label: name,
      detail: `${vscode.SymbolKind[kind].toLowerCase()} · ${(attachment.mention ?? "").slice(1)}`,
      icon: "symbol-class",
      insert: attachment.mention ?? "",
      attachment,
    };
  });
}

/** What the user's settings leave out of the explorer and of the search. */
function excluded(directory: string): string {
  const scope = vscode.Uri.file(directory);
  const patterns = ["files.exclude", "search.exclude"].flatMap((name) => {
    const setting = vscode.workspace.getConfiguration(undefined, scope).get<Record<string, unknown>>(name) ?? {};
    return Object.entries(setting).flatMap(([pattern, on]) => (on === true ? [pattern] : []));
  });
  return `{${["**/.git", "**/node_modules", ...patterns.filter((pattern) => !/[{}]/.test(pattern))].join(",")}}`;
}

import { type ItemKind } from "../protocol/library.ts";
import { Buffer } from "node:buffer";
import { join, sep } from "node:path";
import { analyse, isMain } from "./analyse.ts";
import type { Analysis, Mention, Problem } from "./analysis.ts";
import { clashes, danglingProblem } from "./dangling.ts";
import { layouts, pathFor, placeOf, type Place } from "./layout.ts";
import { readFileText, sizeLimit, type FileText } from "./readText.ts";
import { scan, type Scan } from "./scan.ts";
import { newSkill } from "./skillRules.ts";

/** One thing that a Library holds. */
export interface Item {
  kind: ItemKind;
  name: string;
  /** Absolute: its file, or its folder if it is a skill or an init script; of an MCP server or plugin the file of all. */
  path: string;
  description?: string;
}

/** A place that names an item. */
export interface Reference {
  kind: ItemKind;
  name: string;
  path: string;
  start: number;
  end: number;
  style: Mention["style"];
  /** It is where the item itself says its name. */
  own: boolean;
}

interface File {
  place: Place;
  disk?: FileText;
  /** Undefined where it cannot be read. */
  text: string | undefined;
  analysis: Analysis;
}

/** Problems because of which the rest of a file is not known. */
const unread: ReadonlySet<string> = new Set(["head", "conflict", "lfs", "duplicate-key"]);
const nothing: Analysis = { items: [], problems: [], mentions: [] };
/** So long it is read without a pause. */
const sliceMs = 12;

/**
 * What a Library holds, with what is wrong with it and who names whom: from its files, with the texts of editors over
 * them. What a text says by itself is kept, so that a change of one costs the reading of one.
 */
export class Catalogue {
  readonly root: string;
  readonly #files = new Map<string, File>();
  readonly #overlays = new Map<string, string>();
  /** Files that are to be read again. */
  readonly #stale = new Set<string>();
  #scan: Scan | undefined;
  #items: readonly Item[] | undefined;
  /** Descriptions are others than those in `#items`. */
  #isOutdated = false;
  #byName = new Map<ItemKind, Map<string, Item>>();
  #general: readonly Problem[] | undefined;
  readonly #resolved = new Map<string, readonly Problem[]>();
  #references: Map<string, Reference[]> | undefined;

  constructor(root: string) {
    this.root = root;
  }

  /** Reads what is there in small steps, which asking for something would do in one. */
  async open(signal?: AbortSignal): Promise<void> {
    for (let done = false; !done && signal?.aborted !== true;) {
      done = this.#read(performance.now() + sliceMs);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** In the order of the kinds, then by name. */
  items(kind?: ItemKind): readonly Item[] {
    this.#read();
    if (this.#isOutdated) this.#items = undefined;
    const items = this.#names();
    return kind === undefined ? items : items.filter((item) => item.kind === kind);
  }

  /** The items, perhaps with descriptions that they had before. */
  #names(): readonly Item[] {
    if (this.#items) return this.#items;
    this.#isOutdated = false;
    return (this.#items = this.#listItems());
  }

  item(kind: ItemKind, name: string): Item | undefined {
    this.items();
    return this.#byName.get(kind)?.get(name);
  }

  /** Of a file, or of all. */
  problems(path?: string): readonly Problem[] {
    this.#read();
    if (path !== undefined) return this.#problemsOf(path);
    return [...this.problemFiles().values()].flat();
  }

  /** The files that have problems. The list of a file is the same one until something about it changes. */
  problemFiles(): ReadonlyMap<string, readonly Problem[]> {
    this.#read();
    const paths = new Set([...this.#files.keys(), ...this.#generalProblems().map(({ path }) => path)]);
    const all = new Map<string, readonly Problem[]>();
    for (const path of paths) {
      const problems = this.#problemsOf(path);
      if (problems.length > 0) all.set(path, problems);
    }
    return all;
  }

  /** The problems because of which agents are not given an item. */
  errorsOf({ kind, name, path }: Item): readonly Problem[] {
    const { form } = layouts[kind];
    const paths = form === "folder" ? [path, join(path, layouts[kind].ending)] : [path];
    const isAbout = ({ item }: Problem) => form !== "shared" || item === name || item === undefined;
    const own = paths.flatMap((one) => this.problems(one));
    const links = form === "folder" ? this.#generalProblems().filter(({ path: at }) => at.startsWith(path + sep)) : [];
    return [...new Set([...own, ...links])].filter((one) => one.severity === "error" && isAbout(one));
  }

  /** Who names an item, with the item itself where it says its own name. */
  references(kind: ItemKind, name: string): readonly Reference[] {
    return this.#allReferences().get(`${kind}/${name}`) ?? [];
  }

  /** All references of a file. */
  referencesIn(path: string): readonly Reference[] {
    this.#read();
    this.#names();
    const file = this.#files.get(path);
    return file ? file.analysis.mentions.flatMap((mention) => this.#resolve(path, mention) ?? []) : [];
  }

  /** What is named at a place of a text. */
  at(path: string, offset: number): Reference | undefined {
    return this.referencesIn(path).find(({ start, end }) => start <= offset && offset <= end);
  }

  /** The text of a file of an item, as an editor has it or the disk. */
  text(path: string): string | undefined {
    this.#read();
    return this.#files.get(path)?.text;
  }

  /** The Markdown files that can be read, and where they name something for certain. */
  markdown(): { path: string; text: string; mentions: readonly Reference[] }[] {
    this.#read();
    return [...this.#files].flatMap(([path, { text, analysis }]) =>
      path.endsWith(".md") && text !== undefined && !analysis.problems.some(({ code }) => unread.has(code))
        ? [{ path, text, mentions: this.referencesIn(path) }]
        : [],
    );
  }

  /** Where a file belongs, if it is one of an item. */
  placeOf(path: string): Place | undefined {
    return placeOf(this.root, path);
  }

  /** Lays an editor's text over a file, or takes it away. A file that is not on the disk is none. */
  setText(path: string, text: string | undefined): void {
    if (text === this.#overlays.get(path)) return;
    if (text === undefined) this.#overlays.delete(path);
    else this.#overlays.set(path, text);
    if (this.#files.has(path)) this.#stale.add(path);
  }

  /** The disk has changed: in these paths, or anywhere. */
  changed(paths?: Iterable<string>): void {
    for (const path of paths ?? []) {
      const known = this.#files.get(path);
      if (known?.disk) this.#stale.add(path);
      else this.#scan = undefined;
    }
    if (!paths) this.#scan = undefined;
  }

  /** Reads what is stale; with a limit only until then. Whether all is read. */
  #read(until = Infinity): boolean {
    if (!this.#scan) this.#look();
    for (const path of this.#stale) {
      this.#readFile(path);
      this.#stale.delete(path);
      if (!this.#scan) return this.#read(until);
      if (performance.now() > until) return this.#stale.size === 0;
    }
    return true;
  }

  /** Looks which files there are. What is known of those that are the same stays. */
  #look(): void {
    this.#scan = scan(this.root);
    const paths = new Set(this.#scan.files.map(({ path }) => path));
    for (const path of this.#files.keys()) if (!paths.has(path)) this.#files.delete(path);
    for (const { path, place } of this.#scan.files) {
      this.#stale.add(path);
      if (!this.#files.has(path)) this.#files.set(path, { place, text: undefined, analysis: nothing });
    }
    for (const path of this.#stale) if (!paths.has(path)) this.#stale.delete(path);
    this.#forget();
  }

  #readFile(path: string): void {
    const file = this.#files.get(path);
    if (!file) return;
    const disk = readFileText(path, file.disk);
    if (!disk) {
      // It has gone since it was looked for.
      this.#files.delete(path);
      this.#forget();
      return;
    }
    const overlay = this.#overlays.get(path);
    const text = overlay ?? ("text" in disk ? disk.text : undefined);
    const isSame = text === undefined ? disk === file.disk : text === file.text;
    file.disk = disk;
    if (isSame && file.analysis !== nothing) return;
    const before = file.analysis;
    file.text = text;
    file.analysis = this.#analyse(path, file.place, text, disk);
    this.#references = undefined;
    if (before === nothing || !namesSame(before, file.analysis)) this.#forget();
    this.#resolved.delete(path);
    this.#isOutdated ||= describes(before) !== describes(file.analysis);
  }

  #analyse(path: string, place: Place, text: string | undefined, disk: FileText): Analysis {
    const problem = (severity: Problem["severity"], code: string, message: string): Analysis => ({
      items: [],
      mentions: [],
      problems: [{ path, start: 0, end: 0, severity, code, message, fixes: [] }],
    });
    // A tool may well be a large program.
    const severity = place.kind === "tools" || place.kind === "scripts" || !isMain(place) ? "information" : "error";
    if (text === undefined && "code" in disk) return problem(severity, disk.code, disk.message);
    const size = text !== undefined && text.length > sizeLimit / 4 ? Buffer.byteLength(text) : 0;
    if (size > sizeLimit) return problem(severity, "too-large", "It is larger than 1 MB.");
    return analyse(path, place, text ?? "");
  }

  #forget(): void {
    this.#items = undefined;
    this.#general = undefined;
    this.#references = undefined;
    this.#resolved.clear();
  }

  #listItems(): Item[] {
    const all: Item[] = [];
    for (const { path, kind, name } of this.#scan?.folders ?? []) {
      const description = this.#files.get(join(path, layouts[kind].ending))?.analysis.description;
      all.push({ kind, name, path, ...(description !== undefined && { description }) });
    }
    for (const [path, { place, analysis }] of this.#files) {
      const { description } = analysis;
      const { form } = layouts[place.kind];
      if (form === "file")
        all.push({ kind: place.kind, name: place.name, path, ...(description !== undefined && { description }) });
      for (const { name, description: words } of analysis.items)
        all.push({ kind: place.kind, name, path, ...(words !== undefined && { description: words }) });
    }
    this.#byName = new Map();
    for (const item of all) {
      const named = this.#byName.get(item.kind) ?? new Map<string, Item>();
      this.#byName.set(item.kind, named);
      if (!named.has(item.name)) named.set(item.name, item);
    }
    const order = new Map(Object.keys(layouts).map((kind, index) => [kind, index]));
    const ranked = all.map((item) => ({ item, rank: order.get(item.kind) ?? 0, key: item.name.toLowerCase() }));
    ranked.sort((one, other) => one.rank - other.rank || (one.key < other.key ? -1 : one.key > other.key ? 1 : 0));
    return ranked.map(({ item }) => item);
  }

  #problemsOf(path: string): readonly Problem[] {
    this.#names();
    const known = this.#resolved.get(path);
    if (known) return known;
    const { analysis = nothing } = this.#files.get(path) ?? {};
    const dangling = analysis.mentions.flatMap((mention) => {
      const [kind] = mention.kinds;
      if (!mention.required || !kind || mention.required.known?.includes(mention.name)) return [];
      if (this.#byName.get(kind)?.has(mention.name)) return [];
      return [danglingProblem(this, path, kind, mention)];
    });
    const general = this.#generalProblems().filter((one) => one.path === path);
    const problems = [...analysis.problems, ...dangling, ...general];
    this.#resolved.set(path, problems);
    return problems;
  }

  /** What no text says by itself. */
  #generalProblems(): readonly Problem[] {
    if (this.#general) return this.#general;
    const items = this.#names();
    const obstacles = (this.#scan?.obstacles ?? []).map(({ path, code, message }): Problem => ({
      path,
      start: 0,
      end: 0,
      severity: "error",
      code,
      message,
      fixes: [],
    }));
    const hollow = items.flatMap((item): Problem[] => {
      if (layouts[item.kind].form !== "folder") return [];
      const { ending } = layouts[item.kind];
      const path = join(item.path, ending);
      if (this.#files.has(path) || obstacles.some((one) => one.path === path)) return [];
      const text = item.kind === "skills" ? newSkill(item.name) : "#!/usr/bin/env bash\n# Description: \nset -e\n";
      const fixes = [{ title: `Create ${ending}`, edits: [], creates: { path, text }, preferred: true }];
      const message = `It has no file ${ending}.`;
      return [{ path, start: 0, end: 0, severity: "error", code: "main-file-missing", message, fixes }];
    });
    this.#general = [...obstacles, ...hollow, ...clashes(items)];
    return this.#general;
  }

  #resolve(path: string, mention: Mention): Reference | undefined {
    const { name, start, end, style, own = false } = mention;
    const kinds = mention.kinds.filter((kind) => this.#byName.get(kind)?.has(name));
    const [kind, ...others] = kinds.length > 0 || !mention.required ? kinds : mention.kinds;
    if (kind === undefined || others.length > 0) return undefined;
    return { kind, name, path, start, end, style, own };
  }

  #allReferences(): Map<string, Reference[]> {
    this.#read();
    this.#names();
    if (this.#references) return this.#references;
    this.#references = new Map();
    for (const [path, { analysis }] of this.#files)
      for (const mention of analysis.mentions) {
        const one = this.#resolve(path, mention);
        if (!one) continue;
        const key = `${one.kind}/${one.name}`;
        const known = this.#references.get(key);
        if (known) known.push(one);
        else this.#references.set(key, [one]);
      }
    return this.#references;
  }

  /** The file that a new item of a kind would have. */
  pathFor(kind: ItemKind, name: string): string {
    return pathFor(this.root, kind, name);
  }
}

function namesSame(one: Analysis, other: Analysis): boolean {
  return (
    one.items.length === other.items.length && one.items.every(({ name }, index) => other.items[index]?.name === name)
  );
}

/** All descriptions in a file. */
function describes({ description = "", items }: Analysis): string {
  return JSON.stringify([description, items.map((item) => item.description)]);
}

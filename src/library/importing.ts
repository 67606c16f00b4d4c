import { nounOf, type ItemKind } from "../protocol/library.ts";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, join, sep } from "node:path";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { Catalogue } from "./catalogue.ts";
import { copyTree } from "./copyTree.ts";
import { edited } from "./edits.ts";
import { foundSkill, type Found } from "./found.ts";
import { cloneSource, type GitSource } from "./gitSource.ts";
import { requireWithin } from "./items.ts";
import { layouts, pathFor } from "./layout.ts";
import { projectItems } from "./projectItems.ts";
import { nameProblem, ownNameEdits } from "./renaming.ts";
import { unzip } from "./unzip.ts";

export type ImportSource =
  /** A folder, a zip archive or a file of Markdown, which is taken as a skill unless it says otherwise. */
  | { kind: "path"; path: string; as?: ItemKind }
  | { kind: "git"; source: GitSource; environment: NodeJS.ProcessEnv }
  /** What the folder of a project tells other agents. */
  | { kind: "project"; path: string };

/** An item in a folder of drafts, as it would be in the Library. */
export interface Candidate {
  kind: ItemKind;
  name: string;
  /** Its file or folder there. */
  path: string;
  files: CandidateFile[];
  notes: string[];
  /** The Library has one of this name. */
  exists: boolean;
  /** Where that one is. */
  replaces?: string;
}

export interface CandidateFile {
  /** In the item's folder, with slashes. */
  name: string;
  path: string;
  bytes: number;
  /** It can be run, or is code that is. */
  runs: boolean;
}

export interface Gathered {
  candidates: Candidate[];
  /** What was found and cannot be imported, and why. */
  problems: string[];
  /** Deletes the drafts that are left. */
  discard: () => void;
}

/** Git leaves it alone. */
const drafts = ".drafts";
/** What an earlier import left is nobody's any more. */
const draftLifeMs = 24 * 3_600_000;

/**
 * Brings what a source has into a folder of drafts in the Library, where it can be looked at before it lands.
 * @param name of the one skill that there is, in place of its own
 * @throws OpenAgentError `import_unusable`
 */
export async function gather(
  root: string,
  source: ImportSource,
  { name, signal }: { name?: string; signal?: AbortSignal } = {},
): Promise<Gathered> {
  const draft = newDraft(root);
  const discard = () => {
    rmSync(draft, { recursive: true, force: true });
    if (readdirSync(join(root, drafts)).join() === ".gitignore") rmSync(join(root, drafts), { recursive: true });
  };
  try {
    const { found, bounds } = await findIn(source, join(draft, ".source"), signal);
    const named = name !== undefined && found.length === 1 ? found.map((one) => ({ ...one, name })) : found;
    const problems: string[] = [];
    const candidates = named.flatMap((one) => {
      try {
        return [lay(root, draft, one, bounds)];
      } catch (error) {
        problems.push(`The ${nounOf[one.kind]} “${one.name}” cannot be imported: ${describeError(error)}`);
        return [];
      }
    });
    const catalogue = new Catalogue(draft);
    for (const candidate of candidates) {
      if (candidate.kind === "skills") callAsFolder(catalogue, candidate);
      const item = catalogue.item(candidate.kind, candidate.name);
      for (const { message } of item ? catalogue.errorsOf(item) : []) candidate.notes.push(message);
    }
    return { candidates, problems, discard };
  } catch (error) {
    discard();
    if (error instanceof OpenAgentError) throw error;
    throw new OpenAgentError("import_unusable", `It cannot be imported: ${describeError(error)}.`, {}, error);
  }
}

function newDraft(root: string): string {
  const folder = join(root, drafts);
  requireWithin(root, folder);
  mkdirSync(folder, { recursive: true });
  for (const old of readdirSync(folder)) {
    const path = join(folder, old);
    if (old !== ".gitignore" && Date.now() - statSync(path).mtimeMs > draftLifeMs) rmSync(path, { recursive: true });
  }
  writeFileSync(join(folder, ".gitignore"), "*\n");
  const draft = join(folder, randomBytes(6).toString("hex"));
  mkdirSync(draft, { mode: 0o700 });
  return draft;
}

/** What a source has, and the folder that links in it may not lead out of. */
async function findIn(
  source: ImportSource,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<{ found: Found[]; bounds: string }> {
  if (source.kind === "project") return { found: projectItems(source.path), bounds: source.path };
  if (source.kind === "git") {
    const { source: place, environment } = source;
    await cloneSource(place, folder, environment, signal);
    const inside = join(folder, ...(place.path?.split("/") ?? []));
    if (!existsSync(inside))
      throw new OpenAgentError("import_unusable", `${place.url} has no ${place.path ?? ""}.`, { url: place.url });
    const own = basename(place.url.replace(/[/\\]+$/, "")).replace(/\.git$/, "");
    return { found: findSkills(inside, place.path === undefined ? own : basename(place.path)), bounds: folder };
  }
  const { path, as = "skills" } = source;
  if (statSync(path).isDirectory()) return { found: findSkills(path, basename(path)), bounds: path };
  const plain = basename(path, extname(path));
  if (/\.(zip|skill)$/i.test(path)) {
    mkdirSync(folder);
    await unzip(path, folder);
    return { found: findSkills(folder, plain), bounds: folder };
  }
  if (!/\.md$/i.test(path)) throw new Error(`${path} is no folder, no .zip and no .md`);
  const name = plain === "SKILL" ? basename(dirname(path)) : plain;
  if (as !== "skills") return { found: [{ kind: as, name, path, notes: [] }], bounds: dirname(path) };
  mkdirSync(folder);
  copyTree(path, join(folder, "SKILL.md"));
  return { found: findSkills(folder, name), bounds: folder };
}

/** How deep in a folder skills are looked for. */
const deepest = 5;

/** All skills of a folder, or the one that it is. Throws when there is none. */
function findSkills(folder: string, name: string): Found[] {
  if (!statSync(folder).isDirectory()) throw new Error(`${name} is a file, and no skill`);
  const look = (at: string, depth: number): string[] => {
    if (existsSync(join(at, "SKILL.md"))) return [at];
    if (depth === 0) return [];
    const inside = readdirSync(at, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const names = inside.map((entry) => entry.name).filter((one) => one !== ".git" && one !== "node_modules");
    return names.sort().flatMap((one) => look(join(at, one), depth - 1));
  };
  const skills = look(folder, deepest);
  if (skills.length === 0) throw new Error(`${name} has no SKILL.md`);
  return skills.map((path) => foundSkill(path, path === folder ? name : basename(path)));
}

/** Puts an item into the drafts, as it would be in the Library. */
function lay(root: string, draft: string, { kind, name, path, text, notes }: Found, bounds: string): Candidate {
  const problem = nameProblem(kind, name);
  if (problem !== undefined) throw new Error(problem);
  const isFolder = layouts[kind].form === "folder";
  const main =
    extname(path) === ".js" ? pathFor(draft, kind, name).replace(/\.ts$/, ".js") : pathFor(draft, kind, name);
  const place = isFolder ? dirname(main) : main;
  if (existsSync(place)) throw new Error("there is another one of this name");
  mkdirSync(dirname(place), { recursive: true });
  copyTree(path, place, bounds);
  if (text !== undefined) writeFileSync(place, text);
  const replaces = placesOf(root, kind, name).find((one) => existsSync(one));
  const item = { kind, name, path: place, files: filesIn(kind, place), notes: [...notes] };
  return { ...item, exists: replaces !== undefined, ...(replaces !== undefined && { replaces }) };
}

/** OpenCode wants a skill's head and its folder to have one name. A head that does not parse stays as it is. */
function callAsFolder(catalogue: Catalogue, candidate: Candidate): void {
  const main = join(candidate.path, "SKILL.md");
  const edits = ownNameEdits(catalogue, main);
  if (edits.length === 0) return;
  writeFileSync(main, edited(catalogue.text(main) ?? "", edits));
  catalogue.changed([main]);
  candidate.files = filesIn(candidate.kind, candidate.path);
}

function filesIn(kind: ItemKind, place: string): CandidateFile[] {
  const file = (path: string, name: string): CandidateFile => ({
    name,
    path,
    bytes: statSync(path).size,
    runs: isRun(kind, path, name),
  });
  if (!statSync(place).isDirectory()) return [file(place, basename(place))];
  const entries = readdirSync(place, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).sort();
  return paths.map((path) =>
    file(
      path,
      path
        .slice(place.length + 1)
        .split(sep)
        .join("/"),
    ),
  );
}

function isRun(kind: ItemKind, path: string, name: string): boolean {
  if (kind === "tools" || kind === "scripts") return true;
  const text = readFileSync(path, "latin1");
  // OpenCode runs the shell lines of a command before its agent sees it.
  if (kind === "commands") return /!`[^`]+`/.test(text);
  const isScript = /(^|\/)scripts\//.test(name) || /\.(sh|bash|zsh|ps1|bat|cmd|py|rb|pl|js|mjs|cjs|ts)$/i.test(name);
  return isScript || text.startsWith("#!") || (statSync(path).mode & 0o111) !== 0;
}

/** Where an item of the Library can be. */
function placesOf(root: string, kind: ItemKind, name: string): string[] {
  const { folders, form, ending } = layouts[kind];
  const endings = form === "folder" ? [""] : kind === "tools" ? [ending, ".js"] : [ending];
  return folders.flatMap((folder) => endings.map((end) => join(root, folder, ...`${name}${end}`.split("/"))));
}

/**
 * Moves a draft into the Library; gives its file or folder there.
 * @throws OpenAgentError `item_exists` where there is one that is not to be replaced
 */
export function land(root: string, { kind, name, path }: Candidate, replace: boolean): string {
  const before = placesOf(root, kind, name).find((one) => existsSync(one));
  if (before !== undefined && !replace)
    throw new OpenAgentError("item_exists", `The Library has a ${nounOf[kind]} “${name}” already.`, { kind, name });
  const main = pathFor(root, kind, name);
  const usual = layouts[kind].form === "folder" ? dirname(main) : main.slice(0, -extname(main).length) + extname(path);
  const target = before !== undefined && extname(before) === extname(path) ? before : usual;
  requireWithin(root, target);
  mkdirSync(dirname(target), { recursive: true });
  const old = `${path}.old`;
  if (before !== undefined) renameSync(before, old);
  try {
    renameSync(path, target);
  } catch (error) {
    if (before !== undefined) renameSync(old, before);
    throw error;
  }
  rmSync(old, { recursive: true, force: true });
  return target;
}

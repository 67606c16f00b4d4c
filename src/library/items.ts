import { type ItemKind, nounOf } from "../protocol/library.ts";
import { chmodSync, existsSync, lstatSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync } from "node:fs";
import { dirname, extname, join, relative, sep } from "node:path";
import { OpenAgentError, describeError } from "../base/errors.ts";
import { replaceFile } from "../base/files.ts";
import { isWithin } from "../base/paths.ts";
import { parseFrontMatter } from "./frontMatter.ts";
import { layouts, pathFor } from "./layout.ts";
import { conflictIn, readFileText } from "./readText.ts";

/** The items of a Library as others read, write and delete them: by kind and name, and never outside of it. */

const markdown: readonly ItemKind[] = ["skills", "commands", "agents", "rules"];

export interface Item {
  name: string;
  /** Absolute: its file, or its folder where it is one. */
  path: string;
}

const isName = (name: string) => /^(?!\.)[^/\\\p{C}]{1,100}$/u.test(name) && !name.includes("..");

function checkName(name: string): void {
  if (isName(name)) return;
  throw new OpenAgentError(
    "invalid_input",
    `“${name}” is no name: a name is not empty, begins with no dot and has no “..”, “/” or “\\”.`,
    { name },
  );
}

/** @throws OpenAgentError `invalid_input` when a path leads out of a folder, by itself or by links */
export function requireWithin(folder: string, path: string): void {
  if (isReallyWithin(folder, path)) return;
  throw new OpenAgentError("invalid_input", `${relative(folder, path)} leads out of ${folder}.`, { path });
}

/** Whether a path stays in a folder with links followed, as far as there is something. */
export function isReallyWithin(folder: string, path: string): boolean {
  let there = path;
  while (!lstatSync(there, { throwIfNoEntry: false }) && dirname(there) !== there) there = dirname(there);
  // A folder that is to be made yet has no links in it.
  return isWithin(folder, path) && (!existsSync(folder) || isWithin(realpathSync(folder), realpathOf(there)));
}

/** Of a link to what is not there, where it would be made. */
function realpathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return sep;
  }
}

/** All items of a kind that a request can name. What leads out of the Library is none. */
export function listItems(root: string, kind: ItemKind): Item[] {
  const { folders, form, ending } = layouts[kind];
  const found = new Map<string, Item>();
  for (const folder of folders.map((one) => join(root, one)).filter((one) => existsSync(one)))
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.name.startsWith(".")) continue;
      const path = join(folder, entry.name);
      if (form === "folder" && !existsSync(join(path, ending))) continue;
      const fits = form === "folder" || entry.name.endsWith(ending) || (kind === "tools" && entry.name.endsWith(".js"));
      if (!fits || (form === "file" && !entry.isFile())) continue;
      const name = form === "folder" ? entry.name : entry.name.slice(0, -extname(entry.name).length);
      if (isName(name) && !found.has(name) && isReallyWithin(root, path)) found.set(name, { name, path });
    }
  return [...found.values()].sort((one, other) => one.name.localeCompare(other.name));
}

/** Where an item is, if it is there. Throws `invalid_input` for what is no name. */
function findItem(root: string, kind: ItemKind, name: string): Item | undefined {
  checkName(name);
  const { folders, form, ending } = layouts[kind];
  const endings = form === "folder" ? [""] : kind === "tools" ? [ending, ".js"] : [ending];
  const paths = folders.flatMap((folder) => endings.map((end) => join(root, folder, name + end)));
  const path = paths.find((one) => lstatSync(one, { throwIfNoEntry: false }));
  if (path === undefined) return undefined;
  requireWithin(root, path);
  return { name, path };
}

/** @throws OpenAgentError `item_not_found`, or `invalid_input` for what is no name */
function requireItem(root: string, kind: ItemKind, name: string): Item {
  const item = findItem(root, kind, name);
  if (item) return item;
  throw new OpenAgentError("item_not_found", `The Library has no ${nounOf[kind]} “${name}”.`, { name });
}

/** The file of an item that its text is in. */
function mainFile(kind: ItemKind, { path }: Item): string {
  return layouts[kind].form === "folder" ? join(path, layouts[kind].ending) : path;
}

/** The text of an item. Throws as `requireItem`. */
export function readItem(root: string, kind: ItemKind, name: string): Item & { text: string } {
  const item = requireItem(root, kind, name);
  const file = mainFile(kind, item);
  requireWithin(root, file);
  if (!existsSync(file))
    throw new OpenAgentError("item_not_found", `The ${nounOf[kind]} “${name}” has no file ${layouts[kind].ending}.`);
  return { ...item, text: readFileSync(file, "utf8") };
}

/**
 * Writes an item's text, whole, and makes the item where it is not there.
 * @throws OpenAgentError `invalid_input` for what is no name, or a text that does not parse; `item_unreadable` as
 * `requireReadable`
 */
export function writeItem(root: string, kind: ItemKind, name: string, text: string): Item {
  const before = findItem(root, kind, name);
  if (markdown.includes(kind)) requireHead(text, `The ${nounOf[kind]} “${name}”`);
  const path = before ? mainFile(kind, before) : pathFor(root, kind, name);
  requireWithin(root, path);
  requireReadable(path);
  replaceFile(path, text);
  return requireItem(root, kind, name);
}

/**
 * Who writes a text anew has read the one before, but not what is none, nor both sides of a merge apart.
 * @throws OpenAgentError `item_unreadable`
 */
function requireReadable(path: string): void {
  const file = readFileText(path);
  if (!file) return;
  const isText = !("code" in file && file.code === "encoding");
  if (isText && !("text" in file && conflictIn(file.text))) return;
  const words = isText ? "It has conflicts of a merge: resolve them first." : "It is no text in UTF-8: mend it first.";
  throw new OpenAgentError("item_unreadable", `${path} is not overwritten. ${words}`, { path });
}

function requireHead(text: string, subject: string): void {
  try {
    parseFrontMatter(text);
  } catch (error) {
    throw new OpenAgentError("invalid_input", `${subject} was not written: ${describeError(error)}.`);
  }
}

/** Throws as `requireItem`. */
export function deleteItem(root: string, kind: ItemKind, name: string): void {
  rmSync(requireItem(root, kind, name).path, { recursive: true });
}

/** The files of an item that is a folder, with slashes, relative to it. */
export function filesOf({ path }: Item): string[] {
  const entries = readdirSync(path, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith("."));
  return files.map((entry) => relative(path, join(entry.parentPath, entry.name)).split(sep).join("/")).sort();
}

/** The path of a file of a skill. Throws `invalid_input` for one that leads out of it, and as `requireItem`. */
function skillFile(root: string, name: string, file: string): string {
  const { path } = requireItem(root, "skills", name);
  const parts = file.split("/");
  if (parts.some((part) => part === "" || part.startsWith(".") || /[\\\p{C}]/u.test(part)))
    throw new OpenAgentError("invalid_input", `“${file}” is no file of a skill.`, { file });
  requireWithin(path, join(path, ...parts));
  return join(path, ...parts);
}

function missingFile(name: string, file: string): OpenAgentError {
  return new OpenAgentError("item_not_found", `The skill “${name}” has no file ${file}.`, { name, file });
}

export function readSkillFile(root: string, name: string, file: string): Buffer {
  const path = skillFile(root, name, file);
  if (!lstatSync(path, { throwIfNoEntry: false })?.isFile()) throw missingFile(name, file);
  return readFileSync(path);
}

/** Writes a file of a skill, whole; a script so that it can be run. Throws as `writeItem`. */
export function writeSkillFile(root: string, name: string, file: string, text: string): void {
  const path = skillFile(root, name, file);
  if (file === "SKILL.md") requireHead(text, `The skill “${name}”`);
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new OpenAgentError("invalid_input", `${file} is a folder of the skill “${name}”.`, { name, file });
  // Of other files a request gets the bytes themselves.
  if (file.endsWith(".md")) requireReadable(path);
  replaceFile(path, text);
  if (text.startsWith("#!")) chmodSync(path, 0o755);
}

/** @throws OpenAgentError `invalid_input` for the file that makes it a skill */
export function deleteSkillFile(root: string, name: string, file: string): void {
  const path = skillFile(root, name, file);
  if (file.toLowerCase() === "skill.md")
    throw new OpenAgentError("invalid_input", "Without its SKILL.md a skill is none. Delete the skill itself.");
  if (!lstatSync(path, { throwIfNoEntry: false })) throw missingFile(name, file);
  rmSync(path, { recursive: true });
}

/** Gives the folders of older Libraries the names that they have now. What is there under both names stays. */
export function migrateFolders(root: string): { renamed: [string, string][]; problems: string[] } {
  const renamed: [string, string][] = [];
  const problems: string[] = [];
  for (const { folders, form } of Object.values(layouts)) {
    const [now, old] = folders;
    if (form === "shared" || now === undefined || old === undefined || old === "opencode") continue;
    if (!existsSync(join(root, old))) continue;
    requireWithin(root, join(root, old));
    if (existsSync(join(root, now))) problems.push(`${old} and ${now} are both there: move the items of one by hand.`);
    else {
      renameSync(join(root, old), join(root, now));
      renamed.push([old, now]);
    }
  }
  return { renamed, problems };
}

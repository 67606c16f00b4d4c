import { itemKinds, type ItemKind } from "../protocol/library.ts";
import { readdirSync, realpathSync, type Dirent } from "node:fs";
import { join, relative } from "node:path";
import { describeError, systemCode } from "../base/errors.ts";
import { isWithin } from "../base/paths.ts";
import { isMain } from "./analyse.ts";
import { layouts, placeOf, type Place } from "./layout.ts";

/** What lies in a Library, by the names of its files alone. */
export interface Scan {
  /** Files to be read. */
  files: { path: string; place: Place }[];
  /** Items that are folders. */
  folders: { path: string; kind: ItemKind; name: string }[];
  /** What cannot be followed or read. */
  obstacles: { path: string; place: Place; code: "link" | "unreadable"; message: string }[];
}

/** Further texts of one skill that are looked into for the names of other items. */
const textLimit = 500;
/** Others' files, which name nothing of a Library. */
const foreign = /^(?:node_modules|vendor|\..*)$/;

/** Lists what a Library has. Links are never followed. */
export function scan(root: string): Scan {
  const found: Scan = { files: [], folders: [], obstacles: [] };
  const seen = new Set<string>();
  for (const kind of itemKinds) {
    const { folders, form } = layouts[kind];
    for (const folder of folders) {
      const path = join(root, folder);
      const top: Place = { kind, name: "" };
      if (form === "shared") {
        if (isUsable(found, root, path, top)) found.files.push({ path, place: top });
        continue;
      }
      if (!isUsable(found, root, path, top)) continue;
      const real = realpathSync(path);
      // The plural may be a link to the singular.
      if (seen.has(real)) continue;
      seen.add(real);
      walk(found, root, path, kind);
    }
  }
  return found;
}

/** Whether something is there, and in the Library. */
function isUsable(found: Scan, root: string, path: string, place: Place): boolean {
  try {
    if (isWithin(realpathSync(root), realpathSync(path))) return true;
    found.obstacles.push({ path, place, code: "link", message: "It is a link that leads out of the Library." });
    return false;
  } catch (error) {
    const gone = ["ENOENT", "ENOTDIR"].includes(systemCode(error) ?? "");
    if (!gone) found.obstacles.push({ path, place, code: "unreadable", message: unreadable(error) });
    return false;
  }
}

function unreadable(error: unknown): string {
  return `It cannot be read: ${describeError(error)}.`;
}

function entriesOf(found: Scan, path: string, place: Place): Dirent[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    return entries.sort((one, other) => (one.name < other.name ? -1 : 1));
  } catch (error) {
    // What is no folder, or has just gone, holds nothing.
    const gone = ["ENOENT", "ENOTDIR"].includes(systemCode(error) ?? "");
    if (!gone) found.obstacles.push({ path, place, code: "unreadable", message: unreadable(error) });
    return [];
  }
}

function walk(found: Scan, root: string, folder: string, kind: ItemKind): void {
  for (const one of entriesOf(found, folder, { kind, name: "" })) {
    if (one.name.startsWith(".")) continue;
    const path = join(folder, one.name);
    const place = placeOf(root, path);
    if (layouts[kind].form === "folder") {
      const own: Place = { kind, name: one.name };
      if (one.isSymbolicLink()) addLink(found, path, own);
      if (!one.isDirectory()) continue;
      found.folders.push({ path, kind, name: one.name });
      walkItem(found, root, path, own);
      continue;
    }
    // Only some kinds have folders of items; for the others, what is in one is no item.
    if (one.isDirectory() && placeOf(root, join(path, `x${layouts[kind].ending}`))) walk(found, root, path, kind);
    else if (one.isSymbolicLink()) addLink(found, path, place ?? { kind, name: one.name });
    else if (place && one.isFile()) found.files.push({ path, place });
  }
}

function addLink(found: Scan, path: string, place: Place): void {
  found.obstacles.push({ path, place, code: "link", message: "It is a link, which Open Agent does not follow." });
}

/** All that is in an item's own folder, which is given to agents as a whole. */
function walkItem(found: Scan, root: string, item: string, place: Place): void {
  const texts: { path: string; place: Place }[] = [];
  const real = realpathSync(item);
  const waiting: { folder: string; own: boolean }[] = [{ folder: item, own: true }];
  for (let next = waiting.pop(); next; next = waiting.pop())
    for (const one of entriesOf(found, next.folder, place)) {
      const path = join(next.folder, one.name);
      const own = next.own && !foreign.test(one.name);
      if (one.isDirectory()) waiting.push({ folder: path, own });
      else if (one.isSymbolicLink()) checkLink(found, real, item, path, place);
      else if (own && one.isFile() && (one.name.endsWith(".md") || path === join(item, layouts[place.kind].ending))) {
        const at = placeOf(root, path);
        if (at) texts.push({ path, place: at });
      }
    }
  found.files.push(
    ...texts.filter((one) => isMain(one.place)),
    ...texts.filter((one) => !isMain(one.place)).slice(0, textLimit),
  );
}

/** A link out of an item would give agents what is not in the Library. */
function checkLink(found: Scan, real: string, item: string, path: string, place: Place): void {
  const words = `${relative(item, path)} is a link`;
  try {
    if (isWithin(real, realpathSync(path))) return;
    found.obstacles.push({ path, place, code: "link", message: `${words} that leads out of it.` });
  } catch (error) {
    const gone = systemCode(error) === "ENOENT" || systemCode(error) === "ELOOP";
    const message = gone ? `${words} that leads nowhere.` : unreadable(error);
    found.obstacles.push({ path, place, code: "link", message });
  }
}

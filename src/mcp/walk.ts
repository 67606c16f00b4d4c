import { opendir } from "node:fs/promises";

/** Folders that no search enters unless it begins in them. */
export const skipped = [".git", "node_modules"];

/**
 * The files in a folder and in those in it, as paths relative to it, sorted within each folder. What cannot be read is
 * left out; symbolic links are files, and not followed.
 */
export async function* filesIn(root: string, below = ""): AsyncGenerator<string> {
  const entries: { name: string; isFolder: boolean }[] = [];
  try {
    for await (const entry of await opendir(`${root}/${below}`))
      entries.push({ name: entry.name, isFolder: entry.isDirectory() });
  } catch {
    // It is gone, or another user's.
    return;
  }
  for (const { name, isFolder } of entries.sort((one, other) => (one.name < other.name ? -1 : 1)))
    if (!isFolder) yield below + name;
    else if (!skipped.includes(name)) yield* filesIn(root, `${below}${name}/`);
}

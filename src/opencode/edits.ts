import { fields, list, optionalText, type Fields } from "../base/fields.ts";

/**
 * The absolute paths of all files that an edit would change, from the details of its permission request; undefined when
 * they are not told. A patch lists its files, and where it would move them; the others name one.
 */
export function editedPaths(metadata: Fields): string[] | undefined {
  const files = list(metadata["files"]).map(fields);
  const told =
    files.length === 0
      ? [metadata["filepath"]]
      : files.flatMap(({ filePath, movePath }) => (movePath == null ? [filePath] : [filePath, movePath]));
  const paths = told.map(optionalText).filter((path) => path !== undefined && isAbsolute(path));
  return paths.length === told.length ? paths.filter((path) => path !== undefined) : undefined;
}

/** The server may run on another system than this process. */
function isAbsolute(path: string): boolean {
  return path.startsWith("/") || /^[a-z]:[\\/]/i.test(path);
}

/**
 * Whether a file decides what runs on this machine rather than being work: git's own, and OpenCode's configuration,
 * which can start commands and permit anything.
 */
export function steersWhatRuns(path: string): boolean {
  return path
    .toLowerCase()
    .split(/[\\/]/)
    .some((name) => [".git", ".opencode", "opencode.json", "opencode.jsonc"].includes(name));
}

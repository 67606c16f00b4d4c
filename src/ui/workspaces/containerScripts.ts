/** What is run inside of a container to look at its files, and what that says. GNU's tools, as each of our distributions has. */

/** How a script ends that cannot look at what it was asked for. */
export const exits = { missing: "44", noFolder: "45", folder: "46", noFile: "47", large: "48" } as const;

/** `$1`: the absolute path. Follows links. */
export const statScript = `[ -e "$1" ] || exit ${exits.missing}
exec stat -L --printf '%f %s %Y %Z' -- "$1"`;

/** `$1`: the absolute path. For each file in the folder its type, that of what it links to, and its name. */
export const listScript = `[ -e "$1" ] || exit ${exits.missing}
[ -d "$1" ] || exit ${exits.noFolder}
exec find "$1/" -mindepth 1 -maxdepth 1 -printf '%y%Y%f\\0'`;

/** `$1`: the absolute path, `$2`: how many bytes there may be. */
export const readScript = `[ -e "$1" ] || exit ${exits.missing}
[ -d "$1" ] && exit ${exits.folder}
[ -f "$1" ] || exit ${exits.noFile}
[ "$(stat -L -c %s -- "$1")" -le "$2" ] || exit ${exits.large}
exec base64 -w 0 -- "$1"`;

export type Kind = "folder" | "file" | "other";

export interface Facts {
  kind: Kind;
  /** Bytes. */
  size: number;
  /** Milliseconds since 1970. */
  changedAt: number;
  /** The same of its owner, mode and the like. */
  alteredAt: number;
}

export interface Entry {
  name: string;
  /** Of what it links to, where it is a link. */
  kind: Kind;
  isLink: boolean;
}

/** What `statScript` said. */
export function parseStat(text: string): Facts {
  const [mode = "", size = "", changedAt = "", alteredAt = ""] = text.split(" ");
  const type = Number.parseInt(mode, 16) & 0o170000;
  return {
    kind: type === 0o040000 ? "folder" : type === 0o100000 ? "file" : "other",
    size: Number(size),
    changedAt: Number(changedAt) * 1000,
    alteredAt: Number(alteredAt) * 1000,
  };
}

/** What `listScript` said. */
export function parseList(text: string): Entry[] {
  const lines = text.split("\0").filter((line) => line !== "");
  return lines.map((line) => {
    const [own, target = ""] = line;
    return { name: line.slice(2), kind: kindOf(target), isLink: own === "l" };
  });
}

/** The kind that `find` tells by a letter. */
function kindOf(letter: string): Kind {
  if (letter === "d") return "folder";
  return letter === "f" ? "file" : "other";
}

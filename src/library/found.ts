import type { ItemKind } from "../protocol/library.ts";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseFrontMatter } from "./frontMatter.ts";

/** Something that could become an item of the Library. */
export interface Found {
  kind: ItemKind;
  name: string;
  /** Its file or folder. */
  path: string;
  /** In place of what the file holds. */
  text?: string;
  /** What the user should know of it. */
  notes: string[];
}

/** A skill is called as its head says, if that is a name, or else like its folder. */
export function foundSkill(path: string, folderName: string): Found {
  const notes: string[] = [];
  const file = join(path, "SKILL.md");
  let own: unknown;
  try {
    own = parseFrontMatter(readFileSync(file, "utf8")).fields["name"];
  } catch {
    // The catalogue of the drafts says what is wrong with it.
    own = undefined;
  }
  const wished = typeof own === "string" && own.trim() !== "" ? own : folderName;
  const name = slug(wished);
  if (wished !== name) notes.push(`It is called “${name}” here; its own name is “${wished}”.`);
  return { kind: "skills", name, path, notes };
}

function slug(text: string): string {
  const plain = text
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-");
  return plain
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, 64)
    .replace(/-+$/, "");
}

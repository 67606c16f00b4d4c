import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import type { Fix, Problem, TextEdit } from "../../src/library/analysis.ts";
import { Catalogue } from "../../src/library/catalogue.ts";
import type { Renaming } from "../../src/library/renaming.ts";
import { writeFiles } from "./library.ts";

const made: string[] = [];
process.once("exit", () => {
  for (const root of made) rmSync(root, { recursive: true, force: true });
});

/** A Library in a folder of its own until the tests end, and its catalogue. */
export function makeLibrary(files: Readonly<Record<string, string>>): Catalogue {
  const root = mkdtempSync(join(tmpdir(), "library-"));
  made.push(root);
  writeFiles(root, files);
  return new Catalogue(root);
}

/** `code path` of each problem, sorted; of one file, or of all. */
export function codes(catalogue: Catalogue, path?: string): string[] {
  const some = path === undefined ? catalogue.problems() : catalogue.problems(join(catalogue.root, path));
  return some.map((one) => `${one.code} ${relative(catalogue.root, one.path)}`).sort();
}

export function problem(catalogue: Catalogue, code: string): Problem {
  const found = catalogue.problems().find((one) => one.code === code);
  if (!found) throw new Error(`There is no problem ${code}: ${codes(catalogue).join(", ")}`);
  return found;
}

/** A text with pieces of it replaced. Pieces must not overlap. */
function edited(text: string, edits: readonly Pick<TextEdit, "start" | "end" | "text">[]): string {
  const sorted = [...edits].sort((one, other) => other.start - one.start || other.end - one.end);
  let end = Infinity;
  return sorted.reduce((all, edit) => {
    if (edit.end > end || edit.end < edit.start) throw new Error(`Edits overlap: ${JSON.stringify(sorted)}`);
    end = edit.start;
    return all.slice(0, edit.start) + edit.text + all.slice(edit.end);
  }, text);
}

/** Does on the disk what the editor would do. */
export function apply(
  catalogue: Catalogue,
  { edits, creates, move }: Omit<Partial<Fix & Renaming>, "edits"> & Pick<Partial<Fix>, "edits">,
): void {
  for (const path of new Set(edits?.map((one) => one.path))) {
    // What is only perhaps meant is left out unless the user wants it.
    const some = edits?.filter((one) => one.path === path && (one as { sure?: boolean }).sure !== false) ?? [];
    writeFileSync(path, edited(readFileSync(path, "utf8"), some));
  }
  if (creates) {
    mkdirSync(dirname(creates.path), { recursive: true });
    writeFileSync(creates.path, creates.text, { flag: "wx" });
  }
  if (move) {
    mkdirSync(dirname(move.to), { recursive: true });
    renameSync(move.from, move.to);
  }
  catalogue.changed();
}

import { nounOf, type ItemKind } from "../protocol/library.ts";
import { join } from "node:path";
import type { Fix, Mention, Problem } from "./analysis.ts";
import type { Catalogue, Item } from "./catalogue.ts";
import { written } from "./edits.ts";
import { layouts } from "./layout.ts";
import { newSkill } from "./skillRules.ts";

/** That something names an item which is not there. What could be done is looked for when it is asked for. */
export function danglingProblem(catalogue: Catalogue, path: string, kind: ItemKind, mention: Mention): Problem {
  const { name, start, end, required } = mention;
  let fixes: readonly Fix[] | undefined;
  return {
    path,
    start,
    end,
    severity: required?.severity ?? "warning",
    code: "dangling",
    message: `The Library has no ${nounOf[kind]} “${name}”.`,
    get fixes() {
      return (fixes ??= danglingFixes(catalogue, path, kind, mention));
    },
  };
}

function danglingFixes(catalogue: Catalogue, path: string, kind: ItemKind, mention: Mention): Fix[] {
  const { name, start, end, style, required } = mention;
  const names = [...catalogue.items(kind).map((item) => item.name), ...(required?.known ?? [])];
  const fixes: Fix[] = similar(name, names).map((other, index) => ({
    title: `Change to “${other}”`,
    edits: [{ path, start, end, text: style === "text" ? other : written(other, style) }],
    ...(index === 0 && { preferred: true }),
  }));
  const creates = beginning(catalogue, kind, name);
  if (creates) fixes.push({ title: `Create the ${nounOf[kind]} “${name}”`, edits: [], creates });
  if (required?.remove) fixes.push({ title: `Remove “${name}”`, edits: [required.remove] });
  return fixes;
}

/** The file that a missing item could begin with. */
function beginning(catalogue: Catalogue, kind: ItemKind, name: string): Fix["creates"] {
  if (!/^[A-Za-z0-9][\w-]{0,63}$/.test(name) || layouts[kind].form === "shared") return undefined;
  const path = catalogue.pathFor(kind, name);
  if (kind === "skills") return /[A-Z_]/.test(name) ? undefined : { path, text: newSkill(name) };
  if (kind === "rules" || kind === "agents") return { path, text: `---\ndescription: ${name}\n---\n\n` };
  if (kind === "scripts") return { path, text: "#!/usr/bin/env bash\n# Description: \nset -e\n" };
  return undefined;
}

/** Names that may have been meant, the likeliest first. */
function similar(name: string, names: readonly string[]): string[] {
  const limit = name.length < 4 ? 1 : Math.max(2, Math.floor(name.length / 3));
  const near = [...new Set(names)].flatMap((other) => {
    const far = distance(name.toLowerCase(), other.toLowerCase(), limit);
    const part = name.length > 2 && (other.includes(name) || name.includes(other));
    return far <= limit || (part && other.length > 2) ? [{ other, far: Math.min(far, limit + 1) }] : [];
  });
  return near
    .sort((one, two) => one.far - two.far || (one.other < two.other ? -1 : 1))
    .slice(0, 3)
    .map(({ other }) => other);
}

/** How many letters have to be changed; anything above the limit where it is more. */
function distance(one: string, other: string, limit: number): number {
  if (Math.abs(one.length - other.length) > limit) return limit + 1;
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const change = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? limit + 1;
}

/** Items of one kind whose names are the same, or differ only in capitals. */
export function clashes(items: readonly Item[]): Problem[] {
  const seen = new Map<string, Item>();
  const problems: Problem[] = [];
  for (const item of items) {
    const key = `${item.kind}/${item.name.toLowerCase()}`;
    const other = seen.get(key);
    if (!other) {
      seen.set(key, item);
      continue;
    }
    const { ending, form } = layouts[item.kind];
    const path = form === "folder" ? join(item.path, ending) : item.path;
    const same = other.name === item.name;
    problems.push({
      path,
      start: 0,
      end: 0,
      severity: same ? "error" : "warning",
      code: same ? "duplicate-name" : "case-clash",
      message: same
        ? "There is another one of this name."
        : `“${other.name}” differs from its name only in capitals, which some systems do not tell apart.`,
      fixes: [],
      ...(form === "shared" && { item: item.name }),
    });
  }
  return problems;
}

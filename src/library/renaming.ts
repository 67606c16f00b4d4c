import { nounOf, type ItemKind } from "../protocol/library.ts";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { OpenAgentError } from "../base/errors.ts";
import type { TextEdit } from "./analysis.ts";
import type { Catalogue, Item, Reference } from "./catalogue.ts";
import { written } from "./edits.ts";
import { layouts } from "./layout.ts";
import { skillNameProblem } from "./skillRules.ts";

/** What has to be done that an item has another name. The texts are to be changed before the file is moved. */
export interface Renaming {
  edits: readonly (TextEdit & { sure: boolean })[];
  /** The item's file or folder; none of an item that is only a part of a file. */
  move?: { from: string; to: string };
}

/** Names of further kinds, besides those that have rules of their own. */
const fileName = /^[\p{L}\p{N}_](?:[\p{L}\p{N}_ .-]{0,98}[\p{L}\p{N}_-])?$/u;

/** Why an item of a kind cannot be called so; undefined where it can. */
export function nameProblem(kind: ItemKind, name: string): string | undefined {
  if (kind === "skills") return skillNameProblem(name);
  if (kind === "mcps" || kind === "tools")
    return /^[A-Za-z_][\w-]{0,99}$/.test(name) ? undefined : "Its name may have letters, digits, “-” and “_”.";
  if (kind === "plugins")
    return name.trim() !== "" && name.length <= 200 ? undefined : "It needs a name of 200 characters at most.";
  const parts = kind === "commands" || kind === "agents" ? name.split("/") : [name];
  if (parts.every((part) => fileName.test(part))) return undefined;
  return "Its name begins with a letter, a digit or “_”, and has no slashes or other signs of file systems.";
}

/** @throws OpenAgentError `invalid_input` when it cannot be called so */
export function rename(catalogue: Catalogue, kind: ItemKind, name: string, newName: string): Renaming {
  const noun = nounOf[kind];
  const refuse = (message: string) => new OpenAgentError("invalid_input", message, { kind, name, newName });
  const item = catalogue.item(kind, name);
  if (!item) throw refuse(`The Library has no ${noun} “${name}”.`);
  if (kind === "settings") throw refuse(`The name of a ${noun} is given: others look for it.`);
  const problem = nameProblem(kind, newName);
  if (problem !== undefined) throw refuse(problem);
  if (newName === name) return { edits: [] };
  if (catalogue.item(kind, newName)) throw refuse(`There is a ${noun} “${newName}” already.`);
  const move = moveOf(item, newName);
  const isOnlyCase = newName.toLowerCase() === name.toLowerCase();
  if (move && !isOnlyCase && existsSync(move.to)) throw refuse(`There is something at ${move.to} already.`);
  const edits = catalogue
    .references(kind, name)
    .map((one) => ({ ...named(one, newName), sure: kind !== "mcps" || !meansOther(catalogue, one) }));
  return { edits: [...edits, ...maybe(catalogue, item, newName)], ...(move && { move }) };
}

/** Whether the name of a tool that begins with a server's is another tool's as well: of the Library, or of another server. */
function meansOther(catalogue: Catalogue, { path, start, end, name }: Reference): boolean {
  return catalogue.referencesIn(path).some((other) => other.name !== name && other.start <= start && end <= other.end);
}

/** Words of texts for agents that are spelled as the name, but in no form that could mean nothing else. */
function maybe(catalogue: Catalogue, { kind, name }: Item, newName: string): Renaming["edits"] {
  if (kind === "templates" || kind === "scripts" || kind === "plugins") return [];
  const escaped = name.replaceAll(/[^\w-]/g, String.raw`\$&`);
  const ofServer = new RegExp(String.raw`(?<![\w/.@-])${escaped}(?=_\w*[a-z*])`, "g");
  // A name of one plain word is a word of the language as well.
  const pattern = /\w[-_/]\w|\d/.test(name)
    ? new RegExp(String.raw`(?<![\w/.@-])${escaped}(?![\w/-]|\.\w)`, "g")
    : new RegExp(String.raw`(?<=[\x60"“])${escaped}(?=[\x60"”])`, "g");
  return catalogue
    .markdown()
    .flatMap(({ path, text, mentions }) =>
      [...text.matchAll(pattern), ...(kind === "mcps" ? text.matchAll(ofServer) : [])]
        .map(({ index }) => ({ path, start: index, end: index + name.length, text: newName, sure: false }))
        .filter((one) => !mentions.some(({ start, end }) => start < one.end && one.start < end)),
    );
}

/** The edit that puts another name in the place of one. */
function named({ path, start, end, style }: Reference, name: string): TextEdit {
  return { path, start, end, text: style === "text" ? name : written(name, style) };
}

/** The edits with which a copy of an item says its own name: what the editor would offer for it. */
export function ownNameEdits(catalogue: Catalogue, path: string): readonly TextEdit[] {
  const codes = ["skill-name-folder", "template-name-file"];
  const wrong = catalogue.problems(path).find(({ code }) => codes.includes(code));
  return wrong?.fixes[0]?.edits ?? [];
}

function moveOf({ kind, name, path }: Item, newName: string): Renaming["move"] {
  const { form } = layouts[kind];
  if (form === "shared") return undefined;
  if (form === "folder") return { from: path, to: join(dirname(path), newName) };
  // The folder of the kind, whichever it is, and the ending are what is around the name.
  const found = /\.[a-z]+$/.exec(path)?.[0] ?? "";
  const folder = path.slice(0, -(name.length + found.length));
  return { from: path, to: folder + newName + found };
}

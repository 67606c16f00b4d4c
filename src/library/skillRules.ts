import type { Findings } from "./analysis.ts";
import { replaceText, styleOf, written } from "./edits.ts";
import { addToHead, atHead, readHead, type Head } from "./head.ts";
import { entry, textIn } from "./tree.ts";

/** OpenCode's rules for the head of a `SKILL.md`. */
const namePattern = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const nameLimit = 64;
const descriptionLimit = 1024;

/** What stands in for a description until there is one. */
const descriptionHint = "What this is for, and when to use it.";

/** The text that a skill begins with. */
export function newSkill(name: string): string {
  return `---\nname: ${written(name)}\ndescription: ${descriptionHint}\n---\n\n# ${name}\n`;
}

/** Why a skill cannot be called so. */
export function skillNameProblem(name: string): string | undefined {
  return namePattern.test(name) && name.length <= nameLimit
    ? undefined
    : "Its name may have small letters, digits and single dashes between them, 64 characters at most.";
}

export function checkSkill(f: Findings): { head?: Head } {
  const head = readHead(f);
  if (!head) return {};
  checkName(f, head);
  const problem = skillNameProblem(f.place.name);
  if (problem !== undefined) f.problem(atHead(f, head), "error", "skill-name", problem);
  checkDescription(f, head);
  return { head };
}

function checkName(f: Findings, head: Head): void {
  const { name } = f.place;
  const own = entry(head.tree, "name");
  if (!own) {
    const fix = addToHead(f, head, `Add “name: ${name}”`, [`name: ${written(name)}`]);
    const words = "Its head has no name. Open Agent adds it for OpenCode; other programs may not.";
    f.problem(atHead(f, head), "information", "skill-name-missing", words, [fix]);
    return;
  }
  const { value } = own;
  f.mention({
    kinds: ["skills"],
    name,
    own: true,
    ...value,
    style: styleOf(value),
  });
  if (value.value === name) return;
  const edits = [replaceText(f.path, value, name)];
  const fixes = value.kind === "value" ? [{ title: `Change to “${name}”`, edits, preferred: true }] : [];
  const said = value.kind === "value" ? String(value.value) : "…";
  const words = `Its head calls it “${said}”, but its folder is “${name}”.`;
  f.problem(value, "error", "skill-name-folder", words, fixes);
}

function checkDescription(f: Findings, head: Head): void {
  const own = entry(head.tree, "description");
  const description = textIn(own?.value);
  if (description !== undefined && description.trim() !== "") {
    if (description.length > descriptionLimit && own)
      f.problem(own.value, "error", "description-long", "Its description has more than 1024 characters.");
    return;
  }
  const words = "Its head has no description, so that no agent would know of it.";
  const title = "Add a Description";
  if (!own) {
    const fix = addToHead(f, head, title, [`description: ${descriptionHint}`]);
    f.problem(atHead(f, head), "error", "description-missing", words, [fix]);
    return;
  }
  const { value } = own;
  const isEmpty = value.value === null || description !== undefined;
  const text = isEmpty ? ` ${descriptionHint}` : ` ${JSON.stringify(String(value.value))}`;
  const colon = f.text.indexOf(":", own.end) + 1;
  const edits = [f.edit({ start: colon, end: value.start < value.end ? value.end : colon }, text)];
  const fixable = value.kind === "value" && value.style !== "folded" && colon > 0;
  const fixes = fixable ? [{ title: isEmpty ? title : "Put It in Quotes", edits, preferred: true }] : [];
  f.problem(own, "error", "description-missing", words, fixes);
}

import type { ItemKind } from "../protocol/library.ts";
import type { Findings } from "./analysis.ts";

const nouns: Readonly<Record<string, ItemKind>> = {
  skill: "skills",
  command: "commands",
  agent: "agents",
  subagent: "agents",
  rule: "rules",
};
/** What a lone name in back-ticks or quotes can be. */
const loose = ["skills", "commands", "agents", "rules"] as const;
const name = String.raw`[A-Za-z0-9][\w-]{0,99}`;
const quoted = String.raw`["'\x60“*]{0,2}(?<name>${name})(?![\w-])`;

/** Where a text for agents names other items: only forms that mean nothing else. */
const forms: readonly { pattern: RegExp; kinds?: readonly ItemKind[]; only?: ItemKind }[] = [
  // “/deploy” as a word of its own.
  {
    pattern: new RegExp(String.raw`(?<=^|[\s(\x60"'“])/(?<name>${name}(?:/${name})*)(?![\w/-]|\.\w)`, "dgm"),
    kinds: ["commands"],
  },
  {
    pattern: new RegExp(String.raw`(?<=^|[\s(\x60"'“])@(?<name>${name}(?:/${name})*)(?![\w/@-])`, "dgm"),
    kinds: ["agents"],
    only: "commands",
  },
  // The skill “greeting”, and the “greeting” skill.
  { pattern: new RegExp(String.raw`\b(?<noun>skill|command|(?:sub)?agent|rule)[: ] {0,2}${quoted}`, "dgi") },
  {
    pattern: new RegExp(
      String.raw`["'\x60“*]{1,2}(?<name>${name})["'\x60”*]{1,2} (?<noun>skill|command|(?:sub)?agent|rule)\b`,
      "dgi",
    ),
  },
  // skill/greeting, ../greeting/SKILL.md and the like.
  {
    pattern: new RegExp(
      String.raw`(?<=^|[\s(\x60"'/])(?<noun>skill|command|agent|rule)s?/(?<name>${name})(?![\w-])`,
      "dg",
    ),
  },
  {
    pattern: new RegExp(String.raw`(?<=\]\()(?<ups>(?:\.\./)+)(?<name>${name})(?=/)`, "dg"),
    kinds: ["skills"],
    only: "skills",
  },
  { pattern: new RegExp(String.raw`(?<=[\x60"“])(?<name>[A-Za-z0-9]+-[\w-]{0,99})(?=[\x60"”])`, "dg"), kinds: loose },
];

/** Finds what a text for agents may name, from an offset on. */
export function findMentions(f: Findings, from: number): void {
  const text = from > 0 ? f.text.slice(from) : f.text;
  const seen = new Set<number>();
  for (const { pattern, kinds, only } of forms) {
    if (only !== undefined && only !== f.place.kind) continue;
    for (const found of text.matchAll(pattern)) {
      const { name: said = "", noun = "", ups } = found.groups ?? {};
      // From where a file is, only so many steps lead up to the other skills.
      if (ups !== undefined && ups.length / 3 !== f.place.file?.split("/").length) continue;
      const kind = nouns[noun.toLowerCase()];
      const all = kinds ?? (kind ? [kind] : []);
      const [at = 0] = found.indices?.groups?.["name"] ?? [];
      const start = from + at;
      if (seen.has(start)) continue;
      seen.add(start);
      f.mention({ kinds: all, name: said, start, end: start + said.length, style: "text" });
    }
  }
}

import { checkAgent } from "./agentRules.ts";
import type { Analysis, Findings, Held, Mention, Problem } from "./analysis.ts";
import { checkCommand } from "./commandRules.ts";
import { readHead, type Head } from "./head.ts";
import { checkPlugins, checkServers, checkSettings, checkTemplate } from "./jsonRules.ts";
import type { Place } from "./layout.ts";
import { findMentions } from "./prose.ts";
import { conflictIn } from "./readText.ts";
import { checkSecrets } from "./secretRules.ts";
import { checkSkill } from "./skillRules.ts";
import { textIn, valueOf } from "./tree.ts";

/** Where a file of a skill is the one that its rules are about. */
export function isMain({ kind, file }: Place): boolean {
  return file === undefined || file === (kind === "skills" ? "SKILL.md" : "SCRIPT.sh");
}

/** Finds what a file of a Library says, and what is wrong with it by itself. */
export function analyse(path: string, place: Place, text: string): Analysis {
  const problems: Problem[] = [];
  const mentions: Mention[] = [];
  const f: Findings = {
    path,
    place,
    text,
    problem: ({ start, end }, severity, code, message, fixes = [], item) => {
      problems.push({ path, start, end, severity, code, message, fixes, ...(item !== undefined && { item }) });
    },
    mention: (one) => mentions.push(one),
    edit: ({ start, end }, replacement) => ({ path, start, end, text: replacement }),
  };
  if (isForeign(f)) return { items: [], problems, mentions };
  const { description, items = [] } = check(f);
  checkSecrets(
    f,
    problems.filter(({ code }) => code === "plain-secret"),
  );
  return { ...(description !== undefined && description !== "" && { description }), items, problems, mentions };
}

/** Texts that Git has put in place of the real ones. */
function isForeign(f: Findings): boolean {
  if (f.text.startsWith("version https://git-lfs.github.com/spec/")) {
    const words = "Its content is not here but in Git LFS. Fetch it with “git lfs pull”.";
    f.problem({ start: 0, end: f.text.length }, "error", "lfs", words);
    return true;
  }
  const conflict = conflictIn(f.text);
  if (!conflict) return false;
  f.problem(
    conflict,
    "error",
    "conflict",
    "It has conflicts of a merge: choose what is to stay, and delete their marks.",
  );
  return true;
}

function check(f: Findings): { description?: string | undefined; items?: Held[] } {
  const { kind } = f.place;
  switch (kind) {
    case "skills":
      return isMain(f.place) ? described(f, checkSkill(f).head) : described(f, { body: 0 });
    case "commands":
      return described(f, checkCommand(f).head);
    case "agents":
      return described(f, checkAgent(f).head);
    case "rules":
      return described(f, readHead(f));
    case "tools": {
      const words = /\/\*\*\s*(.*?)\s*\*\//s.exec(f.text)?.[1]?.replaceAll(/\s*\n\s*\*?\s*/g, " ");
      return { description: words };
    }
    case "scripts":
      return { description: isMain(f.place) ? /^#\s*Description:\s*(.*)$/im.exec(f.text)?.[1]?.trim() : undefined };
    case "mcps":
      return { items: checkServers(f) };
    case "plugins":
      return { items: checkPlugins(f) };
    case "templates":
      return { description: checkTemplate(f) };
    case "settings":
      checkSettings(f);
      return {};
  }
}

function described(f: Findings, head: Head | undefined): { description?: string | undefined } {
  // Of a text that does not parse nothing is known, and so nothing in it is ever changed.
  if (!head) return {};
  findMentions(f, head.body);
  return { description: textIn(valueOf(head.tree, "description")) };
}

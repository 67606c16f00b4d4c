/** (i) How long a Library of 2,000 items takes to be read and checked, and what one keystroke costs then. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Catalogue } from "../../src/library/catalogue.ts";
import { parseFrontMatter } from "../../src/library/frontMatter.ts";
import { writeFiles } from "../fake/library.ts";
import { format, limited, median, percentile, type Report, type Row } from "./report.ts";

const rounds = 7;
const keystrokes = 200;
const keystrokeGoal = 20;

/** Names, with texts of the length that people write, which name one another. */
function files(): Record<string, string> {
  const all: Record<string, string> = {};
  const body = (index: number) =>
    `Load the skill \`skill-${String(index % 1_000)}\`, then run /command-${String(index % 400)}.\n${"Words of a usual length, which name nothing at all, in some lines.\n".repeat(25)}`;
  for (let index = 0; index < 1_000; index++) {
    const name = `skill-${String(index)}`;
    all[`skill/${name}/SKILL.md`] =
      `---\nname: ${name}\ndescription: >-\n  Does what ${name} is for,\n  whenever that is asked for.\nlicense: MIT\n---\n${body(index)}`;
  }
  for (let index = 0; index < 400; index++)
    all[`command/command-${String(index)}.md`] =
      `---\ndescription: Runs.\nagent: agent-${String(index % 300)}\nparams: [a]\n---\n$ARGUMENTS\n${body(index)}`;
  for (let index = 0; index < 300; index++)
    all[`agent/agent-${String(index)}.md`] =
      `---\ndescription: Works.\nmode: subagent\npermission:\n  edit: deny\nrules: [rule-${String(index % 200)}, gone]\n---\n${body(index)}`;
  for (let index = 0; index < 200; index++)
    all[`rule/rule-${String(index)}.md`] = `---\ndescription: A rule.\n---\n${body(index)}`;
  for (let index = 0; index < 100; index++)
    all[`workspace-template/template-${String(index)}.json`] = JSON.stringify({
      name: `template-${String(index)}`,
      skills: Array.from({ length: 10 }, (_, place) => `skill-${String(index * 10 + place)}`),
    });
  return all;
}

export function measureLibrary(): Promise<Report> {
  const root = mkdtempSync(join(tmpdir(), "bench-library-"));
  try {
    const all = files();
    writeFiles(root, all);
    const heads = Object.keys(all).filter((path) => path.endsWith(".md"));
    const time = (job: () => unknown) => {
      const began = performance.now();
      job();
      return performance.now() - began;
    };
    const ours: number[] = [];
    const theirs: number[] = [];
    let catalogue = new Catalogue(root);
    for (let round = 0; round < rounds; round++) {
      theirs.push(time(() => heads.map((path) => parseFrontMatter(readFileSync(join(root, path), "utf8")).fields)));
      catalogue = new Catalogue(root);
      ours.push(time(() => [catalogue.items(), catalogue.problems()]));
    }
    const found = `${String(catalogue.items().length)} items and ${String(catalogue.problems().length)} problems`;
    const typed = (path: string, at: string) => {
      const text = all[path] ?? "";
      const place = text.indexOf(at) + at.length;
      return Array.from({ length: keystrokes }, (_, index) =>
        time(() => {
          catalogue.setText(join(root, path), `${text.slice(0, place)}${"x".repeat(index % 40)}${text.slice(place)}`);
          return catalogue.problemFiles();
        }),
      );
    };
    const row = (measure: string, times: number[]): Row => ({
      measure,
      ours: `${format(percentile(times, 95))} ms`,
      theirs: "",
      goal: `≤ ${String(keystrokeGoal)} ms`,
      met: percentile(times, 95) <= keystrokeGoal,
    });
    return Promise.resolve({
      rows: [
        limited("i opening the Library", median(ours), median(theirs), "ms", 4),
        row("i a keystroke in a body", typed("agent/agent-7.md", "Words")),
        row("i a keystroke in a name of a rule", typed("agent/agent-8.md", "rules: [rule-8")),
        row("i a keystroke in a description", typed("skill/skill-9/SKILL.md", "is for")),
      ],
      method: [
        `i: ${found}; theirs is reading the same Markdown files and their heads with the YAML parser alone; median of ${String(rounds)}. Keystrokes: p95 of ${String(keystrokes)}, from the text to the problems of all files.`,
      ],
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

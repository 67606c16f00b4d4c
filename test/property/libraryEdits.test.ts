import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { rename } from "../../src/library/renaming.ts";
import { apply, codes, makeLibrary } from "../fake/catalogue.ts";
import { linked } from "../fake/linkedLibrary.ts";

describe("What the language layer changes", () => {
  const comment = /(?:#|\/\/)[^\n]*ours-\d+[^\n]*/g;
  /** Heads with all that can be put right in them, in any order, with comments and unknown keys between. */
  const piece = fc.constantFrom(
    "name: other",
    "description:",
    "description: >-\n  Folded\n  words",
    "mode: nonsense",
    "permissions:\n  edit: deny\n  bash: sometimes",
    "permission:\n  read: allow",
    "tools:\n  write: false\n  adder: true",
    "rules:\n  - hous\n  - gone # why",
    "rules: [gone, house]",
    "model: 'gpt'",
    "params: [a]",
    "agent: keepr",
  );
  const unclosed = fc.constantFrom("broken: [", 'broken: "', "a: b: c", "\tx: 1");
  const head = fc
    .tuple(
      fc.uniqueArray(piece, { selector: (one) => one.split(":")[0], maxLength: 7 }),
      fc.option(unclosed, { freq: 5 }),
    )
    .map(([pieces, broken]) =>
      [...pieces, ...(broken === null ? [] : [broken])]
        .map(
          (one, index) => `# ours-${String(index)}\nx-own-${String(index)}: "kept" # ours-${String(index)}0\n${one}\n`,
        )
        .join(""),
    );
  /** A map of JSON with some of these entries, each below an unknown key and, where that may be, a comment. */
  const json = (entries: readonly string[], comments = false) =>
    fc.tuple(fc.subarray([...entries]), fc.option(fc.constant('"broken": [,'), { freq: 8 })).map(([some, broken]) => {
      const lines = some.map((one, index) => {
        const mark = comments ? `// ours-${String(index)}\n  ` : "";
        return `  ${mark}${one.replace("OWN", `"x-own-${String(index)}": "kept",`)}`;
      });
      return `{\n${[...lines, ...(broken === null ? [] : [broken])].join(",\n")}\n}\n`;
    });
  const texts = fc.record({
    "skill/wave-hand/SKILL.md": head,
    "agent/keeper.md": head,
    "command/release.md": head,
    "workspace-template/kit.json": json([
      'OWN "name": "other"',
      'OWN "skills": ["greet", "gone"]',
      'OWN "mcps": ["files"]',
      'OWN "env_vars": { "API_KEY": "q8Zk3Vn0TtYw71LxAb", "DB": "hunter2", "MODE": "dev" }',
      'OWN "encrypted_keys": ["DB", "MISSING"]',
      'OWN "init_scripts": [ "lost" , "base" ]',
    ]),
    "mcp/servers.json": json([
      '"files": { OWN "type": "local", "command": ["x", "--key=sk-proj-abcdefghijklmnopqrstuvwx"] }',
      '"plain": { OWN "command": ["x"], "env": { "API_KEY": "q8Zk3Vn0TtYw71LxAb" } }',
      '"odd": { OWN "type": "nonsense" }',
    ]),
    "opencode/config.json": json(['OWN "hidden_agents": ["keeper", "gone"]', 'OWN "default_agent": "keepr"'], true),
  });
  const steps = fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 12 });
  const own = (text: string) => [...text.matchAll(/x-own-\d+"?: "kept"/g)].map(String);

  it("keeps comments, unknown keys and their order, and touches no text that does not parse", function () {
    this.timeout(120_000);
    fc.assert(
      fc.property(texts, steps, (some, moves) => {
        const files = Object.fromEntries(
          Object.entries(some).map(([path, text]) => [
            path,
            path.endsWith(".md") ? `---\n${text}---\nBody /release.\n` : text,
          ]),
        );
        const catalogue = makeLibrary({ ...linked, ...files });
        const unparsed = () => codes(catalogue).filter((one) => one.startsWith("json ")).length;
        const unparsedBefore = unparsed();
        try {
          for (const [first, second] of moves) {
            const broken = catalogue
              .problems()
              .filter(({ code }) => code === "head" || code === "json" || code === "duplicate-key");
            const before = new Map(broken.map(({ path }) => [path, readFileSync(path, "utf8")]));
            const fixes = catalogue.problems().flatMap((one) => one.fixes);
            const items = catalogue.items().filter(({ kind }) => kind !== "settings");
            const item = items[second % items.length];
            const fix = first % 3 === 0 || !item ? fixes[second % Math.max(1, fixes.length)] : undefined;
            if (fix) apply(catalogue, fix);
            else if (item) {
              const newName = `new-${String(first % 1_000)}`;
              if (catalogue.item(item.kind, newName)) continue;
              const { edits, move } = rename(catalogue, item.kind, item.name, newName);
              for (const { path } of edits) assert.ok(!before.has(path), `${path} does not parse`);
              if (broken.some(({ path }) => move && path.startsWith(move.from))) continue;
              apply(catalogue, { edits, ...(move && { move }) });
            }
            for (const [path, text] of before)
              if (existsSync(path) && !fix?.edits.some((edit) => edit.path === path))
                assert.equal(readFileSync(path, "utf8"), text);
          }
          assert.equal(unparsed(), unparsedBefore);
          const after = readdirSync(catalogue.root, { recursive: true, withFileTypes: true })
            .filter((entry) => entry.isFile())
            .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"));
          for (const text of Object.values(files)) {
            const kept = after.find((one) => own(one).join() === own(text).join());
            assert.ok(kept !== undefined, `Own keys of:\n${text}\nare not in:\n${after.join("\n")}`);
            const all = after.flatMap((one) => one.match(comment) ?? []);
            for (const one of text.match(comment) ?? []) assert.ok(all.includes(one), one);
          }
        } finally {
          rmSync(catalogue.root, { recursive: true });
        }
      }),
      { numRuns: 40 },
    );
  });
});

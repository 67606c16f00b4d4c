import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { configurationIn, writeConfiguration } from "../../src/opencode/configuration.ts";
import type { Part } from "../../src/protocol/configuration.ts";
import { usableItems, writeFiles } from "../fake/library.ts";

describe("a generated configuration", () => {
  const folder = mkdtempSync(join(tmpdir(), "configuration-"));
  const library = join(folder, "library");
  const skill = (name: string, more: Partial<Part> = {}): Part => ({
    kind: "skills",
    name,
    path: join(library, "skill", name),
    ...more,
  });
  const write = (...parts: Part[]) =>
    writeConfiguration({
      folder,
      parts,
      executable: { path: "/nowhere/opencode", version: "1.18.33" },
      environment: {},
      toolPackage: join(import.meta.dirname, "../../src/opencode/toolPackage.ts"),
    });
  const written = (file: string) => readFileSync(join(configurationIn(folder), "skills", file), "utf8");

  it("follows links within a skill, also those that lead back, and has the texts that stand in for files behind them", async () => {
    writeFiles(library, usableItems);
    symlinkSync("references", join(library, "skill", "greeting", "docs"));
    symlinkSync("..", join(library, "skill", "greeting", "references", "up"));
    symlinkSync("references/deep/words.md", join(library, "skill", "greeting", "short.md"));
    const texts = { "references/deep/words.md": "opened\n" };
    const { problems } = await write(skill("greeting", { texts }));
    assert.deepEqual(problems, []);
    const places = ["references/deep/words.md", "docs/deep/words.md", "short.md"];
    assert.deepEqual(
      places.map((place) => written(`greeting/${place}`)),
      ["opened\n", "opened\n", "opened\n"],
    );
    const script = join(configurationIn(folder), "skills", "greeting", "scripts", "greet.sh");
    assert.equal(statSync(script).mode & 0o111, 0o111);
    assert.equal(existsSync(join(configurationIn(folder), "skills", "greeting", "references", "up")), false);
    assert.equal((await write(skill("greeting", { texts }))).changed, false);
  });

  it("leaves out, and names, only the skill that cannot be read", async () => {
    writeFiles(library, { "skill/piped/SKILL.md": "x", "skill/leaking/SKILL.md": "x" });
    execFileSync("mkfifo", [join(library, "skill", "piped", "pipe")]);
    symlinkSync(folder, join(library, "skill", "leaking", "out"));
    const parts = ["piped", "leaking", "gone", "farewell"].map((name) => skill(name));
    const { problems } = await write(...parts);
    assert.deepEqual(
      problems.map(({ name, message }) => [name, message.replace(/'.*'/, "…")]),
      [
        ["piped", "it cannot be read: pipe is neither a file nor a folder"],
        ["leaking", "it cannot be read: out is a link that leads out of it"],
        ["gone", "it cannot be read: ENOENT: no such file or directory, realpath …"],
      ],
    );
    assert.match(written("farewell/SKILL.md"), /Wave/);
    assert.deepEqual(
      ["piped", "leaking"].filter((name) => existsSync(join(realpathSync(configurationIn(folder)), "skills", name))),
      [],
    );
    assert.deepEqual((await write(...parts)).problems, problems);
  });

  it("is whole at any time, also where two write the same at once", async () => {
    const sets = [[skill("greeting")], [skill("greeting"), skill("farewell")]];
    await write();
    const file = join(configurationIn(folder), "opencode.json");
    const writing = new AbortController();
    const reading = (async () => {
      while (!writing.signal.aborted) {
        JSON.parse(readFileSync(file, "utf8"));
        await setImmediate();
      }
    })();
    for (let round = 0; round < 20; round++) {
      const parts = sets[round % 2] ?? [];
      const outcomes = await Promise.all([write(...parts), write(...parts)]);
      assert.deepEqual(
        outcomes.map(({ problems }) => problems),
        [[], []],
      );
      assert.equal(existsSync(join(configurationIn(folder), "skills", "farewell", "SKILL.md")), round % 2 === 1);
    }
    writing.abort();
    await reading;
    const left = readdirSync(dirname(configurationIn(folder)));
    assert.deepEqual(
      left.filter((name) => name.endsWith(".next")),
      [],
    );
  });
});

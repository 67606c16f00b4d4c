import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { apply, codes, makeLibrary, problem } from "./catalogue.ts";

/** What a rule of the Library says of a text. */
export interface Case {
  says: string;
  code: string;
  severity: "error" | "warning" | "information";
  path: string;
  text: string;
  /** What the file is after the fix; left out where there is none. */
  fixed?: string;
  /** The title of the fix, if it is not the first. */
  fix?: string;
  others?: Readonly<Record<string, string>>;
}

export const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

/** Looks like a key of a well-known service; no message may repeat it. */
export const plainKey = "sk-proj-abcdefghijklmnopqrstuvwx";

/** A test that the rule says so, and that its fix puts it right. */
export function say({ says, code, severity, path, text, fixed, fix, others }: Case): void {
  it(`say: ${says}${fixed === undefined ? "" : ", and put it right"}`, () => {
    const catalogue = makeLibrary({ [path]: text, ...others });
    const found = problem(catalogue, code);
    assert.equal(found.severity, severity);
    assert.equal(found.path, join(catalogue.root, path));
    assert.ok(found.start <= found.end && found.end <= text.length);
    assert.match(found.message, /^\S.*\.$/s);
    assert.ok(!found.message.includes(plainKey));
    const chosen = fix === undefined ? found.fixes[0] : found.fixes.find(({ title }) => title === fix);
    assert.equal(chosen === undefined, fixed === undefined, found.fixes.map(({ title }) => title).join());
    if (!chosen) return;
    apply(catalogue, chosen);
    assert.equal(readFileSync(join(catalogue.root, path), "utf8"), fixed);
    assert.deepEqual(
      codes(catalogue).filter((one) => one.startsWith(`${code} `)),
      [],
    );
  });
}

import { readFileSync } from "node:fs";
import { parseFrontMatter } from "../library/frontMatter.ts";
import { paramsOf } from "../library/params.ts";
import type { CommandChoice } from "../opencode/engine.ts";
import type { Part } from "../protocol/configuration.ts";

/** Commands of which those that are the Library's name their arguments as it does: OpenCode knows only `$1` and the like. */
export function withParams(commands: readonly CommandChoice[], parts: readonly Part[]): CommandChoice[] {
  return commands.map((one) => {
    const part = parts.find(({ kind, name }) => kind === "commands" && name === one.name);
    // The project may have another one of this name.
    const isSame = one.source === "command" && (part?.description ?? "") === one.description;
    const hints = part && isSame ? paramHints(part) : [];
    return hints.length > 0 ? { ...one, hints } : one;
  });
}

function paramHints({ path, texts }: Part): string[] {
  try {
    const { params } = parseFrontMatter(texts?.[""] ?? readFileSync(path, "utf8")).fields;
    return paramsOf(params).map(({ name, required }) => (required ? `<${name}>` : `[${name}]`));
  } catch {
    // It has changed since it was listed; what is wrong with it is named elsewhere.
    return [];
  }
}

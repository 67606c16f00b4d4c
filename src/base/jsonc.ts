import { readFileSync } from "node:fs";
import { parse, printParseErrorCode, type ParseError } from "jsonc-parser";
import { describeError, OpenAgentError } from "./errors.ts";

/**
 * What a file of the editor's holds: JSON with comments and trailing commas. An empty one holds nothing.
 * @throws OpenAgentError `invalid_input`, which names the file, when it cannot be read or does not parse
 */
export function readJsonc(path: string): unknown {
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (error) {
    throw new OpenAgentError("invalid_input", `${path} cannot be read: ${describeError(error)}`, { path }, error);
  }
  const errors: ParseError[] = [];
  const value: unknown = parse(content, errors, { allowTrailingComma: true, allowEmptyContent: true });
  const [first] = errors;
  if (!first) return value;
  const line = content.slice(0, first.offset).split("\n").length;
  const words = `${printParseErrorCode(first.error)} in line ${String(line)}`;
  throw new OpenAgentError("invalid_input", `${path} does not parse: ${words}`, { path });
}

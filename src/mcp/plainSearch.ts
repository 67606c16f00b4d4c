import { open } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describeError } from "../base/errors.ts";
import { globExpression } from "./glob.ts";
import { filesIn } from "./walk.ts";

/** What is looked for, as the searching process gets it on its standard input. */
export interface Search {
  /** A regular expression of JavaScript. */
  pattern: string;
  ignoreCase: boolean;
  /** The folder whose files are searched. */
  folder: string;
  /** The only file of it that is searched. */
  file?: string;
  /** A glob that the files' paths must fit. */
  filePattern?: string;
}

/** Characters of a line that are given. */
export const mostOfLine = 500;
const mostBytes = 100 * 2 ** 20;

/**
 * Searches where there is no ripgrep, in a process of its own, which can be ended whatever the expression costs. Prints
 * `path:line:text` for each line; the exit codes are ripgrep's: 0 found, 1 nothing found, 2 no good expression.
 */
export async function searchPlainly(): Promise<number> {
  const search = JSON.parse(await text(process.stdin)) as Search;
  let expression: RegExp;
  try {
    expression = new RegExp(search.pattern, search.ignoreCase ? "i" : "");
  } catch (error) {
    process.stderr.write(describeError(error));
    return 2;
  }
  const fits = search.filePattern === undefined ? undefined : globExpression(search.filePattern);
  let found = false;
  for await (const path of search.file === undefined ? filesIn(search.folder) : [search.file]) {
    if (fits?.test(path) === false) continue;
    for (const line of await linesWith(expression, join(search.folder, path))) {
      found = true;
      if (!process.stdout.write(`${path}:${line}\n`))
        await new Promise((resolve) => process.stdout.once("drain", resolve));
    }
  }
  return found ? 0 : 1;
}

/** `number:text` of each line of a file that the expression fits; none of what is binary or cannot be read. */
async function linesWith(expression: RegExp, path: string): Promise<string[]> {
  try {
    await using file = await open(path);
    const found = await file.stat();
    if (!found.isFile() || found.size > mostBytes) return [];
    const bytes = await file.readFile();
    if (bytes.subarray(0, 8192).includes(0)) return [];
    return bytes
      .toString("utf8")
      .split(/\r?\n/)
      .flatMap((line, index, all) => {
        if (!expression.test(line) || (line === "" && index === all.length - 1)) return [];
        return `${String(index + 1)}:${line.slice(0, mostOfLine)}`;
      });
  } catch {
    // It is gone, or another user's.
    return [];
  }
}

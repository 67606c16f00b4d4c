import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { cutEnd, sizeText } from "./output.ts";
import { doing, folderIn, pathIn, tool, ToolError } from "./tool.ts";

const path = z.string().min(1).describe("Path, absolute or relative to the workspace's folder");
const line = z.int().positive();
const mostChars = 100_000;
const mostBytes = 100 * 2 ** 20;
const mostEntries = 2000;

const readFile = tool(
  "read_file",
  `Reads a text file, or some of its lines. At most ${String(mostChars)} characters at once.`,
  z.strictObject({
    path,
    start_line: line.optional().describe("First line, counted from 1"),
    end_line: line.optional().describe("Last line, itself included"),
  }),
  ({ path, start_line: start = 1, end_line: end }, call) => {
    const file = pathIn(call, path);
    const found = doing("read", file, () => statSync(file));
    if (found.isDirectory()) throw new ToolError(`${file} is a folder. list_directory shows what is in it.`);
    if (!found.isFile()) throw new ToolError(`${file} is no regular file, so it may have no end.`);
    if (found.size > mostBytes)
      throw new ToolError(
        `${file} is too large to be read at once (${sizeText(found.size)}). Use bash with sed or head.`,
      );
    const whole = decoded(
      file,
      doing("read", file, () => readFileSync(file)),
    );
    if (start === 1 && end === undefined && whole.length <= mostChars) return { text: whole };
    const lines = whole.split(/(?<=\n)/);
    if (end !== undefined && end < start)
      throw new ToolError(`end_line ${String(end)} is before start_line ${String(start)}.`);
    if (start > Math.max(1, lines.length))
      throw new ToolError(`${file} has ${String(lines.length)} lines, so there is no line ${String(start)}.`);
    const text = lines.slice(start - 1, end).join("");
    if (text.length <= mostChars) return { text };
    const shown = cutEnd(text, mostChars);
    const last = start - 1 + shown.split(/(?<=\n)/).length;
    const note = `Cut within line ${String(last)} of ${String(lines.length)}. Go on with start_line ${String(last)}.`;
    return { text: shown, note };
  },
);

function decoded(file: string, bytes: Buffer): string {
  const binary = new ToolError(
    `${file} is binary, not UTF-8 text: ${sizeText(bytes.length)} (${String(bytes.length)} bytes).`,
  );
  if (bytes.includes(0)) throw binary;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw binary;
  }
}

const writeFile = tool(
  "write_file",
  "Writes a text file, with its parent folders. What the file held before is replaced.",
  z.strictObject({ path, content: z.string().describe("All that the file shall hold") }),
  ({ path, content }, call) => {
    const file = pathIn(call, path);
    doing("make the folder of", file, () => mkdirSync(dirname(file), { recursive: true }));
    doing("write", file, () => {
      writeFileSync(file, content);
    });
    return { text: `Wrote ${String(Buffer.byteLength(content))} bytes to ${file}` };
  },
);

const deleteFile = tool(
  "delete_file",
  "Deletes a file. Folders are deleted with bash.",
  z.strictObject({ path }),
  ({ path }, call) => {
    const file = pathIn(call, path);
    const found = doing("delete", file, () => lstatSync(file));
    if (found.isDirectory())
      throw new ToolError(`${file} is a folder. Use bash with rm -r if all in it shall be deleted.`);
    doing("delete", file, () => {
      rmSync(file);
    });
    return { text: `Deleted ${file}` };
  },
);

const listDirectory = tool(
  "list_directory",
  "Lists a folder and the folders in it, as an indented tree. The names of folders end in /. What is in .git and node_modules is left out.",
  z.strictObject({ path, max_depth: z.int().positive().default(3).describe("How many levels deep") }),
  ({ path, max_depth: maxDepth }, call) => {
    const root = folderIn(call, path);
    const lines: string[] = [];
    const enter = (folder: string, depth: number): void => {
      const entries = readdirSync(folder, { withFileTypes: true });
      for (const entry of entries.sort((one, other) => (one.name < other.name ? -1 : 1))) {
        if (lines.length > mostEntries) return;
        const { name } = entry;
        const link = entry.isSymbolicLink() ? ` -> ${readlinkSync(join(folder, name))}` : "";
        lines.push(`${"  ".repeat(depth)}${name}${entry.isDirectory() ? "/" : link}`);
        if (!entry.isDirectory() || depth + 1 >= maxDepth || name === ".git" || name === "node_modules") continue;
        try {
          enter(join(folder, name), depth + 1);
        } catch {
          lines.push(`${"  ".repeat(depth + 1)}(cannot be read)`);
        }
      }
    };
    doing("list", root, () => {
      enter(root, 0);
    });
    if (lines.length === 0) return { text: `${root} is empty.` };
    if (lines.length <= mostEntries) return { text: `${root}\n${lines.join("\n")}` };
    const note = `There is more. List a folder of it, or with a smaller max_depth.`;
    return { text: `${root}\n${lines.slice(0, mostEntries).join("\n")}`, note };
  },
);

export const fileTools = [readFile, writeFile, deleteFile, listDirectory];

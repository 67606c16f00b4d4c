import { type ItemKind } from "../protocol/library.ts";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { extname, join, relative, sep } from "node:path";
import { zipSync, type Zippable } from "fflate";
import { OpenAgentError } from "../base/errors.ts";
import { fields } from "../base/fields.ts";
import { replaceFile } from "../base/files.ts";
import { copyTree } from "./copyTree.ts";
import { requireWithin } from "./items.ts";
import { layouts } from "./layout.ts";
import { isSealed, marksIn } from "../protocol/sealed.ts";

/** An item of the Library, to be given to others. */
export interface Shared {
  kind: ItemKind;
  name: string;
  /** Its file or folder. */
  path: string;
}

/** What the file of an exported item is called; of an item that is a folder, the archive of it. */
export function sharedName({ kind, name, path }: Shared): string {
  const plain = name.replaceAll("/", "-");
  const { form } = layouts[kind];
  return plain + (form === "folder" ? ".zip" : form === "shared" ? ".json" : extname(path));
}

/**
 * Writes an item as a file for others: a folder as a zip archive, an entry of a list as a list of its own. Values that
 * are secret are not in it; those of Markdown are encrypted.
 * @throws OpenAgentError `invalid_input` when it cannot be shared
 */
export function shareItem(root: string, item: Shared, file: string): void {
  requireWithin(root, item.path);
  requireSealed(item.path);
  replaceFile(file, contentOf(item));
}

/** Copies an item that is a folder into another one. Throws as `shareItem`. */
export function shareFolder(root: string, { name, path }: Shared, folder: string): string {
  requireWithin(root, path);
  requireSealed(path);
  const target = join(folder, name);
  if (statSync(target, { throwIfNoEntry: false }))
    throw new OpenAgentError("item_exists", `${target} is there already. Choose another folder.`, { path: target });
  copyTree(path, target);
  return target;
}

/** Refuses values that are marked as secret and stand there readable, since nothing has encrypted them yet. */
function requireSealed(path: string): void {
  const isFolder = statSync(path).isDirectory();
  const entries = isFolder ? readdirSync(path, { withFileTypes: true, recursive: true }) : [];
  const inside = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const files = (isFolder ? inside : [path]).filter((file) => file.endsWith(".md"));
  const open = files.find((file) => marksIn(readFileSync(file, "utf8")).some(({ version }) => version === undefined));
  if (open === undefined) return;
  const words = `${open} has a value that is marked as secret and not encrypted. Open the file, save it, and try again.`;
  throw new OpenAgentError("invalid_input", words, { path: open });
}

function contentOf({ kind, name, path }: Shared): string | Uint8Array {
  const { form } = layouts[kind];
  if (form === "folder") return zipped(name, path);
  const text = readFileSync(path, "utf8");
  if (form === "shared") return json({ [name]: withoutValues(fields(parsed(path, text)[name])) });
  return kind === "templates" ? json(withoutSecrets(parsed(path, text))) : text;
}

function parsed(path: string, text: string): Readonly<Record<string, unknown>> {
  try {
    return fields(JSON.parse(text));
  } catch (error) {
    throw new OpenAgentError("invalid_input", `${path} does not parse. Repair it first.`, { path }, error);
  }
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

function zipped(name: string, folder: string): Uint8Array {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile() && ![".DS_Store"].includes(entry.name));
  const all: Zippable = {};
  for (const entry of files) {
    const path = join(entry.parentPath, entry.name);
    const { mode, mtimeMs } = statSync(path);
    const inside = relative(folder, path).split(sep).join("/");
    // As Unix has it: scripts stay executable.
    all[`${name}/${inside}`] = [readFileSync(path), { os: 3, attrs: (mode & 0o177777) << 16, mtime: mtimeMs }];
  }
  return zipSync(all);
}

/** A template's variables, of which those that are secret have no value. */
function withoutSecrets(template: Readonly<Record<string, unknown>>): object {
  const secret: unknown[] = Array.isArray(template["encrypted_keys"]) ? template["encrypted_keys"] : [];
  const variables = Object.entries(fields(template["env_vars"]));
  const hidden = variables.filter(([key, value]) => secret.includes(key) || isSealed(String(value)));
  const names = hidden.map(([key]) => key);
  const shown = variables.filter(([key]) => !names.includes(key));
  return {
    ...template,
    ...(variables.length > 0 && { env_vars: Object.fromEntries(shown) }),
    ...(names.length > 0 && { encrypted_keys: [...new Set([...secret, ...names])] }),
  };
}

/** An MCP server with the names of its variables and headers alone. */
function withoutValues(entry: Readonly<Record<string, unknown>>): object {
  const emptied = ["env", "environment", "headers"].filter((key) => entry[key] !== undefined);
  const names = (key: string) => Object.fromEntries(Object.keys(fields(entry[key])).map((name) => [name, ""]));
  return { ...entry, ...Object.fromEntries(emptied.map((key) => [key, names(key)])) };
}

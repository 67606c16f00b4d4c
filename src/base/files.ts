import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { randomBytes } from "node:crypto";
import { describeError, OpenAgentError, systemCode } from "./errors.ts";

/** Makes a folder that only its owner can enter, with its parents. */
export function privateFolder(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
  return path;
}

/** Writes a file that only its owner can read, whole or not at all: a reader sees the old text or the new one. */
export function writePrivateFile(path: string, text: string): void {
  privateFolder(dirname(path));
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    writeFileSync(draft, text, { mode: 0o600, flag: "wx" });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** Writes a file of the user's whole or not at all, with its folders; one that is there keeps its mode. */
export function replaceFile(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  // Through a link, what it names is replaced.
  const target = existsSync(path) ? realpathSync(path) : path;
  const mode = statSync(target, { throwIfNoEntry: false })?.mode;
  const draft = join(dirname(target), `.${randomBytes(6).toString("hex")}.draft`);
  try {
    writeFileSync(draft, content, { flag: "wx", ...(mode !== undefined && { mode: mode & 0o777 }) });
    renameSync(draft, target);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** The text of a file, or undefined where there is none. Other errors are thrown. */
export function readTextIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * What a file of JSON holds, or undefined where there is none. `parse` throws where it is not what it should be.
 * @throws OpenAgentError `invalid_input`, which names the file, when it does not parse
 */
export function readJsonIfPresent<T>(path: string, parse: (value: unknown) => T): T | undefined {
  const text = readTextIfPresent(path);
  if (text === undefined) return undefined;
  try {
    return parse(JSON.parse(text));
  } catch (error) {
    throw new OpenAgentError("invalid_input", `${path} does not parse: ${describeError(error)}`, { path }, error);
  }
}

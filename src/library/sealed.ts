import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { OpenAgentError } from "../base/errors.ts";
import { isSealed, marksIn, missingValue, replaceMarks } from "../protocol/sealed.ts";

/**
 * Secret values in the original's format: AES-256-GCM, `<encrypted v="1">base64(nonce ‖ ciphertext ‖ tag)</encrypted>`.
 * A key is kept as its 32 bytes.
 */
export type Key = Uint8Array;

const sizes = { key: 32, nonce: 12, tag: 16 };
const algorithm = "aes-256-gcm";

/**
 * Reads a key: 64 hexadecimal digits, or base64 of 32 bytes.
 * @throws OpenAgentError `invalid_input`, which does not repeat it
 */
export function parseKey(text: string): Key {
  const plain = text.trim();
  if (/^[0-9a-f]{64}$/i.test(plain)) return Buffer.from(plain, "hex");
  const bytes = /^[A-Za-z0-9+/_-]+={0,2}$/.test(plain) ? Buffer.from(plain, "base64") : Buffer.alloc(0);
  if (bytes.length === sizes.key) return bytes;
  const digits = /^[0-9a-f]+$/i.test(plain) ? ` It has ${String(plain.length)} digits.` : "";
  throw new OpenAgentError(
    "invalid_input",
    `This is no key: a key is 64 hexadecimal digits, or 32 bytes in base64.${digits}`,
  );
}

/** A new key, as it is written down. */
export function newKey(): string {
  return randomBytes(sizes.key).toString("hex");
}

export function seal(text: string, key: Key): string {
  const nonce = randomBytes(sizes.nonce);
  const cipher = createCipheriv(algorithm, key, nonce);
  const bytes = Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
  return `<encrypted v="1">${bytes.toString("base64")}</encrypted>`;
}

/** What was encrypted; undefined when it was with another key, has been changed, or is nothing that this can read. */
export function open(sealed: string, key: Key | undefined): string | undefined {
  const [mark] = marksIn(sealed);
  if (key === undefined || mark?.version !== "1") return undefined;
  const bytes = Buffer.from(mark.value.trim(), "base64");
  if (bytes.length < sizes.nonce + sizes.tag) return undefined;
  const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, sizes.nonce));
  decipher.setAuthTag(bytes.subarray(-sizes.tag));
  try {
    const inside = bytes.subarray(sizes.nonce, -sizes.tag);
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat([decipher.update(inside), decipher.final()]));
  } catch {
    // The tag does not fit.
    return undefined;
  }
}

/** A value as it is to be used: what is encrypted in it is decrypted; undefined where that cannot be. */
export function valueOf(value: string, key: Key | undefined): string | undefined {
  const isWhole = /^\s*<encrypted[\s>]/.test(value) && /<\/encrypted>\s*$/.test(value);
  const { text, missing } = readableText(isWhole ? value.trim() : value, key);
  const isBroken = isSealed(replaceMarks(value, () => ""));
  return missing > 0 || isBroken ? undefined : text;
}

/** A text in which what is marked is encrypted. What `before` holds of the same value stays as it is there. */
export function sealMarks(text: string, key: Key, before = ""): string {
  const known = new Map<string, string>();
  for (const { start, end } of marksIn(before)) {
    const sealed = before.slice(start, end);
    const value = open(sealed, key);
    if (value !== undefined) known.set(value, sealed);
  }
  return replaceMarks(text, ({ value, version }, whole) =>
    version === undefined ? (known.get(value) ?? seal(value, key)) : whole,
  );
}

/** A text with its marks decrypted and still marked, as one edits it. What cannot be decrypted stays as it is. */
export function openMarks(text: string, key: Key | undefined): string {
  return replaceMarks(text, ({ version }, whole) => {
    const value = version === undefined ? undefined : open(whole, key);
    return value === undefined ? whole : `<encrypted>${value}</encrypted>`;
  });
}

/** A text as agents are to read it: values without their tags, and how many of them cannot be decrypted. */
export function readableText(text: string, key: Key | undefined): { text: string; missing: number } {
  let missing = 0;
  const readable = replaceMarks(text, ({ value, version }, whole) => {
    const opened = version === undefined ? value : open(whole, key);
    if (opened === undefined) missing++;
    return opened ?? missingValue;
  });
  return { text: readable, missing };
}

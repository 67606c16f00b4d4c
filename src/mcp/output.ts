import { randomBytes } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeError } from "../base/errors.ts";

let made: string | undefined;

/** A path in this server's private folder, in the temporary folder of the workspace, where nothing is yet. */
function freshPath(name: string): string {
  // Only its owner can enter what mkdtemp makes.
  made ??= mkdtempSync(join(tmpdir(), "open-agent-"));
  return join(made, `${randomBytes(4).toString("hex")}-${name}`);
}

/** What is shown of an output. */
interface Shown {
  text: string;
  /** A sentence for the reader about what is not shown, and where it is; undefined when all of it is shown. */
  note?: string;
}

/** Bytes that are kept of one output: a command that writes without end must not fill the disk. */
const maxKept = 2 ** 30;

/**
 * What a program writes, or a server sends: in memory as long as it is short, and in a file of its own after that. `add`
 * never throws and takes no more memory however much comes.
 */
export class Output {
  readonly #name: string;
  readonly #inMemory: number;
  #parts: Buffer[] = [];
  #bytes = 0;
  #kept = 0;
  #path: string | undefined;
  #fd: number | undefined;
  #broken: string | undefined;
  #closed = false;

  /** The file's name ends in `name`. Up to `inMemory` bytes are held without one. */
  constructor(name: string, inMemory = 262_144) {
    this.#name = name;
    this.#inMemory = inMemory;
  }

  /** All bytes that came. */
  get bytes(): number {
    return this.#bytes;
  }

  /** It is longer than what is held in memory. */
  get isLong(): boolean {
    return this.#bytes > this.#inMemory;
  }

  add(chunk: Buffer): void {
    if (this.#closed) return;
    this.#bytes += chunk.length;
    if (this.#path === undefined && this.#broken === undefined && this.#bytes <= this.#inMemory) {
      this.#parts.push(chunk);
      this.#kept += chunk.length;
    } else {
      this.#openFile();
      this.#write(chunk.subarray(0, Math.max(0, maxKept - this.#kept)));
    }
  }

  /** Ends it: what comes from now on is dropped. */
  close(): void {
    this.#closed = true;
    this.#closeFile();
  }

  /** What it holds as text, whole or its beginning and its end. Call it once, after `close`. */
  shown(maxChars: number): Shown {
    const { text, whole } = this.#cut(maxChars);
    if (looksBinary(text)) return { text: "", note: `Binary data, not shown: ${this.place()}` };
    if (whole) return { text };
    return { text, note: `Only ${String(maxChars)} characters are shown of ${this.place()}` };
  }

  /** The beginning of what it holds, as text. Call it after `close`. */
  start(maxChars: number): string {
    return cutEnd(decode(this.#read(0, Math.min(this.#available, 4 * maxChars + 4)), true), maxChars);
  }

  /** How large it is and in which file, as words. Call it after `close`. */
  place(): string {
    return `${sizeText(this.#bytes)}. ${this.#where()}`;
  }

  /** Where all of it is, as a sentence. */
  #where(): string {
    this.#openFile();
    const path = this.#path;
    if (path === undefined) return `It could not be kept in a file: ${this.#broken ?? ""}`;
    if (this.#broken !== undefined)
      return `The file ${path} has only its beginning, since it could not be written: ${this.#broken}`;
    if (this.#kept < this.#bytes) return `The file ${path} has its first ${sizeText(this.#kept)}.`;
    return `All of it is in the file ${path}`;
  }

  /** Puts what is in memory into a file, unless that was done or tried before. */
  #openFile(): void {
    if (this.#path !== undefined || this.#broken !== undefined) return;
    try {
      const path = freshPath(this.#name);
      this.#fd = openSync(path, "wx", 0o600);
      this.#path = path;
    } catch (error) {
      this.#broken = describeError(error);
      return;
    }
    this.#kept = 0;
    const parts = this.#parts;
    for (const part of parts) this.#write(part);
    if (this.#closed) this.#closeFile();
    else if (this.#isWhole()) this.#parts = [];
  }

  #isWhole(): boolean {
    return this.#broken === undefined;
  }

  #closeFile(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #write(bytes: Buffer): void {
    if (this.#fd === undefined || this.#broken !== undefined) return;
    try {
      for (let at = 0; at < bytes.length;) {
        const written = writeSync(this.#fd, bytes, at);
        at += written;
        this.#kept += written;
      }
    } catch (error) {
      this.#broken = describeError(error);
    }
  }

  /** At most `maxChars` characters, and whether that is all of it. No character is cut in two. */
  #cut(maxChars: number): { text: string; whole: boolean } {
    // In UTF-8 no character takes more than four bytes, and a replaced byte is a character.
    const most = 4 * maxChars + 4;
    const length = this.#available;
    if (length <= most && length === this.#bytes) {
      const text = decode(this.#read(0, length));
      if (text.length <= maxChars) return { text, whole: true };
    }
    const head = cutEnd(decode(this.#read(0, Math.min(length, most)), true), Math.ceil(maxChars / 2));
    const tail = cutStart(decodeTail(this.#read(Math.max(0, length - most), length)), Math.floor(maxChars / 2));
    return { text: `${head}\n[…]\n${tail}`, whole: false };
  }

  /** Bytes that can be read again. */
  get #available(): number {
    return this.#parts.length > 0 ? this.#parts.reduce((sum, part) => sum + part.length, 0) : this.#kept;
  }

  #read(from: number, to: number): Buffer {
    if (this.#parts.length > 0) return Buffer.concat(this.#parts).subarray(from, to);
    if (this.#path === undefined) return Buffer.alloc(0);
    const fd = openSync(this.#path, "r");
    try {
      const bytes = Buffer.alloc(to - from);
      return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, from));
    } finally {
      closeSync(fd);
    }
  }
}

function decode(bytes: Buffer, goesOn = false): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes, { stream: goesOn });
}

function decodeTail(bytes: Buffer): string {
  let start = 0;
  while (start < 3 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start++;
  return decode(bytes.subarray(start));
}

/** The first `length` units of a text, without half a character. */
export function cutEnd(text: string, length: number): string {
  return text.slice(0, isHigh(text, length - 1) ? length - 1 : length);
}

function cutStart(text: string, length: number): string {
  const start = Math.max(0, text.length - length);
  return text.slice(start > 0 && isHigh(text, start - 1) ? start + 1 : start);
}

function isHigh(text: string, index: number): boolean {
  const unit = text.charCodeAt(index);
  return unit >= 0xd800 && unit < 0xdc00;
}

/** A NUL, or more than a tenth of what no text has. Colours and the like of terminals are text. */
function looksBinary(text: string): boolean {
  if (text.includes("\0")) return true;
  // eslint-disable-next-line no-control-regex -- that is what is looked for
  const strange = text.match(/[\x01-\x06\x0e-\x1a\x1c-\x1f\x7f\ufffd]/g)?.length ?? 0;
  return strange > 2 && strange > text.length / 10;
}

export function sizeText(bytes: number): string {
  if (bytes < 1024) return `${String(bytes)} bytes`;
  if (bytes < 2 ** 20) return `${(bytes / 1024).toFixed(1)} KB`;
  return `${(bytes / 2 ** 20).toFixed(1)} MB`;
}

import { isSealed, jsonStrings, marksIn, replaceMarks, sealedIn } from "../protocol/sealed.ts";
import type { Findings } from "./analysis.ts";
import { entryEnd } from "./edits.ts";
import { layouts, type Place } from "./layout.ts";
import { looksSecret, tokensIn } from "./plainSecrets.ts";
import { readJson, valueOf } from "./tree.ts";

/** A piece of a text that holds marked values, and how it is written when it says something else. */
interface MarkedPiece {
  start: number;
  end: number;
  text: string;
  written: (text: string) => string;
}

const asIs = (text: string) => text;

/** What is said of encrypted values where missions would get them as they are. */
export const openedPlaces =
  "Values are decrypted only in Markdown, in MCP servers, and in the env_vars of workspace templates.";

/** Tells for a file of a Library where in it values are decrypted for missions. */
export function openedIn({ kind }: Place, path: string, text: string): (offset: number) => boolean {
  if (kind === "mcps") return () => true;
  if (kind === "templates") {
    const variables = valueOf(readJson(text).tree, "env_vars");
    return (offset) => variables !== undefined && variables.start < offset && offset < variables.end;
  }
  const isMarkdown = path.toLowerCase().endsWith(".md");
  return () => isMarkdown;
}

/** What of a file is marked to be encrypted and is not: the marks of Markdown, and the strings of JSON that hold some. */
export function unsealedIn(path: string, text: string): MarkedPiece[] {
  if (!text.includes("<encrypted>")) return [];
  if (path.endsWith(".json"))
    return jsonStrings(text)
      .filter(({ value }) => marksIn(value).some(({ version }) => version === undefined))
      .map(({ start, end, value }) => ({ start, end, text: value, written: JSON.stringify }));
  return marksIn(text)
    .filter(({ version }) => version === undefined)
    .map(({ start, end }) => ({ start, end, text: text.slice(start, end), written: asIs }));
}

/** Finds secrets that everybody can read, and encrypted ones that nobody opens. What is found already is not told again. */
export function checkSecrets(f: Findings, known: readonly { start: number; end: number }[]): void {
  const { place, path, text } = f;
  const isOpened = openedIn(place, path, text);
  const holders = layouts[place.kind].form === "shared" ? (readJson(text).tree?.entries ?? []) : [];
  const seen = [...known];
  const tell = (at: { start: number; end: number }, severity: "error" | "warning", code: string, words: string) => {
    if (seen.some(({ start, end }) => start < at.end && at.start < end)) return;
    seen.push(at);
    const canSeal = code === "plain-secret" && isOpened(at.start);
    const edits = [f.edit(at, `<encrypted>${text.slice(at.start, at.end)}</encrypted>`)];
    const fixes = canSeal ? [{ title: "Encrypt It When the File Is Saved", edits }] : [];
    const holder = holders.find((one) => one.start <= at.start && at.end <= entryEnd(one));
    f.problem(at, severity, code, words, fixes, holder?.key);
  };
  for (const at of sealedIn(text))
    if (!isOpened(at.start)) {
      const words = `Nothing opens this encrypted value here. ${openedPlaces}`;
      tell(at, place.kind === "settings" ? "warning" : "error", "sealed-closed", words);
    }
  for (const at of unsealedIn(path, text)) {
    const way = isOpened(at.start) ? "Saving the file encrypts it, once the Library has a key." : openedPlaces;
    tell(at, "warning", "unsealed-mark", `This value is marked to be encrypted, but everybody can read it. ${way}`);
  }
  for (const at of plainIn(path, text))
    tell(at, "warning", "plain-secret", "This looks like a secret. Everybody can read it who gets the Library.");
}

/** Keys of well-known services in any text, and what the addresses in JSON hold. */
function plainIn(path: string, text: string): { start: number; end: number }[] {
  const found = tokensIn(text);
  if (!path.endsWith(".json")) return found;
  const inAddresses = jsonStrings(text).flatMap(({ start, end, value }) => {
    // Where something is escaped, places in the value are none in the file.
    if (value.length !== end - start - 2) return [];
    const plain = replaceMarks(value, (_, whole) => " ".repeat(whole.length));
    return secretsOfAddress(plain).map((at) => ({ start: start + 1 + at.start, end: start + 1 + at.end }));
  });
  return [...found, ...inAddresses];
}

/** The password of an address, and those of its parameters that are secret. */
function secretsOfAddress(text: string): { start: number; end: number }[] {
  const parts = text.matchAll(/[?&](?<name>[\w-]+)=(?<value>[^&#\s]+)|:\/\/[^\s/@:]*:(?<password>[^\s/@]+)(?=@)/dg);
  return [...parts].flatMap(({ groups = {}, indices }) => {
    const { name = "PASSWORD", value = groups["password"] ?? "" } = groups;
    const [start, end] = indices?.groups?.[groups["value"] === undefined ? "password" : "value"] ?? [0, 0];
    return !isSealed(value) && looksSecret(name, value) ? [{ start, end }] : [];
  });
}

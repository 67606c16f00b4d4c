import type { ItemKind } from "../protocol/library.ts";
import type { Place } from "./layout.ts";

/** A piece of a file's text, and what is put in its place. */
export interface TextEdit {
  /** Absolute. */
  path: string;
  start: number;
  end: number;
  text: string;
}

/** One way to solve a problem. */
export interface Fix {
  title: string;
  edits: readonly TextEdit[];
  /** A file that is not there yet. */
  creates?: { path: string; text: string };
  preferred?: boolean;
}

export interface Problem {
  /** The absolute file, which may not be there. */
  path: string;
  /** Offsets in its text. */
  start: number;
  end: number;
  severity: "error" | "warning" | "information";
  code: string;
  /** A sentence for the user. */
  message: string;
  readonly fixes: readonly Fix[];
  /** In a file that holds several items: the one that it is about. */
  item?: string;
}

/** A place in a text that may name an item. */
export interface Mention {
  /** What it can be. Where there are several, it counts when just one of them has an item of this name. */
  kinds: readonly ItemKind[];
  name: string;
  start: number;
  end: number;
  /** How the name is written there. */
  style: "plain" | "single" | "double" | "text";
  /** That there is no such item is a problem; `known` are names of others that are as good. */
  required?: { severity: "warning" | "information"; known?: readonly string[]; remove?: TextEdit };
  /** It is the item's own name. */
  own?: boolean;
}

/** An item that a file holds besides others. */
export interface Held {
  name: string;
  description?: string;
  start: number;
  end: number;
}

/** What one text says, whatever else there is. */
export interface Analysis {
  description?: string;
  /** Of a file that holds all items of its kind. */
  items: readonly Held[];
  problems: readonly Problem[];
  mentions: readonly Mention[];
}

/** What the rules of a kind are given, and what they tell. */
export interface Findings {
  readonly path: string;
  readonly place: Place;
  readonly text: string;
  problem(
    at: { start: number; end: number },
    severity: Problem["severity"],
    code: string,
    message: string,
    fixes?: readonly Fix[],
    item?: string,
  ): void;
  mention(one: Mention): void;
  edit(at: { start: number; end: number }, text: string): TextEdit;
}

import { nounOf } from "../protocol/library.ts";
import type { Catalogue } from "./catalogue.ts";
import { headPlace } from "./frontMatter.ts";
import { headKeys, permissionKeys } from "./headKeys.ts";

/** What is known of a place in a text. */
export interface Hover {
  start: number;
  end: number;
  /** What is there, and what is said of it. */
  title: string;
  words: string;
}

/** Describes what is named at a place of a file, or the key of a head that is there. */
export function hover(catalogue: Catalogue, path: string, offset: number): Hover | undefined {
  const named = catalogue.at(path, offset);
  const item = named && catalogue.item(named.kind, named.name);
  if (!item) return keyAt(catalogue, path, offset);
  const count = catalogue.references(item.kind, item.name).filter(({ own }) => !own).length;
  const used = count === 0 ? "" : count === 1 ? "Named in one place." : `Named in ${String(count)} places.`;
  const { start, end } = named;
  const words = [item.description ?? "", used].filter((one) => one !== "").join("\n\n");
  return { start, end, title: `${nounOf[item.kind]} ${item.name}`, words };
}

function keyAt(catalogue: Catalogue, path: string, offset: number): Hover | undefined {
  const text = catalogue.text(path);
  const place = catalogue.placeOf(path);
  const head = text === undefined ? undefined : headPlace(text);
  if (!place || text === undefined || !head || head === "open") return undefined;
  if (offset < head.start || offset > head.end) return undefined;
  const line = text.lastIndexOf("\n", offset - 1) + 1;
  const [whole = "", indent = "", key = ""] = /^(\s*)["']?([^\s:"']+)["']?(?=:)/.exec(text.slice(line, head.end)) ?? [];
  if (key === "" || offset > line + whole.length) return undefined;
  const isLevel = place.kind === "agents" && indent !== "";
  const words = isLevel ? permissionKeys[key] : headKeys[place.kind]?.[key]?.words;
  if (words === undefined) return undefined;
  return { start: line + indent.length, end: line + whole.length, title: key, words };
}

import { isAbsolute, join, relative, sep } from "node:path";
import { itemKinds, type ItemKind } from "../protocol/library.ts";

/** Which item a file of a Library belongs to. */
export interface Place {
  kind: ItemKind;
  /** Unique in its kind. Empty for a file that holds all items of its kind. Of nested commands and agents with slashes. */
  name: string;
  /** The file in the item's own folder, with slashes; of skills and init scripts only. */
  file?: string;
}

interface Layout {
  /** The folder, with the plural that older Libraries have; or the one file that holds all items of the kind. */
  folders: readonly string[];
  /** What the name of an item's file ends with; of an item that is a folder, its main file. */
  ending: string;
  form: "file" | "folder" | "shared";
}

/** Where each kind is, in the layout of Open Agent's Libraries. */
export const layouts: Readonly<Record<ItemKind, Layout>> = {
  skills: { folders: ["skill", "skills"], ending: "SKILL.md", form: "folder" },
  commands: { folders: ["command", "commands"], ending: ".md", form: "file" },
  agents: { folders: ["agent", "agents"], ending: ".md", form: "file" },
  tools: { folders: ["tool", "tools"], ending: ".ts", form: "file" },
  rules: { folders: ["rule", "rules"], ending: ".md", form: "file" },
  mcps: { folders: ["mcp/servers.json"], ending: "", form: "shared" },
  plugins: { folders: ["plugins.json"], ending: "", form: "shared" },
  templates: { folders: ["workspace-template"], ending: ".json", form: "file" },
  scripts: { folders: ["init-script"], ending: "SCRIPT.sh", form: "folder" },
  settings: { folders: ["openagent", "opencode"], ending: ".json", form: "file" },
};

/** Kinds whose items can lie in folders below the kind's own. */
const nested: readonly ItemKind[] = ["commands", "agents"];

/** What a file is in the Library at `root`; undefined for what is no item, or outside. */
export function placeOf(root: string, path: string): Place | undefined {
  const way = relative(root, path).split(sep).join("/");
  if (way === "" || way.startsWith("../") || isAbsolute(way)) return undefined;
  for (const kind of itemKinds) {
    const { folders, ending, form } = layouts[kind];
    if (form === "shared") {
      if (folders.includes(way)) return { kind, name: "" };
      continue;
    }
    const folder = folders.find((one) => way.startsWith(`${one}/`));
    if (folder === undefined) continue;
    const rest = way.slice(folder.length + 1);
    const parts = rest.split("/");
    if (parts.some((part) => part.startsWith("."))) return undefined;
    const [name = "", ...file] = parts;
    if (form === "folder") return { kind, name, ...(file.length > 0 && { file: file.join("/") }) };
    // A tool may be written in JavaScript as well.
    const found = kind === "tools" ? /\.[jt]s$/.exec(rest)?.[0] : rest.endsWith(ending) ? ending : undefined;
    if (found === undefined || (parts.length > 1 && !nested.includes(kind))) return undefined;
    return { kind, name: rest.slice(0, -found.length) };
  }
  return undefined;
}

/** The file of an item that is to be made; of a skill or an init script its main file. */
export function pathFor(root: string, kind: ItemKind, name: string): string {
  const { folders, ending, form } = layouts[kind];
  const folder = join(root, folders[0] ?? "");
  if (form === "shared") return folder;
  return form === "folder" ? join(folder, name, ending) : join(folder, name + ending);
}

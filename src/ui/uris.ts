/** What a link to this extension asks for. */
export type LinkRequest =
  | { kind: "mission"; id: string }
  | { kind: "new"; prompt: string; workspace?: string }
  | { kind: "refused"; reason: string };

/** Longest prompt of a link, in UTF-16 units: what a dialog can show whole. */
export const linkPromptLimit = 2_000;

/**
 * Reads `/mission/<id>` and `/new?prompt=…&workspace=…`. A link may come from any page, so what it holds is only ever
 * shown: nothing invisible stays in it, and nothing is too long to be read.
 */
export function parseLink(path: string, query: string): LinkRequest {
  const [place = "", id = "", ...more] = path.replace(/^\/|\/$/g, "").split("/");
  if (place === "mission" && more.length === 0) {
    return /^[0-9a-f][0-9a-f-]{3,35}$/i.test(id)
      ? { kind: "mission", id: id.toLowerCase() }
      : { kind: "refused", reason: "The link names no mission: its id has four characters at least." };
  }
  if (place !== "new" || id !== "")
    return { kind: "refused", reason: `Open Agent has nothing at “${visible(path).slice(0, 100)}”.` };
  const values = new URLSearchParams(query);
  const prompt = visible(values.get("prompt") ?? "");
  if (prompt === "") return { kind: "refused", reason: "The link has no prompt." };
  if (prompt.length > linkPromptLimit)
    return {
      kind: "refused",
      reason: `The link's prompt is longer than ${linkPromptLimit.toLocaleString("en")} characters.`,
    };
  const workspace = visible(values.get("workspace") ?? "");
  return { kind: "new", prompt, ...(workspace !== "" && { workspace }) };
}

/** Without control and format characters, which can hide a part of a text, and without empty space to push it away. */
function visible(text: string): string {
  return text
    .replace(/\r\n?/g, "\n")
    .replace(/[^\P{C}\n\t]/gu, "")
    .replace(/[^\S\n]{20,}/g, " ".repeat(20))
    .replace(/\n\s*\n\s*\n/g, "\n\n")
    .trim();
}

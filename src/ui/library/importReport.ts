import type { ImportReport } from "../../protocol/exchange.ts";

/** What an import did, in a sentence. */
export function importSentence({ imported, skipped }: ImportReport): string {
  const came = imported.length === 1 ? "1 mission came in" : `${imported.length.toLocaleString("en")} missions came in`;
  if (skipped.length === 0) return `${came}.`;
  const left = skipped.length === 1 ? "1 was left out" : `${skipped.length.toLocaleString("en")} were left out`;
  return `${came}, ${left}.`;
}

/** What an import did, as a Markdown document. */
export function importDocument(report: ImportReport): string {
  const { path, imported, skipped, missingFiles, otherTables } = report;
  return [
    `# Import of missions\n\nFrom ${code(path)}. ${importSentence(report)}`,
    table(
      "Came in",
      ["Mission", "Events"],
      imported.map(({ title, events }) => [cell(title), events.toLocaleString("en")]),
    ),
    table(
      "Left out",
      ["Mission", "Reason"],
      skipped.map(({ title, reason }) => [cell(title), cell(reason)]),
    ),
    list(
      "Files that were not there",
      "Texts of events that stood in these files are missing.",
      missingFiles.map((file) => code(file)),
    ),
    list(
      "Other tables of the file",
      "Open Agent for VS Code has no place of its own for them.",
      otherTables.map(({ name, rows, kept }) => {
        const fate = kept ? "kept with the missions that they belong to" : "not taken over";
        return `${code(name)}: ${rows.toLocaleString("en")} ${rows === 1 ? "row" : "rows"}, ${fate}`;
      }),
    ),
  ]
    .filter((section) => section !== "")
    .join("\n\n")
    .concat("\n");
}

function table(title: string, names: readonly string[], rows: readonly string[][]): string {
  if (rows.length === 0) return "";
  const lines = [names, names.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`);
  return `## ${title}\n\n${lines.join("\n")}`;
}

function list(title: string, words: string, items: readonly string[]): string {
  if (items.length === 0) return "";
  return `## ${title}\n\n${words}\n\n${items.map((item) => `- ${item}`).join("\n")}`;
}

function code(text: string): string {
  return `\`${text.replaceAll("`", "ˋ")}\``;
}

/** A text as it is, within a table. */
function cell(text: string): string {
  return text.replace(/\s+/g, " ").replace(/[\\`*_[\]<>|#~]/g, "\\$&");
}

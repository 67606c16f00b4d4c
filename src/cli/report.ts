import type { ImportReport } from "../protocol/exchange.ts";
import { counted } from "../base/counted.ts";

/** What came in and what did not, a line each. */
export function reportText({ path, imported, skipped, missingFiles, otherTables }: ImportReport): string {
  const lines = [
    `${path}: ${counted(imported.length, "mission")} came in, ${String(skipped.length)} skipped`,
    ...imported.map(({ id, title, events }) => `  + ${id.slice(0, 8)}  ${title} (${counted(events, "event")})`),
    ...skipped.map(({ id, title, reason }) => `  - ${id.slice(0, 8)}  ${title}: ${reason}`),
    ...missingFiles.map((file) => `  ! The text of an event is missing: ${file}`),
    ...otherTables
      .filter(({ rows }) => rows > 0)
      .map(
        ({ name, rows, kept }) =>
          `  ! Table ${name} (${counted(rows, "row")}): ${kept ? "kept as it was" : "left out"}`,
      ),
  ];
  return `${lines.join("\n")}\n`;
}

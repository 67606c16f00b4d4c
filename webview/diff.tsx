/** A unified diff as rows. */
export function Diff({ patch }: { patch: string }) {
  return (
    <div class="diff" role="table" aria-label="Changes" tabIndex={0}>
      {rows(patch).map((row, index) => (
        <div key={index} class={`row ${row.kind}`} role="row">
          <span class="number" role="cell">
            {row.number}
          </span>
          <span
            class="sign"
            role="cell"
            aria-label={row.kind === "added" ? "added" : row.kind === "removed" ? "removed" : ""}
          >
            {row.sign}
          </span>
          <span class="text" role="cell">
            {row.text}
          </span>
        </div>
      ))}
    </div>
  );
}

interface Row {
  kind: "added" | "removed" | "same" | "gap";
  sign: string;
  number: string;
  text: string;
}

/** More rows than these are not drawn: the editor shows such a change better. */
const mostRows = 400;

function rows(patch: string): Row[] {
  const result: Row[] = [];
  let number = 0;
  let inHunk = false;
  for (const line of patch.split("\n")) {
    const start = /^@@ -\d+(?:,\d+)? \+(\d+)/.exec(line)?.[1];
    if (start !== undefined) {
      if (inHunk) result.push({ kind: "gap", sign: "", number: "", text: "⋯" });
      number = Number(start);
      inHunk = true;
    } else if (!inHunk || line.startsWith("\\")) {
      continue;
    } else if (line.startsWith("-")) {
      result.push({ kind: "removed", sign: "−", number: "", text: line.slice(1) });
    } else if (line.startsWith("+") || line.startsWith(" ")) {
      const kind = line.startsWith("+") ? "added" : "same";
      result.push({ kind, sign: kind === "added" ? "+" : "", number: String(number++), text: line.slice(1) });
    } else if (line !== "") {
      inHunk = false;
    }
  }
  const more = result.length - mostRows;
  if (more <= 0) return result;
  return [...result.slice(0, mostRows), { kind: "gap", sign: "", number: "", text: `${String(more)} more lines` }];
}

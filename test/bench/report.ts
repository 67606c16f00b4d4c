/** One line of the table. */
export interface Row {
  measure: string;
  ours: string;
  theirs: string;
  ratio?: number;
  goal: string;
  /** Undefined where there is no goal. */
  met?: boolean;
}

/** What one measure found, and how. */
export interface Report {
  rows: Row[];
  method: string[];
}

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? NaN;
}

/** A row whose goal is a limit of ours / theirs. */
export function limited(measure: string, ours: number, theirs: number, unit: string, limit: number): Row {
  const ratio = ours / theirs;
  const shown = (value: number) => `${format(value)} ${unit}`;
  return { measure, ours: shown(ours), theirs: shown(theirs), ratio, goal: `≤ ${format(limit)}`, met: ratio <= limit };
}

/** Whole numbers from 100 on, and else at most two decimals. */
export function format(value: number): string {
  if (Number.isNaN(value)) return "–";
  if (Math.abs(value) >= 100) return value.toLocaleString("en", { maximumFractionDigits: 0 });
  return String(Number(value.toFixed(Math.abs(value) >= 10 ? 1 : 2)));
}

export function print(reports: readonly Report[]): void {
  const lines = [["measure", "ours", "theirs", "ratio", "goal", ""]];
  for (const { measure, ours, theirs, ratio, goal, met } of reports.flatMap(({ rows }) => rows))
    lines.push([
      measure,
      ours,
      theirs,
      ratio === undefined ? "" : ratio.toFixed(2),
      goal,
      met === undefined ? "" : met ? "met" : "MISSED",
    ]);
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  for (const line of lines) console.log(line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "));
  for (const line of reports.flatMap(({ method }) => method)) console.log(`\n${line}`);
}

/**
 * The order of builds by their versions, such as `1.4.0` or `1.4.0-dev.3`: negative when `one` is older. Total, so that of two
 * different builds exactly one is newer.
 */
export function compareBuilds(one: string, other: string): number {
  const [first, second] = [partsOf(one), partsOf(other)];
  for (const index of [0, 1, 2]) {
    const difference = (first.numbers[index] ?? 0) - (second.numbers[index] ?? 0);
    if (difference !== 0) return difference;
  }
  // A version with a suffix comes before the one without.
  if (first.suffix === "" || second.suffix === "") return second.suffix.length - first.suffix.length;
  return first.suffix < second.suffix ? -1 : first.suffix > second.suffix ? 1 : 0;
}

function partsOf(version: string): { numbers: number[]; suffix: string } {
  const [, core = "", suffix = ""] = /^v?([\d.]*)(.*)$/s.exec(version) ?? [];
  return { numbers: core.split(".").map((part) => Number.parseInt(part, 10) || 0), suffix };
}

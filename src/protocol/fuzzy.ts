/** How well the letters of a query are found in a text, in their order. Undefined: not at all; greater is better. */
export function fuzzyScore(query: string, text: string): number | undefined {
  if (query === "") return 0;
  const wanted = query.toLowerCase();
  const lower = text.toLowerCase();
  const name = Math.max(lower.lastIndexOf("/"), lower.lastIndexOf("\\")) + 1;
  const whole = lower.lastIndexOf(wanted);
  const length = text.length / 1000;
  // The query as one piece: best at the beginning of the last part of a path, or of a word.
  if (whole >= name) return 200 + (whole === name ? 50 : isBoundary(text, whole) ? 25 : 0) - length;
  if (whole >= 0) return 150 + (isBoundary(text, whole) ? 25 : 0) - length;
  const inName = inOrder(wanted, text, name);
  const anywhere = inName === undefined ? inOrder(wanted, text, 0) : inName + 50;
  return anywhere === undefined ? undefined : anywhere - length;
}

/** The best matches, best first; equals stay in their order. */
export function fuzzyBest<T>(query: string, items: Iterable<T>, textOf: (item: T) => string, limit: number): T[] {
  const found: { item: T; score: number }[] = [];
  for (const item of items) {
    const score = fuzzyScore(query, textOf(item));
    if (score !== undefined) found.push({ item, score });
  }
  return found
    .sort((one, other) => other.score - one.score)
    .slice(0, limit)
    .map(({ item }) => item);
}

/** Counts for letters that follow one another or begin a word. */
function inOrder(wanted: string, text: string, from: number): number | undefined {
  const lower = text.toLowerCase();
  let score = 0;
  let last = from - 1;
  for (const letter of wanted) {
    const at = lower.indexOf(letter, last + 1);
    if (at < 0) return undefined;
    score += at === last + 1 && last >= from ? 4 : isBoundary(text, at) ? 3 : 0;
    last = at;
  }
  return Math.min(score, 100);
}

function isBoundary(text: string, at: number): boolean {
  if (at === 0) return true;
  const [before, here] = [text.charAt(at - 1), text.charAt(at)];
  return /[\s/\\._:-]/.test(before) || (before === before.toLowerCase() && here !== here.toLowerCase());
}

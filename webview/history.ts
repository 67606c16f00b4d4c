/** An earlier message in the composer. */
export interface Recalled {
  index: number;
  text: string;
}

/**
 * The message before or after the one that is shown, oldest first in `sent`; behind the newest there is an empty one.
 * Undefined when there is none, or when the composer holds something of the user's own.
 */
export function recall(
  sent: readonly string[],
  draft: string,
  shown: Recalled | undefined,
  step: -1 | 1,
): Recalled | undefined {
  const unchanged = shown?.text === draft ? shown : undefined;
  if (draft !== "" && !unchanged) return undefined;
  const index = (unchanged?.index ?? sent.length) + step;
  if (index === sent.length) return { index, text: "" };
  const text = sent[index];
  return text === undefined ? undefined : { index, text };
}

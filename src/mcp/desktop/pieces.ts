/** A rectangle, in pixels. */
export interface Area {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A text that is seen in a place. */
export interface Piece {
  text: string;
  area: Area;
  /** What it is a part of the text of; those of the same may share a line. */
  line?: string;
}

/** The part that two areas have in common, if any. */
export function common(one: Area | undefined, other: Area): Area | undefined {
  if (!one) return undefined;
  const [x, y] = [Math.max(one.x, other.x), Math.max(one.y, other.y)];
  const width = Math.min(one.x + one.width, other.x + other.width) - x;
  const height = Math.min(one.y + one.height, other.y + other.height) - y;
  return width > 0 && height > 0 ? { x, y, width, height } : undefined;
}

/** Lines of pieces that come in reading order: one for each, but for those that are beside each other in a text. */
export function asLines(pieces: readonly Piece[]): string[] {
  const lines: string[] = [];
  let before: Piece | undefined;
  for (const piece of pieces) {
    const gap = before && isBeside(before, piece) ? piece.area.x - before.area.x - before.area.width : undefined;
    const last = lines.length - 1;
    if (gap === undefined) lines.push(piece.text);
    else lines[last] = `${lines[last] ?? ""}${gap > 2 ? " " : ""}${piece.text}`;
    before = piece;
  }
  // What is of several lines is set apart, so that it cannot be taken for something else.
  return lines
    .map((line) =>
      line
        .trim()
        .replaceAll(/[^\S\n]+/g, " ")
        .replaceAll(/\s*\n/g, "\n    "),
    )
    .filter((line) => line !== "");
}

function isBeside(one: Piece, other: Piece): boolean {
  if (one.line === undefined || one.line !== other.line) return false;
  const overlap = Math.min(one.area.y + one.area.height, other.area.y + other.area.height);
  return overlap - Math.max(one.area.y, other.area.y) > Math.min(one.area.height, other.area.height) / 2;
}

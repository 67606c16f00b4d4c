import * as vscode from "vscode";

/** Lines and columns of a text's offsets. */
export class LineMap {
  readonly #starts = [0];
  readonly #length: number;

  constructor(text: string) {
    this.#length = text.length;
    for (const found of text.matchAll(/\r\n?|\n/g)) this.#starts.push(found.index + found[0].length);
  }

  position(offset: number): vscode.Position {
    const within = Math.max(0, Math.min(offset, this.#length));
    let [low, high] = [0, this.#starts.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#starts[middle] ?? 0) <= within) low = middle;
      else high = middle - 1;
    }
    return new vscode.Position(low, within - (this.#starts[low] ?? 0));
  }

  range(start: number, end: number): vscode.Range {
    return new vscode.Range(this.position(start), this.position(end));
  }
}

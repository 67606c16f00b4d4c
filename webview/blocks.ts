/** Cuts at empty lines outside of fences where what follows does not continue a list, a quote or a table. */
export function splitBlocks(text: string): string[] {
  const blocks: string[] = [];
  let start = 0;
  let fence = "";
  let position = 0;
  let emptyBefore = false;
  for (const line of text.split("\n")) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (mark !== undefined && fence === "") {
      if (emptyBefore) cut();
      fence = mark;
    } else if (mark?.startsWith(fence) && fence !== "") {
      fence = "";
    } else if (fence === "" && emptyBefore && /^[^\s>|*+\-\d]/.test(line)) {
      cut();
    }
    emptyBefore = line.trim() === "";
    position += line.length + 1;
  }
  blocks.push(text.slice(start));
  return blocks;

  function cut() {
    blocks.push(text.slice(start, position));
    start = position;
  }
}

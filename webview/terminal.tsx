import Anser from "anser";

/** Output of a command, with the colours that it asked for. Cursor movements are left out. */
export function Terminal({ text }: { text: string }) {
  const entries = Anser.ansiToJson(overwritten(text), { use_classes: true, remove_empty: true });
  return (
    <pre class="terminal" tabIndex={0}>
      {entries.map((entry, index) => {
        const names = [
          entry.fg && `${entry.fg}-fg`,
          entry.bg && `${entry.bg}-bg`,
          ...entry.decorations.map((name) => `ansi-${name}`),
        ];
        const className = names.filter((name) => name && /^[a-z-]+$/.test(name)).join(" ");
        return className === "" ? (
          entry.content
        ) : (
          <span key={index} class={className}>
            {entry.content}
          </span>
        );
      })}
    </pre>
  );
}

/** A carriage return begins its line anew: of a progress bar, the last state is left. */
function overwritten(text: string): string {
  if (!text.includes("\r")) return text;
  return text
    .replace(/\r+\n/g, "\n")
    .split("\n")
    .map((line) => line.slice(line.lastIndexOf("\r", line.length - 2) + 1))
    .join("\n");
}

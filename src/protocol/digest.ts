import type { MissionView } from "./reduce.ts";

/** Longest digest, in UTF-16 units; the end of a mission says more than its beginning. */
const limit = 60_000;

/** What was said in a mission, for an agent to read: the user's words and the answers, without the work between them. */
export function missionDigest({ head, transcript }: MissionView): string {
  const said = transcript.messages.flatMap(({ role, parts }) => {
    const text = parts
      .flatMap((part) => (part.kind === "text" ? [part.text] : []))
      .join("\n\n")
      .trim();
    return text === "" ? [] : [`## ${role === "user" ? "User" : "Agent"}\n\n${text}`];
  });
  const files = new Set(
    transcript.messages.flatMap(({ parts }) => parts.flatMap((part) => (part.kind === "files" ? part.files : []))),
  );
  const changed = files.size === 0 ? [] : [`## Files changed\n\n${[...files].map((file) => `- ${file}`).join("\n")}`];
  const body = [...said, ...changed].join("\n\n");
  const cut = body.length > limit ? `… ${body.slice(-limit)}` : body;
  return `# Mission: ${head.title}\n\nFolder: ${head.directory}\n\n${cut}\n`;
}

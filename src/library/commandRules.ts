import type { Findings } from "./analysis.ts";
import { styleOf } from "./edits.ts";
import { checkModel, readHead, type Head } from "./head.ts";
import { entry, type Node } from "./tree.ts";

/** OpenCode's own agents, which no Library need hold. */
export const knownAgents = ["build", "plan", "general", "explore", "compaction", "title", "summary"] as const;

export function checkCommand(f: Findings): { head?: Head } {
  const head = readHead(f);
  if (!head) return {};
  const { tree } = head;
  checkModel(f, entry(tree, "model"));
  const agent = entry(tree, "agent")?.value;
  if (typeof agent?.value === "string")
    f.mention({
      kinds: ["agents"],
      name: agent.value,
      start: agent.start,
      end: agent.end,
      style: styleOf(agent),
      required: { severity: "information", known: knownAgents },
    });
  const params = entry(tree, "params");
  if (!params || params.value.value === null) return { head };
  checkParams(f, params.value);
  const some = params.value.kind === "list" && params.value.items.length > 0;
  if (some && !/\$(?:ARGUMENTS|\d)/.test(f.text.slice(head.body))) {
    const gap = /\n\s*$/.test(f.text) ? "" : "\n";
    const edits = [f.edit({ start: f.text.length, end: f.text.length }, `${gap}\n$ARGUMENTS\n`)];
    const words = "Its body has no $ARGUMENTS, so that what a user gives it is appended at the end.";
    f.problem(params, "information", "params-unused", words, [{ title: "Add $ARGUMENTS", edits, preferred: true }]);
  }
  return { head };
}

/** A list of names, or of maps with `name` and perhaps `required` and `description`. */
function checkParams(f: Findings, params: Node): void {
  const wrong = (at: Node, words: string) => {
    f.problem(at, "warning", "params", words);
  };
  if (params.kind !== "list") {
    wrong(params, "Its params are no list.");
    return;
  }
  for (const one of params.items) {
    if (one.kind === "value" && typeof one.value === "string" && one.value !== "") continue;
    const name = entry(one, "name")?.value.value;
    const required = entry(one, "required")?.value;
    const description = entry(one, "description")?.value;
    if (one.kind !== "map" || typeof name !== "string" || name === "")
      wrong(one, "A parameter is a name, or has a “name”, and perhaps “required” and “description”.");
    if (required && typeof required.value !== "boolean") wrong(required, "“required” is true or false.");
    if (description && typeof description.value !== "string") wrong(description, "“description” is a text.");
  }
}

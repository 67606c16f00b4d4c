import { z } from "zod";
import { tool, type Answer, type Call, type Tool } from "../tool.ts";
import type { Sessions } from "./sessions.ts";

/** What the tools of a desktop work with. */
export interface Desk {
  /** Those of the mission that calls. */
  sessions: Sessions;
}

export type DeskTool = Tool<Desk>;

/** A tool of a desktop. */
export function desktopTool<Input extends z.ZodObject>(
  name: string,
  description: string,
  input: Input,
  run: (args: z.output<Input>, call: Call<Desk>) => Promise<Answer>,
): DeskTool {
  return tool(name, description, input.extend({ mission }), (args, call: Call<Desk>) =>
    run(args as z.output<Input>, { ...call, sessions: call.sessions.of(text(args["mission"])) }),
  );
}

/** Several missions may share a server; each has desktops of its own. OpenCode's plugin fills it in (see `guard.ts`). */
const mission = z.string().max(200).optional().describe("Filled in by the editor");

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export const display = z.string().describe("The display, as desktop_start_session gave it, such as :99");

/** What a tool of the original answers: one line of JSON. */
export function json(fields: object): Answer {
  return { text: JSON.stringify(fields) };
}

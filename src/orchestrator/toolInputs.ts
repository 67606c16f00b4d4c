import { z } from "zod";
import { OpenAgentError } from "../base/errors.ts";

/** What other agents in the editor may ask with. The schemas in package.json say the same to them. */
const missionId = z
  .string()
  .trim()
  .toLowerCase()
  .regex(/^[0-9a-f][0-9a-f-]{3,35}$/, "is no id of a mission, nor the first four characters of one");

const inputs = {
  launchMission: z.strictObject({
    prompt: z.string().trim().min(1).max(100_000),
    workspace: z.string().min(1).max(4096).optional(),
    title: z.string().trim().min(1).max(200).optional(),
    agent: z.string().min(1).max(200).optional(),
    model: z
      .string()
      .max(400)
      .regex(/^[^/]+\/.+$/, "is not of the form provider/model")
      .optional(),
  }),
  missionStatus: z.strictObject({ missionId }),
  readTranscript: z.strictObject({
    missionId,
    session: z.string().min(1).max(200).optional(),
    before: z.string().min(1).max(200).optional(),
    messages: z.int().min(1).max(50).default(20),
  }),
};

export type ToolName = keyof typeof inputs;
export type ToolInput<Name extends ToolName> = z.output<(typeof inputs)[Name]>;

/** @throws OpenAgentError `invalid_input`, in words that a model can act on */
export function readToolInput<Name extends ToolName>(name: Name, input: unknown): ToolInput<Name> {
  const parsed = inputs[name].safeParse(input);
  if (!parsed.success) throw new OpenAgentError("invalid_input", z.prettifyError(parsed.error));
  return parsed.data as ToolInput<Name>;
}

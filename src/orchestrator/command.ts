import type { z } from "zod";
import type { Leader } from "./leader.ts";

/** Something that can be asked of the leader: the schema of its input, which is checked first, and what it does. */
export interface Command<Input extends z.ZodType, Result> {
  input: Input;
  run(leader: Leader, input: z.output<Input>, signal: AbortSignal): Promise<Result> | Result;
}

export function command<Input extends z.ZodType, Result>(
  input: Input,
  run: (leader: Leader, input: z.output<Input>, signal: AbortSignal) => Promise<Result> | Result,
): Command<Input, Result> {
  return { input, run };
}

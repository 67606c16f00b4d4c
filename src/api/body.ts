import type { Context } from "hono";
import { z } from "zod";
import { describeError, OpenAgentError } from "../base/errors.ts";

/** The JSON body of a request; an absent one is an empty object. */
export async function body<Schema extends z.ZodType>(context: Context, schema: Schema): Promise<z.output<Schema>> {
  const text = await context.req.text();
  let json: unknown;
  try {
    json = text === "" ? {} : JSON.parse(text);
  } catch (error) {
    throw new OpenAgentError("invalid_input", `The body is not JSON: ${describeError(error)}`);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new OpenAgentError("invalid_input", z.prettifyError(parsed.error));
  return parsed.data;
}

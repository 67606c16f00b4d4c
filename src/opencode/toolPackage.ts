// Stands in for the package `@opencode-ai/plugin` where OpenCode's custom tools are: they import `tool` from it.
import * as schema from "zod";

/** Gives back the definition of a tool. `tool.schema` is zod, for the definition's `args`. */
export function tool<Definition>(definition: Definition): Definition {
  return definition;
}
tool.schema = schema;

import { fields } from "../base/fields.ts";

/** What a command of the Library is given. */
export interface Param {
  name: string;
  required: boolean;
  description?: string;
}

/** The `params` of a command's head, in the original's words: names, or what is known of them. */
export function paramsOf(value: unknown): Param[] {
  const all: unknown[] = Array.isArray(value) ? value : [];
  return all.flatMap((one) => {
    if (typeof one === "string") return [{ name: one, required: true }];
    const { name, required = true, description } = fields(one);
    if (typeof name !== "string") return [];
    return [{ name, required: required !== false, ...(typeof description === "string" && { description }) }];
  });
}

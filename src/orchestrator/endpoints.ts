import { z } from "zod";
import { readJsonIfPresent, writePrivateFile } from "../base/files.ts";

/** An OpenAI-compatible endpoint that the user added. Its key is in OpenCode's own store, never here. */
export const endpointSchema = z.object({
  id: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, "lower-case letters, digits, - and _"),
  name: z.string().min(1).max(100),
  baseUrl: z.url({ protocol: /^https?$/ }),
  models: z.array(z.string().min(1).max(200)).min(1).max(100),
});
export type Endpoint = z.infer<typeof endpointSchema>;

const fileSchema = z.array(endpointSchema);

/** The endpoints on file. Throws `invalid_input` when the file does not parse; it is then left alone. */
export function readEndpoints(path: string): Endpoint[] {
  return readJsonIfPresent(path, (value) => fileSchema.parse(value)) ?? [];
}

export function writeEndpoints(path: string, endpoints: readonly Endpoint[]): void {
  writePrivateFile(path, JSON.stringify(endpoints, null, 2));
}

/** As OpenCode's configuration wants them under `provider`. */
export function asProviders(endpoints: readonly Endpoint[]): Record<string, unknown> {
  return Object.fromEntries(
    endpoints.map(({ id, name, baseUrl, models }) => [
      id,
      {
        npm: "@ai-sdk/openai-compatible",
        name,
        options: { baseURL: baseUrl },
        models: Object.fromEntries(models.map((model) => [model, { name: model }])),
      },
    ]),
  );
}

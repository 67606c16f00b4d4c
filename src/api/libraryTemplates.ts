import { Hono } from "hono";
import { z } from "zod";
import { OpenAgentError } from "../base/errors.ts";
import {
  deleteItem,
  jsonOver,
  listItems,
  readItem,
  readJsonFile,
  writeItem,
  type Core,
} from "../orchestrator/index.ts";
import { isSealed } from "../protocol/sealed.ts";
import { body } from "./body.ts";

const given = z.object({
  description: z.string().nullish(),
  distro: z.string().nullish(),
  skills: z.array(z.string()).optional(),
  env_vars: z.record(z.string(), z.string()).optional(),
  encrypted_keys: z.array(z.string()).optional(),
  init_script: z.string().optional(),
});
const stored = z.looseObject({
  name: z.string().optional(),
  description: z.string().nullish(),
  distro: z.string().nullish(),
  skills: z.array(z.string()).nullish(),
  env_vars: z.record(z.string(), z.string()).nullish(),
  encrypted_keys: z.array(z.string()).nullish(),
  init_script: z.string().nullish(),
});
type Stored = z.output<typeof stored>;

/** The routes of templates of workspaces. What a file holds besides stays in it. */
export function templateRoutes(core: Core): Hono {
  const app = new Hono();
  const read = (name: string) => parsed(readItem(core.libraryFolder, "templates", name));
  app.get("/", (context) =>
    context.json(
      listItems(core.libraryFolder, "templates").map(({ name }) => {
        const { description, distro, skills } = readable(() => read(name)) ?? {};
        return { ...common(name, description, distro), skills: skills ?? [] };
      }),
    ),
  );
  app.get("/:name", async (context) => {
    const name = context.req.param("name");
    const { description, distro, skills, env_vars, encrypted_keys, init_script } = read(name);
    return context.json({
      ...common(name, description, distro),
      skills: skills ?? [],
      env_vars: await openedValues(core, env_vars ?? {}),
      encrypted_keys: encrypted_keys ?? [],
      init_script: init_script ?? "",
    });
  });
  app.put("/:name", async (context) => {
    const name = context.req.param("name");
    const wish = await body(context, given);
    const found = listItems(core.libraryFolder, "templates").find((item) => item.name === name);
    const before: Stored = found ? read(name) : {};
    const secret = wish.encrypted_keys ?? before.encrypted_keys ?? [];
    const env_vars = wish.env_vars && (await sealedValues(core, wish.env_vars, secret, before.env_vars ?? {}));
    const value = { ...before, ...wish, name, ...(env_vars && { env_vars }) };
    const text = found ? jsonOver(found.path, value) : `${JSON.stringify(value, null, 2)}\n`;
    writeItem(core.libraryFolder, "templates", name, text);
    return context.text("Workspace template saved successfully");
  });
  app.delete("/:name", (context) => {
    deleteItem(core.libraryFolder, "templates", context.req.param("name"));
    return context.text("Workspace template deleted successfully");
  });
  return app;
}

function common(name: string, description: string | null | undefined, distro: string | null | undefined) {
  const path = `workspace-template/${name}.json`;
  return { name, ...(description != null && { description }), path, ...(distro != null && { distro }) };
}

function parsed({ path }: { path: string }): Stored {
  return readJsonFile(path, (value) => stored.parse(value)) ?? {};
}

/** One that does not parse is listed by its name. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof OpenAgentError) return undefined;
    throw error;
  }
}

/** Values as one edits them; what cannot be decrypted stays as it is. */
async function openedValues(core: Core, values: Readonly<Record<string, string>>): Promise<Record<string, string>> {
  const names = Object.keys(values);
  const all = Object.values(values);
  const opened = all.some(isSealed) ? await core.run("openValues", { values: all }) : all;
  return Object.fromEntries(names.map((name, index) => [name, opened[index] ?? all[index] ?? ""]));
}

/** Encrypts what is secret by its name, or was encrypted before; where it is the same still it stays as it is. */
async function sealedValues(
  core: Core,
  values: Readonly<Record<string, string>>,
  secret: readonly string[],
  before: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const known = await openedValues(core, before);
  const all = Object.entries(values).map(async ([name, value]) => {
    const old = before[name] ?? "";
    if (!(secret.includes(name) || isSealed(old)) || value === "" || isSealed(value)) return [name, value] as const;
    if (isSealed(old) && known[name] === value) return [name, old] as const;
    return [name, await core.run("sealValue", { value })] as const;
  });
  return Object.fromEntries(await Promise.all(all));
}

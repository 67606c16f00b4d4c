import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { readTextIfPresent } from "../base/files.ts";
import type { Selection } from "../protocol/configuration.ts";
import { isSealed } from "../protocol/sealed.ts";
import { distros, type Distro } from "../protocol/workspace.ts";
import { requireWithin } from "./items.ts";
import { readJsonFile, writeJson } from "./jsonFiles.ts";
import { unmarked } from "./readText.ts";
import { valueOf, type Key } from "./sealed.ts";

/** What a workspace can begin as. */
export interface Template {
  name: string;
  description?: string;
  distro?: Distro;
  packages?: readonly string[];
  initScript?: string;
  network?: "host" | "private";
  environment: Readonly<Record<string, string>>;
  /** Secrets by their names; undefined where the user's own value is needed. */
  secrets: Readonly<Record<string, string | undefined>>;
  selection: Selection;
}

/** The original's fields. What is unknown stays in the file. */
export const templateShape = z.looseObject({
  description: z.string().nullish(),
  distro: z.enum(distros).nullish(),
  packages: z.array(z.string()).nullish(),
  skills: z.array(z.string()).nullish(),
  tools: z.array(z.string()).nullish(),
  mcps: z.array(z.string()).nullish(),
  plugins: z.array(z.string()).nullish(),
  env_vars: z.record(z.string(), z.string()).nullish(),
  encrypted_keys: z.array(z.string()).nullish(),
  init_script: z.string().nullish(),
  init_scripts: z.array(z.string()).nullish(),
  shared_network: z.boolean().nullish(),
});

/** What a template, and what a template names, can be called. */
export const namePattern = /^(?!\.)[^/\\]{1,100}$/;
const folderOf = (root: string) => join(root, "workspace-template");

/** Names and descriptions of a Library's templates, and what is wrong with those that do not parse. */
export function listTemplates(root: string): { templates: Template[]; problems: string[] } {
  const templates: Template[] = [];
  const problems: string[] = [];
  if (!existsSync(folderOf(root))) return { templates, problems };
  for (const file of readdirSync(folderOf(root)).sort()) {
    if (!file.endsWith(".json") || file.startsWith(".")) continue;
    try {
      templates.push(readTemplate(root, file.slice(0, -".json".length)));
    } catch (error) {
      problems.push(describeError(error));
    }
  }
  return { templates, problems };
}

/**
 * Reads a template; `key` opens its encrypted values.
 * @throws OpenAgentError `invalid_input` when there is none of this name, or it does not parse
 */
export function readTemplate(root: string, name: string, key?: Key): Template {
  const path = pathOf(root, name);
  const raw = readRaw(path);
  if (!raw) throw new OpenAgentError("invalid_input", `The Library has no workspace template “${name}”.`, { name });
  const { description, distro, packages, env_vars, encrypted_keys, shared_network, skills, tools, mcps, plugins } = raw;
  const selection = { skills, tools, mcps, plugins };
  const chosen = Object.entries(selection).filter(([, names]) => names != null);
  const isSecret = (variable: string, value: string) => encrypted_keys?.includes(variable) === true || isSealed(value);
  const variables = Object.entries(env_vars ?? {});
  const initScript = initScriptOf(root, raw);
  if (isSealed(initScript)) {
    const words = "holds an encrypted value. Only those of env_vars are decrypted: write your own value in its place.";
    throw new OpenAgentError("invalid_input", `The init script of the template “${name}” ${words}`, { name });
  }
  return {
    name,
    ...(description != null && { description }),
    ...(distro != null && { distro }),
    ...(packages != null && { packages }),
    ...(initScript !== "" && { initScript }),
    ...(shared_network != null && { network: shared_network ? ("host" as const) : ("private" as const) }),
    environment: Object.fromEntries(variables.filter(([variable, value]) => !isSecret(variable, value))),
    secrets: {
      ...Object.fromEntries((encrypted_keys ?? []).map((variable) => [variable, undefined])),
      ...Object.fromEntries(
        variables
          .filter(([variable, value]) => isSecret(variable, value))
          .map(([variable, value]) => [variable, value === "" ? undefined : valueOf(value, key)]),
      ),
    },
    selection: Object.fromEntries(chosen),
  };
}

/** Fragments of the Library come first, in their order. */
function initScriptOf(root: string, { init_scripts, init_script }: z.output<typeof templateShape>): string {
  const fragments = (init_scripts ?? []).map((name) => {
    const text = namePattern.test(name) ? readTextIfPresent(join(root, "init-script", name, "SCRIPT.sh")) : undefined;
    if (text === undefined) throw new OpenAgentError("invalid_input", `The Library has no init script “${name}”.`);
    return unmarked(text);
  });
  return [...fragments, init_script ?? ""].filter((text) => text.trim() !== "").join("\n");
}

/**
 * Writes a template. What a file of this name holds besides is kept. Of secrets only the names are written.
 * Throws `invalid_input` where there is one already that is not to be replaced, or does not parse, and where a link
 * leads out of the Library.
 */
export function writeTemplate(root: string, template: Template, replace: boolean): void {
  const path = pathOf(root, template.name);
  requireWithin(root, path);
  const before = readRaw(path);
  if (before && !replace)
    throw new OpenAgentError("invalid_input", `There is a workspace template “${template.name}” already.`, { path });
  const { name, description, distro, packages, initScript, network, environment, secrets, selection } = template;
  const { init_scripts: _, ...kept } = before ?? {};
  writeJson(root, path, {
    ...kept,
    name,
    ...(description !== undefined && { description }),
    distro,
    packages,
    ...selection,
    env_vars: environment,
    encrypted_keys: Object.keys(secrets),
    init_script: initScript ?? "",
    shared_network: network === "host",
  });
}

function pathOf(root: string, name: string): string {
  if (namePattern.test(name)) return join(folderOf(root), `${name}.json`);
  throw new OpenAgentError("invalid_input", `“${name}” is no name of a template.`, { name });
}

function readRaw(path: string): z.output<typeof templateShape> | undefined {
  return readJsonFile(path, (value) => templateShape.parse(value));
}

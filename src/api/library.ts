import { readFileSync } from "node:fs";
import { basename, join, relative, sep } from "node:path";
import { Hono, type Context } from "hono";
import { z } from "zod";
import { OpenAgentError } from "../base/errors.ts";
import { fields, optionalText } from "../base/fields.ts";
import {
  deleteItem,
  deleteSkillFile,
  filesOf,
  gather,
  gitSource,
  land,
  listItems,
  migrateFolders,
  paramsOf,
  parseFrontMatter,
  readItem,
  readJsonFile,
  readSkillFile,
  requireServers,
  requireWithin,
  writeItem,
  writeJson,
  writeSkillFile,
  type Core,
  type StoredItem,
} from "../orchestrator/index.ts";
import { marksIn } from "../protocol/sealed.ts";
import type { ItemKind } from "../protocol/library.ts";
import { body } from "./body.ts";
import { gitRoutes } from "./libraryGit.ts";
import { renameRoutes } from "./libraryRename.ts";
import { templateRoutes } from "./libraryTemplates.ts";

/** Most characters of one file: more than anything that an agent reads. */
const fileLimit = 10_000_000;
const content = z.object({ content: z.string().max(fileLimit) });
const record = z.record(z.string(), z.unknown());

/** The kinds whose items are one text each, by their place in the routes, and what is told of them besides. */
const kinds: Readonly<Record<string, { kind: ItemKind; noun: string; more: (head: Head) => object }>> = {
  command: { kind: "commands", noun: "Command", more: (head) => ({ params: paramsOf(head["params"]) }) },
  rule: { kind: "rules", noun: "Rule", more: () => ({}) },
  agent: { kind: "agents", noun: "Agent", more: agentFields },
  tool: { kind: "tools", noun: "Tool", more: () => ({}) },
};
type Head = Readonly<Record<string, unknown>>;

/** The routes of the Library. Texts are written as they are given, but for values that are marked to be encrypted. */
export function libraryRoutes(core: Core, directory: string): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    if ((context.req.header("x-openagent-library-remote") ?? "") === "") return next();
    throw new OpenAgentError(
      "invalid_input",
      "x-openagent-library-remote is not taken: to switch the remote by a request would discard commits. Set it with git.",
    );
  });
  for (const [place, { kind, noun, more }] of Object.entries(kinds))
    app.route(`/${place}`, itemRoutes(core, kind, noun, more));
  app.route("/commands", itemRoutes(core, "commands", "Command", kinds["command"]?.more ?? (() => ({}))));
  for (const place of ["/skill", "/skills"]) app.route(place, skillRoutes(core));
  app.route("/workspace-template", templateRoutes(core));
  const servers = z.unknown().transform((value) => requireServers(value));
  app.route(
    "/mcps",
    fileRoutes(core, join("mcp", "servers.json"), "MCP servers", servers, () => ({})),
  );
  const plugins = z.record(z.string(), z.looseObject({ package: z.string().min(1) }));
  app.route(
    "/plugins",
    fileRoutes(core, "plugins.json", "Plugins", plugins, () => ({})),
  );
  const settings = z.union([record, z.array(z.unknown())]);
  const settingsFile = join("opencode", "oh-my-opencode.json");
  app.route(
    "/opencode/settings",
    fileRoutes(core, settingsFile, "OpenCode settings", settings, () => ({}), true),
  );
  const configFile = join("openagent", "config.json");
  app.route(
    "/openagent/config",
    fileRoutes(core, configFile, "Configuration", productConfig, () => defaults),
  );
  app.get("/openagent/agents", async (context) => context.json(await shownAgents(core, directory)));
  app.route("/rename", renameRoutes(core));
  app.route("/", gitRoutes(core));
  app.post("/migrate", (context) => {
    const { renamed, problems } = migrateFolders(core.libraryFolder);
    const success = problems.length === 0;
    return context.json({ directories_renamed: renamed, files_converted: [], errors: problems, success });
  });
  return app;
}

// --- one text each -------------------------------------------------------------------------------------------------

function itemRoutes(core: Core, kind: ItemKind, noun: string, more: (head: Head) => object): Hono {
  const app = new Hono();
  const name = (context: Context) => context.req.param("name") ?? "";
  const json = async (item: StoredItem, text: string) => ({
    ...summary(core, kind, item, text),
    content: await opened(core, text),
    ...more(headOf(text)),
  });
  app.get("/", (context) =>
    context.json(
      listItems(core.libraryFolder, kind).map((item) => {
        const text = readFileSync(item.path, "utf8");
        const params = kind === "commands" ? more(headOf(text)) : {};
        return { ...summary(core, kind, item, text), ...params };
      }),
    ),
  );
  app.get("/:name", async (context) => {
    const { text, ...item } = readItem(core.libraryFolder, kind, name(context));
    return context.json(await json(item, text));
  });
  app.put("/:name", async (context) => {
    const { content: text } = await body(context, content);
    await write(core, kind, name(context), text);
    return context.text(`${noun} saved successfully`);
  });
  app.delete("/:name", (context) => {
    deleteItem(core.libraryFolder, kind, name(context));
    return context.text(`${noun} deleted successfully`);
  });
  return app;
}

async function write(core: Core, kind: ItemKind, name: string, text: string): Promise<void> {
  const before = () => readItem(core.libraryFolder, kind, name).text;
  writeItem(core.libraryFolder, kind, name, await sealed(core, text, before));
}

/** A text with what is marked in it encrypted. Throws `library_locked` where there is no key for that. */
async function sealed(core: Core, text: string, before: () => string): Promise<string> {
  if (!marksIn(text).some(({ version }) => version === undefined)) return text;
  return core.run("sealMarks", { text, before: ifThere(before) });
}

function ifThere(read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (error instanceof OpenAgentError && error.code === "item_not_found") return "";
    throw error;
  }
}

/** A text as one edits it: what is encrypted is decrypted where its key is known, and still marked. */
function opened(core: Core, text: string): Promise<string> {
  return text.includes("</encrypted>") ? core.run("openMarks", { text }) : Promise.resolve(text);
}

function summary(core: Core, kind: ItemKind, { name, path }: StoredItem, text: string) {
  const comment = /\/\*\*\s*(.*?)\s*\*\//s.exec(text)?.[1]?.replaceAll(/\s*\n\s*\*?\s*/g, " ");
  const description = kind === "tools" ? comment : optionalText(headOf(text)["description"]);
  return {
    name,
    ...(description !== undefined && { description }),
    path: relative(core.libraryFolder, path).split(sep).join("/"),
  };
}

/** What is in a text's head; nothing where that does not parse. */
function headOf(text: string): Head {
  try {
    return parseFrontMatter(text).fields;
  } catch {
    // Who asks for the text sees what is wrong with it.
    return {};
  }
}

function agentFields({ model, tools, permissions, permission, rules }: Head): object {
  const of = (value: unknown, type: string) =>
    Object.fromEntries(Object.entries(fields(value)).filter(([, one]) => typeof one === type));
  return {
    ...(typeof model === "string" && { model }),
    tools: of(tools, "boolean"),
    permissions: of(permissions ?? permission, "string"),
    rules: Array.isArray(rules) ? rules.filter((rule) => typeof rule === "string") : [],
  };
}

// --- skills --------------------------------------------------------------------------------------------------------

function skillRoutes(core: Core): Hono {
  const app = new Hono();
  const root = () => core.libraryFolder;
  const name = (context: Context) => context.req.param("name") ?? "";
  app.get("/", (context) =>
    context.json(
      listItems(root(), "skills").map((item) =>
        summary(core, "skills", item, readItem(root(), "skills", item.name).text),
      ),
    ),
  );
  app.post("/import", async (context) => {
    const asked = await body(
      context,
      z.object({ url: z.string(), path: z.string().nullish(), name: z.string().nullish() }),
    );
    return context.json(await importSkill(core, asked, context.req.raw.signal));
  });
  app.get("/:name", async (context) => context.json(await skillJson(core, name(context))));
  app.put("/:name", async (context) => {
    const { content: text } = await body(context, content);
    await write(core, "skills", name(context), text);
    return context.text("Skill saved successfully");
  });
  app.delete("/:name", (context) => {
    deleteItem(root(), "skills", name(context));
    return context.text("Skill deleted successfully");
  });
  for (const place of ["files", "references"]) {
    const route = `/:name/${place}/:path{.+}`;
    const file = (context: Context) => context.req.param("path") ?? "";
    app.get(route, async (context) => {
      const bytes = readSkillFile(root(), name(context), file(context));
      if (!file(context).endsWith(".md")) return context.body(new Uint8Array(bytes));
      return context.text(await opened(core, bytes.toString("utf8")));
    });
    app.put(route, async (context) => {
      const { content: text } = await body(context, content);
      const before = () => readSkillFile(root(), name(context), file(context)).toString("utf8");
      const written = file(context).endsWith(".md") ? await sealed(core, text, before) : text;
      writeSkillFile(root(), name(context), file(context), written);
      return context.text("File saved successfully");
    });
    app.delete(route, (context) => {
      deleteSkillFile(root(), name(context), file(context));
      return context.text("File deleted successfully");
    });
  }
  return app;
}

/** Takes in the one skill of a place in a git repository. Throws `item_exists`. */
async function importSkill(
  core: Core,
  { url, path, name }: { url: string; path?: string | null | undefined; name?: string | null | undefined },
  signal: AbortSignal,
) {
  const root = core.libraryFolder;
  const source = { kind: "git" as const, source: gitSource(url, path ?? undefined), environment: process.env };
  const gathered = await gather(root, source, { signal, ...(name != null && { name }) });
  try {
    const [one, another] = gathered.candidates;
    if (another)
      throw new OpenAgentError(
        "invalid_input",
        `There is more than one skill: ${gathered.candidates.map((found) => found.name).join(", ")}. Name the path of one.`,
      );
    if (!one) throw new OpenAgentError("import_unusable", gathered.problems.join(" ") || "There is no skill.");
    land(root, one, false);
    return await skillJson(core, one.name);
  } finally {
    gathered.discard();
  }
}

async function skillJson(core: Core, name: string) {
  const { text, ...item } = readItem(core.libraryFolder, "skills", name);
  const all = filesOf(item);
  const files = all
    .filter((path) => path.endsWith(".md"))
    .map(async (path) => ({
      name: basename(path),
      path,
      content: await opened(core, readSkillFile(core.libraryFolder, name, path).toString("utf8")),
    }));
  return {
    ...summary(core, "skills", item, text),
    content: await opened(core, text),
    files: await Promise.all(files),
    references: all.filter((path) => !path.endsWith(".md")),
  };
}

// --- files of JSON -------------------------------------------------------------------------------------------------

/** A file that is asked for and written as a whole. What stays the same in it stays as it is written. */
function fileRoutes(
  core: Core,
  file: string,
  noun: string,
  schema: z.ZodType,
  absent: () => unknown,
  comments = false,
): Hono {
  const app = new Hono();
  const path = () => join(core.libraryFolder, file);
  app.get("/", (context) => {
    requireWithin(core.libraryFolder, path());
    return context.json((readJsonFile(path(), (value) => value, comments) ?? absent()) as object);
  });
  app.put("/", async (context) => {
    writeJson(core.libraryFolder, path(), await body(context, schema), comments);
    return context.text(`${noun} saved successfully`);
  });
  return app;
}

const productConfig = z.looseObject({
  hidden_agents: z.array(z.string()).default([]),
  default_agent: z.string().nullish(),
  desktop: z.looseObject({}).optional(),
});

/** The original hides OpenCode's own agents as well, since it comes with others. */
const defaults: z.output<typeof productConfig> = {
  hidden_agents: ["compaction", "title", "summary"],
  desktop: { auto_close_grace_period_secs: 7200, cleanup_interval_secs: 900, warning_before_close_secs: 300 },
};

/** OpenCode's agents in a folder, but for those that the Library's configuration hides. */
async function shownAgents(core: Core, directory: string): Promise<object[]> {
  const path = join(core.libraryFolder, "openagent", "config.json");
  const config = productConfig.safeParse(readJsonFile(path, (value) => value) ?? defaults);
  if (!config.success)
    throw new OpenAgentError("invalid_input", `${path} is no configuration: ${z.prettifyError(config.error)}`, {
      path,
    });
  const { agents, subagents } = await core.run("choices", { directory });
  const all = new Map([...agents, ...subagents].map((agent) => [agent.name, agent]));
  const has = (list: typeof agents, name: string) => list.some((agent) => agent.name === name);
  return [...all.values()]
    .filter(({ name }) => !config.data.hidden_agents.includes(name))
    .map(({ name, description, model }) => ({
      name,
      description,
      mode: !has(subagents, name) ? "primary" : has(agents, name) ? "all" : "subagent",
      ...(model && { model: { providerID: model.providerId, modelID: model.modelId } }),
    }));
}

import { existsSync, mkdirSync, renameSync } from "node:fs";
import { dirname, relative, sep } from "node:path";
import { Hono } from "hono";
import { z } from "zod";
import { describeError, OpenAgentError } from "../base/errors.ts";
import { replaceFile } from "../base/files.ts";
import { Catalogue, edited, rename, requireWithin, type Core, type Renaming } from "../orchestrator/index.ts";
import { partKinds } from "../protocol/configuration.ts";
import type { Workspace } from "../protocol/workspace.ts";
import { type ItemKind, nounOf } from "../protocol/library.ts";
import { body } from "./body.ts";

/** The kinds that can be renamed, by the original's words. */
const kinds: Readonly<Record<string, ItemKind>> = {
  skill: "skills",
  command: "commands",
  rule: "rules",
  agent: "agents",
  tool: "tools",
  "workspace-template": "templates",
};

type Change =
  | { type: "rename_file"; from: string; to: string }
  | { type: "update_reference"; file: string; field: string; old_value: string; new_value: string }
  | { type: "update_workspace"; workspace_id: string; workspace_name: string; field: string };

/** The route that renames an item with all that names it for certain. */
export function renameRoutes(core: Core): Hono {
  const app = new Hono();
  app.post("/:type/:name", async (context) => {
    const { type, name } = context.req.param();
    const kind = kinds[type];
    if (!kind)
      throw new OpenAgentError(
        "invalid_input",
        `${type} cannot be renamed; these can: ${Object.keys(kinds).join(", ")}.`,
      );
    const { new_name, dry_run } = await body(
      context,
      z.object({ new_name: z.string().min(1), dry_run: z.boolean().default(false) }),
    );
    const catalogue = new Catalogue(core.libraryFolder);
    if (!catalogue.item(kind, name))
      throw new OpenAgentError("item_not_found", `The Library has no ${nounOf[kind]} “${name}”.`, { name });
    let renaming: Renaming;
    try {
      renaming = rename(catalogue, kind, name, new_name);
    } catch (error) {
      if (!(error instanceof OpenAgentError)) throw error;
      return context.json({ success: false, changes: [], warnings: [], error: describeError(error) }, 400);
    }
    const workspaces = core.workspaces().workspaces.flatMap((one) => {
      const change = changeOf(one, kind, name, new_name);
      return change ? [{ workspace: one, change }] : [];
    });
    const changes = changesOf(
      catalogue,
      renaming,
      workspaces.map(({ workspace }) => workspace),
      kind,
    );
    const unsure = renaming.edits.filter((edit) => !edit.sure);
    const warnings = unsure.map(
      ({ path }) => `${shown(catalogue, path)} may mean “${name}” where its text stays as it is.`,
    );
    if (!dry_run) {
      apply(catalogue, renaming);
      for (const { workspace, change } of workspaces)
        await core.run("updateWorkspace", { workspaceId: workspace.id, ...change });
    }
    return context.json({ success: true, changes, warnings: [...new Set(warnings)] });
  });
  return app;
}

/** What changes of a workspace that names the item. */
function changeOf({ selection, template }: Workspace, kind: ItemKind, name: string, newName: string) {
  if (kind === "templates") return template === name ? { template: newName } : undefined;
  const part = partKinds.find((one) => one === kind);
  const names = part && selection[part];
  if (!part || !names?.includes(name)) return undefined;
  const renamed = [...new Set(names.map((one) => (one === name ? newName : one)))];
  const all = Object.entries(selection).map(([key, value]) => [key, [...value]]);
  const selected = { ...Object.fromEntries(all), [part]: renamed } as Partial<
    Record<(typeof partKinds)[number], string[]>
  >;
  return { selection: selected };
}

function shown(catalogue: Catalogue, path: string): string {
  return relative(catalogue.root, path).split(sep).join("/");
}

function changesOf(
  catalogue: Catalogue,
  { edits, move }: Renaming,
  workspaces: readonly Workspace[],
  kind: ItemKind,
): Change[] {
  const references = edits
    .filter((edit) => edit.sure)
    .map(({ path, start, end, text }): Change => ({
      type: "update_reference",
      file: shown(catalogue, path),
      field: kind,
      old_value: catalogue.text(path)?.slice(start, end) ?? "",
      new_value: text,
    }));
  return [
    ...(move
      ? [{ type: "rename_file" as const, from: shown(catalogue, move.from), to: shown(catalogue, move.to) }]
      : []),
    ...references,
    ...workspaces.map(({ id, name }): Change => ({
      type: "update_workspace",
      workspace_id: id,
      workspace_name: name,
      field: kind === "templates" ? "template" : kind,
    })),
  ];
}

/** The texts first: an item that is still called as before can be renamed again. */
function apply(catalogue: Catalogue, { edits, move }: Renaming): void {
  const wanted = edits.filter((edit) => edit.sure);
  const paths = [...new Set(wanted.map(({ path }) => path))];
  const texts = paths.map((path) => {
    const own = wanted.filter((edit) => edit.path === path);
    return [path, edited(catalogue.text(path) ?? "", own)] as const;
  });
  for (const path of [...paths, ...(move ? [move.from, move.to] : [])]) requireWithin(catalogue.root, path);
  for (const [path, text] of texts) replaceFile(path, text);
  if (!move) return;
  if (existsSync(move.to) && move.from.toLowerCase() !== move.to.toLowerCase())
    throw new OpenAgentError("item_exists", `${move.to} is there already.`, { path: move.to });
  mkdirSync(dirname(move.to), { recursive: true });
  renameSync(move.from, move.to);
}

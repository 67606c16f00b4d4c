import { existsSync, readFileSync } from "node:fs";
import { Hono, type Context } from "hono";
import { z } from "zod";
import { OpenAgentError } from "../base/errors.ts";
import type { Core } from "../orchestrator/index.ts";
import type { PartKind, Selection } from "../protocol/configuration.ts";
import { distros, isContainer, type BackendKind, type Probe, type Workspace } from "../protocol/workspace.ts";
import { body } from "./body.ts";
import { hostWorkspaceId, workspaceJson } from "./shapes.ts";

/** Longest wait for a command that names no limit, and for any: seconds. */
const timeouts = { usual: 300, most: 600 };
/** Lines of a build's log that are given. */
const logLines = 500;
const essential = ["/bin", "/usr", "/etc", "/var"];

const fields = {
  skills: z.array(z.string()).optional(),
  tools: z.array(z.string()).optional(),
  plugins: z.array(z.string()).optional(),
  template: z.string().nullish(),
  distro: z.string().nullish(),
  env_vars: z.record(z.string(), z.string()).nullish(),
  init_script: z.string().nullish(),
};
const creation = z.object({
  ...fields,
  name: z.string(),
  workspace_type: z.string().default("host"),
  path: z.string().nullish(),
  packages: z.array(z.string()).optional(),
});

/** The routes of workspaces. The host, where missions work that name none, is listed first and cannot be changed. */
export function workspaceRoutes(core: Core, directory: string): Hono {
  const app = new Hono();
  const found = (context: Context): Workspace => workspaceNamed(core, context.req.param("id") ?? "", directory);
  const own = (context: Context): Workspace => {
    const workspace = found(context);
    if (workspace.id !== hostWorkspaceId) return workspace;
    throw new OpenAgentError("invalid_input", "The host cannot be changed, built or deleted.");
  };
  const container = (context: Context): Workspace => {
    const workspace = own(context);
    if (isContainer(workspace.kind)) return workspace;
    throw new OpenAgentError("invalid_input", `${workspace.name} is no container, so nothing is built for it.`);
  };

  app.get("/", (context) =>
    context.json([hostWorkspace(directory), ...core.workspaces().workspaces].map(workspaceJson)),
  );
  app.post("/", async (context) => {
    const { name, workspace_type, path, packages, ...rest } = await body(context, creation);
    const { template } = rest;
    // A template describes a container.
    const kind = await kindFor(core, template == null ? workspace_type : "container");
    if (!isContainer(kind) && path == null)
      throw new OpenAgentError("invalid_input", "A workspace on the host needs the path of its folder.");
    const wish = {
      name,
      kind,
      ...(path != null && { directory: path }),
      ...(packages && { packages }),
      ...wishOf(rest, kind),
    };
    const workspace =
      template == null
        ? await core.run("createWorkspace", wish)
        : (await core.run("createFromTemplate", { ...wish, template })).workspace;
    if (isContainer(kind)) await core.run("buildWorkspace", { workspaceId: workspace.id });
    return context.json(workspaceJson(workspaceNamed(core, workspace.id, directory)));
  });
  app.get("/:id", (context) => context.json(workspaceJson(found(context))));
  app.put("/:id", async (context) => {
    const { id, kind, selection } = own(context);
    const { name, ...rest } = await body(context, z.object({ ...fields, name: z.string().optional() }));
    const changed = await core.run("updateWorkspace", {
      workspaceId: id,
      ...(name !== undefined && { name }),
      ...wishOf(rest, kind, selection),
    });
    return context.json(workspaceJson(changed));
  });
  app.delete("/:id", async (context) => {
    const { id, name } = own(context);
    await core.run("deleteWorkspace", { workspaceId: id });
    return context.text(`Workspace ${name} deleted`);
  });
  app.post("/:id/build", async (context) => {
    const { id } = container(context);
    const { distro, rebuild } = await body(
      context,
      z.object({ distro: z.string().nullish(), rebuild: z.boolean().default(false) }),
    );
    if (distro != null) await core.run("updateWorkspace", { workspaceId: id, distro: distroNamed(distro) });
    await core.run("buildWorkspace", { workspaceId: id, rebuild });
    return context.json(workspaceJson(workspaceNamed(core, id, directory)));
  });
  app.post("/:id/exec", async (context) => {
    const { id } = own(context);
    const asked = await body(
      context,
      z.object({
        command: z.string().min(1),
        cwd: z.string().nullish(),
        timeout_secs: z.number().positive().nullish(),
        env: z.record(z.string(), z.string()).nullish(),
        stdin: z.string().nullish(),
      }),
    );
    const result = await core.run(
      "execInWorkspace",
      {
        workspaceId: id,
        argv: ["/bin/sh", "-c", asked.command],
        timeoutMs: Math.min(asked.timeout_secs ?? timeouts.usual, timeouts.most) * 1000,
        ...(asked.cwd != null && { cwd: asked.cwd }),
        ...(asked.env != null && { env: asked.env }),
        ...(asked.stdin != null && { stdin: asked.stdin }),
      },
      context.req.raw.signal,
    );
    const { exitCode, stdout, stderr, timedOut } = result;
    return context.json({ exit_code: exitCode ?? -1, stdout, stderr, timed_out: timedOut });
  });
  app.post("/:id/sync", async (context) => {
    const { id } = found(context);
    const { parts, problems } = await core.run("syncConfiguration", id === hostWorkspaceId ? {} : { workspaceId: id });
    const names = (kind: PartKind) => parts.filter((part) => part.kind === kind).map(({ name }) => name);
    return context.json({ synced: true, skills: names("skills"), tools: names("tools"), problems });
  });
  app.get("/:id/debug", async (context) => {
    const workspace = found(context);
    const inside = isContainer(workspace.kind) && workspace.status === "ready" ? await lookInside(core, workspace) : {};
    return context.json({
      id: workspace.id,
      name: workspace.name,
      status: workspace.status,
      path: workspace.directory,
      path_exists: existsSync(workspace.directory),
      directories: [],
      has_bash: !isContainer(workspace.kind) && existsSync("/bin/bash"),
      init_script_exists: (workspace.initScript ?? "") !== "",
      distro: workspace.distro ?? null,
      last_error: workspace.error ?? null,
      ...inside,
    });
  });
  app.get("/:id/init-log", (context) => {
    const path = core.buildLogPath(container(context).id);
    const lines = existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n") : [];
    return context.json({
      exists: existsSync(path),
      content: lines.slice(-logLines).join("\n"),
      total_lines: lines.length,
      log_path: path,
    });
  });
  app.post("/:id/rerun-init", async (context) => {
    const { id } = container(context);
    const began = Date.now();
    const { exitCode, stdout, stderr } = await core.run("runInitScript", { workspaceId: id }, context.req.raw.signal);
    const duration_secs = (Date.now() - began) / 1000;
    return context.json({ success: exitCode === 0, exit_code: exitCode ?? -1, stdout, stderr, duration_secs });
  });
  return app;
}

/** The workspace of this id, or the host. Throws `workspace_not_found`. */
export function workspaceNamed(core: Core, id: string, directory: string): Workspace {
  if (id === hostWorkspaceId) return hostWorkspace(directory);
  const workspace = core.workspaces().workspaces.find((one) => one.id === id);
  if (workspace) return workspace;
  throw new OpenAgentError("workspace_not_found", `There is no workspace ${id}.`, { workspaceId: id });
}

function hostWorkspace(directory: string): Workspace {
  return {
    id: hostWorkspaceId,
    name: "host",
    kind: "host",
    directory,
    status: "ready",
    packages: [],
    network: "host",
    limits: {},
    environment: {},
    secrets: [],
    selection: {},
    createdAt: 0,
  };
}

/** The original has containers of one kind; here that is the first that this machine offers. */
async function kindFor(core: Core, type: string): Promise<Workspace["kind"]> {
  if (type === "host") return "host";
  const probes = await core.run("probeWorkspaces", {});
  const containers = probes.filter(({ kind }) => isContainer(kind));
  const wanted = ["chroot", "container"].includes(type) ? containers : containers.filter(({ kind }) => kind === type);
  const [usable] = wanted.filter(({ available }) => available);
  if (usable) return usable.kind;
  if (wanted.length === 0)
    throw new OpenAgentError("invalid_input", `workspace_type is host, container or a kind of it, not “${type}”.`);
  throw new OpenAgentError("workspace_unavailable", wanted.map(whyNot).join(" "));
}

function whyNot({ kind, reason = "", remedy = "" }: Probe): string {
  return `${kind}: ${reason} ${remedy}`.trim();
}

function distroNamed(name: string): (typeof distros)[number] {
  const found = distros.find((distro) => distro === name);
  if (found) return found;
  throw new OpenAgentError("invalid_input", `distro is one of ${distros.join(", ")}, not “${name}”.`);
}

/**
 * What is asked for in the original's words. There an empty list of skills means none in a container, and all on the host.
 * @param before what is selected already
 */
function wishOf(rest: z.output<z.ZodObject<typeof fields>>, kind: BackendKind, before: Selection = {}) {
  const given = (["skills", "tools", "plugins"] as const).filter((name) => rest[name] !== undefined);
  const kept = Object.entries(before).filter(([name]) => !given.some((one) => one === name));
  const chosen = given.filter((name) => isContainer(kind) || (rest[name]?.length ?? 0) > 0);
  const selection = Object.fromEntries([...kept, ...chosen.map((name) => [name, rest[name]] as const)]);
  return {
    ...(given.length > 0 && { selection: selection as Record<PartKind, string[]> }),
    ...(rest.distro != null && { distro: distroNamed(rest.distro) }),
    ...(rest.env_vars != null && { environment: rest.env_vars }),
    ...(rest.init_script != null && { initScript: rest.init_script }),
  };
}

async function lookInside(core: Core, { id }: Workspace) {
  const count = essential.map((path) => `[ -d ${path} ] && ls -A ${path} | wc -l || echo -`).join("; ");
  const { stdout } = await core.run("execInWorkspace", {
    workspaceId: id,
    argv: ["/bin/sh", "-c", `${count}; command -v bash`],
  });
  const lines = stdout.split("\n");
  return {
    directories: essential.map((path, index) => {
      const files = Number(lines[index]);
      return { path, exists: Number.isInteger(files), ...(Number.isInteger(files) && { file_count: files }) };
    }),
    has_bash: (lines[essential.length] ?? "") !== "",
  };
}

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BackendKind, Workspace } from "../../src/protocol/workspace.ts";
import type { Backend } from "../../src/workspace/backend.ts";
import { createBackends, type BackendSettings } from "../../src/workspace/backends.ts";
import { exec, type ExecOptions, type ExecResult } from "../../src/workspace/exec.ts";
import { installationFolder } from "../host/setup.ts";

/** A data folder with workspaces of all kinds, on file systems that are built once and shared by all runs. */
export interface WorkspaceBed {
  root: string;
  backends: Readonly<Record<BackendKind, Backend>>;
  /** A workspace that is not prepared, in a folder of its own. */
  workspace: (kind: BackendKind, wanted?: Partial<Workspace>) => Workspace;
  /** Runs a shell script in a workspace's folder. */
  sh: (workspace: Workspace, script: string, options?: Partial<ExecOptions>) => Promise<ExecResult>;
  /** Destroys all containers that were asked for, and the folder. */
  close: () => Promise<void>;
}

export function makeWorkspaceBed(settings: Partial<BackendSettings> = {}): WorkspaceBed {
  const root = mkdtempSync(join(tmpdir(), "workspaces-"));
  const templates = join(installationFolder(), "templates");
  const backends = createBackends({ data: join(root, "data"), templates, ...settings });
  const made: Workspace[] = [];
  return {
    root,
    backends,
    workspace(kind, wanted = {}) {
      const directory = join(root, `project-${String(made.length)}`);
      if (kind !== "worktree") mkdirSync(directory);
      const workspace: Workspace = {
        id: `w${String(made.length)}`,
        name: `Test of ${kind}`,
        kind,
        directory,
        status: "pending",
        packages: [],
        network: "host",
        limits: {},
        environment: {},
        secrets: [],
        selection: {},
        createdAt: 0,
        ...wanted,
      };
      made.push(workspace);
      return workspace;
    },
    sh: (workspace, script, options = {}) =>
      exec(backends[workspace.kind], workspace, ["/bin/sh", "-c", script], {
        cwd: workspace.directory,
        env: {},
        binds: [],
        ...options,
      }),
    async close() {
      for (const workspace of made)
        if (workspace.kind !== "worktree") await backends[workspace.kind].destroy(workspace).catch(() => undefined);
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** Skips the tests of a suite, and says why, where this machine has no workspaces of a kind. */
export async function needBackend(context: Mocha.Context, kind: BackendKind): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "probe-"));
  try {
    const probe = await createBackends({ data: folder, templates: join(installationFolder(), "templates") })[
      kind
    ].probe();
    if (probe.available) return;
    console.log(`    skipped: ${kind}: ${probe.reason ?? ""} ${probe.remedy ?? ""}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  context.skip();
}

/** The processes of the whole machine whose command line contains a text, besides this one. */
export function processesNamed(text: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid && commandLine(name).includes(text))
    .map(Number);
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

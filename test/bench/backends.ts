/** (g) What it takes to run a command in a workspace, against a bare spawn, and to make a workspace of a template. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { backendKinds, type BackendKind, type Workspace } from "../../src/protocol/workspace.ts";
import { exec } from "../../src/workspace/exec.ts";
import { rootFolder, WorkspaceRoot } from "../../src/workspace/root.ts";
import { opencodeBinary, repository } from "../fake/bed.ts";
import { startMcp, type McpClient } from "../fake/mcpClient.ts";
import { makeWorkspaceBed, type WorkspaceBed } from "../fake/workspaces.ts";
import { format, limited, median, type Report, type Row } from "./report.ts";

const rounds = 25;
const goals: Partial<Record<BackendKind, number>> = { bwrap: 3 };

export async function measureBackends(): Promise<Report> {
  const bed = makeWorkspaceBed();
  const method: string[] = [
    `g: median of ${String(rounds)} runs of /bin/true, one of each kind in turn, from the call to the end. ` +
      "A clone is a new workspace of a template that is there, up to the moment when commands can run in it.",
  ];
  try {
    const workspaces = new Map<BackendKind, Workspace>();
    for (const kind of backendKinds) {
      if (kind === "worktree") continue;
      const probe = await bed.backends[kind].probe();
      if (!probe.available) {
        method.push(`g: ${kind} was left out: ${probe.reason ?? ""}`);
        continue;
      }
      const workspace = bed.workspace(kind);
      await bed.backends[kind].prepare(workspace, { output: () => undefined });
      workspaces.set(kind, workspace);
    }
    const times = new Map<string, number[]>();
    const time = async (name: string, job: () => Promise<unknown>) => {
      const began = performance.now();
      await job();
      times.set(name, [...(times.get(name) ?? []), performance.now() - began]);
    };
    for (let round = 0; round < rounds; round++) {
      await time("bare", bareSpawn);
      for (const [kind, workspace] of workspaces)
        await time(kind, () =>
          exec(bed.backends[kind], workspace, ["/bin/true"], { cwd: workspace.directory, env: {}, binds: [] }),
        );
    }
    const bare = median(times.get("bare") ?? []);
    const rows: Row[] = [...workspaces.keys()].map((kind) => {
      const ours = median(times.get(kind) ?? []);
      const goal = goals[kind];
      if (goal !== undefined) return limited(`exec on ${kind}`, ours, bare, "ms", goal);
      const [shown, theirs] = [`${format(ours)} ms`, `${format(bare)} ms`];
      return { measure: `exec on ${kind}`, ours: shown, theirs, ratio: ours / bare, goal: "" };
    });
    const bwrap = workspaces.get("bwrap");
    if (bwrap) {
      const tools = await toolsIn(bed, bwrap);
      for (let round = 0; round < rounds; round++) {
        await time("bare shell", () => bareSpawn(["-c", "true"]));
        await time("tool", () => tools.call("bash", { command: "true" }));
      }
      tools.hangUp();
      await tools.finished;
      const [through, shell] = [median(times.get("tool") ?? []), median(times.get("bare shell") ?? [])];
      rows.push(limited("a command through the tools in bwrap", through, shell, "ms", 2));
      const template = (bed.backends.bwrap.log(bwrap) ?? "").replace(/\.log$/, "/rootfs");
      for (let round = 0; round < 9; round++) {
        const folder = rootFolder(join(bed.root, "data", "containers"), { id: `clone${String(round)}` });
        const root = new WorkspaceRoot(folder, template);
        await time("clone", () => root.create());
        await root.destroy();
      }
      const clone = median(times.get("clone") ?? []);
      const ours = `${format(clone)} ms`;
      rows.push({ measure: "clone of a template", ours, theirs: "", goal: "≤ 50 ms", met: clone <= 50 });
    }
    return { rows, method };
  } finally {
    await bed.close();
  }
}

/** The tools of a workspace, started inside of it as for an OpenCode outside. */
async function toolsIn(bed: WorkspaceBed, workspace: Workspace): Promise<McpClient> {
  const program = join(repository, "dist", "workspaceMcp.js");
  const binds = [opencodeBinary, program].map((path) => ({ source: path, target: path, writable: false }));
  const env = { BUN_BE_BUN: "1", OPEN_AGENT_WORKSPACE: workspace.directory };
  const options = { cwd: workspace.directory, env, binds };
  const wrapped = await bed.backends.bwrap.wrap(workspace, [opencodeBinary, program], options);
  return startMcp([wrapped.command, ...wrapped.args], { cwd: wrapped.cwd, env: wrapped.env });
}

function bareSpawn(shell?: string[]): Promise<unknown> {
  // With this machine's environment a shell might begin with scripts of its own.
  const env = shell ? {} : process.env;
  return new Promise((resolve) => spawn(shell ? "/bin/bash" : "/bin/true", shell ?? [], { env }).on("close", resolve));
}

import { isAbsolute } from "node:path";
import { z } from "zod";
import { OpenAgentError } from "../base/errors.ts";
import { partKinds } from "../protocol/configuration.ts";
import {
  backendKinds,
  distros,
  snapshotName,
  variableName,
  type Probe,
  type Workspace,
  type WorktreeState,
} from "../protocol/workspace.ts";
import type { Wrapped } from "../workspace/backend.ts";
import type { ExecResult } from "../workspace/exec.ts";
import * as worktrees from "../workspace/worktrees.ts";
import { command } from "./command.ts";
import type { Leader } from "./leader.ts";
import type { Workspaces } from "./workspaces.ts";

const path = z.string().min(1).max(4096).refine(isAbsolute, "the path is not absolute");
export const workspaceId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "is no id of a workspace");
const workspaceName = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .refine((name) => !/[/\\]|\.\.|^\./.test(name), "a name has no slashes, no two dots and no dot at its begin");
const packageName = z.string().regex(/^[a-z0-9][a-z0-9+._-]*$/, "is no name of a package");
const variable = z.string().regex(variableName, "is no name of an environment variable");
export const workspaceWish = z.object({
  name: workspaceName,
  kind: z.enum(backendKinds),
  directory: path.optional(),
  distro: z.enum(distros).optional(),
  devContainer: path.optional(),
  packages: z.array(packageName).max(500).optional(),
  initScript: z.string().max(200_000).optional(),
  network: z.enum(["host", "private"]).optional(),
  limits: z
    .object({
      memoryMb: z.int().min(16).optional(),
      cpus: z.number().positive().optional(),
      processes: z.int().min(1).optional(),
    })
    .optional(),
  environment: z.record(variable, z.string().max(100_000)).optional(),
  selection: z.partialRecord(z.enum(partKinds), z.array(z.string().min(1).max(200)).max(2_000)).optional(),
});

const snapshotWish = z.object({
  workspaceId,
  name: z.string().regex(snapshotName, "is no name of a snapshot: letters, digits, “-”, “_”, “.”"),
});

/** What can be asked of the leader about workspaces. */
export const workspaceCommands = {
  probeWorkspaces: command(z.object({}), (leader): Promise<Probe[]> => leader.workspaces.probes()),
  createWorkspace: command(workspaceWish, (leader, input): Workspace => leader.workspaces.create(input)),
  /** What it is built of changes with its next build, what it runs with when OpenCode starts in it the next time. */
  updateWorkspace: command(
    workspaceWish
      .omit({ kind: true, devContainer: true })
      .partial()
      .extend({ workspaceId, template: z.string().min(1).max(100).optional() }),
    async (leader, input) => {
      const { workspaceId: id, ...change } = input;
      const workspace = leader.workspaces.update(id, change);
      if ((change.network ?? change.limits ?? change.environment) !== undefined)
        await restartIdleServer(leader, workspace);
      else if (change.selection) await leader.sync();
      return workspace;
    },
  ),
  /** Sets a secret of a workspace, or deletes it where there is no value. */
  setWorkspaceSecret: command(
    z.object({ workspaceId, name: variable, value: z.string().min(1).max(100_000).optional() }),
    async (leader, input): Promise<Workspace> => {
      const workspace = await leader.workspaces.setSecret(input.workspaceId, input.name, input.value);
      await restartIdleServer(leader, workspace);
      return workspace;
    },
  ),
  /** Begins a build; what it does is in its log, and how it ends in the workspace. */
  buildWorkspace: command(z.object({ workspaceId, rebuild: z.boolean().default(false) }), async (leader, input) => {
    await endServer(leader, input.workspaceId);
    leader.workspaces.build(input.workspaceId, input.rebuild);
  }),
  cancelBuild: command(z.object({ workspaceId }), (leader, input) => {
    leader.workspaces.cancelBuild(input.workspaceId);
  }),
  /** Throws `workspace_busy`, with what would be lost, where something is nowhere else, unless it is to be discarded. */
  deleteWorkspace: command(
    z.object({ workspaceId, discard: z.boolean().default(false) }),
    async (leader, { workspaceId: id, discard }) => {
      await endServer(leader, id);
      await leader.workspaces.remove(id, discard);
    },
  ),
  /** Makes a git worktree of the repository that a folder is in; gives the same folder in it as well. */
  createWorktree: command(
    z.object({ folder: path, name: workspaceName }),
    async (leader, { folder, name }): Promise<{ workspace: Workspace; folder: string }> => {
      const workspace = await leader.workspaces.createWorktree(folder, name);
      return { workspace, folder: worktrees.folderInWorktree(workspace, folder) };
    },
  ),
  worktreeState: command(z.object({ workspaceId }), (leader, input): Promise<WorktreeState> =>
    worktrees.worktreeState(leader.workspaces.get(input.workspaceId)),
  ),
  commitWorktree: command(z.object({ workspaceId, message: z.string().min(1).max(10_000) }), (leader, input) =>
    worktrees.commitWorktree(leader.workspaces.get(input.workspaceId), input.message),
  ),
  mergeWorktree: command(z.object({ workspaceId }), (leader, input) =>
    worktrees.mergeWorktree(leader.workspaces.get(input.workspaceId)),
  ),
  pushWorktree: command(z.object({ workspaceId }), (leader, input) =>
    worktrees.pushWorktree(leader.workspaces.get(input.workspaceId)),
  ),
  worktreePatch: command(z.object({ workspaceId }), (leader, input) =>
    worktrees.worktreePatch(leader.workspaces.get(input.workspaceId)),
  ),
  applyWorktree: command(z.object({ workspaceId }), (leader, input) =>
    worktrees.applyWorktree(leader.workspaces.get(input.workspaceId)),
  ),
  /** Runs a command in a workspace to its end. */
  execInWorkspace: command(
    z.object({
      workspaceId,
      argv: z.array(z.string()).min(1).max(1000),
      cwd: path.optional(),
      env: z.record(z.string(), z.string()).default({}),
      stdin: z.string().max(8_000_000).optional(),
      timeoutMs: z.int().min(1).optional(),
      maxOutput: z.int().min(1).max(32_000_000).optional(),
    }),
    (leader, { workspaceId: id, ...input }, signal): Promise<ExecResult> => leader.workspaces.exec(id, input, signal),
  ),
  /** Runs a container's init script once more, on what missions have made of it. */
  runInitScript: command(z.object({ workspaceId }), async (leader, input, signal): Promise<ExecResult> => {
    const { id, kind, network } = leader.workspaces.get(input.workspaceId);
    // For another network than its own, they make the container anew, which ends what runs in it.
    if (network === "private" && (kind === "podman" || kind === "docker")) await endServer(leader, id);
    return leader.workspaces.runInitScript(id, signal);
  }),
  /** What a terminal runs to be in the workspace. */
  workspaceShell: command(z.object({ workspaceId }), (leader, input): Promise<Wrapped> =>
    leader.workspaces.shell(input.workspaceId),
  ),
};

/** What can be asked of the leader about what missions have changed in a container's own file system. */
export const layerCommands = {
  /** Forgets the changes. */
  resetWorkspace: command(z.object({ workspaceId }), async (leader, { workspaceId: id }) => {
    await changeLayer(leader, id, (layer, workspace) => layer.reset(workspace));
  }),
  /** Keeps the changes under a name. One that is there is replaced. */
  snapshotWorkspace: command(snapshotWish, async (leader, { workspaceId: id, name }) => {
    await changeLayer(leader, id, (layer, workspace) => layer.snapshot(workspace, name));
  }),
  workspaceSnapshots: command(z.object({ workspaceId }), (leader, input): Promise<string[]> =>
    leader.workspaces.onLayer(input.workspaceId, (layer, workspace) => layer.snapshots(workspace)),
  ),
  /** Goes back to what was kept. */
  restoreWorkspace: command(snapshotWish, async (leader, { workspaceId: id, name }) => {
    await changeLayer(leader, id, (layer, workspace) => layer.restore(workspace, name));
  }),
  deleteSnapshot: command(snapshotWish, (leader, { workspaceId: id, name }) =>
    leader.workspaces.onLayer(id, (layer, workspace) => layer.forget(workspace, name)),
  ),
  /** Makes a workspace like another, with its changes. */
  forkWorkspace: command(
    z.object({ workspaceId, name: workspaceName }),
    async (leader, { workspaceId: id, name }): Promise<Workspace> => {
      await endServer(leader, id);
      return leader.workspaces.fork(id, name);
    },
  ),
  /** What the changes take on disk, in bytes; 0 for what has no file system of its own, or none yet. */
  workspaceUsage: command(z.object({ workspaceId }), (leader, input): Promise<number> =>
    leader.workspaces.usage(input.workspaceId),
  ),
};

/** Does something with a container's changes that takes its server's end. */
async function changeLayer(leader: Leader, id: string, act: Parameters<Workspaces["onLayer"]>[1]): Promise<void> {
  await endServer(leader, id);
  await leader.workspaces.onLayer(id, act);
}

/** Ends the server inside of a workspace unless a mission is at work there; the next one starts it. */
async function restartIdleServer(leader: Leader, { id }: Workspace): Promise<void> {
  const isBusy = leader.store.listRunning().some((head) => head.workspaceId === id);
  if (!isBusy) await leader.endServerIn(id);
}

/** Ends the server inside of a workspace. Throws `mission_busy` while a mission is at work in the workspace. */
async function endServer(leader: Leader, id: string): Promise<void> {
  const running = leader.store.listRunning().find((head) => head.workspaceId === id);
  if (running)
    throw new OpenAgentError("mission_busy", `“${running.title}” is at work in this workspace. Stop it first.`, {
      missionId: running.id,
    });
  leader.workspaces.get(id);
  await leader.endServerIn(id);
}

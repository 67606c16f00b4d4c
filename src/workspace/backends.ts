import { join } from "node:path";
import type { BackendKind } from "../protocol/workspace.ts";
import type { Backend } from "./backend.ts";
import { BwrapBackend, Roots } from "./bwrap.ts";
import { EngineBackend } from "./engine.ts";
import { HostBackend } from "./host.ts";
import { Limits } from "./limits.ts";
import { NspawnBackend } from "./nspawn.ts";
import { Templates } from "./template.ts";
import { WorktreeBackend } from "./worktree.ts";

export interface BackendSettings {
  /** The data folder; containers lie in `containers` below it. */
  data: string;
  /** Where finished file systems lie, when several data folders are to share them. */
  templates?: string;
  /** The address that a distribution's packages come from, instead of the one that the host uses. */
  mirror?: string;
}

/** All that a workspace can be built on, whether it is available here or not. */
export function createBackends(settings: BackendSettings): Readonly<Record<BackendKind, Backend>> {
  const folder = join(settings.data, "containers");
  const templates = new Templates(settings.templates ?? join(folder, "templates"), settings.mirror);
  const limits = new Limits(folder);
  const roots = new Roots(folder, templates, limits);
  return {
    host: new HostBackend(limits),
    worktree: new WorktreeBackend(limits),
    bwrap: new BwrapBackend(roots, limits),
    podman: new EngineBackend("podman", folder, templates),
    docker: new EngineBackend("docker", folder, templates),
    nspawn: new NspawnBackend(roots, limits),
  };
}

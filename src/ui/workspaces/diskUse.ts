import * as vscode from "vscode";
import { isContainer, type Workspace } from "../../protocol/workspace.ts";
import type { App } from "../app.ts";
import { sizeWord } from "./workspaceWords.ts";

/** What was found of a container. */
interface Found {
  bytes: number;
  /** The build that was measured. */
  builtAt: number | undefined;
  outdated: boolean;
  measuring: Promise<void> | undefined;
}

const unknown: Found = { bytes: 0, builtAt: undefined, outdated: true, measuring: undefined };

/** What containers take on disk. Measuring takes a while, so nobody waits for it: what is told is what was found last. */
export class DiskUse implements vscode.Disposable {
  readonly #app: App;
  readonly #found = new Map<string, Found>();
  readonly #changed = new vscode.EventEmitter<string>();
  /** Another figure was found of the workspace with this id, or is to be asked for. */
  readonly onDidChange = this.#changed.event;

  constructor(app: App) {
    this.#app = app;
  }

  /** Bytes of a container's changes as they were found last; 0 for anything else. Begins to measure what is out of date. */
  of(workspace: Workspace): number {
    if (!isMeasured(workspace)) return 0;
    const found = this.#of(workspace.id);
    if (found.outdated || found.builtAt !== workspace.builtAt) void this.measure(workspace);
    return found.bytes;
  }

  /** The same as it is now; what cannot be measured now is told as it was. */
  async measure(workspace: Workspace): Promise<number> {
    if (!isMeasured(workspace)) return 0;
    const { id, builtAt } = workspace;
    const found = this.#of(id);
    found.measuring ??= this.#measure(id, found, builtAt).finally(() => {
      found.measuring = undefined;
      // It has changed meanwhile.
      if (found.outdated) this.#changed.fire(id);
    });
    await found.measuring;
    return found.bytes;
  }

  /** Something may have changed in a workspace. */
  outdate(workspaceId: string): void {
    this.#of(workspaceId).outdated = true;
    this.#changed.fire(workspaceId);
  }

  async #measure(workspaceId: string, found: Found, builtAt: number | undefined): Promise<void> {
    Object.assign(found, { outdated: false, builtAt });
    const bytes = await this.#app.run("workspaceUsage", { workspaceId }).catch(() => found.bytes);
    const isOther = sizeWord(bytes) !== sizeWord(found.bytes);
    found.bytes = bytes;
    if (isOther) this.#changed.fire(workspaceId);
  }

  #of(workspaceId: string): Found {
    const found = this.#found.get(workspaceId) ?? { ...unknown };
    this.#found.set(workspaceId, found);
    return found;
  }

  dispose(): void {
    this.#changed.dispose();
  }
}

function isMeasured({ kind, status }: Workspace): boolean {
  return isContainer(kind) && status === "ready";
}

import type { BackendKind, Probe, Workspace, WorkspaceNetwork } from "../protocol/workspace.ts";

/**
 * What a workspace is built on. Everything that runs in a workspace runs as `wrap` says, so that nothing else has to know
 * what it is. All of it throws `OpenAgentError`s whose messages are meant for the user.
 */
export interface Backend {
  readonly kind: BackendKind;

  /** Runs something for real, to say whether it can be used here; never throws. */
  probe(): Promise<Probe>;

  /**
   * Makes the workspace ready, or finds it so. What it has cost before is used again: a file system that was built once
   * for a distribution, packages and init script serves all workspaces that name the same ones. Leaves nothing half
   * made behind, whenever it fails, is aborted or its process is killed.
   */
  prepare(workspace: Workspace, options: PrepareOptions): Promise<void>;

  /** Whether what `prepare` has made is still there; a sentence that says what is missing otherwise. */
  missing(workspace: Workspace): Promise<string | undefined>;

  /** The file that the last build was logged to, whether it is there or not; only of containers. */
  log(workspace: Workspace): string | undefined;

  /** How to run `argv` in the workspace. `prepare` has been there before. */
  wrap(workspace: Workspace, argv: readonly string[], options: WrapOptions): Promise<Wrapped>;

  /** Ends everything that runs in the workspace, also what others have started. Its files stay. */
  stop(workspace: Workspace): Promise<void>;

  /**
   * Stops the workspace and deletes what `prepare` and missions have made in its own file system. The folder that
   * missions work in is left alone, but for a worktree, which is deleted only when nothing would be lost.
   */
  destroy(workspace: Workspace): Promise<void>;

  /** As `destroy`, with what is nowhere else. Absent where `destroy` itself asks nothing. */
  discard?(workspace: Workspace): Promise<void>;

  /** What missions have changed in the workspace's own file system, as a thing that can be kept; only of containers. */
  readonly layer?: Layer;
}

export interface PrepareOptions {
  /** Called with what the build prints, as it comes. The log file has it as well. */
  output: (text: string) => void;
  /** Ends the build and all of its processes. */
  signal?: AbortSignal;
  /** Builds anew what is there already. */
  rebuild?: boolean;
}

export interface WrapOptions {
  /** An absolute path inside. */
  cwd: string;
  /**
   * The environment, besides what the backend itself gives: that of this process on the host, and in a container only
   * PATH, HOME, USER, LANG and TERM. It stands on no command line.
   */
  env: Readonly<Record<string, string>>;
  /** Files and folders of the host that are seen inside, besides the workspace's folder, which always is, and writable. */
  binds: readonly Bind[];
  /** Otherwise the workspace's own. */
  network?: WorkspaceNetwork;
  /** It is run in a terminal, which it may control. */
  terminal?: boolean;
  /** It goes on when the process that started it has ended. Otherwise it dies with that, with all its children. */
  outlives?: boolean;
}

export interface Bind {
  source: string;
  target: string;
  writable: boolean;
}

/** A process to start. Its `env` is the whole environment, not an addition. */
export interface Wrapped {
  command: string;
  args: string[];
  /** The folder to start it in. */
  cwd: string;
  env: Record<string, string>;
  /** Called when the process has ended, or was killed: ends what it may have left behind. Absent where nothing is left. */
  cleanUp?: (killed: boolean) => Promise<void>;
}

/** Nothing may run in the workspace while these are under way, so they stop it first. */
export interface Layer {
  /** Forgets all changes. */
  reset(workspace: Workspace): Promise<void>;
  /** Keeps the changes under a name of letters, digits, `-`, `_` and `.`; one that is there is replaced. */
  snapshot(workspace: Workspace, name: string): Promise<void>;
  /** Names of what was kept. */
  snapshots(workspace: Workspace): Promise<string[]>;
  /** Deletes what was kept under a name, if anything was. */
  forget(workspace: Workspace, name: string): Promise<void>;
  /** Goes back to what was kept. */
  restore(workspace: Workspace, name: string): Promise<void>;
  /** Gives a workspace of the same distribution, packages and init script, which has none yet, the changes of another. */
  fork(from: Workspace, to: Workspace): Promise<void>;
  /** What the changes take on disk, in bytes. The template beneath, which others use as well, is not in it. */
  usage(workspace: Workspace): Promise<number>;
}

import { realpathSync } from "node:fs";
import { simpleGit } from "simple-git";
import { OpenAgentError, systemCode } from "../base/errors.ts";

/** How far git is with what it does. */
export interface GitProgress {
  /** In git's own words, in small letters: receiving, resolving, writing. */
  stage: string;
  percent: number;
}

export interface GitOptions {
  /** The user's; that of this process by default. */
  environment?: NodeJS.ProcessEnv | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: GitProgress) => void) | undefined;
}

interface Call {
  /** What git reads from its standard input. */
  input?: string;
  variables?: Readonly<Record<string, string>>;
  config?: readonly string[];
}

/** The user's git in a folder. */
export interface Git {
  readonly folder: string;
  /** Gives what git prints; rejects with GitFailure. */
  run(args: readonly string[], call?: Call): Promise<string>;
  /** The same on one line, or undefined where git says no. */
  ask(...args: string[]): Promise<string | undefined>;
}

/** What git said when it failed, without passwords. */
export class GitFailure extends Error {
  override readonly name = "GitFailure";
  readonly words: string;
  /** Undefined when a signal ended it. */
  readonly exitCode: number | undefined;

  constructor(words: string, exitCode: number | undefined, cause?: unknown) {
    super(words === "" ? "git failed and did not say why" : words, cause === undefined ? undefined : { cause });
    this.words = words;
    this.exitCode = exitCode;
  }
}

/** What a folder is to git: links are followed. */
export function realFolder(folder: string): string {
  try {
    return realpathSync.native(folder);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    throw new OpenAgentError("folder_missing", `The folder ${folder} does not exist.`, { path: folder }, error);
  }
}

export function gitIn(folder: string, options: GitOptions): Git {
  const git: Git = {
    folder,
    run: (args, call = {}) => run(git, args, call, options),
    ask: async (...args) => {
      try {
        return (await git.run(args)).trim();
      } catch (error) {
        if (error instanceof GitFailure && error.exitCode !== undefined) return undefined;
        throw error;
      }
    },
  };
  return git;
}

const reporting = ["clone", "fetch", "push"];
const overNetwork = [...reporting, "ls-remote"];

async function run(git: Git, args: readonly string[], call: Call, options: GitOptions): Promise<string> {
  const { signal, onProgress } = options;
  signal?.throwIfAborted();
  const environment = environmentFor(options.environment ?? process.env);
  if (overNetwork.includes(args[0] ?? "") && !asksByItself(environment)) {
    const own = await git.ask("config", "--default=none", "core.sshCommand");
    // Nobody would see what ssh asks for at a terminal.
    if (own === undefined || own === "none") environment["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes";
  }
  Object.assign(environment, call.variables);
  // The package passes on the text of an error only.
  let failed: GitFailure | undefined;
  const client = simpleGit({
    baseDir: git.folder,
    config: [...(call.config ?? [])],
    allowEnvironment: Object.keys(environment),
    unsafe: allowed,
    // A hook may have left something running that holds the pipes.
    completion: { onClose: true, onExit: 500 },
    // A hook that reads its input must not wait for ever.
    input: () => call.input ?? "\n",
    // A git that a signal has ended has no exit code, which the package would take for success.
    errors: (error, { exitCode, stdErr, stdOut }) =>
      exitCode === 0 && !error ? undefined : (failed = failure(error, exitCode, [...stdErr, ...stdOut])),
    ...(signal && { abort: signal }),
    ...(onProgress && {
      progress: ({ stage, progress }: { stage: string; progress: number }) => onProgress({ stage, percent: progress }),
    }),
  });
  try {
    // The package would put the option last, behind the paths.
    const shown = onProgress && reporting.includes(args[0] ?? "") ? ["--progress"] : [];
    return await client.env(environment).raw([...args.slice(0, 1), ...shown, ...args.slice(1)]);
  } catch (error) {
    signal?.throwIfAborted();
    throw failed ?? failure(error, 1, []);
  }
}

/**
 * What the package would refuse. It guards those who pass on arguments and variables of others; here all arguments are
 * ours, and the variables are what the user's own git goes by.
 */
const allowed = {
  // How the user logs in.
  allowUnsafeAskPass: true,
  allowUnsafeSshCommand: true,
  allowUnsafeCredentialHelper: true,
  allowUnsafeGitProxy: true,
  // Where the user's configuration is, or the configuration itself.
  allowUnsafeConfigPaths: true,
  allowUnsafeConfigEnvCount: true,
  allowUnsafeUrlRewrite: true,
  // That no editor opens, and a clone runs no hooks.
  allowUnsafeEditor: true,
  allowUnsafeHooksPath: true,
  // The package would have git and the user's hooks refuse options that are cut short.
  allowAbbreviatedOptions: true,
};

/** Variables that would lead git to another repository or program, or have it say more than its words. */
const left =
  /^(GIT_(DIR|WORK_TREE|COMMON_DIR|INDEX_FILE|PREFIX|NAMESPACE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|SHALLOW_FILE|GRAFT_FILE|CONFIG|CONFIG_PARAMETERS|EXEC_PATH|TEMPLATE_DIR|EXTERNAL_DIFF|PAGER|EDITOR|SEQUENCE_EDITOR|LITERAL_PATHSPECS|GLOB_PATHSPECS|NOGLOB_PATHSPECS|ICASE_PATHSPECS|TRACE.*|TEST_.*)|EDITOR|VISUAL|PAGER|PREFIX)$/i;

function environmentFor(users: NodeJS.ProcessEnv): Record<string, string> {
  const kept = Object.entries(users).filter(([name, value]) => value !== undefined && !left.test(name));
  return {
    ...(Object.fromEntries(kept) as Record<string, string>),
    // Its words are read here.
    LANG: "C.UTF-8",
    LC_ALL: "C.UTF-8",
    GIT_TERMINAL_PROMPT: "0",
    GIT_EDITOR: ":",
    GIT_SEQUENCE_EDITOR: ":",
    GIT_MERGE_AUTOEDIT: "no",
    // A look at the state must not stand in the way of what the editor or the user does.
    GIT_OPTIONAL_LOCKS: "0",
  };
}

function asksByItself(environment: Readonly<Record<string, string>>): boolean {
  return ["GIT_SSH_COMMAND", "GIT_SSH", "GIT_ASKPASS", "SSH_ASKPASS"].some((name) => (environment[name] ?? "") !== "");
}

function failure(error: unknown, exitCode: number | null, said: readonly Buffer[]): GitFailure {
  const own = error instanceof Error ? error.message : "";
  const words = wordsOf(Buffer.concat(said).toString());
  return new GitFailure(words === "" ? maskUrls(own) : words, exitCode ?? undefined, error);
}

/** What git has printed, without its progress and its passwords. */
function wordsOf(printed: string): string {
  const lines = printed
    .split(/[\r\n]+/)
    .map((line) => line.trimEnd())
    .filter((line) => line.trim() !== "" && !/^(remote: )?[\w ]+:\s+\d+%/.test(line));
  return maskUrls(lines.join("\n"));
}

/** A text in which no URL shows what it may hold of a password. */
export function maskUrls(text: string): string {
  return text
    .replaceAll(/\b(https?:\/\/)[^\s/]*@/gi, "$1***@")
    .replaceAll(/\b([a-z][a-z0-9+.-]*:\/\/[^\s/:@]*):[^\s/]*@/gi, "$1:***@");
}

/** What is wrong with the address of a remote; undefined for one that git can be given. */
export function wrongUrl(url: string): string | undefined {
  const text = url.trim();
  if (text === "") return "Give the address of a git repository, such as git@host:name/library.git.";
  if (text.startsWith("-")) return "An address does not begin with a dash.";
  if (/[\s\p{Cc}]/u.test(text) && !/^([/\\]|[a-z]:[/\\])/i.test(text)) return "An address has no spaces.";
  // Git would run what stands behind them.
  if (/^[a-z0-9+.-]+::/i.test(text)) return "Addresses of remote helpers (with “::”) are not used.";
  const user = /^[a-z][a-z0-9+.-]*:\/\/([^/]*)@/i.exec(text)?.[1];
  if (user !== undefined && (user.includes(":") || user.length > 30 || /^(gh[a-z]_|github_pat_|glpat-)/.test(user)))
    return "Leave the password or token out of the address: it would stand readable in git's configuration. Git asks your credential helper for it (git config --global credential.helper).";
  return undefined;
}

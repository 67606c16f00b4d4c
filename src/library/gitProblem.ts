import { describeError, OpenAgentError, systemCode } from "../base/errors.ts";
import { GitFailure } from "./git.ts";

/** What keeps git from doing something, as far as its words tell. */
export interface GitProblem {
  code: GitProblemCode;
  /** One sentence, with git's own words. */
  message: string;
  wayOut: string;
}

interface Row {
  words: RegExp;
  /** What is wrong, as the end of “… failed: ”. */
  says: string;
  wayOut: string;
}

const signIn =
  "Log in once so that git keeps it (a credential helper for HTTPS, ssh-add for SSH), then try again. `git fetch` in a terminal shows whether it works.";

/** In the order in which they are looked for: what is more exact first. `$1` is what the words name. */
const rows = {
  git_missing: {
    words: /spawn git ENOENT|git: command not found/,
    says: "git was not found",
    wayOut: "Install git, and open a new window.",
  },
  disk_full: {
    words: /No space left on device|Disk quota exceeded|disk full/i,
    says: "the disk is full",
    wayOut: "Make room, then try again.",
  },
  index_locked: {
    words: /Unable to create '([^']+\.lock)': File exists/,
    says: "another git is at work there, or was killed at work and left its lock $1",
    wayOut: "Wait for it. When no git is at work there, delete that file.",
  },
  dubious_ownership: {
    words: /detected dubious ownership in repository at '([^']+)'/,
    says: "the folder $1 belongs to another user, so git does not touch it",
    wayOut: "If you trust it: git config --global --add safe.directory '$1'",
  },
  no_identity: {
    words: /Please tell me who you are|empty ident name|unable to auto-detect email|no (name|email) was given/,
    says: "git does not know whose commit it is",
    wayOut: 'Tell it: git config --global user.name "Your Name", and the same with user.email.',
  },
  signing: {
    words: /failed to sign the data|failed to write commit object|signing failed/,
    says: "the commit could not be signed",
    wayOut: "Unlock your key, or see to git's settings gpg.format, gpg.program and user.signingKey.",
  },
  host_key: {
    words: /Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|host key is known for/,
    says: "ssh does not know the host's key, or it has changed",
    wayOut: "Compare the key with the one that the host publishes, and connect once with ssh in a terminal.",
  },
  protected_branch: {
    words:
      /protected branch|GH006|GH013|not allowed to (force )?push|refusing to update checked out branch|deny updating/i,
    says: "the branch is protected at the remote",
    wayOut: "Switch the Library to another branch, push that one and have it merged there.",
  },
  remote_hook: {
    words: /hook declined/,
    says: "a hook of the remote refused it",
    wayOut: "Its words say what it wants; change that, commit and push again.",
  },
  remote_ahead: {
    words:
      /\((non-fast-forward|fetch first|stale info|needs force|remote ref updated since checkout)\)|incorrect old value|is at \w+ but expected/,
    says: "the remote has commits that are not here",
    wayOut: "Sync the Library first.",
  },
  access_denied: {
    words: /error: 403|Write access to repository not granted|does not have permission|\b403 Forbidden/i,
    says: "the remote does not let you",
    wayOut: "Ask its owner for access, or use a remote of your own.",
  },
  no_credentials: {
    words:
      /could not read (Username|Password)|Authentication failed|terminal prompts disabled|Permission denied \([a-z,-]*(publickey|password|keyboard)|Invalid username or|Access denied|error: 401|unable to read askpass/,
    says: "the remote wants a login, and git has none for it",
    wayOut: signIn,
  },
  no_network: {
    words:
      /Could not resolve (host|proxy)|Name or service not known|failure in name resolution|Network is unreachable|No route to host|timed out|nodename nor servname/i,
    says: "the remote's host was not found or does not answer",
    wayOut: "Check the network and the remote's address. What is committed here stays.",
  },
  connection_refused: {
    words: /Connection refused|Failed to connect to|Couldn't connect to server/,
    says: "the remote's host refused the connection",
    wayOut: "Check the remote's address and port, and whether its server is up.",
  },
  certificate: {
    words: /certificate problem|certificate verification failed|SSL certificate|unable to get local issuer/i,
    says: "the certificate of the remote is not trusted",
    wayOut: "Have its authority installed, or named in git's http.sslCAInfo.",
  },
  remote_missing: {
    words:
      /Repository not found|repository '[^']+' (not found|does not exist)|does not appear to be a git repository|error: 404/i,
    says: "there is no repository at the remote's address, or you may not see it",
    wayOut: "Check the address, and who you are logged in as.",
  },
  connection_lost: {
    words:
      /hung up unexpectedly|early EOF|Connection (was )?reset|RPC failed|Connection closed by|unexpected disconnect|Empty reply|Recv failure|transfer closed/i,
    says: "the connection broke",
    wayOut: "Try again. What is committed here stays.",
  },
  unrelated_histories: {
    words: /refusing to merge unrelated histories/,
    says: "the Library here and the one at the remote have no commit in common",
    wayOut: "Merge them all the same, or take one of both; the other is kept in a branch.",
  },
  conflict: {
    words: /CONFLICT \(|Automatic merge failed|unmerged files|Resolve all conflicts|needs merge|could not apply/,
    says: "the same lines were changed on both sides",
    wayOut: "Resolve the conflicts in the files, then continue, or abort.",
  },
  in_progress: {
    words: /not concluded your merge|rebase-(merge|apply) directory|MERGE_HEAD exists|rebase in progress/,
    says: "a merge or rebase is under way",
    wayOut: "Continue or abort it first.",
  },
  local_changes: {
    words:
      /would be overwritten by|You have unstaged changes|index contains uncommitted changes|commit your changes or stash/,
    says: "it would overwrite files that are in no commit",
    wayOut: "Commit them first, or undo them.",
  },
  no_commits: {
    words: /src refspec \S+ does not match any|does not have any commits yet|ambiguous argument 'HEAD'/,
    says: "there is no commit yet",
    wayOut: "Commit the Library first.",
  },
  unknown_branch: {
    words:
      /Remote branch (\S+) not found|couldn't find remote ref (\S+)|invalid reference: (\S+)|not a valid branch name/,
    says: "there is no such branch",
    wayOut: "Choose one of those that there are.",
  },
  not_a_repository: {
    words: /not a git repository/i,
    says: "the folder is no git repository",
    wayOut: "Set up the Library (Open Agent: Set Up Library…), or run git init there.",
  },
  no_access: {
    words: /Permission denied|Read-only file system|Operation not permitted/,
    says: "files there cannot be written",
    wayOut: "Check who owns the folder.",
  },
} satisfies Record<string, Row>;

export type GitProblemCode = keyof typeof rows | "hook_refused" | "detached" | "no_remote" | "other";

export interface GitContext {
  /** What was done, such as “Pushing the Library in /path”. */
  doing: string;
  /** The hooks of the repository that git ran. They may refuse without a word. */
  hooks?: readonly string[];
}

/** Finds what is wrong in git's words. */
export function gitProblem(error: unknown, { doing, hooks = [] }: GitContext): GitProblem {
  const words = error instanceof GitFailure ? error.words : describeError(error);
  const quoted = words === "" ? "" : ` Git says: “${firstLines(words)}”`;
  for (const [code, row] of Object.entries(rows) as [GitProblemCode, Row][]) {
    const found = row.words.exec(words);
    if (!found) continue;
    const named = (text: string) => text.replaceAll("$1", found[1] ?? "");
    return { code, message: `${doing} failed: ${named(row.says)}.${quoted}`, wayOut: named(row.wayOut) };
  }
  if (hooks.length > 0) {
    const names = hooks.join(" or ");
    const wayOut = "Its words say what it wants; change that and try again.";
    return { code: "hook_refused", message: `${doing} failed: your hook ${names} refused it.${quoted}`, wayOut };
  }
  const message = quoted === "" ? `${doing} failed, and git did not say why.` : `${doing} failed.${quoted}`;
  return { code: "other", message, wayOut: "`git status` in the folder tells more." };
}

const mostLines = 6;

/** Git's hints come last and speak of other commands. */
function firstLines(words: string): string {
  const lines = words.split("\n").filter((line) => !line.startsWith("hint: "));
  return lines.length > mostLines ? `${lines.slice(0, mostLines).join("\n")} …` : lines.join("\n");
}

/** The problem as the error that users see; one that is an OpenAgentError already stays what it is. */
export function asGitError(error: unknown, context: GitContext): unknown {
  if (error instanceof OpenAgentError) return error;
  const isGits = error instanceof GitFailure || systemCode(error) !== undefined;
  if (!isGits) return error;
  const { code, message, wayOut } = gitProblem(error, context);
  const words = error instanceof GitFailure ? error.words : describeError(error);
  const lock = code === "index_locked" ? (/'([^']+\.lock)'/.exec(words)?.[1] ?? "") : "";
  return gitError(code, message, wayOut, lock === "" ? {} : { lock });
}

/** A problem that git itself was not asked about. */
export function gitError(
  code: GitProblemCode,
  message: string,
  wayOut: string,
  detail: Record<string, string> = {},
): OpenAgentError {
  return new OpenAgentError("git_failed", `${message} ${wayOut}`, { problem: code, wayOut, ...detail });
}

import { execFile } from "node:child_process";
import { isAbsolute, posix } from "node:path";
import { promisify } from "node:util";
import { describeError, OpenAgentError } from "../base/errors.ts";

const run = promisify(execFile);

/** A place in a git repository. */
export interface GitSource {
  url: string;
  /** A branch or a tag; the repository's own by default. */
  ref?: string;
  /** A folder or file in it, with slashes. */
  path?: string;
}

/** What git is allowed to speak. Others, such as `ext`, run programs. */
const protocols = ["https", "http", "ssh", "git", "file"];

/**
 * Reads what a user gives for a place in a repository: a URL, also one of a folder on GitHub or GitLab, or a path; with
 * `#folder` behind it for a folder in it.
 * @throws OpenAgentError `invalid_input`
 */
export function gitSource(text: string, path?: string): GitSource {
  const [place = "", inside = ""] = text.trim().split("#", 2);
  const page = /^(https:\/\/[^/]+\/.+?)(?:\/-)?\/(?:tree|blob)\/([^/]+)(?:\/(.*))?$/.exec(place);
  const url = page?.[1] ?? place;
  if (!isUsable(url))
    throw new OpenAgentError(
      "invalid_input",
      `“${url}” is no URL of a git repository: it begins with https://, ssh:// or git@, or is a path of this machine.`,
      { url },
    );
  const parts = (path ?? (inside === "" ? (page?.[3] ?? "") : inside)).split("/").filter((part) => part !== "");
  if (parts.some((part) => part === "." || part === ".." || part.startsWith("-") || /[\\\p{C}]/u.test(part)))
    throw new OpenAgentError("invalid_input", `“${parts.join("/")}” is no path in a repository.`, { url });
  // A page of a skill's own file stands for the skill.
  if (/^skill\.md$/i.test(parts.at(-1) ?? "")) parts.pop();
  const ref = page?.[2];
  return {
    url,
    ...(ref !== undefined && { ref: decodeURIComponent(ref) }),
    ...(parts.length > 0 && { path: parts.map((part) => (page ? decodeURIComponent(part) : part)).join("/") }),
  };
}

function isUsable(url: string): boolean {
  if (url === "" || url.startsWith("-") || /[\p{C}\s]/u.test(url) || url.includes("::")) return false;
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  if (scheme !== undefined) return protocols.includes(scheme) && !/^[^/]+\/\/-/.test(url);
  return isAbsolute(url) || /^[\w.-]+@[\w][\w.-]*:(?!-).+/.test(url);
}

/**
 * Gets what is at a place of a repository, with as little of the rest as can be. Runs no hooks, asks nothing, and gives
 * the folder that it is in: the repository's own, or the one that was named.
 * @throws OpenAgentError `import_unusable` with git's words
 */
export async function cloneSource(
  { url, ref, path }: GitSource,
  folder: string,
  environment: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<void> {
  const options = {
    env: { ...environment, ...quiet },
    maxBuffer: 50_000_000,
    windowsHide: true,
    ...(signal && { signal }),
  };
  const git = (...words: string[]) => run("git", [...harmless, ...words], options);
  try {
    const branch = ref === undefined ? [] : ["--branch", ref];
    const shallow = ["--depth", "1", "--filter=blob:none", "--sparse", "--no-tags", "--single-branch"];
    await git("clone", "--quiet", "--template=", ...shallow, ...branch, "--", url, folder);
    const inside = (...words: string[]) => git("-C", folder, ...words);
    const { stdout } = await inside("ls-tree", "-r", "-z", "--name-only", "HEAD");
    const wanted = wantedFolders(stdout.split("\0"), path);
    if (wanted.length > 0) await inside("sparse-checkout", "set", "--cone", "--", ...wanted);
  } catch (error) {
    const words = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
    const why = words === "" ? describeError(error) : words;
    throw new OpenAgentError("import_unusable", `${url} cannot be imported: ${why}`, { url }, error);
  }
}

/** The folders to check out: the one that is named, or those of all skills. */
function wantedFolders(files: readonly string[], path: string | undefined): string[] {
  if (path !== undefined) return files.includes(path) ? [posix.dirname(path)].filter((one) => one !== ".") : [path];
  const skills = files.filter((file) => file.endsWith("/SKILL.md")).map((file) => file.slice(0, -"/SKILL.md".length));
  if (files.includes("SKILL.md")) {
    // The repository itself is the skill: all of its folders belong to it.
    return [...new Set(files.filter((file) => file.includes("/")).map((file) => file.slice(0, file.indexOf("/"))))];
  }
  return skills.filter((folder) => !folder.split("/").includes("node_modules")).slice(0, 200);
}

/** A repository says nothing of what runs here. */
const harmless = [
  ...["core.hooksPath=/dev/null", "core.fsmonitor=false", "protocol.ext.allow=never", "submodule.recurse=false"],
  ...["core.longpaths=true", "core.autocrlf=false", "gc.auto=0", "maintenance.auto=false", "advice.detachedHead=false"],
].flatMap((setting) => ["-c", setting]);

const quiet = {
  GIT_TERMINAL_PROMPT: "0",
  GIT_ALLOW_PROTOCOL: protocols.join(":"),
  GIT_LFS_SKIP_SMUDGE: "1",
  GCM_INTERACTIVE: "never",
  GIT_ASKPASS: "",
  SSH_ASKPASS: "",
  GIT_SSH_COMMAND: "ssh -o BatchMode=yes",
  LC_ALL: "C",
};

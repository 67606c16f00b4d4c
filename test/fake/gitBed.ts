import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { cloneLibrary } from "../../src/library/cloning.ts";
import { Repository } from "../../src/library/repository.ts";

/** A user's machine with git, and remotes on its disk. */
export interface GitBed {
  root: string;
  home: string;
  environment: Record<string, string>;
  /** Runs git as the user would, and gives what it prints. */
  git: (folder: string, ...args: string[]) => string;
  /** Writes files and commits them. */
  commit: (folder: string, files: Readonly<Record<string, string>>, message?: string) => void;
  /** Adds to the user's configuration of git. */
  configure: (name: string, value: string) => void;
  /** A bare repository; with a first commit unless it is to be empty. */
  remote: (name: string, options?: { empty?: boolean }) => string;
  /** A clone of a remote, made by git itself: what somebody else has. */
  other: (url: string, name?: string) => string;
  /** A clone of a remote, made as the Library is. */
  library: (url: string, name?: string) => Promise<Repository>;
  close: () => void;
}

/** The remote that most tests have: made once, then copied. */
const usual = "remote";
let made: string | undefined;
process.once("exit", () => {
  if (made !== undefined) rmSync(made, { recursive: true, force: true });
});

export function makeGitBed(): GitBed {
  const root = mkdtempSync(join(tmpdir(), "git-bed-"));
  const home = join(root, "home");
  mkdirSync(home);
  const config = join(home, ".gitconfig");
  const environment = {
    PATH: process.env["PATH"] ?? "",
    HOME: home,
    GIT_CONFIG_GLOBAL: config,
    GIT_CONFIG_NOSYSTEM: "1",
  };
  const git = (folder: string, ...args: string[]) =>
    execFileSync("git", args, { cwd: folder, env: environment, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const write = (folder: string, input: string, ...args: string[]) =>
    execFileSync("git", args, { cwd: folder, env: environment, encoding: "utf8", input }).trim();
  const configure = (name: string, value: string) => void git(root, "config", "--file", config, name, value);
  writeFileSync(config, "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n");
  const commit: GitBed["commit"] = (folder, files, message = "Change") => {
    writeInto(folder, files);
    git(folder, "add", "--all");
    git(folder, "commit", "--quiet", "--message", message);
  };
  const other: GitBed["other"] = (url, name = "other") => {
    git(root, "clone", "--quiet", url, name);
    return join(root, name);
  };
  return {
    root,
    home,
    environment,
    git,
    commit,
    configure,
    other,
    remote: (name, { empty = false } = {}) => {
      const folder = join(root, `${name}.git`);
      if (name === usual && made) {
        cpSync(made, folder, { recursive: true });
        return folder;
      }
      git(root, "init", "--quiet", "--bare", "--template=", folder);
      if (empty) return folder;
      const blob = write(folder, "one\ntwo\nthree\n", "hash-object", "-w", "--stdin");
      const rule = write(folder, `100644 blob ${blob}\tstyle.md\n`, "mktree");
      const tree = write(folder, `040000 tree ${rule}\trule\n`, "mktree");
      const first = write(folder, `Begin\n\n${name}\n`, "commit-tree", "-F", "-", tree);
      git(folder, "update-ref", "refs/heads/main", first);
      if (name === usual) cpSync(folder, (made = mkdtempSync(join(tmpdir(), "git-made-"))), { recursive: true });
      return folder;
    },
    library: async (url, name = "library") => {
      const folder = join(root, name);
      await cloneLibrary(url, folder, { environment });
      return new Repository(folder, environment);
    },
    close: () => rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }),
  };
}

export function writeInto(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

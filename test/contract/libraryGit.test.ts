import assert from "node:assert/strict";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { OpenAgentError } from "../../src/base/errors.ts";
import { cloneLibrary, initLibrary, remoteBranches } from "../../src/library/cloning.ts";
import { readLibrary } from "../../src/library/library.ts";
import { Repository } from "../../src/library/repository.ts";
import { createFromStarter } from "../../src/library/starter.ts";
import { listTemplates, readTemplate } from "../../src/library/templates.ts";
import { makeGitBed, writeInto, type GitBed } from "../fake/gitBed.ts";

/** What a call that git refuses says. */
async function refusal(call: Promise<unknown>): Promise<{ problem: string; message: string }> {
  const error = await call.then(
    () => assert.fail("It was not refused."),
    (thrown: unknown) => thrown as OpenAgentError,
  );
  assert.equal(error.code, "git_failed", error.stack);
  return { problem: error.detail["problem"] ?? "", message: error.message };
}

const file = "rule/style.md";

describe("The Library's repository", () => {
  let bed: GitBed;
  let url: string;
  let library: Repository;
  const text = (path = file, folder = library.folder) => readFileSync(join(folder, path), "utf8");
  const head = (folder = library.folder) => bed.git(folder, "rev-parse", "HEAD").trim();
  const subjects = (folder: string, ref: string) => bed.git(folder, "log", "--format=%s", ref).trim().split("\n");

  beforeEach(async () => {
    bed = makeGitBed();
    url = bed.remote("remote");
    library = await bed.library(url);
  });
  afterEach(() => bed.close());

  /** Somebody else pushes a change. */
  const pushed = (files: Record<string, string>, message = "Theirs") => {
    const folder = existsSync(join(bed.root, "other")) ? join(bed.root, "other") : bed.other(url);
    bed.git(folder, "pull", "--quiet");
    bed.commit(folder, files, message);
    bed.git(folder, "push", "--quiet");
    return head(folder);
  };
  const hook = (folder: string, name: string, script: string) => {
    const path = join(folder, "hooks", name);
    writeInto(folder, { [`hooks/${name}`]: `#!/bin/sh\n${script}\n` });
    chmodSync(path, 0o755);
  };

  it("goes from a clone over a change, a commit and a push to what somebody else gets", async () => {
    writeInto(library.folder, { [file]: "one\n", "skill/new one/SKILL.md": "new\n" });
    const { modifiedFiles, files, ...status } = await library.status();
    assert.deepEqual(status, {
      path: library.folder,
      remote: url,
      branch: "main",
      detached: false,
      upstream: "origin/main",
      ahead: 0,
      behind: 0,
      clean: false,
      conflicted: [],
    });
    assert.deepEqual(modifiedFiles, [` M ${file}`, "?? skill/new one/SKILL.md"]);
    assert.deepEqual(
      files.map(({ state }) => state),
      ["modified", "untracked"],
    );
    assert.deepEqual(await library.commit("Both", { paths: [file] }).then(({ kind }) => kind), "committed");
    assert.equal((await library.status()).modifiedFiles.join(), "?? skill/new one/SKILL.md");
    const commit = await library.commit("The other one", { author: "Eve <eve@example.org>" });
    assert.equal(commit.kind === "committed" && commit.files, 1);
    assert.deepEqual(await library.commit("Nothing"), { kind: "nothing" });
    assert.equal(
      bed.git(library.folder, "log", "-1", "--format=%an <%ae> by %cn").trim(),
      "Eve <eve@example.org> by Ada",
    );
    assert.equal((await library.status()).ahead, 2);
    assert.deepEqual(await library.push(), { kind: "pushed", remote: "origin", branch: "main" });
    assert.deepEqual(await library.push(), { kind: "up_to_date", remote: "origin", branch: "main" });
    assert.equal(head(bed.other(url)), head());
  });

  it("takes over what is new, and says how much", async () => {
    pushed({ a: "a" });
    pushed({ b: "b" });
    assert.equal((await library.status({ fetch: true })).behind, 2);
    assert.deepEqual(await library.pull(), { kind: "updated", commits: 2 });
    assert.deepEqual(await library.pull(), { kind: "up_to_date", ahead: 0 });
    writeInto(library.folder, { [file]: "mine\n" });
    pushed({ [file]: "theirs\n" });
    const { problem, message } = await refusal(library.pull());
    assert.equal(problem, "local_changes");
    assert.match(message, /rule\/style\.md/);
    assert.equal(text(), "mine\n");
  });

  describe("when both sides have gone on", () => {
    let mine: string;
    let theirs: string;
    beforeEach(async () => {
      theirs = pushed({ theirs: "theirs\n", [file]: "one\ntwo\nTHEIRS\n" });
      writeInto(library.folder, { mine: "mine\n" });
      await library.commit("Mine");
      mine = head();
      assert.deepEqual(await library.pull(), {
        kind: "diverged",
        ahead: 1,
        behind: 1,
        upstream: "origin/main",
        unrelated: false,
      });
      assert.equal((await refusal(library.push())).problem, "remote_ahead");
    });

    it("merges", async () => {
      assert.deepEqual(await library.merge(), { kind: "done" });
      assert.equal(bed.git(library.folder, "log", "-1", "--format=%P").trim(), `${mine} ${theirs}`);
      assert.equal((await library.push()).kind, "pushed");
    });

    it("rebases, and keeps the commits as they were", async () => {
      const { kind, backup = "" } = await library.rebase();
      assert.equal(kind, "done");
      assert.deepEqual(subjects(library.folder, "HEAD"), ["Mine", "Theirs", "Begin"]);
      assert.equal(bed.git(library.folder, "rev-parse", backup).trim(), mine);
    });

    it("takes theirs, and keeps mine with all that was in no commit", async () => {
      writeInto(library.folder, { ".gitignore": "ignored\n", ignored: "mine too\n", mine: "staged\n" });
      pushed({ ignored: "from the remote\n", ".gitattributes": "" });
      bed.git(library.folder, "add", "mine");
      writeInto(library.folder, { mine: "changed\n", untracked: "untracked\n" });
      await library.fetch();
      const { backup } = await library.takeTheirs();
      assert.match(backup, /^openagent\/backup-\d{8}-\d{6}$/);
      assert.equal(head(), head(join(bed.root, "other")));
      const kept = (path: string) => bed.git(library.folder, "show", `${backup}:${path}`);
      assert.deepEqual(
        [kept("mine"), kept("untracked"), kept("ignored"), bed.git(library.folder, "show", `${backup}~1:mine`)],
        ["changed\n", "untracked\n", "mine too\n", "staged\n"],
      );
      assert.equal(bed.git(library.folder, "merge-base", backup, mine).trim(), mine);
      assert.equal(text("untracked"), "untracked\n");
    });

    it("keeps mine, and what only the remote had", async () => {
      const { backup } = await library.keepMine();
      assert.equal(bed.git(url, "rev-parse", "main").trim(), mine);
      assert.equal(bed.git(library.folder, "rev-parse", backup).trim(), theirs);
    });

    it("overwrites nothing at the remote that it has not kept", async () => {
      hook(join(library.folder, ".git"), "pre-push", `git -C '${url}' update-ref refs/heads/main ${theirs}~1`);
      assert.equal((await refusal(library.keepMine())).problem, "remote_ahead");
      assert.equal(bed.git(url, "rev-parse", "main").trim(), bed.git(url, "rev-parse", `${theirs}~1`).trim());
    });
  });

  it("has what a forced push took away from the remote", async () => {
    const before = pushed({ [file]: "first\n" });
    await library.pull();
    const other = join(bed.root, "other");
    bed.git(other, "reset", "--quiet", "--hard", "HEAD~1");
    bed.commit(other, { [file]: "another\n" }, "Forced");
    bed.git(other, "push", "--quiet", "--force");
    const outcome = await library.pull();
    assert.equal(outcome.kind, "diverged");
    const { backup } = await library.takeTheirs();
    assert.equal(bed.git(library.folder, "rev-parse", backup).trim(), before);
    assert.equal(text(), "another\n");
  });

  describe("with a conflict", () => {
    beforeEach(async () => {
      pushed({ [file]: "one\nTHEIRS\nthree\n" });
      writeInto(library.folder, { [file]: "one\nMINE\nthree\n" });
      await library.commit("Mine");
      assert.equal((await library.pull()).kind, "diverged");
    });

    for (const how of ["merge", "rebase"] as const)
      it(`names the files of a ${how}, goes on when they are resolved, and goes back`, async () => {
        const before = head();
        const outcome = await library[how]();
        assert.deepEqual(outcome.kind === "conflicts" && outcome.files, [file]);
        const status = await library.status();
        assert.deepEqual([status.inProgress, status.conflicted], [how, [file]]);
        assert.equal((await refusal(library.commit("Marks and all"))).problem, "conflict");
        assert.equal((await refusal(library.pull())).problem, "in_progress");
        assert.deepEqual(await library.continue(), { kind: "conflicts", files: [file] });
        await library.abort();
        assert.deepEqual([head(), text()], [before, "one\nMINE\nthree\n"]);
        assert.equal((await library[how]()).kind, "conflicts");
        writeInto(library.folder, { [file]: "one\nBOTH\nthree\n" });
        assert.deepEqual(await library.continue(), { kind: "done" });
        const after = await library.status();
        assert.deepEqual(
          [after.inProgress, after.clean, after.behind, text()],
          [undefined, true, 0, "one\nBOTH\nthree\n"],
        );
        assert.ok(subjects(library.folder, "HEAD").includes("Theirs"));
      });

    it("leaves it to the user whether a file that one side deleted goes", async () => {
      await library.merge();
      await library.abort();
      bed.git(library.folder, "rm", "--quiet", file);
      bed.git(library.folder, "commit", "--quiet", "--amend", "--message", "Mine: gone");
      assert.equal((await library.merge()).kind, "conflicts");
      assert.equal((await library.continue()).kind, "conflicts");
      bed.git(library.folder, "rm", "--quiet", file);
      assert.deepEqual(await library.continue(), { kind: "done" });
    });
  });

  it("switches branches without losing a commit or a file", async () => {
    const other = bed.other(url);
    bed.git(other, "switch", "--quiet", "--create", "team");
    bed.commit(other, { team: "theirs\n" }, "Team");
    bed.git(other, "push", "--quiet", "--set-upstream", "origin", "team");
    await library.fetch();
    assert.deepEqual(await library.branches(), [
      { name: "main", remoteOnly: false, current: true },
      { name: "team", remoteOnly: true, current: false },
    ]);
    writeInto(library.folder, { team: "mine\n" });
    assert.equal((await refusal(library.switchBranch("team"))).problem, "local_changes");
    writeInto(library.folder, { ".git/info/exclude": "team\n" });
    assert.equal((await refusal(library.switchBranch("team"))).problem, "local_changes");
    assert.equal(text("team"), "mine\n");
    rmSync(join(library.folder, "team"));
    assert.deepEqual(await library.switchBranch("team"), {});
    assert.equal((await library.status()).upstream, "origin/team");
    bed.git(library.folder, "switch", "--quiet", "--detach");
    bed.commit(library.folder, { detached: "x" }, "On no branch");
    const status = await library.status();
    assert.ok(status.detached && head().startsWith(status.branch));
    assert.match((await refusal(library.pull())).message, /on no branch/);
    assert.match((await refusal(library.push())).message, /on no branch/);
    const { backup = "" } = await library.switchBranch("main");
    assert.deepEqual(subjects(library.folder, backup)[0], "On no branch");
    assert.equal((await refusal(library.switchBranch("nowhere"))).problem, "unknown_branch");
    await library.switchBranch("mine", { create: true });
    assert.equal((await library.push()).branch, "mine");
    for (const name of ["--orphan", "a..b", "../up", "-x"])
      await assert.rejects(library.switchBranch(name, { create: true }), { code: "invalid_input" });
  });

  it("gets another remote without losing what was here or only at the one before", async () => {
    writeInto(library.folder, { mine: "mine\n" });
    await library.commit("Only here");
    const mine = head();
    const theirs = pushed({ theirs: "theirs\n" }, "Only there");
    await library.fetch();
    await assert.rejects(library.setRemote(join(bed.root, "nothing.git")), { code: "git_failed" });
    assert.equal((await library.status()).remote, url);
    const empty = bed.remote("empty", { empty: true });
    const { branches, backups } = await library.setRemote(empty);
    assert.deepEqual(branches, []);
    assert.deepEqual(
      backups.map((name) => bed.git(library.folder, "rev-parse", name).trim()),
      [theirs],
    );
    assert.deepEqual([(await library.status()).remote, head()], [empty, mine]);
    assert.equal((await library.pull()).kind, "no_upstream");
    assert.equal((await library.push()).kind, "pushed");
    const strange = bed.remote("strange");
    assert.deepEqual((await library.setRemote(strange)).branches, ["main"]);
    const outcome = await library.pull();
    assert.ok(outcome.kind === "diverged" && outcome.unrelated);
    assert.equal((await refusal(library.merge())).problem, "unrelated_histories");
    writeInto(library.folder, { [file]: "one\ntwo\nthree\n" });
    assert.equal((await library.merge({ unrelated: true })).kind, "done");
    assert.equal(head(), bed.git(library.folder, "rev-parse", "HEAD").trim());
    assert.equal(bed.git(library.folder, "merge-base", "--is-ancestor", mine, "HEAD"), "");
  });

  describe("refuses, in git's words,", () => {
    const rows: [title: string, problem: string, words: RegExp, make: () => unknown, call: () => Promise<unknown>][] = [
      [
        "a commit that a hook refuses",
        "hook_refused",
        /pre-commit refused it.*no tabs, please/s,
        () => hook(join(library.folder, ".git"), "pre-commit", "echo no tabs, please >&2; exit 1"),
        () => library.commit("Refused"),
      ],
      [
        "a commit that a hook refuses without a word",
        "hook_refused",
        /your hook commit-msg refused it/,
        () => hook(join(library.folder, ".git"), "commit-msg", "cat >/dev/null; exit 1"),
        () => library.commit("Refused"),
      ],
      [
        "a push that a hook of the remote refuses",
        "remote_hook",
        /ask Eve first/,
        () => hook(url, "pre-receive", "echo ask Eve first; exit 1"),
        () => library.push(),
      ],
      [
        "a push to a protected branch",
        "protected_branch",
        /protected/,
        () => hook(url, "update", 'echo "GH006: Protected branch update failed for $1."; exit 1'),
        () => library.push(),
      ],
      [
        "a push that a hook here refuses",
        "hook_refused",
        /pre-push/,
        () => hook(join(library.folder, ".git"), "pre-push", "exit 1"),
        () => library.push(),
      ],
      [
        "a commit while the index is locked",
        "index_locked",
        /index\.lock.*delete that file/s,
        () => writeInto(library.folder, { ".git/index.lock": "" }),
        () => library.commit("Locked"),
      ],
      [
        "a commit of nobody",
        "no_identity",
        /git config --global user\.name/,
        () => {
          bed.git(bed.root, "config", "--global", "--remove-section", "user");
          bed.configure("user.useConfigOnly", "true");
        },
        () => library.commit("Whose?"),
      ],
      [
        "a remote that is gone",
        "remote_missing",
        /does not appear to be a git repository/,
        () => rmSync(url, { recursive: true }),
        () => library.pull(),
      ],
      [
        "all without git",
        "git_missing",
        /git was not found.*Install git/s,
        () => undefined,
        () => new Repository(library.folder, { ...bed.environment, PATH: bed.home }).status(),
      ],
      [
        "a folder that lies in another repository",
        "not_a_repository",
        /lies in .*library/,
        () => undefined,
        () => new Repository(join(library.folder, "rule"), bed.environment).commit("All of the home"),
      ],
      [
        "a folder that is no repository",
        "not_a_repository",
        /not a git repository/,
        () => undefined,
        () => new Repository(bed.home, bed.environment).status(),
      ],
    ];
    for (const [title, problem, words, make, call] of rows)
      it(title, async () => {
        writeInto(library.folder, { mine: "mine\n" });
        if (title.includes("push")) await library.commit("Mine");
        await make();
        const refused = await refusal(call());
        assert.equal(refused.problem, problem, refused.message);
        assert.match(refused.message, words);
        assert.equal(text("mine"), "mine\n");
      });
  });

  it("names no file outside of itself, and takes names as they are", async () => {
    for (const path of ["../home/.gitconfig", "/etc/passwd", "skill/../../up", ""])
      await assert.rejects(library.commit("Up", { paths: [path] }), { code: "invalid_input" });
    writeInto(library.folder, { "[ab]*.md": "odd\n", "a.md": "a\n", "-f": "dash\n", "ümläut\n": "line\n" });
    await library.commit("Odd", { paths: ["[ab]*.md", "-f", "ümläut\n"] });
    assert.deepEqual((await library.status()).modifiedFiles, ["?? a.md"]);
  });

  it("goes on with ends of lines that git changes, and leaves repositories in it alone", async () => {
    bed.configure("core.autocrlf", "true");
    pushed({ [file]: "one\r\ntwo\r\n" });
    assert.equal((await library.pull()).kind, "updated");
    assert.equal(text(), "one\r\ntwo\r\n");
    writeInto(library.folder, { [file]: "one\r\n" });
    assert.equal((await library.commit("Cut")).kind, "committed");
    assert.equal(bed.git(library.folder, "cat-file", "-p", `HEAD:${file}`), "one\n");
    const other = bed.other(url, "with-module");
    bed.git(other, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", bed.remote("module"), "module");
    bed.git(other, "commit", "--quiet", "--message", "Module");
    bed.git(other, "push", "--quiet");
    await library
      .pull()
      .then(() => library.merge())
      .catch(() => undefined);
    const { clean, behind } = await library.status();
    assert.deepEqual([clean, behind, readdirSync(join(library.folder, "module"))], [true, 0, []]);
  });

  it("is set up from an empty remote, or none", async () => {
    const empty = bed.remote("empty", { empty: true });
    const folder = join(bed.root, "new");
    assert.deepEqual(await cloneLibrary(empty, folder, { environment: bed.environment }), { empty: true });
    assert.deepEqual(await remoteBranches(empty, bed), { branches: [] });
    const repository = new Repository(folder, bed.environment);
    assert.equal((await repository.pull()).kind, "no_upstream");
    assert.equal((await refusal(repository.push())).problem, "no_commits");
    writeInto(folder, { first: "first\n" });
    await repository.commit("First");
    assert.equal((await repository.push()).branch, "main");
    const local = join(bed.root, "local");
    await initLibrary(local, bed);
    const other = new Repository(local, bed.environment);
    assert.equal((await refusal(other.push())).problem, "no_remote");
    await other.setRemote(empty);
    assert.deepEqual(await other.pull(), { kind: "updated", commits: 1 });
    assert.deepEqual(await remoteBranches(empty, bed), { branches: ["main"], usual: "main" });
    // As when somebody else fetches.
    const third = join(bed.root, "third");
    await initLibrary(third, bed);
    const fetched = new Repository(third, bed.environment);
    await fetched.setRemote(empty, { unasked: true });
    bed.git(third, "fetch", "--quiet");
    await fetched.switchBranch("main");
    assert.deepEqual(await fetched.pull({ fetched: true }), { kind: "up_to_date", ahead: 0 });
    assert.equal(head(third), head(folder));
  });

  it("begins with a starter that can be used at once", async () => {
    const source = join(import.meta.dirname, "../../media/starter");
    const folder = join(bed.root, "started");
    const { commit, problem } = await createFromStarter(source, folder, bed);
    assert.ok(commit, problem);
    const { parts, problems } = readLibrary(folder);
    assert.deepEqual(problems, []);
    const counts = ["skills", "commands", "agents", "rules", "mcps"].map(
      (kind) => parts.filter((part) => part.kind === kind).length,
    );
    assert.deepEqual(counts, [3, 3, 2, 1, 0]);
    assert.deepEqual(listTemplates(folder).problems, []);
    assert.match(readTemplate(folder, "container").initScript ?? "", /safe\.directory/);
    assert.ok(statSync(join(folder, "skill/explain-code/scripts/overview.sh")).mode & 0o100);
    const { branch, clean } = await new Repository(folder, bed.environment).status();
    assert.deepEqual([branch, clean], ["main", true]);
    await assert.rejects(createFromStarter(source, folder, bed), { code: "invalid_input" });
  });

  it("begins without a commit where git has no name for it, and in what was cloned empty", async () => {
    const source = join(import.meta.dirname, "../../media/starter");
    const folder = join(bed.root, "started");
    await cloneLibrary(bed.remote("empty", { empty: true }), folder, bed);
    bed.git(bed.root, "config", "--global", "--remove-section", "user");
    bed.configure("user.useConfigOnly", "true");
    const { commit, problem = "" } = await createFromStarter(source, folder, bed);
    assert.equal(commit, undefined);
    assert.match(problem, /user\.name/);
    const { modifiedFiles, remote } = await new Repository(folder, bed.environment).status();
    assert.ok(modifiedFiles.length > 15 && modifiedFiles.every((line) => line.startsWith("A  ")));
    assert.ok(remote?.endsWith("empty.git"));
  });

  it("is cloned whole or not at all, and over nothing", async () => {
    const clone = (address: string, folder: string) =>
      cloneLibrary(address, join(bed.root, folder), { environment: bed.environment });
    writeInto(bed.root, { "full/notes": "mine\n" });
    await assert.rejects(clone(url, "full"), { code: "invalid_input" });
    assert.equal((await refusal(clone(join(bed.root, "none.git"), "gone"))).problem, "remote_missing");
    for (const address of [
      "ext::sh -c touch% x",
      "--upload-pack=touch x",
      "fd::17",
      "",
      "https://me:secret@host/x.git",
    ])
      await assert.rejects(clone(address, "gone"), ({ code, message }: OpenAgentError) => {
        return code === "invalid_input" && !message.includes("secret");
      });
    const branch = cloneLibrary(url, join(bed.root, "gone"), { environment: bed.environment, branch: "nowhere" });
    assert.equal((await refusal(branch)).problem, "unknown_branch");
    const stopped = cloneLibrary(url, join(bed.root, "gone"), {
      environment: bed.environment,
      signal: AbortSignal.abort(new Error("enough")),
    });
    await assert.rejects(stopped, { message: "enough" });
    writeFileSync(join(bed.root, "ran"), "");
    assert.deepEqual(
      readdirSync(bed.root).filter((name) => name.includes("gone")),
      [],
    );
  });
});

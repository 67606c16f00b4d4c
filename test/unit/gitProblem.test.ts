import assert from "node:assert/strict";
import { GitFailure, maskUrls, wrongUrl } from "../../src/library/git.ts";
import { gitProblem, type GitProblemCode } from "../../src/library/gitProblem.ts";

/** What git and hosts of repositories have said, and what is wrong then. */
const recorded: readonly [GitProblemCode, string][] = [
  ["no_credentials", "fatal: could not read Username for 'https://github.com': terminal prompts disabled"],
  [
    "no_credentials",
    "remote: Invalid username or token.\nfatal: Authentication failed for 'https://github.com/a/b.git/'",
  ],
  [
    "no_credentials",
    "remote: HTTP Basic: Access denied.\nfatal: Authentication failed for 'https://gitlab.com/a/b.git/'",
  ],
  [
    "no_credentials",
    "git@github.com: Permission denied (publickey).\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.",
  ],
  ["no_credentials", "me@host: Permission denied (publickey,gssapi-keyex,password)."],
  ["host_key", "Host key verification failed.\nfatal: Could not read from remote repository."],
  [
    "host_key",
    "No ED25519 host key is known for [127.0.0.1]:40001 and you have requested strict checking.\nHost key verification failed.",
  ],
  ["no_network", "fatal: unable to access 'https://host.invalid/x.git/': Could not resolve host: host.invalid"],
  ["no_network", "ssh: Could not resolve hostname host.invalid: Name or service not known"],
  [
    "no_network",
    "ssh: connect to host 10.0.0.1 port 22: Connection timed out\nfatal: Could not read from remote repository.",
  ],
  [
    "no_network",
    "fatal: unable to access 'https://h/': Failed to connect to h port 443 after 130 ms: Connection timed out",
  ],
  [
    "connection_refused",
    "fatal: unable to access 'http://127.0.0.1:1/x/': Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server",
  ],
  [
    "connection_refused",
    "ssh: connect to host 127.0.0.1 port 1: Connection refused\nfatal: Could not read from remote repository.",
  ],
  [
    "index_locked",
    "fatal: Unable to create '/l/.git/index.lock': File exists.\n\nAnother git process seems to be running in this repository, e.g.\nan editor opened by 'git commit'.",
  ],
  [
    "remote_hook",
    "remote: no\n ! [remote rejected] main -> main (pre-receive hook declined)\nerror: failed to push some refs to '/r.git'",
  ],
  [
    "protected_branch",
    "remote: error: GH006: Protected branch update failed for refs/heads/main.\n ! [remote rejected] main -> main (protected branch hook declined)",
  ],
  [
    "protected_branch",
    "remote: GitLab: You are not allowed to push code to protected branches on this project.\n ! [remote rejected] main -> main (pre-receive hook declined)",
  ],
  ["remote_ahead", " ! [rejected]        main -> main (fetch first)\nerror: failed to push some refs to '/r.git'"],
  ["remote_ahead", " ! [rejected]        main -> main (non-fast-forward)\nerror: failed to push some refs to '/r.git'"],
  ["remote_ahead", " ! [rejected]        HEAD -> main (stale info)\nerror: failed to push some refs to '/r.git'"],
  ["unrelated_histories", "fatal: refusing to merge unrelated histories"],
  ["not_a_repository", "fatal: not a git repository (or any of the parent directories): .git"],
  [
    "dubious_ownership",
    "fatal: detected dubious ownership in repository at '/home/a/library'\nTo add an exception for this directory, call:",
  ],
  [
    "unknown_branch",
    "warning: Could not find remote branch x to clone.\nfatal: Remote branch x not found in upstream origin",
  ],
  ["unknown_branch", "fatal: couldn't find remote ref x"],
  ["no_commits", "error: src refspec main does not match any\nerror: failed to push some refs to '/r.git'"],
  ["disk_full", "error: file write error: No space left on device\nfatal: unable to write loose object file"],
  [
    "conflict",
    "Auto-merging a\nCONFLICT (content): Merge conflict in a\nAutomatic merge failed; fix conflicts and then commit the result.",
  ],
  ["local_changes", "error: Your local changes to the following files would be overwritten by merge:\n\ta\nAborting"],
  [
    "local_changes",
    "error: The following untracked working tree files would be overwritten by checkout:\n\ta\nAborting",
  ],
  [
    "no_identity",
    "Author identity unknown\n\n*** Please tell me who you are.\n\nfatal: no email was given and auto-detection is disabled",
  ],
  [
    "access_denied",
    "remote: Write access to repository not granted.\nfatal: unable to access 'https://h/': The requested URL returned error: 403",
  ],
  ["remote_missing", "remote: Repository not found.\nfatal: repository 'https://github.com/a/none.git/' not found"],
  [
    "remote_missing",
    "fatal: '/none.git' does not appear to be a git repository\nfatal: Could not read from remote repository.",
  ],
  [
    "connection_lost",
    "error: RPC failed; curl 56 Recv failure: Connection reset by peer\nfatal: the remote end hung up unexpectedly",
  ],
  ["certificate", "fatal: unable to access 'https://h/': SSL certificate problem: self-signed certificate"],
  ["signing", "error: gpg failed to sign the data\nfatal: failed to write commit object"],
  [
    "in_progress",
    "fatal: You have not concluded your merge (MERGE_HEAD exists).\nPlease, commit your changes before you merge.",
  ],
  ["git_missing", "Error: spawn git ENOENT"],
  ["other", "fatal: something that nobody has seen"],
];

describe("What git says", () => {
  for (const [code, words] of recorded)
    it(`is understood as ${code}: ${words.split("\n")[0] ?? ""}`, () => {
      const problem = gitProblem(new GitFailure(words, 128), { doing: "Pushing the Library in /l" });
      assert.equal(problem.code, code);
      assert.ok(problem.message.startsWith("Pushing the Library in /l failed"));
      assert.ok(problem.message.includes(words.split("\n")[0] ?? ""));
      assert.ok(problem.wayOut !== "" && !/\$1|undefined/.test(problem.message + problem.wayOut));
    });

  it("is laid to a hook that was there, where git says nothing of its own", () => {
    const context = { doing: "Committing", hooks: ["pre-commit"] };
    assert.equal(gitProblem(new GitFailure("", 1), context).code, "hook_refused");
    assert.equal(gitProblem(new GitFailure("error: gpg failed to sign the data", 128), context).code, "signing");
    assert.match(gitProblem(new GitFailure("", 1), { doing: "Committing" }).message, /did not say why/);
  });

  it("is shown without passwords, and without what is long", () => {
    const masked = [
      ["fatal: 'https://me:p@ss@host/x' and http://token@host/y", "fatal: 'https://***@host/x' and http://***@host/y"],
      ["ssh://git:secret@host/x and git@host:x", "ssh://git:***@host/x and git@host:x"],
      ["ssh://git@host/x", "ssh://git@host/x"],
    ] as const;
    for (const [text, shown] of masked) assert.equal(maskUrls(text), shown);
    const words = ["fatal: a", "b", "c", "d", "e", "f", "g", "h", "i"].join("\n");
    assert.ok(!gitProblem(new GitFailure(words, 1), { doing: "Committing" }).message.includes("h\n"));
  });
});

describe("The address of a remote", () => {
  it("is anything that git can be given", () => {
    for (const url of [
      "https://github.com/a/library.git",
      "https://ada@dev.example.org/library",
      "git@github.com:a/library.git",
      "ssh://git@host:2222/a.git",
      "/srv/git/with space.git",
      "C:\\git\\library.git",
      "file:///srv/library.git",
      "../library.git",
    ])
      assert.equal(wrongUrl(url), undefined, url);
  });

  it("runs no program, is no option and holds no password", () => {
    for (const url of [
      "ext::sh -c id",
      "fd::3",
      "--upload-pack=id",
      " -x",
      "",
      "https://me:secret@host/x",
      "ssh://me:secret@host/x",
      "https://ghp_0123456789@github.com/a/b",
      "https://host/a b",
    ])
      assert.ok(wrongUrl(url), url);
  });
});

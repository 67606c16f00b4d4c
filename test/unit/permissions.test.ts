import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { editedPaths } from "../../src/opencode/edits.ts";
import { allowedBy } from "../../src/orchestrator/permissions.ts";
import type { EventBody, MissionEvent } from "../../src/protocol/event.ts";
import type { MissionHead, PermissionRequest, QuestionRequest } from "../../src/protocol/mission.ts";
import {
  allowingRules,
  alwaysChoices,
  matchesWildcard,
  type AllowedBy,
  type PermissionRule,
} from "../../src/protocol/permission.ts";
import { newHead, reduceHead, reduceTranscript } from "../../src/protocol/reduce.ts";
import { noticeOf } from "../../src/protocol/requestWords.ts";
import { emptyTranscript } from "../../src/protocol/transcript.ts";
import { Store } from "../../src/store/store.ts";
import { part, session } from "../fake/events.ts";

function request(facts: Partial<PermissionRequest> = {}): PermissionRequest {
  return {
    kind: "permission",
    id: "per_1",
    sessionId: session,
    permission: "bash",
    patterns: ["git push --force"],
    always: ["git push *"],
    detail: "git push --force",
    askedAt: 1,
    ...facts,
  };
}

function rule(pattern: string, facts: Partial<PermissionRule> = {}): PermissionRule {
  return { id: `rule ${pattern}`, scope: "all", permission: "bash", pattern, createdAt: 1, ...facts };
}

/** OpenCode 1.18.33's own function, as it stands in its binary. */
function matchesInOpenCode(text: string, pattern: string): boolean {
  let expression = pattern
    .replaceAll("\\", "/")
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*/g, ".*")
    .replace(/\?/g, ".");
  if (expression.endsWith(" .*")) expression = `${expression.slice(0, -3)}( .*)?`;
  return new RegExp(`^${expression}$`, "s").test(text.replaceAll("\\", "/"));
}

describe("wildcards", () => {
  it("match as OpenCode's do", () => {
    const cases: [string, string, boolean][] = [
      ["git push", "git push *", true],
      ["git push --force", "git push *", true],
      ["git pushed", "git push *", false],
      ["echo a\nb", "echo *", true],
      ["a.b", "a?b", true],
      ["axb", "a.b", false],
      ["", "*", true],
      ["src\\a.ts", "src/*.ts", true],
      ["lsx", "ls *", false],
    ];
    assert.deepEqual(
      cases.map(([text, pattern]) => [text, pattern, matchesWildcard(text, pattern)]),
      cases,
    );
    const letters = fc.string({ unit: fc.constantFrom("a", "b", " ", "*", "?", "\\", "/", ".", "\n"), maxLength: 12 });
    fc.assert(
      fc.property(letters, letters, (text, pattern) => {
        assert.equal(matchesWildcard(text, pattern), matchesInOpenCode(text, pattern));
      }),
      { numRuns: 5_000 },
    );
  });

  it("take no longer for a pattern that was made to take long", () => {
    const started = performance.now();
    assert.ok(!matchesWildcard("a".repeat(20_000), `${"*a".repeat(50)}b`));
    assert.ok(performance.now() - started < 2_000);
  });
});

describe("rules", () => {
  it("allow a request only when each of its patterns matches one of them", () => {
    const [push, ls] = [rule("git push *"), rule("ls *")];
    const allowing = (patterns: string[], rules: PermissionRule[]) => allowingRules(request({ patterns }), rules);
    assert.deepEqual(
      [
        allowing(["git push --force"], [ls, push]),
        allowing(["git push", "ls -l", "ls"], [ls, push]),
        allowing(["git push", "rm -rf ."], [ls, push]),
        allowing([], [rule("*")]),
        allowing(["ls"], [rule("*", { permission: "edit" })]),
      ],
      [[push], [push, ls], undefined, undefined, undefined],
    );
  });

  it("cover a redirection or a substitution only where they have it themselves", () => {
    const allows = (pattern: string, detail: string, patterns = [detail]) =>
      allowingRules(request({ patterns, detail }), [rule(pattern)]) !== undefined;
    const cases: [pattern: string, command: string, allowed: boolean][] = [
      ["echo *", "echo x", true],
      ["echo *", "echo x > file", false],
      ["echo *", "echo x>>file", false],
      ["echo *", "echo < file", false],
      ["echo *", "echo $(rm file)", false],
      ["echo *", 'echo "$(rm file)"', false],
      ["echo *", "echo `rm file`", false],
      ["echo *", "echo <(rm file)", false],
      ["*", "echo x > file", false],
      ["echo *", "echo 'a > b' \"a > b\" a\\>b '$(rm)'", true],
      ["echo *", "echo 'a > b", false],
      ["echo *", "echo x # it's > y", true],
      ["echo *", "echo x # it's\necho y > file # it's", false],
      ["echo *", "echo $'it\\'s' > file # '", false],
      ["echo *", "echo x > file' '", false],
      ["npm test *", "npm test -- a 2>&1", true],
      ["npm test *", "npm test > /dev/null 2>&1", true],
      ["npm test *", "npm test >/dev/null/../file", false],
      ["npm test *", "npm test &> file", false],
      ["echo * > out.txt", "echo x > out.txt", true],
      ["echo * > out.txt", "echo x > other > out.txt", false],
      ["echo * > out.txt", "echo $(rm x) > out.txt", false],
      ["echo x > file", "echo x > file", true],
    ];
    assert.deepEqual(
      cases.map(([pattern, command]) => [pattern, command, allows(pattern, command)]),
      cases,
    );
    assert.ok(allows("echo *", "echo a && echo b", ["echo a", "echo b"]));
    assert.ok(!allows("echo *", "{ echo a; echo b; } > file", ["echo a", "echo b"]), "what stands in no pattern");
    const files = request({ permission: "edit", patterns: ["a > b"], detail: "a > b" });
    assert.ok(allowingRules(files, [rule("a*", { permission: "edit" })]), "a name of a file is no command");
  });

  it("are not offered where they would not allow what is asked", () => {
    const redirected = { patterns: ["echo x > file"], always: ["echo *"], detail: "echo x > file" };
    assert.deepEqual(alwaysChoices(request(redirected)), [["echo x > file"]]);
    assert.deepEqual(alwaysChoices(request({ ...redirected, patterns: ["echo x"] })), []);
  });

  it("offer what OpenCode offers and what is asked exactly, unless that would be read as a wildcard", () => {
    assert.deepEqual(
      [
        alwaysChoices(request()),
        alwaysChoices(request({ patterns: ["rm *.txt"], always: ["rm *"] })),
        alwaysChoices(request({ patterns: ["ls -l", "pwd"], always: ["ls *", "pwd *"] })),
        alwaysChoices(request({ patterns: ["/etc/*"], always: ["/etc/*"] })),
        alwaysChoices(request({ patterns: ["q"], always: ["q"] })),
        alwaysChoices(request({ always: [] })),
      ],
      [
        [["git push *"], ["git push --force"]],
        [["rm *"]],
        [["ls *", "pwd *"], ["ls -l", "pwd"], ["ls *"], ["pwd *"]],
        [["/etc/*"]],
        [["q"]],
        [],
      ],
    );
  });

  it("are kept once for the same thing, outlive the process, and go with their mission", () => {
    const path = join(mkdtempSync(join(tmpdir(), "rules-")), "missions.db");
    const store = new Store({ path });
    store.create("m", [], 1);
    const mine = rule("a", { id: "1", scope: "mission", missionId: "m" });
    const ours = rule("a", { id: "2", scope: "workspace", directory: "/d", createdAt: 2 });
    const all = rule("a", { id: "3", createdAt: 3 });
    const kept = [mine, ours, all, { ...all, id: "4" }].map((one) => store.addRule(one));
    assert.deepEqual(kept, [mine, ours, all, all]);
    store.close();
    const again = new Store({ path });
    assert.deepEqual(again.rules(), [all, ours, mine]);
    again.removeRule("3");
    again.remove("m");
    assert.deepEqual(again.rules(), [ours]);
    again.close();
  });
});

describe("modes", () => {
  const root = mkdtempSync(join(tmpdir(), "modes-"));
  const directory = join(root, "project");
  mkdirSync(join(directory, "sub"), { recursive: true });
  mkdirSync(join(root, "other"));
  symlinkSync(join(root, "other"), join(directory, "link"));
  symlinkSync(directory, join(root, "alias"));
  const head: MissionHead = { ...newHead("m", 1), directory };

  const edit = (...paths: string[]) => request({ permission: "edit", patterns: ["x"], paths });
  const allowed = (one: PermissionRequest, facts: Partial<MissionHead> = {}) =>
    allowedBy(one, { ...head, ...facts }, [], "allow-edits") !== undefined;

  it("allow edits of work inside of the folder, links followed, and nothing else", () => {
    const inside = [
      join(directory, "a.txt"),
      join(directory, "sub/new/b.txt"),
      join(directory, "..a"),
      join(root, "alias/c"),
    ];
    const outside = [
      root,
      directory,
      join(root, "project2/a"),
      join(directory, "../other/a"),
      join(directory, "link/a"),
      join(directory, ".git/config"),
      join(directory, "sub/.GIT/hooks/x"),
      join(directory, "opencode.json"),
      join(directory, ".opencode/plugin/a.js"),
    ];
    assert.deepEqual(
      [inside.filter((path) => !allowed(edit(path))), outside.filter((path) => allowed(edit(path)))],
      [[], []],
    );
    assert.deepEqual(
      [
        allowed(edit(...inside)),
        allowed(edit(...inside, root)),
        allowed(edit()),
        allowed(request({ permission: "edit" })),
      ],
      [true, false, false, false],
    );
  });

  it("of a mission go before that of the settings, and rules before both", () => {
    const any = request();
    assert.deepEqual(
      [
        allowedBy(any, head, [], "ask"),
        allowedBy(any, head, [], "allow-all"),
        allowedBy(any, { ...head, permissions: "ask" }, [], "allow-all"),
        allowedBy(any, { ...head, permissions: "allow-all" }, [], "ask"),
        allowedBy(any, { ...head, permissions: "ask" }, [rule("git *")], "ask"),
        allowedBy(any, head, [rule("git *", { scope: "workspace", directory: root })], "ask"),
        allowedBy(any, head, [rule("git *", { scope: "mission", missionId: "n" })], "ask"),
      ],
      [
        undefined,
        { kind: "mode", mode: "allow-all", of: "setting" },
        undefined,
        { kind: "mode", mode: "allow-all", of: "mission" },
        { kind: "rules", rules: [{ id: "rule git *", scope: "all", permission: "bash", pattern: "git *" }] },
        undefined,
        undefined,
      ],
    );
  });

  it("know the files of an edit only when all of them are told", () => {
    const files = [{ filePath: "/p/a" }, { filePath: "/p/b", movePath: "/q/b" }];
    assert.deepEqual(
      [
        editedPaths({ filepath: "/p/a" }),
        editedPaths({ filepath: "a, b", files }),
        editedPaths({ filepath: "a" }),
        editedPaths({ files: [...files, {}] }),
        editedPaths({ filepath: "C:\\p\\a" }),
        editedPaths({}),
      ],
      [["/p/a"], ["/p/a", "/p/b", "/q/b"], undefined, undefined, ["C:\\p\\a"], undefined],
    );
  });
});

describe("a request that is allowed without the user", () => {
  const by: AllowedBy = { kind: "mode", mode: "allow-all", of: "setting" };
  const call = { messageId: "msg_2", callId: "call_1" };
  const asked: EventBody = { type: "permission_asked", sessionId: session, request: request({ call, allowedBy: by }) };
  const over: EventBody = {
    type: "request_answered",
    sessionId: session,
    requestId: "per_1",
    answer: "once",
    allowedBy: by,
    call,
  };
  const card = { icon: "terminal", doing: "Running", done: "Ran", object: "x", body: "terminal" } as const;
  const facts = { ...part("msg_2", "prt_1"), callId: "call_1", tool: "bash", card, input: {} };
  const started: EventBody = { type: "tool_call", ...facts, state: "running" };
  const finished: EventBody = { type: "tool_result", ...facts, state: "completed", output: "" };

  it("does not make the mission wait for the user", () => {
    const busy: EventBody = { type: "session_state", sessionId: session, state: "busy" };
    const linked: EventBody = { type: "mission_updated", sessionId: session };
    const states = [linked, busy, started, asked, over].map((body, index): MissionEvent => {
      return { seq: index + 1, missionId: "m", time: 1, body };
    });
    let head = newHead("m", 1);
    assert.deepEqual(
      states.map((event) => (head = reduceHead(head, event)).runState),
      ["idle", "running", "waiting_for_tool", "waiting_for_tool", "waiting_for_tool"],
    );
  });

  it("is noted at its tool call, in whatever order the two are read", () => {
    const orders = [
      [started, over, finished],
      [over, started, finished],
      [started, finished, over],
    ];
    const noted = orders.map((bodies) => {
      const transcript = bodies.reduce(
        (page, body, index) => reduceTranscript(page, { seq: index + 1, missionId: "m", time: 1, body }, session),
        emptyTranscript,
      );
      const [message] = transcript.messages;
      return message?.parts.map((one) => one.kind === "tool" && [one.state, one.allowedBy]);
    });
    assert.deepEqual(
      noted,
      orders.map(() => [["completed", [by]]]),
    );
  });

  it("keeps what is known of the answer when OpenCode tells of it, and is read with its page", () => {
    const store = new Store({ path: join(mkdtempSync(join(tmpdir(), "allowed-")), "missions.db") });
    store.create("m", [{ type: "mission_updated", sessionId: session }], 1);
    const replied: EventBody = { type: "request_answered", sessionId: session, requestId: "per_1", answer: "once" };
    const news = [[started], [asked], [replied], [over], [replied], [finished]].map(
      (bodies) => store.append("m", bodies, 2).events.length,
    );
    const [message] = store.page("m", session, { limit: 10 }).messages;
    assert.deepEqual(
      [news, message?.parts.map((one) => one.kind === "tool" && one.allowedBy)],
      [[1, 1, 1, 1, 0, 1], [[by]]],
    );
    store.close();
  });
});

describe("the notice of a request", () => {
  const question = (labels: string[], facts: object = {}): QuestionRequest => ({
    kind: "question",
    id: "que_1",
    sessionId: session,
    questions: [
      {
        header: "Colour",
        question: "Which colour?",
        options: labels.map((label) => ({ label, description: "" })),
        multiple: false,
        custom: true,
        ...facts,
      },
    ],
    askedAt: 1,
  });
  const labels = (...requests: Parameters<typeof noticeOf>[1][]) =>
    requests.map((one) => noticeOf("Paint", one).buttons.map(({ label }) => label));

  it("offers to allow only what it shows whole", () => {
    assert.deepEqual(labels(request(), request({ detail: "x".repeat(300) }), request({ detail: "ls\nrm -rf ." })), [
      ["Allow Once", "Deny", "Open"],
      ["Deny", "Open"],
      ["Deny", "Open"],
    ]);
    assert.equal(noticeOf("Push", request()).message, "Push: wants to run git push --force");
  });

  it("offers the answers to a single question with few of them", () => {
    assert.deepEqual(
      labels(
        question(["Red", "Blue"]),
        question(["a", "b", "c", "d"]),
        question(["a"], { multiple: true }),
        question(["Open", "Shut"]),
        { ...question(["a"]), questions: [...question(["a"]).questions, ...question(["b"]).questions] },
      ),
      [["Red", "Blue", "Open"], ["Open"], ["Open"], ["Open"], ["Open"]],
    );
  });

  it("lets no text of the agent become a link", () => {
    assert.ok(!noticeOf("a", request({ detail: "echo [safe](command:evil)" })).message.includes("]("));
  });
});

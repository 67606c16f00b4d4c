import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OpenAgentError } from "../../src/base/errors.ts";
import { changedPaths } from "../../src/orchestrator/changes.ts";
import type { Core } from "../../src/orchestrator/core.ts";
import type { Changes, FileText } from "../../src/protocol/changes.ts";
import type { MissionHead } from "../../src/protocol/mission.ts";
import { bash, makeBed, makeProject, script, texts, transcriptOf, until, untilTurns, type Bed } from "../fake/bed.ts";

const write = (name: string, content: string) => ({ tool: "write", args: { filePath: `$CWD/${name}`, content } });
const edit = (name: string, oldString: string, newString: string) => ({
  tool: "edit",
  args: { filePath: `$CWD/${name}`, oldString, newString },
});
const done = { text: "done" };
const numbers = (count: number) => Array.from({ length: count }, (_, index) => `line ${String(index)}\n`).join("");
const words = (text: FileText) => (text.kind === "text" ? text.text : text.kind === "none" ? text.kind : text.why);

describe("the changes of a mission on a real OpenCode", function () {
  this.timeout(60_000);
  let bed: Bed;
  let core: Core;
  let folder: string;

  before(async () => {
    bed = await makeBed();
    core = bed.core();
    await core.run("startServer", {});
  });
  after(() => bed.close());
  beforeEach(function () {
    folder = join(bed.root, `p${String(Date.now())}`);
    makeProject(folder);
  });

  const file = (name: string) => join(folder, name);
  const read = (name: string) => (existsSync(file(name)) ? readFileSync(file(name), "utf8") : "none");
  const files = () => readdirSync(folder).filter((name) => !name.startsWith(".git") && name !== "ignored");
  /** Runs a turn for each list of steps. */
  async function run(...turns: object[][]): Promise<MissionHead> {
    const [first = [], ...others] = turns;
    const { id } = await core.run("createMission", { text: script(...first, done), directory: folder });
    let head = await untilTurns(core, id, 1);
    for (const [index, steps] of others.entries()) {
      await core.run("sendMessage", { missionId: id, text: script(...steps, done) });
      head = await untilTurns(core, id, index + 2);
    }
    return head;
  }
  const users = (missionId: string) =>
    transcriptOf(core, missionId)
      .messages.filter(({ role }) => role === "user")
      .map(({ id }) => id);
  const turn = (missionId: string, index: number) => users(missionId)[index] ?? "";
  const shown = (changes: Changes) =>
    Object.fromEntries(
      changes.files.map(({ path, status, before, after, present }) => [
        path.slice(folder.length + 1),
        [status, words(before), words(after), present],
      ]),
    );
  const codeAndPaths = (error: unknown) =>
    error instanceof OpenAgentError ? [error.code, error.detail["paths"] ?? ""] : [String(error)];
  const refusal = (request: Promise<unknown>) => request.then(() => ["done"], codeAndPaths);

  it("hold both texts of each file, of a turn and of the whole mission", async () => {
    const long = numbers(60);
    writeFileSync(file("long.txt"), long);
    writeFileSync(file("windows.txt"), "a\r\nb\r\n");
    writeFileSync(file("gone.txt"), "x");
    writeFileSync(file("picture"), Buffer.from([0, 1, 255]));
    writeFileSync(file("latin.txt"), Buffer.from([0xe9, 10]));
    const { id } = await run(
      [
        write("ünï cöde.txt", "one\ntwo\n"),
        bash(
          "sed -i 's/line 30$/LINE/' long.txt; sed -i 's/b/B/' windows.txt; rm gone.txt; printf '\\0\\1' > picture; " +
            "echo z >> latin.txt; : > empty; mv README.md READ2.md; chmod +x long.txt",
        ),
      ],
      [write("ünï cöde.txt", "three\n"), bash("rm empty")],
    );
    const changed = long.replace("line 30\n", "LINE\n");
    assert.deepEqual(shown(await core.run("changes", { missionId: id, messageId: turn(id, 0) })), {
      "READ2.md": ["added", "none", "hello\n", "same"],
      "README.md": ["deleted", "hello\n", "none", "same"],
      empty: ["added", "none", "", "changed"],
      "gone.txt": ["deleted", "x", "none", "same"],
      "latin.txt": ["modified", "encoding", "encoding", "unknown"],
      "long.txt": ["modified", long, changed, "same"],
      picture: ["modified", "binary", "binary", "unknown"],
      "windows.txt": ["modified", "a\r\nb\r\n", "a\r\nB\r\n", "same"],
      "ünï cöde.txt": ["added", "none", "one\ntwo\n", "changed"],
    });
    assert.deepEqual(shown(await core.run("changes", { missionId: id, messageId: turn(id, 1) })), {
      empty: ["deleted", "", "none", "same"],
      "ünï cöde.txt": ["modified", "one\ntwo\n", "three\n", "same"],
    });
    const all = await core.run("changes", { missionId: id });
    assert.deepEqual(
      [Object.keys(shown(all)).length, shown(all)["ünï cöde.txt"], shown(all)["empty"]],
      [8, ["added", "none", "three\n", "same"], undefined],
    );
    assert.deepEqual(transcriptOf(core, id).changes[turn(id, 1)], {
      files: [
        { path: file("empty"), status: "deleted", additions: 0, deletions: 0 },
        { path: file("ünï cöde.txt"), status: "modified", additions: 1, deletions: 2 },
      ],
      more: 0,
    });
    assert.equal(changedPaths(core.store, id).paths.length, 9);
  });

  it("are known while the turn runs, and name files from the mission's folder inside a repository", async () => {
    const inner = file("packages/a");
    mkdirSync(inner, { recursive: true });
    const { id } = await core.run("createMission", {
      text: script(write("inside.txt", "in\n"), bash("sleep 600"), done),
      directory: inner,
    });
    await until(
      core,
      id,
      (head) => head.runState === "waiting_for_tool" && changedPaths(core.store, id).paths.length > 0,
    );
    const changes = await core.run("changes", { missionId: id, messageId: turn(id, 0) });
    assert.deepEqual(shown(changes), { "packages/a/inside.txt": ["added", "none", "in\n", "same"] });
    assert.deepEqual(await refusal(core.run("revertTurn", { missionId: id, messageId: turn(id, 0) })), [
      "mission_busy",
      "",
    ]);
    await core.run("stopMission", { missionId: id });
    await untilTurns(core, id, 1);
  });

  it("are taken back with a turn and brought back, files and conversation, until the next message", async () => {
    writeFileSync(file("gone.txt"), "gone\n");
    writeFileSync(file(".gitignore"), "ignored\n");
    const { id } = await run(
      [write("a.txt", "1\n")],
      [bash("echo 2 > a.txt; mv README.md READ2.md; rm gone.txt"), write("ignored", "i\n")],
    );
    const { files: known } = await core.run("changes", { missionId: id });
    assert.deepEqual(
      known.filter(({ reported }) => reported).map(({ path }) => path),
      [file("ignored")],
      "is left as it is",
    );
    const report = await core.run("revertTurn", { missionId: id, messageId: turn(id, 1) });
    const names = ["READ2.md", "README.md", "a.txt", "gone.txt"];
    assert.deepEqual(report, { restored: names.map(file), differing: [], snapshots: true });
    assert.deepEqual([files(), read("a.txt"), read("ignored")], [["README.md", "a.txt", "gone.txt"], "1\n", "i\n"]);
    assert.equal(core.store.head(id).revertedFrom, turn(id, 1));
    assert.deepEqual(transcriptOf(core, id).reverts[turn(id, 1)]?.files, names.map(file));
    assert.deepEqual(changedPaths(core.store, id).paths, [file("a.txt")]);

    const back = await core.run("unrevert", { missionId: id });
    assert.deepEqual(back, { restored: names.map(file), differing: [], snapshots: true });
    assert.deepEqual([files(), read("a.txt")], [["READ2.md", "a.txt"], "2\n"]);
    assert.deepEqual([core.store.head(id).revertedFrom, transcriptOf(core, id).reverts], [undefined, {}]);

    const reverted = turn(id, 1);
    await core.run("revertTurn", { missionId: id, messageId: reverted });
    await core.run("sendMessage", { missionId: id, text: script({ text: "third" }) });
    await untilTurns(core, id, 3);
    assert.deepEqual([texts(core, id), core.store.head(id).revertedFrom], [["done", "third"], undefined]);
    assert.deepEqual(Object.keys(transcriptOf(core, id).reverts), [reverted], "it stays visible that something was");
    assert.deepEqual(await refusal(core.run("unrevert", { missionId: id })), ["request_gone", ""]);
  });

  it("are not taken back over what others have changed since, unless that is wanted", async () => {
    const { id } = await run([write("a.txt", "1\n"), write("b.txt", "1\n")]);
    writeFileSync(file("a.txt"), "mine\n");
    const messageId = turn(id, 0);
    assert.deepEqual(await refusal(core.run("revertTurn", { missionId: id, messageId })), [
      "files_changed",
      file("a.txt"),
    ]);
    assert.deepEqual([read("a.txt"), core.store.head(id).revertedFrom], ["mine\n", undefined]);
    await core.run("revertTurn", { missionId: id, messageId, force: true });
    assert.deepEqual(files(), ["README.md"]);

    writeFileSync(file("README.md"), "written in the meantime\n");
    const later = Date.now() / 1000 + 1;
    utimesSync(file("README.md"), later, later);
    assert.deepEqual(await refusal(core.run("unrevert", { missionId: id })), ["files_changed", file("README.md")]);
    assert.equal(read("README.md"), "written in the meantime\n");
    await core.run("unrevert", { missionId: id, force: true });
    assert.deepEqual([read("a.txt"), read("b.txt")], ["mine\n", "1\n"]);
  });

  it("come from the reports of the tools where there is no repository, and what nobody reported is not made up", async () => {
    folder = join(bed.root, "plain");
    mkdirSync(folder);
    const long = numbers(60);
    writeFileSync(file("long.txt"), long.replaceAll("\n", "\r\n"));
    writeFileSync(file("old.txt"), "old\n");
    const { id } = await run(
      [
        edit("long.txt", "line 30", "LINE"),
        { tool: "read", args: { filePath: "$CWD/old.txt" } },
        write("old.txt", "new\n"),
        write("fresh.txt", "f\ng\n"),
        bash("echo b > unseen.txt"),
      ],
      [edit("long.txt", "line 50", "LAST"), edit("fresh.txt", "g", "G")],
    );
    const windows = (text: string) => text.replaceAll("\n", "\r\n");
    const once = long.replace("line 30\n", "LINE\n");
    assert.deepEqual(shown(await core.run("changes", { missionId: id, messageId: turn(id, 0) })), {
      "fresh.txt": ["added", "none", "f\ng\n", "changed"],
      "long.txt": ["modified", windows(long), windows(once), "changed"],
      "old.txt": ["modified", "untold", "new\n", "same"],
    });
    const all = await core.run("changes", { missionId: id });
    assert.deepEqual(
      [all.snapshots, shown(all)["long.txt"], shown(all)["fresh.txt"]],
      [
        false,
        ["modified", windows(long), windows(once.replace("line 50\n", "LAST\n")), "same"],
        ["added", "none", "f\nG\n", "same"],
      ],
    );
    assert.deepEqual(
      transcriptOf(core, id).changes[turn(id, 1)]?.files.map(({ path, additions, deletions }) => [
        path,
        additions,
        deletions,
      ]),
      [
        [file("long.txt"), 1, 1],
        [file("fresh.txt"), 1, 1],
      ],
    );
    const report = await core.run("revertTurn", { missionId: id, messageId: turn(id, 1) });
    assert.deepEqual(
      [report, read("fresh.txt"), core.store.head(id).revertedFrom],
      [{ restored: [], differing: [], snapshots: false }, "f\nG\n", turn(id, 1)],
    );
  });

  it("are known by a setting of git that the agent's own git does not see", async () => {
    const { id } = await run([bash("env | grep GIT_CONFIG_ || echo none")]);
    const parts = transcriptOf(core, id).messages.flatMap((message) => message.parts);
    assert.deepEqual(
      parts.flatMap((part) => (part.kind === "tool" ? [part.output] : [])),
      ["none\n"],
    );
  });

  it("are accepted by file, until a later turn changes the file again", async () => {
    const { id } = await run([write("a.txt", "1\n"), write("b.txt", "1\n")]);
    const open = async () =>
      (await core.run("changes", { missionId: id })).files.filter(({ accepted }) => !accepted).map(({ path }) => path);
    await core.run("acceptChanges", { missionId: id, paths: [file("a.txt"), file("b.txt")] });
    assert.deepEqual(await open(), []);
    await core.run("sendMessage", { missionId: id, text: script(bash("echo 2 > a.txt"), done) });
    await untilTurns(core, id, 2);
    assert.deepEqual(await open(), [file("a.txt")]);
  });

  it("do not hinder a fork: another mission with the history up to a turn, visible from its first message on", async () => {
    const { id, sessionId } = await run([write("a.txt", "1\n")], [write("a.txt", "2\n")]);
    const { id: forkId } = await core.run("forkMission", { missionId: id, after: turn(id, 0) });
    const fork = core.store.head(forkId);
    const [original, copy] = [transcriptOf(core, id), transcriptOf(core, forkId)];
    assert.deepEqual(
      [fork.title, fork.status, fork.runState, fork.directory, fork.sessionId === sessionId],
      ["Do it. (fork)", "active", "idle", folder, false],
    );
    assert.deepEqual(
      copy.messages.map(({ role, parts }) => [role, parts.map(({ kind }) => kind)]),
      original.messages.slice(0, 3).map(({ role, parts }) => [role, parts.map(({ kind }) => kind)]),
    );
    assert.deepEqual(Object.values(copy.ends), [original.ends[turn(id, 0)]], "with its end at its time");
    assert.deepEqual(Object.values(copy.changes), [original.changes[turn(id, 0)]]);
    await core.run("sendMessage", { missionId: forkId, text: script({ text: "elsewhere" }) });
    await untilTurns(core, forkId, 2);
    assert.deepEqual(
      [texts(core, forkId), texts(core, id)],
      [
        ["done", "elsewhere"],
        ["done", "done"],
      ],
    );
    await core.run("deleteMission", { missionId: forkId });
    assert.equal((await run([])).status, "active");
  });

  it("let a mission be forked while it works: what is over of it", async () => {
    const { id } = await run([write("a.txt", "1\n")]);
    await core.run("sendMessage", { missionId: id, text: script(bash("sleep 600"), done) });
    await until(core, id, (head) => head.runState === "waiting_for_tool");
    const running = core.store.head(id).turnMessageId ?? "";
    assert.deepEqual(await refusal(core.run("forkMission", { missionId: id, after: running })), ["mission_busy", ""]);
    const fork = await core.run("forkMission", { missionId: id });
    assert.deepEqual([texts(core, fork.id), core.store.head(fork.id).runState], [["done"], "idle"]);
    await core.run("stopMission", { missionId: id });
    await untilTurns(core, id, 2);
  });
});

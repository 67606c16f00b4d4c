import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { waitUntil } from "../../src/base/async.ts";
import { isAlive } from "../../src/base/processes.ts";
import type { Core } from "../../src/orchestrator/core.ts";
import { bash, makeBed, script, texts, untilTurns, type Bed } from "../fake/bed.ts";
import { buildHeadless, finish, headless } from "../fake/headless.ts";

interface Line {
  sequence: number;
  event_type: string;
  content: string;
  mission_id: string;
}

const lines = (text: string): Line[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);

describe("the command line", function () {
  this.timeout(90_000);
  let bed: Bed;
  /** The process that runs the missions, so that OpenCode need not start for each command. */
  let core: Core;

  before(async () => {
    buildHeadless();
    bed = await makeBed({ config: { permission: { bash: "ask" } } });
    core = bed.core();
    await core.run("startServer", {});
  });
  after(() => bed.close());

  const run = (text: string, ...words: string[]) => finish(bed, ["run", text, ...words]);
  const newest = () => core.store.list()[0]?.id ?? "";
  /** What the model was told, in all. */
  const told = () => JSON.stringify(bed.model.requests.map(({ body }) => body.messages));

  describe("run", () => {
    it("prints what the agent says and does as it comes, and exits with 0", async () => {
      const text = script({ text: "word ".repeat(60), chunk: 5, delay: 20 }, { text: "The end." });
      const process = headless(bed, ["run", text]);
      await process.says(/word word/);
      assert.ok(!process.out().includes("The end."), "it did not wait for the end");
      const { code, out, err } = await process.finished;
      assert.deepEqual([code, err, out], [0, "", `${"word ".repeat(60)}\n`]);
    });

    it("prints every event as a line of JSON, ending with that of the turn", async () => {
      const { code, out } = await run("[[hello]]", "--json");
      const all = lines(out);
      assert.equal(code, 0);
      assert.deepEqual(
        [...new Set(all.map(({ sequence }) => sequence))].sort((one, other) => one - other),
        all.map(({ sequence }) => sequence),
      );
      assert.deepEqual([all[0]?.event_type, all.at(-1)?.event_type], ["mission_created", "turn_ended"]);
      const said = all.findLast(({ event_type }) => event_type === "assistant_message")?.content;
      assert.equal(said, "Hello from the scripted model. Nothing to do.");
    });

    it("exits with 1 and the reason when the turn fails", async () => {
      const { code, out } = await run("[[err400]]");
      assert.equal(code, 1);
      assert.match(out, /^✗ failed: .+/m);
    });

    it("works in the folder, with the agent and with the model that are named", async () => {
      const folder = join(bed.root, "elsewhere");
      mkdirSync(folder);
      const named = ["--dir", folder, "--agent", "PLAN", "--model", "scripted/scripted-small"];
      assert.equal((await run("[[hello]]", ...named)).code, 0);
      const { directory, agent, model } = core.store.head(newest());
      assert.deepEqual(
        [directory, agent, model],
        [folder, "plan", { providerId: "scripted", modelId: "scripted-small" }],
      );
    });

    it("names what it cannot work with, and launches nothing", async () => {
      const before = core.store.list().length;
      const wrong = [
        ["--agent", "nobody"],
        ["--model", "scripted/none"],
        ["--model", "scripted"],
        ["--dir", "/nowhere/at/all"],
        ["--dir", join(bed.project, "README.md")],
      ];
      const answers = await Promise.all(wrong.map((words) => run("hi", ...words)));
      assert.deepEqual(
        answers.map(({ code, out }) => [code, out]),
        wrong.map(() => [1, ""]),
      );
      for (const [index, words] of [
        /no agent “nobody”. Agents: .*build.*plan/,
        /no model “scripted\/none”. Models: .*scripted\/scripted/,
        /“scripted” is not of the form provider\/model/,
        /no folder \/nowhere\/at\/all\. Make it/,
        /README\.md is a file, not a folder/,
      ].entries())
        assert.match(answers[index]?.err ?? "", words);
      assert.match((await run(" ")).err, /message is empty/);
      assert.equal(core.store.list().length, before);
    });

    it("denies with a reason where nobody can be asked, and the agent goes on with that", async () => {
      const { code, out, err } = await run(script(bash("echo no > denied.txt"), { text: "I go on." }));
      assert.equal(code, 0);
      assert.match(err, /Denied, since nobody is there to ask.*bash: echo no > denied\.txt/);
      assert.match(out, /I go on\./);
      assert.match(told(), /Nobody is there to allow this/);
      assert.ok(!existsSync(join(bed.project, "denied.txt")));
    });

    it("dismisses a question that nobody can answer", async () => {
      const { code, err } = await run("[[question]]");
      assert.equal(code, 0);
      assert.match(err, /^Dismissed, since nobody is there to answer: /);
    });

    it("allows everything when told so", async () => {
      const { code, err } = await run(script(bash("echo yes > allowed.txt"), { text: "done" }), "--allow-all");
      assert.deepEqual([code, err, existsSync(join(bed.project, "allowed.txt"))], [0, "", true]);
    });

    it("lets nothing of the agent steer the terminal", async () => {
      const { out, err } = await run(
        script({ text: "\u001b[2J\u001b]0;title\u0007 bell", ...bash("echo a\r\u001b[Kb") }),
      );
      // eslint-disable-next-line no-control-regex
      assert.doesNotMatch(out + err, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
      assert.match(out, /␛\[2J/);
      assert.match(err, /echo a␍␛\[Kb/);
    });

    it("goes without a word of its own when nobody reads any more", async () => {
      const process = headless(bed, ["run", script({ text: "word ".repeat(200), chunk: 5, delay: 5 })]);
      await process.says(/word/);
      process.stopReading();
      const { err } = await process.finished;
      assert.equal(err, "");
      const id = newest();
      await untilTurns(core, id, 1);
      assert.equal(texts(core, id)[0], "word ".repeat(200), "the mission goes on");
    });

    it("stops the mission on an interrupt", async () => {
      const process = headless(bed, ["run", "[[slow]]"]);
      await process.says(/word/);
      process.kill("SIGINT");
      const { code, out, err } = await process.finished;
      assert.equal(code, 1);
      assert.match(err, /Stopping/);
      assert.match(out, /✗ interrupted/);
      assert.equal(core.store.head(newest()).status, "interrupted");
    });

    it("leaves the mission running when it is terminated", async () => {
      const process = headless(bed, ["run", script({ text: "word ".repeat(100), chunk: 5, delay: 10 })]);
      await process.says(/word/);
      process.kill("SIGTERM");
      assert.equal((await process.finished).code, "SIGTERM");
      assert.equal((await untilTurns(core, newest(), 1)).status, "active");
    });
  });

  describe("run on a terminal", () => {
    const start = (...steps: object[]) => headless(bed, ["run", script(...steps)], { terminal: true });

    it("asks before what the user's configuration wants asked, and does it when allowed", async () => {
      const process = start(bash("echo t > terminal.txt"), { text: "done" });
      await process.says(/bash: echo t > terminal\.txt[\s\S]*Allow\?/);
      assert.ok(!existsSync(join(bed.project, "terminal.txt")));
      // What is no answer is asked again.
      process.stdin.write("\n");
      await process.says(/Allow\?[\s\S]*Allow\?/);
      process.stdin.write("y\n");
      assert.equal((await process.finished).code, 0);
      assert.ok(existsSync(join(bed.project, "terminal.txt")));
    });

    it("tells the agent why something was denied", async () => {
      const process = start(bash("echo n > never.txt"), { text: "Then not." });
      await process.says(/Allow\?/);
      process.stdin.write("n\n");
      await process.says(/Why/);
      process.stdin.write("it is Sunday\n");
      const { code, out } = await process.finished;
      assert.equal(code, 0);
      assert.match(out, /Then not\./);
      assert.match(told(), /it is Sunday/);
      assert.ok(!existsSync(join(bed.project, "never.txt")));
    });

    it("takes one answer for one request when two wait", async () => {
      const process = start({ tools: [bash("echo 1 > one.txt"), bash("echo 2 > two.txt")] }, { text: "done" });
      await process.says(/Allow\?/);
      process.stdin.write("y\n");
      await process.says(/Allow\?[\s\S]*Allow\?/);
      const written = () => ["one.txt", "two.txt"].filter((name) => existsSync(join(bed.project, name)));
      assert.ok(written().length <= 1, "the second is asked for as well");
      process.stdin.write("y\n");
      assert.equal((await process.finished).code, 0);
      assert.equal(written().length, 2);
    });

    it("denies when the input ends", async () => {
      const process = start(bash("echo e > eof.txt"), { text: "Without it." });
      await process.says(/Allow\?/);
      process.stdin.write("\u0004");
      const { code, out } = await process.finished;
      assert.deepEqual([code, existsSync(join(bed.project, "eof.txt"))], [0, false]);
      assert.match(out, /Without it\./);
    });

    it("asks no more when the request was answered elsewhere", async () => {
      const process = start(bash("echo other > other.txt"), { text: "Somebody else said yes." });
      await process.says(/Allow\?/);
      const { id, requests } = core.store.head(newest());
      await core.run("answerPermission", { missionId: id, requestId: requests[0]?.id ?? "", reply: "once" });
      const { code, out } = await process.finished;
      assert.equal(code, 0);
      assert.match(out, /Somebody else said yes\./);
    });

    it("takes the answer to a question by its number", async () => {
      const process = headless(bed, ["run", "[[question]]"], { terminal: true });
      await process.says(/2\. Blue[\s\S]*own words:/);
      process.stdin.write("2\n");
      assert.equal((await process.finished).code, 0);
      assert.match(JSON.stringify(core.store.events(newest(), { types: ["tool_result"] })), /Blue/);
    });
  });

  describe("list and events", () => {
    it("show the missions newest first, and the events of one by the beginning of its id", async () => {
      const { id } = await core.run("createMission", { text: "[[hello]] listed", directory: bed.project });
      await untilTurns(core, id, 1);
      const [first] = (await finish(bed, ["list"])).out.split("\n");
      assert.match(first ?? "", new RegExp(`^${id.slice(0, 8)}  \\d{4}-\\S+  active +  \\[\\[hello\\]\\] listed$`));
      const heads = lines((await finish(bed, ["list", "--json"])).out);
      assert.equal(heads.length, core.store.list().length);
      const { code, out } = await finish(bed, ["events", id.slice(0, 8), "--types", "user_message,assistant_message"]);
      assert.equal(code, 0);
      assert.deepEqual(
        lines(out).map(({ event_type, content, mission_id }) => [event_type, content, mission_id]),
        [
          ["user_message", "[[hello]] listed", id],
          ["assistant_message", "Hello from the scripted model. Nothing to do.", id],
        ],
      );
    });

    it("say which mission is not there", async () => {
      const { code, err } = await finish(bed, ["events", "ffffffff-none"]);
      assert.equal(code, 1);
      assert.match(err, /no mission “ffffffff-none”.*list/);
      assert.equal((await finish(bed, ["events", ""])).code, 1);
    });
  });

  it("explains itself, and what was wrong about a call", async () => {
    const help = await finish(bed, ["--help"]);
    assert.equal(help.code, 0);
    for (const word of ["run ", "list ", "events ", "serve ", "--allow-all"]) assert.ok(help.out.includes(word), word);
    const wrong: [string[], RegExp][] = [
      [[], /^$/],
      [["lunch"], /no command “lunch”/],
      [["run"], /run needs a prompt/],
      [["events"], /events needs a mission's id/],
      [["run", "two", "words"], /“words” is one argument too many\. Put the prompt in quotes/],
      [["list", "--jsno"], /--jsno/],
    ];
    const answers = await Promise.all(wrong.map(([words]) => finish(bed, words)));
    for (const [index, { code, out, err }] of answers.entries()) {
      assert.equal(code, 2);
      assert.match(err, wrong[index]?.[1] ?? /never/);
      assert.match(out + err, /serve \[--port N\]/);
      assert.doesNotMatch(err, /^ +at /m);
    }
  });

  it("says by name what is missing, and the way out", async () => {
    const alone = join(bed.root, "alone");
    const { code, out } = await finish(bed, ["run", "hi", "--opencode", "/nowhere/opencode"], { data: alone });
    assert.equal(code, 1);
    assert.match(out, /✗ failed: \/nowhere\/opencode is not an OpenCode executable\. Name .* --opencode\./);
  });

  it("leaves a folder that was there before as open as it was", async () => {
    const shared = join(bed.root, "shared");
    mkdirSync(shared);
    chmodSync(shared, 0o755);
    assert.equal((await finish(bed, ["list"], { data: shared })).code, 0);
    assert.deepEqual(
      [shared, join(shared, "missions")].map((path) => statSync(path).mode & 0o777),
      [0o755, 0o700],
    );
  });

  it("names a database that is none and leaves it alone", async () => {
    const data = join(bed.root, "broken");
    mkdirSync(join(data, "missions"), { recursive: true });
    const path = join(data, "missions", "missions.db");
    const text = "this is no database, and long enough to be looked at ".repeat(40);
    writeFileSync(path, text);
    for (const words of [["list"], ["run", "hi"], ["serve"]]) {
      const { code, err } = await finish(bed, words, { data });
      assert.equal(code, 1);
      assert.ok(err.includes(path) && /cannot be read.*--data-dir/.test(err), err);
    }
    assert.equal(readFileSync(path, "utf8"), text);
  });

  it("shows what a newer version has written, and runs nothing in it", async () => {
    const data = join(bed.root, "newer");
    const id = "11111111-2222-4333-8444-555555555555";
    assert.equal((await finish(bed, ["list"], { data })).code, 0);
    const path = join(data, "missions", "missions.db");
    const database = new SqliteDatabase(path);
    const head = { id, title: "from tomorrow", status: "levitating", createdAt: 1, updatedAt: 1, aura: 7 };
    database
      .prepare(
        "INSERT INTO missions (id, status, run_state, archived, updated_at, head) VALUES (?, ?, 'idle', 0, 1, ?)",
      )
      .run(id, head.status, JSON.stringify(head));
    database
      .prepare("INSERT INTO events (mission_id, time, type, data) VALUES (?, 1, 'hovered', ?)")
      .run(id, JSON.stringify({ type: "hovered", height: 3 }));
    database.pragma("user_version = 999");
    database.close();
    assert.match((await finish(bed, ["list"], { data })).out, /^11111111 .*levitating.*from tomorrow$/m);
    const { out } = await finish(bed, ["events", "1111"], { data });
    assert.deepEqual(
      lines(out).map(({ event_type, ...rest }) => [event_type, "metadata" in rest && rest.metadata]),
      [["hovered", { height: 3 }]],
    );
    const { code, err } = await finish(bed, ["run", "hi"], { data });
    assert.equal(code, 1);
    assert.match(err, /newer version of Open Agent.*--data-dir/);
  });
});

describe("the command line alone on its data folder", function () {
  this.timeout(90_000);
  let bed: Bed;
  before(async () => {
    buildHeadless();
    bed = await makeBed();
  });
  after(() => bed.close());

  it("ends OpenCode with the last mission, and not while it runs", async () => {
    const process = headless(bed, ["run", script(bash("sleep 3"), { text: "Finished alone." })]);
    await process.says(/· \S+ sleep 3/);
    const server = bed.serverPid() ?? 0;
    process.kill("SIGTERM");
    await process.finished;
    assert.ok(isAlive(server), "the agent works on");
    const other = await finish(bed, ["run", "[[hello]]", "--json"]);
    assert.deepEqual([other.code, bed.serverPid()], [0, isAlive(server) ? server : undefined]);
    // Whoever comes next finds what was said to nobody.
    const core = bed.core();
    const first = core.store.list().at(-1)?.id ?? "";
    assert.equal((await untilTurns(core, first, 1)).status, "active");
    assert.deepEqual(texts(core, first), ["Finished alone."]);
    await core.dispose();
    await waitUntil(() => !isAlive(server), 5_000);
    assert.ok(!isAlive(server));
  });

  it("searches files with the ripgrep of the development packages where PATH has none", async () => {
    const search = script({ tool: "glob", args: { pattern: "*.md" } }, { text: "Searched." });
    const environment = { PATH: "/usr/bin:/bin" };
    const { code, out, err } = await finish(bed, ["run", search, "--json", "--verbose"], { environment });
    assert.deepEqual([code, err.includes("no rg on PATH")], [0, false], err);
    assert.match(lines(out).find((line) => line.event_type === "tool_result")?.content ?? "", /README\.md/);
  });
});

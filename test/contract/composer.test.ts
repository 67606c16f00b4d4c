import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { waitUntil } from "../../src/base/async.ts";
import type { Core } from "../../src/orchestrator/core.ts";
import { mimeOf, type MessageAttachment } from "../../src/protocol/attachment.ts";
import { bash, makeBed, runTurn, script, texts, transcriptOf, until, untilTurns, type Bed } from "../fake/bed.ts";
import { demoConfig } from "../fake/model.ts";

/** The smallest picture there is. */
const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  "base64",
);

/** Writes a command of the project, into a folder that OpenCode finds nothing to install in. */
function addCommand({ project }: Bed, name: string, template: string, head = `description: Does ${name}`): void {
  const folder = join(project, ".opencode");
  const path = join(folder, "command", `${name}.md`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `---\n${head}\n---\n${template}\n`);
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  const dependencies = { "@opencode-ai/plugin": "1.18.33" };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ dependencies }));
  const lock = { lockfileVersion: 3, packages: { "": { dependencies } } };
  writeFileSync(join(folder, "package-lock.json"), JSON.stringify(lock));
}

describe("a message with more than text", function () {
  this.timeout(120_000);
  let bed: Bed;
  let core: Core;
  before(async () => {
    bed = await makeBed();
    withPictures(bed);
    addCommand(bed, "x", "Do $1 and $2: $ARGUMENTS.\n\nSee @README.md\n\n!`echo shelled`\n[[hello]]");
    // When the agent was stopped too late on a busy machine, it was still stopped before it had done anything.
    addCommand(bed, "slow", `!\`sleep 3\`\n${script(bash("sleep 5; echo once >> ran.txt"), { text: "Ran." })}`);
    addCommand(bed, "nested/deep", "Deep $ARGUMENTS [[hello]]");
    addCommand(bed, "sub", "Sub $ARGUMENTS [[hello]]", "subtask: true\nagent: general");
    writeFileSync(join(bed.project, "with space.txt"), "one\ntwo\nthree\n");
    core = bed.core();
  });
  after(() => bed.close());

  /** The model can see, so that OpenCode hands pictures on. */
  function withPictures({ home, model }: Bed): void {
    const config = demoConfig(model.url) as { provider: { scripted: { models: Record<string, object> } } };
    for (const one of Object.values(config.provider.scripted.models))
      Object.assign(one, { attachment: true, modalities: { input: ["text", "image", "pdf"], output: ["text"] } });
    writeFileSync(join(home, ".config", "opencode", "opencode.json"), JSON.stringify(config));
  }
  function file(name: string, more: Partial<MessageAttachment> = {}): MessageAttachment {
    const path = join(bed.project, name);
    return { kind: "file", path, name, mime: mimeOf(name), ...more } as MessageAttachment;
  }
  /** Sends to a mission that has had a turn, and waits for the end of this one. */
  async function send(missionId: string, message: object, turns = 2) {
    await core.run("sendMessage", { missionId, text: "", ...message });
    return untilTurns(core, missionId, turns, 60_000);
  }
  /** What the model was told by the newest message of the user. */
  function told(): { type: string; text?: string; image_url?: { url: string } }[] {
    const request = bed.model.requests.findLast(({ script: name }) => name !== "title");
    const content = request?.body.messages.findLast(({ role }) => role === "user")?.content;
    return typeof content === "string" ? [{ type: "text", text: content }] : (content as never);
  }
  function userParts(missionId: string) {
    return transcriptOf(core, missionId)
      .messages.filter(({ role }) => role === "user")
      .map(({ parts }) =>
        parts.map((part) =>
          part.kind === "text" ? [part.text, part.command] : part.kind === "attachment" ? [part.name, part.mime] : [],
        ),
      );
  }

  it("lists the commands of the project and of OpenCode with the names of their arguments", async () => {
    const commands = await core.run("commands", { directory: bed.project });
    const facts = commands.map(({ name, source, hints, runsShell }) => ({ name, source, hints, runsShell }));
    for (const expected of [
      { name: "x", source: "command", hints: ["$1", "$2", "$ARGUMENTS"], runsShell: true },
      { name: "nested/deep", source: "command", hints: ["$ARGUMENTS"], runsShell: false },
    ])
      assert.deepEqual(
        facts.find(({ name }) => name === expected.name),
        expected,
      );
    assert.ok(facts.some(({ name }) => name === "init"));
  });

  it("runs a command with its arguments, and its history is whole", async () => {
    const { id } = await runTurn(core, bed, "[[hello]]");
    const head = await send(id, { text: '/x alpha "be ta"', command: { name: "x", arguments: 'alpha "be ta"' } });
    assert.deepEqual([head.status, head.pending, head.failure], ["active", [], undefined]);
    const said = 'Do alpha and be ta: alpha "be ta".\n\nSee @README.md\n\nshelled\n\n[[hello]]';
    assert.deepEqual(userParts(id).at(-1), [
      ['/x alpha "be ta"', "x"],
      [said, undefined],
      ["README.md", "text/plain"],
    ]);
    assert.equal(texts(core, id).length, 2);
    assert.ok(told().some(({ text }) => text?.includes("1: hello")));
    // Looked at again from the server, nothing is twice.
    await core.run("restartServer", {});
    await core.run("startServer", {});
    assert.equal(userParts(id).at(-1)?.length, 3);
    assert.equal((await send(id, { text: "[[hello]] again" }, 3)).status, "active");
  });

  it("runs a command that is a sub-agent's, and one in a folder", async () => {
    const { id } = await runTurn(core, bed, "[[hello]]");
    const sub = await send(id, { text: "/sub it", command: { name: "sub", arguments: "it" } });
    assert.deepEqual([sub.status, Object.keys(sub.children).length], ["active", 1]);
    const deep = await send(id, { text: "/nested/deep it", command: { name: "nested/deep", arguments: "it" } }, 3);
    assert.deepEqual([deep.status, told()[0]?.text], ["active", "Deep it [[hello]]"]);
  });

  it("says which command there is not, keeps the message, and goes on once it is edited", async () => {
    const { id } = await runTurn(core, bed, "[[hello]]");
    await core.run("sendMessage", { missionId: id, text: "/nope", command: { name: "nope", arguments: "" } });
    const head = await until(core, id, ({ status }) => status === "failed");
    assert.deepEqual([head.failure?.name, head.pending.map(({ text }) => text)], ["unknown_command", ["/nope"]]);
    assert.match(head.failure?.message ?? "", /^There is no command \/nope in .*\. There are: .*\/x/);
    const { queueId } = head.pending[0] ?? { queueId: "" };
    await core.run("editMessage", { missionId: id, queueId, text: "[[hello]] plain" });
    await core.run("resumeMission", { missionId: id });
    assert.equal((await untilTurns(core, id, 2)).status, "active");
  });

  it("is stopped while a command prepares itself, and the command does not run on", async () => {
    const { id } = await runTurn(core, bed, "[[hello]]");
    await core.run("sendMessage", { missionId: id, text: "/slow", command: { name: "slow", arguments: "" } });
    await until(core, id, ({ busy }) => busy);
    await core.run("stopMission", { missionId: id });
    assert.equal((await untilTurns(core, id, 2)).status, "interrupted");
    assert.equal(existsSync(join(bed.project, "ran.txt")), false);
  });

  it("brings pictures, files, lines of files, folders and agents to the model", async () => {
    const { id } = await runTurn(core, bed, "[[hello]]");
    const path = core.keepAttachment(id, "a shot.png", png);
    const text = "[[hello]] see @with space.txt and @src, @explore";
    mkdirSync(join(bed.project, "src"), { recursive: true });
    writeFileSync(join(bed.project, "src", "inner.ts"), "export {};\n");
    const head = await send(id, {
      text,
      attachments: [
        { kind: "file", path, name: "a shot.png", mime: "image/png" },
        file("with space.txt", { mention: "@with space.txt", lines: [2, 2] }),
        file("src", { mention: "@src", mime: "application/x-directory" }),
        { kind: "agent", name: "explore", mention: "@explore" },
      ],
    });
    assert.deepEqual([head.status, head.pending], ["active", []]);
    assert.deepEqual(userParts(id).at(-1), [
      [text, undefined],
      ["a shot.png", "image/png"],
      ["with space.txt", "text/plain"],
      ["src", "application/x-directory"],
    ]);
    const parts = told();
    assert.deepEqual(
      parts.flatMap(({ image_url: image }) => (image ? [image.url] : [])),
      [`data:image/png;base64,${png.toString("base64")}`],
    );
    const words = parts.map((part) => part.text ?? "").join("\n");
    assert.match(words, /2: two/);
    assert.doesNotMatch(words, /1: one/);
    assert.match(words, /inner\.ts/);
    assert.match(words, /call the task tool with subagent: explore/);
    // The picture is kept once, as a file that only the user can read.
    const stored = JSON.stringify(core.store.events(id));
    assert.equal(stored.includes(png.toString("base64")), false);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(readFileSync(path), png);
    await core.run("deleteMission", { missionId: id });
    assert.equal(existsSync(path), false);
  });

  it("may be a picture alone, and a command may have one", async () => {
    const { id } = await runTurn(core, bed, "[[hello]]");
    const picture = { kind: "file", path: core.keepAttachment(id, "p.png", png), name: "p.png", mime: "image/png" };
    assert.equal((await send(id, { attachments: [picture] })).status, "active");
    assert.deepEqual(userParts(id).at(-1), [["p.png", "image/png"]]);
    const called = { text: "/nested/deep it", command: { name: "nested/deep", arguments: "it" } };
    assert.equal((await send(id, { ...called, attachments: [picture] }, 3)).status, "active");
    assert.equal(told().filter((part) => part.image_url).length, 1);
    assert.equal(JSON.stringify(core.store.events(id)).includes(png.toString("base64")), false);
  });

  it("is refused with the name of the file when it is too big, gone or unreadable", async () => {
    const { id } = await runTurn(core, bed, "[[hello]]");
    const big = new Uint8Array(11 * 1024 * 1024);
    assert.throws(() => core.keepAttachment(id, "big.png", big), {
      code: "attachment_unusable",
      message: "big.png has 11 MB; a file may have 10 MB.",
    });
    const attachments = ["a.png", "b.png", "c.png"].map((name) => {
      const path = core.keepAttachment(id, name, big.subarray(0, 8 * 1024 * 1024));
      return { kind: "file" as const, path, name, mime: "image/png" };
    });
    await assert.rejects(core.run("sendMessage", { missionId: id, text: "", attachments }), {
      message: "a.png, b.png, c.png have 24 MB together; the files of one message may have 20 MB.",
    });
    await assert.rejects(core.run("sendMessage", { missionId: id, text: "x", attachments: [file("gone.txt")] }), {
      message: `${join(bed.project, "gone.txt")} is not there any more.`,
    });
    await assert.rejects(core.run("sendMessage", { missionId: id, text: " " }), { code: "invalid_input" });
    assert.equal(readdirSync(join(bed.paths.missions, id, "attachments")).length, 3);
  });
});

describe("a queue with attachments and commands", function () {
  this.timeout(120_000);
  let bed: Bed;
  beforeEach(async () => {
    bed = await makeBed();
    addCommand(
      bed,
      "slow",
      `!\`cd ${bed.project}; echo > preparing.txt; sleep 3; echo once >> shelled.txt\`\n${script(bash("echo once >> ran.txt"), { text: "Ran." })}`,
    );
    addCommand(bed, "plain", script(bash("sleep 2; echo once >> ran.txt"), { text: "Ran." }));
  });
  afterEach(() => bed.close());

  const lines = (name: string) => {
    const path = join(bed.project, name);
    return existsSync(path) ? readFileSync(path, "utf8").split("\n").length - 1 : 0;
  };

  it("survives a takeover, and each message is sent once", async () => {
    const first = bed.core();
    const { id } = await first.run("createMission", {
      text: script(bash("sleep 2"), { text: "slept" }),
      directory: bed.project,
    });
    await until(first, id, ({ runState }) => runState === "waiting_for_tool", 60_000);
    const path = first.keepAttachment(id, "p.txt", Buffer.from("the words of the file"));
    const attachments = [{ kind: "file" as const, path, name: "p.txt", mime: "text/plain" }];
    await first.run("sendMessage", { missionId: id, text: "[[hello]] with a file", attachments });
    await first.run("sendMessage", { missionId: id, text: "/plain", command: { name: "plain", arguments: "" } });
    await first.dispose();
    const second = bed.core();
    assert.equal((await untilTurns(second, id, 3, 60_000)).status, "active");
    assert.equal(lines("ran.txt"), 1);
    const seen = bed.model.requests.filter(({ body }) => JSON.stringify(body).includes("the words of the file"));
    assert.ok(seen.length > 0);
  });

  for (const [name, seen] of [
    ["plain", "while a command runs"],
    ["slow", "while a command prepares itself"],
  ] as const)
    it(`survives a takeover ${seen}: it runs on and is not sent again`, async () => {
      const first = bed.core();
      const { id } = await first.run("createMission", { text: "[[hello]]", directory: bed.project });
      await untilTurns(first, id, 1, 60_000);
      await first.run("sendMessage", { missionId: id, text: `/${name}`, command: { name, arguments: "" } });
      await until(first, id, ({ pending }) => pending.some(({ state }) => state === "sending"));
      if (name === "plain") await until(first, id, ({ runState }) => runState === "waiting_for_tool");
      else assert.ok(await waitUntil(() => lines("preparing.txt") > 0, 20_000));
      await first.dispose();
      const second = bed.core();
      assert.equal((await untilTurns(second, id, 2, 60_000)).status, "active");
      await waitUntil(() => lines("ran.txt") > 0, 5_000);
      assert.deepEqual([lines("ran.txt"), lines("shelled.txt")], [1, name === "slow" ? 1 : 0]);
    });
});

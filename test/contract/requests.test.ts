import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "../../src/base/async.ts";
import type { Core } from "../../src/orchestrator/core.ts";
import type { MissionHead, UserRequest } from "../../src/protocol/mission.ts";
import { bash, makeBed, script, texts, transcriptOf, until, untilTurns, type Bed } from "../fake/bed.ts";

describe("requests of the agent", function () {
  this.timeout(60_000);
  let bed: Bed;
  let core: Core;

  before(async () => {
    bed = await makeBed({ config: { permission: { bash: "ask", edit: "ask" } } });
    core = bed.core();
    await core.run("startServer", {});
  });
  after(() => bed.close());

  async function launch(text: string): Promise<string> {
    return (await core.run("createMission", { text, directory: bed.project })).id;
  }

  async function asked(missionId: string, count = 1): Promise<UserRequest[]> {
    const head = await until(core, missionId, ({ requests }) => requests.length >= count);
    return head.requests;
  }

  async function permission(missionId: string, reply: "once" | "always" | "reject", reason?: string): Promise<void> {
    const [request] = await asked(missionId);
    await core.run("answerPermission", {
      missionId,
      requestId: request?.id ?? "",
      reply,
      ...(reason !== undefined && { reason }),
    });
  }

  const ended = (head: MissionHead) => [head.status, head.runState, head.requests.length];

  it("waits with the real command, and runs it when it is allowed once", async () => {
    const id = await launch(script(bash("echo asked > asked.txt"), { text: "done" }));
    const [request] = await asked(id);
    assert.ok(request?.kind === "permission");
    assert.deepEqual(
      [request.permission, request.detail, core.store.head(id).runState],
      ["bash", "echo asked > asked.txt", "waiting_for_you"],
    );
    // It waits for as long as it takes.
    await sleep(1_500);
    assert.ok(!existsSync(join(bed.project, "asked.txt")));
    await permission(id, "once");
    assert.deepEqual(ended(await untilTurns(core, id, 1)), ["active", "idle", 0]);
    assert.ok(existsSync(join(bed.project, "asked.txt")));
  });

  it("shows the change that an edit would make", async () => {
    const id = await launch(
      script({ tool: "write", args: { filePath: "$CWD/new.txt", content: "one\ntwo\n" } }, { text: "done" }),
    );
    const [request] = await asked(id);
    assert.ok(request?.kind === "permission" && request.detail.endsWith("new.txt"));
    assert.match(request.diff ?? "", /\+one\n\+two/);
    await permission(id, "once");
    await untilTurns(core, id, 1);
  });

  it("ends the turn when it is denied, and goes on when a reason is given", async () => {
    const denied = await launch(script(bash("echo a"), { text: "not reached" }));
    await permission(denied, "reject");
    assert.deepEqual(ended(await untilTurns(core, denied, 1)), ["active", "idle", 0]);
    assert.deepEqual(texts(core, denied), []);
    const reasoned = await launch(script(bash("echo b"), { text: "I do without." }));
    await permission(reasoned, "reject", "not on my machine");
    await untilTurns(core, reasoned, 1);
    const [call] = transcriptOf(core, reasoned).messages.flatMap(({ parts }) =>
      parts.flatMap((part) => (part.kind === "tool" ? [part] : [])),
    );
    assert.deepEqual([texts(core, reasoned), call?.output?.includes("not on my machine")], [["I do without."], true]);
  });

  it("asks no more for what is allowed always", async () => {
    const id = await launch(script(bash("printf one"), bash("printf two"), { text: "done" }));
    await permission(id, "always");
    assert.deepEqual(ended(await untilTurns(core, id, 1)), ["active", "idle", 0]);
    const waited = core.store.events(id, { types: ["permission_asked"] }).filter(({ body }) => {
      return body.type === "permission_asked" && body.request.kind === "permission" && !body.request.allowedBy;
    });
    assert.equal(waited.length, 1);
  });

  it("asks for a sub-agent as well, under its name", async () => {
    const id = await launch("[[subtask]]");
    const [request] = await asked(id);
    const head = core.store.head(id);
    assert.notEqual(request?.sessionId, head.sessionId);
    assert.match(head.children[request?.sessionId ?? ""]?.title ?? "", /Child work/);
    await permission(id, "once");
    assert.deepEqual(ended(await untilTurns(core, id, 1)), ["active", "idle", 0]);
    assert.equal(Object.keys(core.store.head(id).costs).length, 2, "the child's cost is counted, once");
  });

  it("drops what waits when the turn is stopped: nobody waits for the answer any more", async () => {
    const id = await launch(script(bash("echo never"), { text: "no" }));
    const [request] = await asked(id);
    await core.run("stopMission", { missionId: id });
    assert.deepEqual(ended(await untilTurns(core, id, 1)), ["interrupted", "idle", 0]);
    // OpenCode still lists it; a resync must not bring it back.
    await core.run("sendMessage", { missionId: id, text: "[[hello]]" });
    assert.deepEqual(ended(await untilTurns(core, id, 2)), ["active", "idle", 0]);
    await assert.rejects(core.run("answerPermission", { missionId: id, requestId: request?.id ?? "", reply: "once" }), {
      code: "request_gone",
    });
  });

  it("rejects all of a session's requests with one", async () => {
    const id = await launch(script({ tools: ["ls", "pwd"].map((command) => bash(command)) }, { text: "no" }));
    await asked(id);
    await permission(id, "reject");
    assert.deepEqual(ended(await untilTurns(core, id, 1)), ["active", "idle", 0]);
  });

  it("asks questions, and takes answers or a refusal", async () => {
    const answered = await launch("[[question]]");
    const [question] = await asked(answered);
    assert.ok(question?.kind === "question");
    assert.deepEqual(
      question.questions[0]?.options.map(({ label }) => label),
      ["Red", "Blue"],
    );
    await core.run("answerQuestion", { missionId: answered, requestId: question.id, answers: [["Blue"]] });
    assert.deepEqual(ended(await untilTurns(core, answered, 1)), ["active", "idle", 0]);
    assert.match(JSON.stringify(core.store.events(answered, { types: ["tool_result"] })), /Blue/);
    const dismissed = await launch("[[question]]");
    const [other] = await asked(dismissed);
    await core.run("answerQuestion", { missionId: dismissed, requestId: other?.id ?? "" });
    assert.deepEqual(ended(await untilTurns(core, dismissed, 1)), ["active", "idle", 0]);
  });

  it("is over everywhere when it is answered elsewhere", async () => {
    const id = await launch(script(bash("echo elsewhere"), { text: "done" }));
    const [request] = await asked(id);
    const second = bed.core();
    await second.run("answerPermission", { missionId: id, requestId: request?.id ?? "", reply: "once" });
    assert.deepEqual(ended(await untilTurns(core, id, 1)), ["active", "idle", 0]);
    assert.deepEqual(ended(second.store.head(id)), ["active", "idle", 0]);
  });
});

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { waitUntil } from "../../src/base/async.ts";
import type { CommandInput } from "../../src/orchestrator/commands.ts";
import type { Core } from "../../src/orchestrator/core.ts";
import type { CoreSettings } from "../../src/orchestrator/coreSettings.ts";
import { requestKey } from "../../src/protocol/event.ts";
import type { MissionHead, PermissionRequest } from "../../src/protocol/mission.ts";
import { openRequests } from "../../src/protocol/permission.ts";
import { allowedByWords } from "../../src/protocol/requestWords.ts";
import { bash, makeBed, makeProject, script, texts, until, untilTurns, type Bed } from "../fake/bed.ts";

const config = { permission: { bash: "ask", edit: "ask", external_directory: "ask" } };

describe("permission rules and modes", function () {
  this.timeout(90_000);
  let bed: Bed;
  let core: Core;
  const settings: Partial<CoreSettings> = {};

  // One server serves all tests: a fresh one costs more than most of them.
  before(async () => {
    bed = await makeBed({ config });
    core = bed.core(settings);
    await core.run("startServer", {});
  });
  beforeEach(async () => {
    for (const { id: ruleId } of core.store.rules()) await core.run("revokeRule", { ruleId });
    delete settings.permissions;
    core.settingsChanged();
  });
  after(() => bed.close());

  async function launch(text: string, directory = bed.project): Promise<string> {
    return (await core.run("createMission", { text, directory })).id;
  }

  /** The request that waits for the user, other than those that waited before. */
  async function asked(missionId: string, ...before: PermissionRequest[]): Promise<PermissionRequest> {
    const old = new Set(before.map(({ id }) => id));
    const head = await until(core, missionId, (now) => openRequests(now).some(({ id }) => !old.has(id)));
    const request = openRequests(head).find(({ id }) => !old.has(id));
    assert.ok(request?.kind === "permission");
    return request;
  }

  type Answer = Omit<CommandInput<"answerPermission">, "missionId" | "requestId">;

  function answer(missionId: string, request: PermissionRequest, given: Answer): Promise<void> {
    return core.run("answerPermission", { missionId, requestId: request.id, ...given });
  }

  /** What was asked of the user, and what was allowed in his stead. */
  function story(missionId: string): { asked: string[]; allowed: string[] } {
    const events = core.store.events(missionId, { types: ["permission_asked", "request_answered"] });
    const bodies = events.map(({ body }) => body);
    return {
      asked: bodies.flatMap((body) =>
        body.type === "permission_asked" && body.request.kind === "permission" && !body.request.allowedBy
          ? [body.request.detail]
          : [],
      ),
      allowed: bodies.flatMap((body) =>
        body.type === "request_answered" && body.allowedBy ? [allowedByWords(body.allowedBy)] : [],
      ),
    };
  }

  /** What the tool calls of a session show of what allowed them. */
  function cards(looking: Core, missionId: string, sessionId?: string): (string[] | undefined)[] {
    const page = looking.store.page(missionId, sessionId ?? looking.store.head(missionId).sessionId, { limit: 100 });
    return page.messages.flatMap(({ parts }) =>
      parts.flatMap((part) => (part.kind === "tool" ? [part.allowedBy?.map(allowedByWords)] : [])),
    );
  }

  const ended = ({ status, runState }: MissionHead) => [status, runState];

  it("allows by a rule what a sub-agent asks, and shows at the call which rule it was", async () => {
    const child = script(bash("printf one"), bash("printf two"), { text: "done" });
    const task = { tool: "task", args: { description: "Child work", prompt: child, subagent_type: "general" } };
    const id = await launch(script(task, { text: "over" }));
    const request = await asked(id);
    assert.notEqual(request.sessionId, core.store.head(id).sessionId);
    await answer(id, request, { reply: "always", patterns: ["printf *"], scope: "mission" });
    assert.deepEqual(ended(await untilTurns(core, id, 1)), ["active", "idle"]);
    const rule = "printf * (this mission)";
    assert.deepEqual(story(id), { asked: ["printf one"], allowed: [rule, rule] });
    assert.deepEqual(cards(core, id, request.sessionId), [[rule], [rule]]);
  });

  it("keeps to the scope of a rule", async () => {
    const elsewhere = join(bed.root, "elsewhere");
    makeProject(elsewhere);
    const say = (word: string) => script(bash(`printf ${word}`), { text: "done" });
    const first = await launch(say("a"));
    await answer(first, await asked(first), { reply: "always", scope: "mission" });
    await untilTurns(core, first, 1);
    const second = await launch(say("b"));
    await answer(second, await asked(second), { reply: "always", scope: "workspace" });
    await untilTurns(core, second, 1);
    const third = await launch(say("c"));
    await untilTurns(core, third, 1);
    const outside = await launch(say("d"), elsewhere);
    await answer(outside, await asked(outside), { reply: "always", scope: "all" });
    await untilTurns(core, outside, 1);
    const last = await launch(script(bash("printf e"), { text: "done" }), elsewhere);
    await untilTurns(core, last, 1);
    assert.deepEqual(
      [second, third, outside, last].map((id) => story(id)),
      [
        { asked: ["printf b"], allowed: ["printf * (this workspace)"] },
        { asked: [], allowed: ["printf * (this workspace)"] },
        { asked: ["printf d"], allowed: ["printf * (all missions)"] },
        { asked: [], allowed: ["printf * (all missions)"] },
      ],
    );
    await core.run("deleteMission", { missionId: first });
    assert.deepEqual(
      core.store.rules().map(({ scope }) => scope),
      ["all", "workspace"],
      "the rule of a mission goes with it",
    );
  });

  it("asks for a chain of commands of which a rule allows only a part", async () => {
    const hidden = ["printf a && touch b", "printf $(touch b)", "printf a; touch b", "printf a | tee b"];
    const id = await launch(script(bash("printf a"), ...hidden.map(bash), { text: "done" }));
    let request = await asked(id);
    const before = [request];
    await answer(id, request, { reply: "always", patterns: ["printf *"], scope: "all" });
    for (const command of hidden) {
      request = await asked(id, ...before);
      before.push(request);
      assert.equal(request.detail, command);
      await answer(id, request, { reply: "reject", reason: "not that" });
    }
    await untilTurns(core, id, 1);
    assert.ok(!existsSync(join(bed.project, "b")));
  });

  it("asks for redirections although a rule allows the command, also where OpenCode reports them of none", async () => {
    const hidden = ["printf a > b", "printf a | printf c > b", "{ printf a; printf c; } > b"];
    const id = await launch(script(bash("printf a"), ...hidden.map(bash), bash("printf a 2>&1"), { text: "done" }));
    let request = await asked(id);
    const before = [request];
    await answer(id, request, { reply: "always", patterns: ["printf *"], scope: "all" });
    for (const command of hidden) {
      request = await asked(id, ...before);
      before.push(request);
      assert.equal(request.detail, command);
      await answer(id, request, { reply: "reject", reason: "not that" });
    }
    await untilTurns(core, id, 1);
    assert.deepEqual(story(id).asked, ["printf a", ...hidden]);
    assert.ok(!existsSync(join(bed.project, "b")));
  });

  it("takes only patterns that the request offers", async () => {
    const id = await launch(script(bash("printf a"), { text: "done" }));
    const request = await asked(id);
    await assert.rejects(answer(id, request, { reply: "always", patterns: ["*"], scope: "all" }), {
      code: "invalid_input",
    });
    assert.deepEqual([core.store.rules(), openRequests(core.store.head(id)).length], [[], 1]);
    await answer(id, request, { reply: "always", patterns: ["printf a"], scope: "all" });
    await untilTurns(core, id, 1);
    assert.deepEqual(
      core.store.rules().map(({ permission, pattern, scope }) => [permission, pattern, scope]),
      [["bash", "printf a", "all"]],
    );
  });

  it("asks again once a rule is revoked, also in a turn that runs", async () => {
    const id = await launch(script(bash("printf a"), bash("sleep 2; printf b"), bash("printf c"), { text: "done" }));
    const first = await asked(id);
    await answer(id, first, { reply: "always", scope: "all" });
    const second = await asked(id, first);
    await answer(id, second, { reply: "once" });
    const [rule] = core.store.rules();
    await core.run("revokeRule", { ruleId: rule?.id ?? "" });
    const third = await asked(id, first, second);
    assert.deepEqual([third.detail, core.store.rules()], ["printf c", []]);
    await answer(id, third, { reply: "once" });
    await untilTurns(core, id, 1);
    // OpenCode itself was told nothing that would outlast the rule.
    assert.deepEqual(story(id).asked, ["printf a", "sleep 2; printf b", "printf c"]);
  });

  it("keeps rules when all processes have ended", async () => {
    const id = await launch(script(bash("printf a"), { text: "done" }));
    await answer(id, await asked(id), { reply: "always", scope: "workspace" });
    await untilTurns(core, id, 1);
    await core.dispose();
    core = bed.core(settings);
    const later = await launch(script(bash("printf b"), { text: "done" }));
    await untilTurns(core, later, 1);
    assert.deepEqual(story(later), { asked: [], allowed: ["printf * (this workspace)"] });
  });

  it("lets a mode allow edits inside of the folder, and asks for those that lead out of it or decide what runs", async () => {
    settings.permissions = "allow-edits";
    const outside = join(bed.root, "outside");
    mkdirSync(outside);
    symlinkSync(outside, join(bed.project, "link"));
    const write = (filePath: string) => ({ tool: "write", args: { filePath, content: "x\n" } });
    const id = await launch(
      script(
        write("$CWD/inside.txt"),
        write("$CWD/deep/er/inside.txt"),
        { tool: "edit", args: { filePath: "$CWD/inside.txt", oldString: "x", newString: "y" } },
        bash("printf asks"),
        write("$CWD/link/out.txt"),
        write("$CWD/.git/hooks/pre-commit"),
        write("$CWD/.opencode/plugin/p.js"),
        write(join(outside, "out.txt")),
        { text: "done" },
      ),
    );
    const before: PermissionRequest[] = [];
    for (const wanted of ["bash", "edit", "edit", "edit", "external_directory"]) {
      const request = await asked(id, ...before);
      before.push(request);
      assert.equal(request.permission, wanted, request.detail);
      await answer(id, request, { reply: "reject", reason: "no" });
    }
    await untilTurns(core, id, 1);
    assert.equal(readFileSync(join(bed.project, "inside.txt"), "utf8"), "y\n");
    assert.deepEqual(
      [existsSync(join(outside, "out.txt")), existsSync(join(bed.project, ".git/hooks/pre-commit"))],
      [false, false],
    );
    const setting = "allow edits (the settings)";
    assert.deepEqual(story(id).allowed, [setting, setting, setting]);
  });

  it("applies a change of the setting and of a mission's own mode to what waits already", async () => {
    const [first, second] = [await launch(script(bash("printf a"))), await launch(script(bash("printf b")))];
    await asked(first);
    await asked(second);
    await core.run("setMissionPermissions", { missionId: second, mode: "ask" });
    settings.permissions = "allow-all";
    core.settingsChanged();
    await untilTurns(core, first, 1);
    assert.equal(core.store.head(second).runState, "waiting_for_you");
    await core.run("setMissionPermissions", { missionId: second, mode: "allow-all" });
    await untilTurns(core, second, 1);
    assert.deepEqual(
      [first, second].map((id) => story(id).allowed),
      [["allow all (the settings)"], ["allow all (this mission)"]],
    );
    await core.run("setMissionPermissions", { missionId: second, mode: null });
    assert.equal(core.store.head(second).permissions, undefined);
  });

  it("never shows a second window as waiting what a rule allows, and shows it which rule it was", async () => {
    const second = bed.core(settings);
    const id = await launch(script(bash("printf a"), bash("printf b"), bash("printf c"), { text: "done" }));
    const request = await asked(id);
    await waitUntil(() => second.store.head(id).runState === "waiting_for_you", 5_000);
    const states: string[] = [];
    second.watch(id, second.store.lastSeq(id), () => states.push(second.store.head(id).runState));
    second.onHead((head) => states.push(head.runState));
    await second.run("answerPermission", { missionId: id, requestId: request.id, reply: "always", scope: "all" });
    await until(second, id, (head) => openRequests(head).length === 0);
    states.length = 0;
    assert.deepEqual(ended(await untilTurns(second, id, 1)), ["active", "idle"]);
    const rule = ["printf * (all missions)"];
    assert.deepEqual(
      [states.includes("waiting_for_you"), cards(second, id), second.store.head(id).requests],
      [false, [rule, rule, rule], []],
    );
    assert.deepEqual(second.store.rules(), core.store.rules());
    await assert.rejects(second.run("answerPermission", { missionId: id, requestId: request.id, reply: "once" }), {
      code: "request_gone",
    });
    await second.dispose();
  });

  it("goes on by its rules under another leader", async () => {
    const second = bed.core(settings);
    const id = await launch(script(bash("printf a"), bash("sleep 3"), bash("printf b"), { text: "Still allowed." }));
    const first = await asked(id);
    await answer(id, first, { reply: "always", scope: "mission" });
    await answer(id, await asked(id, first), { reply: "once" });
    await until(core, id, (head) => head.runState === "waiting_for_tool");
    const [leaving, staying] = core.isLeading ? [core, second] : [second, core];
    await leaving.dispose();
    core = staying;
    await untilTurns(staying, id, 1);
    assert.deepEqual([texts(staying, id), story(id).asked], [["Still allowed."], ["printf a", "sleep 3"]]);
  });

  it("gives the notice of a request to one window, once", async () => {
    const windows = [core, bed.core(), bed.core()];
    const id = await launch(script(bash("printf a"), { text: "done" }));
    const { id: requestId } = await asked(id);
    const claims = await Promise.all(
      windows.map((one) => one.run("claimNotice", { missionId: id, key: requestKey(requestId) })),
    );
    assert.equal(claims.filter((claimed) => claimed).length, 1);
    assert.equal(await core.run("claimNotice", { missionId: id, key: requestKey(requestId) }), false);
    const other = await launch(script(bash("printf b"), { text: "done" }));
    const request = await asked(other);
    await answer(other, request, { reply: "once" });
    await untilTurns(core, other, 1);
    assert.equal(
      await core.run("claimNotice", { missionId: other, key: requestKey(request.id) }),
      false,
      "what is answered is no news",
    );
  });
});

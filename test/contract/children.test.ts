import assert from "node:assert/strict";
import type { Core } from "../../src/orchestrator/core.ts";
import { childrenOf, childState, costWithChildren } from "../../src/protocol/children.ts";
import { totalCost, type MissionHead } from "../../src/protocol/mission.ts";
import type { Part } from "../../src/protocol/transcript.ts";
import { bash, makeBed, script, until, untilTurns, type Bed } from "../fake/bed.ts";
import { openCodeOf } from "../fake/openCode.ts";

/** A call that starts a sub-agent, which does these steps. */
function task(description: string, ...steps: object[]): object {
  return { tool: "task", args: { description, prompt: script(...steps), subagent_type: "worker" } };
}

describe("sub-agents", function () {
  this.timeout(120_000);
  let bed: Bed;
  let core: Core;

  before(async () => {
    const worker = { description: "Works", mode: "subagent", permission: { task: "allow" } };
    const permission = { bash: { "*": "allow", "touch *": "ask" } };
    bed = await makeBed({ config: { agent: { worker }, permission, subagent_depth: 3 } });
    core = bed.core();
    await core.run("startServer", {});
  });
  after(() => bed.close());

  const inner = task("Inner work", bash("echo inner"), { text: "Inner done." });
  const outer = task("Outer work", { text: "I delegate.", ...inner }, { text: "Outer done." });
  const nested = script({ text: "Delegating.", ...outer }, { text: "All done." });

  /** What a session says and does, in short. */
  function told(missionId: string, sessionId: string): string[] {
    const { messages } = core.store.page(missionId, sessionId, { limit: 100 });
    return messages.flatMap(({ role, parts }) =>
      parts.flatMap((part: Part) => {
        if (part.kind === "tool") return [`${part.state}: ${part.card.done} ${part.card.object}`];
        return part.kind === "text" && role === "assistant" ? [part.text] : [];
      }),
    );
  }

  async function runNested(): Promise<MissionHead> {
    const { id } = await core.run("createMission", { text: nested, directory: bed.project });
    return untilTurns(core, id, 1, 90_000);
  }

  it("are kept at any depth, each with its own transcript", async () => {
    const head = await runNested();
    const [first = ""] = childrenOf(head, head.sessionId);
    const [second = ""] = childrenOf(head, first);
    assert.deepEqual(
      [head.sessionId ?? "", first, second].map((id) => told(head.id, id)),
      [
        ["Delegating.", "completed: Delegated Outer work", "All done."],
        ["I delegate.", "completed: Delegated Inner work", "Outer done."],
        ["completed: Ran echo inner", "Inner done."],
      ],
    );
    assert.deepEqual(
      [first, second].map((id) => [childState(head, id), head.children[id]?.agent, head.children[id]?.activity]),
      [
        ["idle", "worker", "Delegated Inner work"],
        ["idle", "worker", "Ran echo inner"],
      ],
    );
  });

  it("cost what the server says, each counted once", async () => {
    const head = await runNested();
    const server = openCodeOf(bed);
    const ids = [head.sessionId ?? "", ...Object.keys(head.children)];
    const costs = await Promise.all(ids.map((id) => server.costOf(id, bed.project)));
    const shown = (cost: number) => cost.toFixed(9);
    assert.deepEqual(
      ids.map((id) => shown(head.costs[id] ?? 0)),
      costs.map(shown),
    );
    assert.ok(ids.length === 3 && costs.every((cost) => cost > 0));
    const all = shown(costs.reduce((sum, cost) => sum + cost, 0));
    assert.deepEqual([shown(totalCost(head)), shown(costWithChildren(head, head.sessionId ?? ""))], [all, all]);
  });

  it("are seen at work while they are", async () => {
    const { id } = await core.run("createMission", {
      text: script(task("Slow work", bash("sleep 30"), { text: "no" }), { text: "no" }),
      directory: bed.project,
    });
    const seen = (head: MissionHead) => Object.keys(head.children).map((child) => childState(head, child));
    const running = await until(core, id, (head) => Object.values(head.children)[0]?.activity !== undefined);
    assert.deepEqual([seen(running), Object.values(running.children)[0]?.activity], [["running"], "Running sleep 30"]);
    const [child = ""] = Object.keys(running.children);
    const [told] = core.store.page(id, child, { limit: 100 }).messages;
    assert.match(JSON.stringify(told), /"role":"user".*sleep 30/, "its task is there from the beginning");
    await core.run("stopMission", { missionId: id });
    assert.deepEqual(seen(await untilTurns(core, id, 1)), ["idle"]);
  });

  it("wait for the user under their own name", async () => {
    const { id } = await core.run("createMission", {
      text: script(task("Asking work", bash("touch a"), { text: "done" }), { text: "done" }),
      directory: bed.project,
    });
    const head = await until(core, id, ({ requests }) => requests.length > 0);
    const [child = ""] = Object.keys(head.children);
    assert.equal(childState(head, child), "waiting_for_you");
    await core.run("answerPermission", { missionId: id, requestId: head.requests[0]?.id ?? "", reply: "once" });
    assert.equal(childState(await untilTurns(core, id, 1), child), "idle");
  });
});

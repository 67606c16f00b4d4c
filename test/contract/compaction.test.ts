import assert from "node:assert/strict";
import type { Core } from "../../src/orchestrator/core.ts";
import { contextShare } from "../../src/protocol/mission.ts";
import {
  bash,
  codeOf,
  makeBed,
  runTurn,
  script,
  texts,
  transcriptOf,
  until,
  untilTurns,
  type Bed,
} from "../fake/bed.ts";

describe("a conversation that is summarised", function () {
  this.timeout(60_000);
  let bed: Bed;
  let core: Core;

  before(async () => {
    bed = await makeBed();
    core = bed.core();
    await core.run("startServer", {});
  });
  after(() => bed.close());

  it("fills the context by what the model takes", async () => {
    const { id } = await runTurn(core, bed, script({ text: "Much.", usage: { prompt_tokens: 31_950 } }));
    const head = await until(core, id, ({ contextLimit }) => contextLimit !== undefined);
    assert.deepEqual(head.contextLimit, { model: "scripted/scripted", tokens: 128_000 });
    assert.equal(contextShare(head), 32_000 / 128_000);
  });

  it("becomes a summary, at which the next message goes on", async () => {
    const { id } = await runTurn(core, bed, "[[hello]]");
    await core.run("compactMission", { missionId: id });
    const head = await until(core, id, ({ runState }) => runState === "idle");
    assert.deepEqual(
      [head.status, head.summary?.state, head.contextTokens, head.usedAgent],
      ["active", "done", 0, "build"],
    );
    const parts = transcriptOf(core, id).messages.flatMap((message) => message.parts);
    assert.deepEqual(
      parts.flatMap((part) => (part.kind === "compaction" ? [part.automatic] : [])),
      [false],
    );
    assert.match(texts(core, id).at(-1) ?? "", /Scripted summary of the conversation/);
    await core.run("sendMessage", { missionId: id, text: script({ text: "On I go." }) });
    const after = await untilTurns(core, id, 2);
    assert.deepEqual([texts(core, id).at(-1), after.contextTokens > 0], ["On I go.", true]);
  });

  it("is left alone while something runs or waits, and where there is none", async () => {
    const { id } = await core.run("createMission", { text: script(bash("sleep 20"), {}), directory: bed.project });
    await until(core, id, ({ runState }) => runState === "waiting_for_tool");
    const refused = await core.run("compactMission", { missionId: id }).catch(codeOf);
    await core.run("stopMission", { missionId: id });
    await untilTurns(core, id, 1);
    const empty = await core.run("createEmptyMission", { directory: bed.project, title: "Empty" });
    assert.deepEqual(
      [refused, await core.run("compactMission", { missionId: empty.id }).catch(codeOf)],
      ["mission_busy", "mission_busy"],
    );
  });

  it("holds a message back that comes in the meantime", async () => {
    const { id } = await runTurn(core, bed, "[[hello]]");
    const summary = core.run("compactMission", { missionId: id });
    await until(core, id, ({ runState }) => runState === "running");
    await core.run("sendMessage", { missionId: id, text: script({ text: "Afterwards." }) });
    await summary;
    await untilTurns(core, id, 2);
    assert.deepEqual([texts(core, id).at(-1), core.store.head(id).status], ["Afterwards.", "active"]);
    assert.match(texts(core, id).at(-2) ?? "", /Scripted summary/);
  });
});

describe("a notice", function () {
  this.timeout(30_000);

  it("is claimed by one window, once for all time", async () => {
    const bed = await makeBed();
    try {
      const first = bed.core();
      const { id } = await first.run("createEmptyMission", { directory: bed.project, title: "Quiet" });
      const claim = (core: Core, key: string) => core.run("claimNotice", { missionId: id, key });
      const windows = [first, bed.core(), bed.core()];
      const claims = await Promise.all(windows.map((core) => claim(core, "ended:1")));
      assert.equal(claims.filter((won) => won).length, 1);
      for (const core of windows) await core.dispose();
      const later = bed.core();
      assert.deepEqual([await claim(later, "ended:1"), await claim(later, "ended:2")], [false, true]);
    } finally {
      await bed.close();
    }
  });
});

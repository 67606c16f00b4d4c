import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { readLeaderRecord } from "../../src/orchestrator/endpoint.ts";
import { script } from "../fake/bed.ts";
import { bash } from "../fake/scenarios.ts";
import { lineScript } from "../fake/script.ts";
import { eventually } from "../host/eventually.ts";
import { pickQuickItem, quickInput, runCommand, treeRow } from "../host/page.ts";
import {
  inPanel,
  launch,
  makeScene,
  panel,
  panelShows,
  reloadWindow,
  send,
  stepTitled,
  turnsEnd,
  type Scene,
  pictureFailures,
} from "./scene.ts";

/** Numbered words: a hole, a repetition and a wrong order are all seen. */
function countedWords(last: number): string {
  return Array.from({ length: last }, (_, index) => `w${String(index + 1)}`).join(" ");
}

describe("a user whose missions run on", function () {
  this.timeout(180_000);
  let scene: Scene;
  let page: Page;
  /** What the window has open. */
  let folder: string;

  before(async () => {
    const worker = { description: "Works", mode: "subagent" };
    scene = await makeScene({ bed: { config: { agent: { worker }, permission: { bash: { "touch *": "ask" } } } } });
    page = await scene.open();
    folder = scene.bed.project;
  });
  after(() => scene.close());
  pictureFailures((name) => scene.picture(page, name));

  const file = (name: string) => join(folder, name);
  const leaderPid = () => readLeaderRecord(scene.bed.paths.leaderRecord)?.pid;

  it("sees all of a turn in the second window when the first, which runs it, is closed in the middle", async () => {
    const [text, gate] = [countedWords(200), file("closed")];
    await launch(page, lineScript("Seen by the one that stays", { text, chunk: 4, delay: 10, gate }));
    await panelShows(page, ".answer", (texts) => texts.join("").includes("w9"));
    const leader = leaderPid();
    const other = join(scene.bed.root, "other");
    mkdirSync(other, { recursive: true });
    const second = await scene.open(other);
    await runCommand(second, "Open Agent: Show Missions");
    await treeRow(second, "Seen by the one that stays").first().click();
    await panelShows(second, ".answer", (texts) => texts.join("").includes("w20"));
    await page.close({ runBeforeUnload: true });
    page = second;
    folder = other;
    await eventually(leaderPid, (pid) => pid !== undefined && pid !== leader);
    writeFileSync(gate, "");
    await turnsEnd(page, 1);
    assert.deepEqual(await inPanel(page, ".answer"), [text]);
    await send(page, lineScript("And on", { text: "The second runs it now." }));
    await turnsEnd(page, 2);
    assert.deepEqual(await inPanel(page, ".answer"), [text, "The second runs it now."]);
  });

  it("finds a transcript that is complete, and nothing twice, when the window reloads during the answer", async () => {
    const [text, gate] = [countedWords(300), file("reloaded")];
    await launch(page, lineScript("Reload meanwhile", { text, chunk: 4, delay: 10, gate }));
    await panelShows(page, ".answer", (texts) => texts.join("").includes("w9"));
    await reloadWindow(page);
    await panelShows(page, "h1", ([title = ""]) => title.startsWith("Reload meanwhile"));
    await panelShows(page, ".answer", (texts) => texts.join("").includes("w9"));
    writeFileSync(gate, "");
    await turnsEnd(page, 1);
    assert.deepEqual(await inPanel(page, ".answer"), [text]);
    assert.equal((await inPanel(page, ".user-text")).length, 1);
  });

  it("edits and reorders what waits, and each message is sent once in that order", async () => {
    const gate = file("go");
    await launch(page, lineScript("Work first", bash(`until [ -e ${gate} ]; do sleep 0.1; done`), { text: "Worked." }));
    await panelShows(page, ".fold.running", (rows) => rows.length === 1);
    const message = (name: string) => lineScript(`Message ${name}`, { text: `Answer ${name}.` });
    const waits = (...names: string[]) =>
      panelShows(page, ".queue .words", (texts) => texts.join("|") === names.map(message).join("|"));
    for (const name of ["one", "two", "three"]) await send(page, message(name));
    await waits("one", "two", "three");
    const row = async (index: number) => (await panel(page)).locator(".queue li").nth(index);
    for (const index of [2, 1]) {
      const before = await inPanel(page, ".queue .words");
      await (await row(index)).hover();
      await (await row(index)).getByRole("button", { name: "Move up" }).click();
      await panelShows(page, ".queue .words", (texts) => texts.join() !== before.join());
    }
    await waits("three", "one", "two");
    await (await row(1)).hover();
    await (await row(1)).getByRole("button", { name: "Edit" }).click();
    const editor = (await row(1)).getByRole("textbox");
    await editor.fill(message("ONE"));
    await editor.press("Enter");
    await waits("three", "ONE", "two");
    await scene.picture(page, "queue");
    writeFileSync(gate, "");
    await turnsEnd(page, 4);
    assert.deepEqual((await inPanel(page, ".user-text")).slice(1), ["three", "ONE", "two"].map(message));
    assert.deepEqual(await inPanel(page, ".answer"), ["Worked.", "Answer three.", "Answer ONE.", "Answer two."]);
    assert.deepEqual(await inPanel(page, ".queue"), []);
  });

  it("answers from the tree what a sub-agent asks", async () => {
    const prompt = script(bash(`touch ${file("touched.txt")}`), { text: "Touched." });
    const args = { description: "Touch a file", prompt, subagent_type: "worker" };
    await runCommand(page, "Open Agent: Show Missions");
    await launch(page, lineScript("Delegate the touching", { tool: "task", args }, { text: "Delegated." }));
    await runCommand(page, "View: Close All Editors");
    await treeRow(page, "Waiting for You").first().waitFor();
    const mission = treeRow(page, "Delegate the touching").first();
    await mission.locator(".monaco-tl-twistie").click();
    const worker = treeRow(page, "waiting for you").filter({ hasText: "worker" }).first();
    await worker.hover();
    await scene.picture(page, "child-waits");
    assert.equal(existsSync(file("touched.txt")), false);
    await worker.getByRole("button", { name: "Answer…" }).click();
    await stepTitled(page, `Wants to run: touch ${file("touched.txt")}`);
    await pickQuickItem(page, "Allow Once");
    await quickInput(page).waitFor({ state: "detached" });
    await eventually(() => existsSync(file("touched.txt")), Boolean);
    await treeRow(page, "Waiting for You").first().waitFor({ state: "detached" });
    await mission.click();
    await turnsEnd(page, 1);
    assert.deepEqual(await inPanel(page, ".answer"), ["Delegated."]);
  });
});

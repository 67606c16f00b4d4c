import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { bash } from "../fake/scenarios.ts";
import { lineScript } from "../fake/script.ts";
import { eventually } from "../host/eventually.ts";
import { runCommand, treeRow } from "../host/page.ts";
import {
  inPanel,
  launch,
  makeScene,
  panel,
  panelShows,
  reloadWindow,
  send,
  transcript,
  turnsEnd,
  type Scene,
  pictureFailures,
} from "./scene.ts";

describe("a user of the packaged extension", function () {
  this.timeout(180_000);
  let scene: Scene;
  let page: Page;

  before(async () => {
    scene = await makeScene();
    page = await scene.open();
  });
  after(() => scene.close());
  pictureFailures((name) => scene.picture(page, name));

  it("launches a mission, which writes the file and shows its transcript", async () => {
    await launch(page, "Write me a small program");
    await turnsEnd(page, 1);
    assert.match(readFileSync(join(scene.bed.project, "hello.js"), "utf8"), /scripted demo/);
    const text = await transcript(page);
    assert.match(text, /Wrote\s+hello\.js/);
    assert.match(text, /Ran\s+node hello\.js/);
    await scene.picture(page, "mission");
  });

  it("finds the same transcript after the window was reloaded", async () => {
    const before = await transcript(page);
    await reloadWindow(page);
    await turnsEnd(page, 1);
    assert.equal(await transcript(page), before);
  });

  it("sends a follow-up to the restored panel, which shows nothing twice", async () => {
    const before = await transcript(page);
    await send(page, lineScript("And now this", { text: "A second answer." }));
    await turnsEnd(page, 2);
    const after = await transcript(page);
    assert.ok(after.startsWith(before));
    assert.equal(after.split("A second answer.").length, 3, "once in the message and once in the answer");
    assert.deepEqual((await inPanel(page, ".user-text")).length, 2);
  });

  it("stops a running mission from the panel", async () => {
    await send(page, lineScript("Work for long", bash("sleep 8765; touch never.txt")));
    await panelShows(page, ".fold.running", (rows) => rows.length === 1);
    await (await panel(page)).locator("header .stop").click();
    const ends = await turnsEnd(page, 3);
    assert.match(ends[2] ?? "", /^Interrupted after/);
    assert.equal(existsSync(join(scene.bed.project, "never.txt")), false);
  });

  it("keeps the transcript when the panel moves to another column and when it is hidden", async () => {
    const before = await transcript(page);
    await runCommand(page, "View: Move Editor into Next Group");
    await turnsEnd(page, 3);
    assert.equal(await transcript(page), before);
    await send(page, lineScript("While hidden", { text: "Hidden words.", wait: 1500 }));
    await panelShows(page, ".user-text", (texts) => texts.length === 4);
    await runCommand(page, "Help: Welcome");
    await runCommand(page, "View: Move Editor into Next Group").catch(() => undefined);
    await treeOf("Write me a small program");
    await runCommand(page, "View: Open Previous Editor");
    await turnsEnd(page, 4);
    assert.match(await transcript(page), /Hidden words\.\s+Finished/);
    await runCommand(page, "View: Close All Editors");
  });

  async function treeOf(title: string): Promise<void> {
    if (!(await treeRow(page, title).first().isVisible())) await runCommand(page, "Open Agent: Show Missions");
    await treeRow(page, title).first().waitFor();
  }

  it("sees the same live in two windows", async () => {
    const folder = join(scene.bed.root, "other");
    mkdirSync(folder);
    await launch(page, lineScript("Seen twice", { text: "word ".repeat(60), chunk: 5, delay: 40 }, { text: "" }));
    await panelShows(page, ".answer", (texts) => texts.join("").includes("word"));
    const second = await scene.open(folder);
    await runCommand(second, "Open Agent: Show Missions");
    await treeRow(second, "Seen twice").first().click();
    await panelShows(second, ".answer", (texts) => texts.join("").includes("word"));
    await turnsEnd(page, 1);
    await turnsEnd(second, 1);
    assert.equal(await transcript(second), await transcript(page));
    await send(second, lineScript("From the second", { text: "Both see this." }));
    await panelShows(page, ".answer", (texts) => texts.includes("Both see this."));
    await turnsEnd(second, 2);
    await second.close({ runBeforeUnload: true });
  });

  it("finds the whole history of a mission during which the window was closed", async () => {
    const away = join(scene.bed.project, "away.txt");
    const steps = [1, 2, 3].map((step) => ({
      text: `Part ${String(step)}.`,
      ...bash(`until [ -e ${away} ]; do sleep 0.1; done; touch closed-${String(step)}.txt`),
    }));
    await launch(page, lineScript("While I am away", ...steps, { text: "All parts done." }));
    await panelShows(page, ".fold.running", (rows) => rows.length === 1);
    await page.close({ runBeforeUnload: true });
    writeFileSync(away, "");
    await eventually(() => existsSync(join(scene.bed.project, "closed-3.txt")), Boolean);
    page = await scene.open();
    await runCommand(page, "Open Agent: Show Missions");
    await treeRow(page, "While I am away").first().click();
    await turnsEnd(page, 1);
    const answers = await panelShows(page, ".answer", (texts) => texts.includes("All parts done."));
    assert.deepEqual(answers, ["Part 1.", "Part 2.", "Part 3.", "All parts done."]);
    assert.equal((await inPanel(page, ".fold .verb")).filter((verb) => verb === "Ran").length, 3);
  });

  it("deletes a mission after a confirmation, and not without", async () => {
    await launch(page, lineScript("To be deleted", { text: "Soon gone." }));
    await turnsEnd(page, 1);
    const dialog = page.locator(".monaco-dialog-box");
    await runCommand(page, "Open Agent: Delete…");
    await dialog.getByText("Delete “To be deleted").waitFor();
    await scene.picture(page, "delete");
    await dialog.getByText("Cancel").click();
    await dialog.waitFor({ state: "detached" });
    await treeRow(page, "To be deleted").first().waitFor();
    await runCommand(page, "Open Agent: Delete…");
    await dialog.locator(".monaco-button", { hasText: /^Delete$/ }).click();
    await treeRow(page, "To be deleted").first().waitFor({ state: "detached" });
    await page.locator(".tab", { hasText: "To be deleted" }).waitFor({ state: "detached" });
  });
});

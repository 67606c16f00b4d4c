import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { bash } from "../fake/scenarios.ts";
import { lineScript } from "../fake/script.ts";
import { eventually } from "../host/eventually.ts";
import { runCommand } from "../host/page.ts";
import { inPanel, launch, makeScene, panel, panelShows, send, turnsEnd, type Scene, pictureFailures } from "./scene.ts";

describe("a user who looks at what was changed", function () {
  this.timeout(180_000);
  let scene: Scene;
  let page: Page;

  before(async () => {
    scene = await makeScene();
    page = await scene.open();
    writeFileSync(file("old.txt"), "old\n");
    const steps = [bash("echo new > old.txt; echo fresh > fresh.txt; mv README.md moved.md"), { text: "Changed." }];
    await launch(page, lineScript("Change three files", ...steps));
    await turnsEnd(page, 1);
    await panelShows(page, ".turn-changes", (lines) => lines[0]?.startsWith("4 files changed") === true);
  });
  after(() => scene.close());
  pictureFailures((name) => scene.picture(page, name));

  const file = (name: string) => join(scene.bed.project, name);
  const read = (name: string) => (existsSync(file(name)) ? readFileSync(file(name), "utf8") : "none");
  const all = () => ["old.txt", "fresh.txt", "README.md", "moved.md"].map(read);
  const [untouched, touched] = [
    ["old\n", "none", "hello\n", "none"],
    ["new\n", "fresh\n", "none", "hello\n"],
  ];
  const dialog = () => page.locator(".monaco-dialog-box");
  const answer = (label: string) => dialog().locator(".monaco-button", { hasText: label }).click();
  const click = async (selector: string, words: string) => {
    await (await panel(page)).locator(selector, { hasText: words }).first().click();
  };

  it("sees all files in one diff", async () => {
    await click("header button", "Changes 4");
    const names = page.locator(".multiDiffEditor .multiDiffEntry .title.modified, .multiDiffEditor .file-path .title");
    await eventually(
      async () => (await names.allInnerTexts()).map((name) => name.trim()).filter((name) => name !== ""),
      (shown) => ["fresh.txt", "moved.md", "old.txt", "README.md"].every((name) => shown.includes(name)),
    );
    await scene.picture(page, "changes");
    await runCommand(page, "View: Close Editor");
  });

  it("takes the turn back after a question that names the files, and brings it back", async () => {
    await click(".turn-changes button", "Revert");
    const detail = await dialog().locator(".dialog-message-detail").innerText();
    assert.match(detail, /fresh\.txt\s+moved\.md\s+old\.txt/);
    await answer("Revert");
    await panelShows(page, ".taken-back", (lines) => lines[0]?.includes("4 files put back") === true);
    assert.deepEqual(all(), untouched);
    await scene.picture(page, "taken-back");
    await click(".taken-back button", "Unrevert");
    await panelShows(page, ".taken-back", (lines) => lines.length === 0);
    assert.deepEqual(all(), touched);
  });

  it("is told of the files that others have changed since, and loses nothing by Cancel", async () => {
    writeFileSync(file("old.txt"), "mine\n");
    await click(".turn-changes button", "Revert");
    assert.match(await dialog().locator(".dialog-message-detail").innerText(), /will be lost:\s+old\.txt/);
    await answer("Cancel");
    assert.equal(read("old.txt"), "mine\n");
    writeFileSync(file("old.txt"), "new\n");
  });

  it("sees after the next message where the mission was taken back", async () => {
    await click(".turn-changes button", "Revert");
    await answer("Revert");
    await panelShows(page, ".taken-back", (lines) => lines.length === 1);
    await send(page, lineScript("Something else", { text: "Else." }));
    await panelShows(page, ".answer", (texts) => texts.join().includes("Else."));
    await panelShows(page, ".divider", (lines) => lines[0]?.startsWith("Reverted to here at") === true);
    assert.deepEqual([(await inPanel(page, ".taken-back")).length, all()], [0, untouched]);
  });

  it("goes on in a fork", async () => {
    await turnsEnd(page, 1);
    await (await panel(page)).locator(".turn").last().hover();
    await click(".turn-changes button", "Fork");
    await panelShows(page, "h1", (titles) => titles[0]?.endsWith(" (fork)") === true);
    assert.deepEqual(await inPanel(page, ".answer"), ["Else."]);
  });
});

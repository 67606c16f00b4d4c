import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { bash } from "../fake/scenarios.ts";
import { lineScript } from "../fake/script.ts";
import { eventually } from "../host/eventually.ts";
import { answerQuickInput, quickInput, runCommand, treeRow } from "../host/page.ts";
import { inPanel, launch, makeScene, panel, panelShows, turnsEnd, type Scene, pictureFailures } from "./scene.ts";

describe("a user who is asked before anything happens", function () {
  this.timeout(180_000);
  let scene: Scene;
  let page: Page;

  before(async () => {
    scene = await makeScene();
    page = await scene.open();
  });
  after(() => scene.close());
  pictureFailures((name) => scene.picture(page, name));

  const dialog = () => page.locator(".monaco-dialog-box");
  const click = (label: string) =>
    dialog()
      .locator(".monaco-button", { hasText: new RegExp(`^${label}$`) })
      .click();
  const press = async (label: string) => {
    await click(label);
    await dialog().waitFor({ state: "detached" });
  };

  it("sees all that a link wants; Cancel starts nothing, and yes starts it", async () => {
    const prompt = lineScript("Wanted by a link", { text: "Started by a link." });
    const query = `prompt=${encodeURIComponent(prompt)}&workspace=${encodeURIComponent(scene.bed.project)}`;
    const follow = async () => {
      await runCommand(page, "Developer: Open URL");
      await quickInput(page).getByText("URL to open").waitFor();
      await answerQuickInput(page, `code-oss://open-agent.open-agent/new?${query}`);
      // First the editor asks whether the extension may have the link at all.
      await dialog().getByText("to open this URI").waitFor();
      // The next question may be there before this one is seen to be gone.
      await click("Open");
      await dialog().getByText("A link asks for a new mission").waitFor();
      return dialog().locator(".dialog-message-detail").innerText();
    };
    const detail = await follow();
    assert.ok(detail.includes(scene.bed.project) && detail.includes(prompt), detail);
    await scene.picture(page, "link");
    await press("Cancel");
    await follow();
    await press("Start Mission");
    await panelShows(page, ".answer", ([text]) => text === "Started by a link.");
    await runCommand(page, "Open Agent: Show Missions");
    await treeRow(page, "Wanted by a link").first().waitFor();
    assert.equal(await treeRow(page, "Wanted by a link").count(), 1);
  });

  it("reads what a clean workspace puts into a stash, and keeps everything on Cancel", async () => {
    const mess = join(scene.bed.project, "mess.txt");
    const git = (...words: string[]) => execFileSync("git", words, { cwd: scene.bed.project, encoding: "utf8" });
    await launch(page, lineScript("Make a mess", bash("echo mess > mess.txt"), bash("sleep 600")));
    await eventually(() => existsSync(mess), Boolean);
    await (await panel(page)).locator("header .stop").click();
    await turnsEnd(page, 1);
    const ask = async () => {
      await runCommand(page, "Open Agent: Resume in a Clean Workspace…");
      await dialog().getByText("mess.txt (new)").waitFor();
    };
    await ask();
    await scene.picture(page, "clean-workspace");
    await press("Cancel");
    assert.deepEqual([readFileSync(mess, "utf8"), git("stash", "list")], ["mess\n", ""]);
    assert.equal((await inPanel(page, ".user-text")).length, 1);
    await ask();
    await press("Stash and Resume");
    await panelShows(page, ".user-text", (texts) => /^Continue\. .*1 uncommitted file was put/.test(texts[1] ?? ""));
    assert.equal(existsSync(mess), false);
    assert.match(git("stash", "list"), /^stash@\{0\}: On \S+: Open Agent [0-9a-f]{8}: Make a mess/);
  });
});

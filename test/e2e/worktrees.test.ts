import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { lineScript } from "../fake/script.ts";
import { eventually } from "../host/eventually.ts";
import { answerQuickInput, chooseFromMenu, notification, pickQuickItem, runCommand } from "../host/page.ts";
import { makeScene, stepTitled, turnsEnd, type Scene, pictureFailures } from "./scene.ts";

describe("a user with a git worktree", function () {
  this.timeout(180_000);
  let scene: Scene;
  let page: Page;
  const made = () => join(scene.bed.project, "branched.txt");

  before(async () => {
    scene = await makeScene();
    for (const [name, value] of [
      ["user.name", "t"],
      ["user.email", "t@t"],
    ] as const)
      execFileSync("git", ["config", name, value], { cwd: scene.bed.project });
    page = await scene.open();
  });
  after(() => scene.close());
  pictureFailures((name) => scene.picture(page, name));

  const row = () =>
    page
      .locator('.pane:has(.pane-header[aria-label^="Workspaces"]) .monaco-list-row')
      .filter({ hasText: "Branch off" })
      .first();
  const dialog = () => page.locator(".monaco-dialog-box");
  const asked = async (command: string) => {
    await chooseFromMenu(page, row(), command);
    return dialog().locator(".dialog-message-detail").innerText();
  };

  it("launches a mission in one, and the checkout stays as it is", async () => {
    await runCommand(page, "Open Agent: New Mission…");
    await stepTitled(page, "New Mission (1 of 2)");
    const write = { tool: "write", args: { filePath: "branched.txt", content: "from the branch\n" } };
    await answerQuickInput(page, lineScript("Branch off", write, { text: "Branched." }));
    await stepTitled(page, "New Mission (2 of 2)");
    await pickQuickItem(page, "project · new worktree");
    await pickQuickItem(page, "Start");
    await turnsEnd(page, 1);
    assert.ok(!existsSync(made()));
    await runCommand(page, "Open Agent: Focus on Workspaces View");
    await row().filter({ hasText: "worktree" }).waitFor();
    await scene.picture(page, "worktree");
  });

  it("sees all of its changes as a patch", async () => {
    await chooseFromMenu(page, row(), "Show Changes of Worktree as Patch");
    await page.locator(".view-line").filter({ hasText: "+from the branch" }).first().waitFor();
  });

  it("merges it after a question that names what is in no commit yet", async () => {
    assert.match(await asked("Merge Worktree Back…"), /committed first:\s*branched\.txt/);
    await scene.picture(page, "worktree-merge");
    await dialog().getByRole("button", { name: "Merge", exact: true }).click();
    await stepTitled(page, "Commit");
    await page.keyboard.press("Enter");
    await notification(page, "was merged into").first().waitFor();
    assert.equal(readFileSync(made(), "utf8"), "from the branch\n");
  });

  it("is told before it is deleted what git ignores in it", async () => {
    const trees = join(scene.bed.data, "worktrees", "project");
    const ignored = join(trees, readdirSync(trees)[0] ?? "", "results.db");
    appendFileSync(join(scene.bed.project, ".git", "info", "exclude"), "*.db\n");
    writeFileSync(ignored, "figures");
    assert.match(await asked("Delete Workspace…"), /is lost:\s*results\.db \(ignored by git\)/);
    await dialog().getByRole("button", { name: "Cancel", exact: true }).click();
    await dialog().waitFor({ state: "detached" });
    assert.equal(readFileSync(ignored, "utf8"), "figures");
    rmSync(ignored);
  });

  it("deletes it when nothing would be lost", async () => {
    assert.match(await asked("Delete Workspace…"), /elsewhere as well/);
    await dialog().getByRole("button", { name: "Delete", exact: true }).click();
    await eventually(
      () => row().count(),
      (count) => count === 0,
    );
  });
});

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { opencodeBinary } from "../fake/bed.ts";
import { usableItems, writeFiles } from "../fake/library.ts";
import { eventually } from "../host/eventually.ts";
import { answerQuickInput, pickQuickItem, quickInput, runCommand, treeRow } from "../host/page.ts";
import { launch, makeScene, noticed, pictureFailures, stepTitled, turnsEnd, type Scene } from "./scene.ts";

describe("a user with a Library at a remote", function () {
  this.timeout(180_000);
  let scene: Scene;
  let page: Page;
  let remote: string;
  let other: string;

  const git = (folder: string, ...args: string[]) =>
    execFileSync("git", ["-C", folder, "-c", "user.name=Other", "-c", "user.email=other@example.org", ...args], {
      encoding: "utf8",
    }).trim();
  const inLibrary = (path: string) => join(scene.bed.paths.library, path);

  before(async () => {
    scene = await makeScene({
      // In a browser the editor would save by itself.
      editor: { settings: { "openAgent.opencode.path": opencodeBinary, "files.autoSave": "off" } },
      prepare: (bed) => {
        remote = join(bed.root, "remote.git");
        other = join(bed.root, "other");
        writeFiles(bed.home, { ".gitconfig": "[user]\n\tname = User\n\temail = user@example.org\n" });
        execFileSync("git", ["init", "-q", "--bare", "-b", "main", remote]);
        execFileSync("git", ["clone", "-q", remote, other], { stdio: "ignore" });
        writeFiles(other, {
          ...usableItems,
          "workspace-template/web.json": `${JSON.stringify({ description: "For the web.", skills: ["greeting"] }, null, 2)}\n`,
        });
        git(other, "checkout", "-q", "-B", "main");
        git(other, "add", "-A");
        git(other, "commit", "-qm", "Begin");
        git(other, "push", "-q", "-u", "origin", "main");
        return Promise.resolve();
      },
    });
    page = await scene.open();
  });
  after(() => scene.close());
  pictureFailures((name) => scene.picture(page, name));

  const isPushed = () =>
    eventually(
      () => git(remote, "rev-parse", "main") === git(scene.bed.paths.library, "rev-parse", "HEAD"),
      Boolean,
      30_000,
    );
  const shown = () => page.locator(".editor-instance .view-lines").first().innerText();

  it("clones it, and sees what it holds", async () => {
    await runCommand(page, "Open Agent: Set Up Library…");
    await stepTitled(page, "Set Up Library");
    await pickQuickItem(page, "Clone…");
    await stepTitled(page, "Clone Library");
    await answerQuickInput(page, remote);
    await (await noticed(page, "The Library is set up with 2 skills, 1 command, 1 agent.")).waitFor();
    await runCommand(page, "Notifications: Clear All Notifications");
    await runCommand(page, "Open Agent: Focus on Library View");
    await page.locator(".pane-header", { hasText: "Missions" }).first().click();
    await treeRow(page, "Skills").first().click();
    await treeRow(page, "greeting").first().waitFor();
    await page.locator(".pane-header", { hasText: "Library" }).getByText("main").waitFor();
    await scene.picture(page, "library");
  });

  it("makes a skill, sees what is wrong with it, and has that put right", async () => {
    await runCommand(page, "Open Agent: New in the Library…");
    await stepTitled(page, "New in the Library");
    await pickQuickItem(page, "Skill");
    await stepTitled(page, "New skill");
    await answerQuickInput(page, "checking");
    await page.locator('.tab[aria-label*="SKILL.md"]').waitFor();
    assert.match(readFileSync(inLibrary("skill/checking/SKILL.md"), "utf8"), /^---\nname: checking\n/);
    await page.locator(".editor-instance .view-lines").first().click();
    await page.keyboard.press("Control+A");
    await page.keyboard.insertText("---\nname: wrong\ndescription: Checks.\n---\n\nCheck what “greeting” did.\n");
    await page.locator(".squiggly-error").first().waitFor();
    const fix = page.locator(".action-widget").getByText("checking").first();
    await eventually(
      async () => {
        await page.keyboard.press("Escape");
        await page.locator(".editor-instance .view-line", { hasText: "name:" }).first().click();
        await page.keyboard.press("Control+.");
        return fix.click({ timeout: 3000 }).then(
          () => true,
          () => false,
        );
      },
      Boolean,
      30_000,
    );
    await eventually(shown, (text) => text.replaceAll("\u00a0", " ").includes("name: checking"));
    await page.keyboard.press("Control+S");
    await eventually(
      () => readFileSync(inLibrary("skill/checking/SKILL.md"), "utf8"),
      (text) => text.startsWith("---\nname: checking\ndescription: Checks.\n---\n"),
    );
    await eventually(
      () => page.locator(".squiggly-error").count(),
      (count) => count === 0,
    );
  });

  it("renames a skill with all that names it, after a look at what changes", async () => {
    await runCommand(page, "Open Agent: Rename Library Item…");
    await stepTitled(page, "Rename Which Item?");
    await pickQuickItem(page, "greeting");
    await stepTitled(page, "Rename the skill “greeting”");
    await answerQuickInput(page, "welcome");
    const apply = page.locator(".panel").getByRole("button", { name: "Apply", exact: true });
    await apply.waitFor();
    await scene.picture(page, "library-rename");
    await apply.click();
    await eventually(() => existsSync(inLibrary("skill/welcome/SKILL.md")), Boolean);
    await runCommand(page, "File: Save All");
    await eventually(
      () => readFileSync(inLibrary("workspace-template/web.json"), "utf8"),
      (text) => text.includes('"welcome"') && !text.includes("greeting"),
    );
    assert.equal(existsSync(inLibrary("skill/greeting")), false);
    // What may mean something else is only offered.
    assert.match(readFileSync(inLibrary("skill/checking/SKILL.md"), "utf8"), /“greeting”/);
  });

  it("sees only what a filter leaves, and all again", async () => {
    const rows = () => page.locator('.pane:has(.pane-header[aria-label^="Library"]) .monaco-list-row').allInnerTexts();
    await runCommand(page, "Open Agent: Filter the Library…");
    await stepTitled(page, "Filter the Library");
    await answerQuickInput(page, "goodbye");
    await eventually(rows, (shown) => shown.length === 2 && shown.join().includes("farewell"));
    await page.getByText("Only what has “goodbye” in its name or description.").waitFor();
    await runCommand(page, "Open Agent: Clear the Library’s Filter");
    await eventually(rows, (shown) => ["Skills", "Commands", "Rules"].every((title) => shown.join().includes(title)));
    await treeRow(page, "Skills").first().click();
    await treeRow(page, "welcome").first().waitFor();
  });

  it("commits and pushes, which nothing did by itself, with what an editor holds when the user saves it, and another clone has it", async () => {
    const commits = [scene.bed.paths.library, remote].map((folder) => git(folder, "log", "--format=%s", "main"));
    assert.deepEqual(commits, ["Begin", "Begin"]);
    await runCommand(page, "Open Agent: Open Library Item…");
    await pickQuickItem(page, "checking");
    await page.locator('.tab.active[aria-label*="SKILL.md"]').waitFor();
    await page.locator(".editor-instance .view-lines").first().click();
    await page.keyboard.press("Control+End");
    await page.keyboard.insertText("Not saved yet.\n");
    await page.locator(".tab.active.dirty").waitFor();
    await runCommand(page, "Open Agent: Commit Library…");
    const dialog = page.locator(".monaco-dialog-box");
    await dialog.getByText("Save skill/checking/SKILL.md of the Library first?").waitFor();
    await scene.picture(page, "library-commit-unsaved");
    await dialog.getByRole("button", { name: "Save and Commit" }).click();
    await stepTitled(page, "Commit Library (main)");
    await quickInput(page).getByText("skill/welcome/SKILL.md").first().waitFor();
    await quickInput(page).getByRole("button", { name: "OK" }).click();
    await quickInput(page).getByText("The message of the commit").waitFor();
    await answerQuickInput(page, "Rename greeting");
    const said = await noticed(page, "in the commit");
    await said.getByRole("button", { name: "Push" }).click();
    await isPushed();
    git(other, "pull", "-q");
    assert.equal(git(other, "log", "-1", "--format=%s · %an"), "Rename greeting · User");
    assert.ok(existsSync(join(other, "skill/welcome/scripts/greet.sh")));
    assert.match(git(other, "show", "HEAD:skill/checking/SKILL.md"), /Not saved yet\./);
    assert.equal(git(other, "show", "--format=", "--name-only", "-M", "--diff-filter=D", "HEAD"), "");
  });

  it("brings both sides together when both have gone on, and nothing of either is lost", async () => {
    const rule = (words: string) => `---\ndescription: Style.\n---\n${words}\n`;
    writeFileSync(join(other, "rule/style.md"), rule("Theirs."));
    git(other, "commit", "-qam", "Change the rule there");
    git(other, "push", "-q");
    writeFileSync(inLibrary("rule/style.md"), rule("Mine."));
    git(scene.bed.paths.library, "commit", "-qam", "Change the rule here");
    await runCommand(page, "Notifications: Clear All Notifications");
    await runCommand(page, "Open Agent: Sync Library");
    await stepTitled(page, "Sync Library");
    await scene.picture(page, "library-diverged");
    await pickQuickItem(page, "Merge");
    const asked = await noticed(page, "The same lines were changed on both sides in rule/style.md");
    await page.locator('.tab.active[aria-label*="style.md"]').waitFor();
    await page.locator(".merge-editor").waitFor();
    await scene.picture(page, "library-conflict");
    assert.match(readFileSync(inLibrary("rule/style.md"), "utf8"), /^<{7} /m);
    await runCommand(page, "Merge Editor: Accept All Incoming Changes from Left");
    await page.locator(".tab.active.dirty").waitFor();
    await asked.getByRole("button", { name: "Continue" }).click();
    const together = await noticed(page, "Both sides are together now.");
    await together.getByRole("button", { name: "Push" }).click();
    await isPushed();
    git(other, "pull", "-q");
    const log = git(other, "log", "--format=%s");
    for (const subject of ["Change the rule here", "Change the rule there"]) assert.ok(log.includes(subject), log);
    assert.equal(readFileSync(join(other, "rule/style.md"), "utf8"), rule("Theirs."));
  });

  const ways = [
    ["Rebase", "Both sides are together now."],
    ["Take Theirs", "The Library and its remote are the same now."],
    ["Keep Mine", "The Library and its remote are the same now."],
  ] as const;
  for (const [way, words] of ways)
    it(`may choose ${way} when both have gone on, and a branch keeps what would be lost`, async () => {
      const library = scene.bed.paths.library;
      const name = way.replace(" ", "-").toLowerCase();
      for (const [folder, side] of [
        [other, "theirs"],
        [library, "mine"],
      ] as const) {
        writeFiles(folder, { [`rule/${name}-${side}.md`]: `${side}\n` });
        git(folder, "add", "rule");
        git(folder, "commit", "-qm", `${way}: ${side}`);
      }
      git(other, "push", "-q");
      const [theirs, mine] = [git(other, "rev-parse", "HEAD"), git(library, "rev-parse", "HEAD")];
      await runCommand(page, "Notifications: Clear All Notifications");
      await runCommand(page, "Open Agent: Sync Library");
      await stepTitled(page, "Sync Library");
      await pickQuickItem(page, way);
      if (way === "Keep Mine") await page.locator(".monaco-dialog-box").getByRole("button", { name: way }).click();
      const said = await noticed(page, words);
      const backup = /openagent\/backup-[\w-]*\w/.exec(await said.innerText())?.[0] ?? "";
      assert.equal(git(library, "rev-parse", backup), way === "Keep Mine" ? theirs : mine);
      if (way === "Rebase") await said.getByRole("button", { name: "Push" }).click();
      await isPushed();
      assert.deepEqual(
        ["mine", "theirs"].filter((side) => existsSync(inLibrary(`rule/${name}-${side}.md`))),
        way === "Rebase" ? ["mine", "theirs"] : way === "Keep Mine" ? ["mine"] : ["theirs"],
      );
      git(other, "fetch", "-q");
      git(other, "reset", "-q", "--hard", "origin/main");
    });

  it("duplicates a skill, which says its own name then, and deletes it", async () => {
    await runCommand(page, "Open Agent: Duplicate Library Item…");
    await pickQuickItem(page, "checking");
    await stepTitled(page, "Duplicate checking");
    await answerQuickInput(page, "checking-twice");
    await eventually(
      () =>
        existsSync(inLibrary("skill/checking-twice")) &&
        readFileSync(inLibrary("skill/checking-twice/SKILL.md"), "utf8"),
      (text) => text !== false && text.startsWith("---\nname: checking-twice\n"),
    );
    const sure = page.getByRole("button", { name: "Delete for Good" });
    // A menu takes no click before it has been open for a moment, and goes when the tree is drawn anew.
    const ask = async () => {
      await treeRow(page, "checking-twice").first().click({ button: "right" });
      await page.getByRole("menuitem", { name: "Delete" }).click({ timeout: 2000, delay: 100 });
      await sure.waitFor({ timeout: 3000 });
    };
    const isAsked = () =>
      ask().then(
        () => true,
        () => page.keyboard.press("Escape").then(() => false),
      );
    await eventually(isAsked, Boolean, 40_000);
    await sure.click();
    await eventually(
      () => existsSync(inLibrary("skill/checking-twice")),
      (isThere) => !isThere,
    );
  });

  it("finds its changes in VS Code's Source Control", async () => {
    writeFileSync(inLibrary("README.md"), "# Ours\n");
    await runCommand(page, "Open Agent: Show Library Changes");
    await page.locator(".scm-view .monaco-list-row", { hasText: "README.md" }).first().waitFor();
    await scene.picture(page, "library-changes");
  });

  it("has a mission use it, which OpenCode was told of", async () => {
    await launch(page, "[[hello]]");
    await turnsEnd(page, 1);
    const told = scene.bed.model.requests.map(({ body }) => JSON.stringify(body)).join("\n");
    assert.ok(told.includes("welcome") && told.includes("checking"), "the skills were not offered to the model");
    assert.ok(!told.includes("greeting"));
  });
});

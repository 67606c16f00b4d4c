import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import * as vscode from "vscode";
import { driver } from "../host/driver.ts";
import { eventually } from "../host/eventually.ts";
import { closeTabs, quickInputTitled } from "./steps.ts";

const notice = ".notification-list-item";
const told = (words: string | RegExp) =>
  eventually(
    () => driver.texts(notice),
    (texts) => texts.some((text) => (typeof words === "string" ? text.includes(words) : words.test(text))),
    30_000,
  );
const choose = (label: string) => driver.click(`${notice} .monaco-button:has-text("${label}")`);
const clear = () => vscode.commands.executeCommand("notifications.clearAll");

describe("the Library's repository", function () {
  this.timeout(120_000);
  let root: string;
  let folder: string;
  let remote: string;
  let users: string | undefined;
  const config = () => vscode.workspace.getConfiguration("openAgent");
  const git = (where: string, ...args: string[]) => execFileSync("git", args, { cwd: where, encoding: "utf8" });

  before(async () => {
    root = mkdtempSync(join(tmpdir(), "library-"));
    [folder, remote] = [join(root, "library"), join(root, "remote.git")];
    const file = join(homedir(), ".gitconfig");
    users = existsSync(file) ? readFileSync(file, "utf8") : undefined;
    writeFileSync(file, "[user]\n\tname = Ada\n\temail = ada@example.org\n");
    await config().update("library.path", folder, vscode.ConfigurationTarget.Global);
    await closeTabs();
  });
  after(async () => {
    await config().update("library.path", undefined, vscode.ConfigurationTarget.Global);
    await closeTabs();
    await clear();
    if (users === undefined) rmSync(join(homedir(), ".gitconfig"));
    else writeFileSync(join(homedir(), ".gitconfig"), users);
    rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  });

  it("begins with the starter, under the name that git has", async () => {
    await driver.runCommand("Open Agent: Set Up Library…");
    await quickInputTitled("Set Up Library");
    await driver.screenshot("library-set-up");
    await driver.pickQuickItem("Create from Starter");
    await told("The Library is set up with 3 skills, 3 commands, 2 agents.");
    assert.equal(git(folder, "log", "--format=%an: %s").trim(), "Ada: Begin with the starter");
    assert.equal(config().get("library.path"), folder);
    await clear();
  });

  it("goes to a remote, with what has changed in a commit of the user's own words", async () => {
    git(root, "init", "--quiet", "--bare", "--initial-branch=main", remote);
    await driver.runCommand("Open Agent: Change Library Remote…");
    await quickInputTitled("Change Library Remote");
    await driver.answerQuickInput(remote);
    await told("The new remote is empty.");
    await choose("Push");
    await told("branch main was pushed to origin");
    await clear();
    writeFileSync(join(folder, "rule", "working-together.md"), "---\ndescription: Ours.\n---\n\n- Mine.\n");
    await driver.runCommand("Open Agent: Commit Library…");
    await quickInputTitled("Commit Library (main)");
    await driver.screenshot("library-commit");
    await driver.press("Enter");
    await eventually(
      () => driver.texts(".quick-input-widget:visible .quick-input-message"),
      ([text = ""]) => text.includes("commit with 1 file"),
    );
    await driver.answerQuickInput("Say it shorter");
    await told("1 file of the Library is in the commit");
    assert.equal(git(folder, "log", "-1", "--format=%s").trim(), "Say it shorter");
    await clear();
  });
});

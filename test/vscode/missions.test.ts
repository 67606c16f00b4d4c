import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import { bash } from "../fake/scenarios.ts";
import { lineScript } from "../fake/script.ts";
import { driver } from "../host/driver.ts";
import { eventually } from "../host/eventually.ts";
import {
  answerLaunch,
  chooseInContextMenu,
  closeTabs,
  inPanel,
  launch,
  missionRows,
  missionTree,
  page,
  panelShows,
  quickInputTitled,
  showMissions,
  tabs,
  turnsEnd,
  workspaceFolder,
} from "./steps.ts";

const statusBar = '[id="open-agent.open-agent.openAgent.status"]';
const badge = '.activitybar .action-item:has([aria-label^="Open Agent"]) .badge-content';

describe("missions", () => {
  before(showMissions);
  beforeEach(closeTabs);

  async function statusText(): Promise<string> {
    return (await driver.texts(statusBar)).join(" ");
  }

  it("runs from the palette in two steps, writes the real file and stands in the tree", async () => {
    await launch("Write me a small program");
    await panelShows(".state", "running");
    await driver.screenshot("panel-running");
    await turnsEnd(1);
    assert.match(readFileSync(join(workspaceFolder(), "hello.js"), "utf8"), /scripted demo/);
    const title = "Write me a small program";
    const rows = await eventually(missionRows, ([newest]) => newest === title);
    assert.equal(rows.filter((row) => row === title).length, 1);
    assert.deepEqual(tabs(), ["Write me a small program"]);
    await panelShows(".answer", "Every word was written beforehand");
    await driver.screenshot("panel-finished");
  });

  it("waits for a permission: in the tree, in the badge, in the status bar and in the panel", async () => {
    await launch(lineScript("Touch a file", bash("touch asked.txt"), { text: "Touched." }));
    await panelShows(".card.request h3", "Wants to run");
    assert.deepEqual(await inPanel(".card.request .detail"), ["touch asked.txt"]);
    await eventually(missionRows, (rows) => rows[0] === "Waiting for You");
    assert.deepEqual(await driver.texts(badge), ["1"]);
    assert.match(await statusText(), /1 waiting for you/);
    await driver.screenshot("panel-permission");
    assert.equal(existsSync(join(workspaceFolder(), "asked.txt")), false);

    await driver.clickInWebview(page, ".card.request button >> text=Allow Once");
    await turnsEnd(1);
    assert.equal(existsSync(join(workspaceFolder(), "asked.txt")), true);
    await eventually(missionRows, (rows) => !rows.includes("Waiting for You"));
    await eventually(
      () => driver.texts(badge),
      (texts) => texts.join("") === "",
    );
    assert.doesNotMatch(await statusText(), /waiting/);
    assert.deepEqual(await inPanel(".card.request"), []);
  });

  it("is denied with a reason, which the model gets", async () => {
    await launch(lineScript("Touch another", bash("touch denied.txt"), { text: "I leave it." }));
    await panelShows(".card.request h3", "Wants to run");
    await driver.clickInWebview(page, ".card.request button >> text=Deny…");
    await driver.fillInWebview(page, ".card.request input", "use the other folder");
    await driver.press("Enter");
    await turnsEnd(1);
    assert.equal(existsSync(join(workspaceFolder(), "denied.txt")), false);
    await panelShows(".answer", "I leave it.");
    await driver.clickInWebview(page, ".fold.error > .line");
    await panelShows(".error-text", "use the other folder");
  });

  it("asks a question and goes on with the answer", async () => {
    await launch("Ask me [[question]]");
    await panelShows(".card.request legend", "Which colour?");
    await eventually(missionRows, (rows) => rows[0] === "Waiting for You");
    await driver.screenshot("panel-question");
    await driver.clickInWebview(page, ".card.request .option >> text=Blue");
    await driver.clickInWebview(page, ".card.request button >> text=Answer");
    await turnsEnd(1);
    await panelShows(".answer", "Thanks for the answer.");
    assert.match((await inPanel(".fold .line")).join("\n"), /Which colour\?|Blue/);
  });

  it("stops by its command, and the command that it ran is gone", async () => {
    const running = () => spawnSync("pgrep", ["-f", "^sleep 9876$"]).status === 0;
    await launch(lineScript("Sleep for long", bash("sleep 9876")));
    await eventually(running, Boolean);
    await driver.runCommand("Open Agent: Stop");
    const [end] = await turnsEnd(1);
    assert.match(end ?? "", /^Interrupted after/);
    assert.deepEqual(await inPanel(".state"), []);
    await panelShows(".status", "Interrupted. A message goes on from here.");
    await eventually(running, (still) => !still);
  });

  it("sends a follow-up from the composer in the same session", async () => {
    await launch(lineScript("Say one", { text: "One." }));
    await turnsEnd(1);
    await driver.fillInWebview(page, ".composer textarea", "And now?");
    await driver.press("Enter");
    await turnsEnd(2);
    assert.deepEqual(await inPanel(".user-text"), [lineScript("Say one", { text: "One." }), "And now?"]);
  });

  it("queues a message while it runs, lets it be edited, and sends it afterwards", async () => {
    await launch(lineScript("Wait for me", bash("touch queued.txt"), { text: "Waited." }));
    await panelShows(".card.request h3", "Wants to run");
    await driver.fillInWebview(page, ".composer textarea", lineScript("Then this", { text: "First." }));
    await driver.press("Enter");
    await panelShows(".queue .words", "Then this");
    const edit = async (text: string, key: string) => {
      await driver.clickInWebview(page, ".queue [aria-label=Edit]");
      await driver.fillInWebview(page, ".queue textarea", text);
      await driver.press(key);
    };
    await edit("Dropped", "Escape");
    await panelShows(".queue .words", "Then this");
    await edit(lineScript("Then that", { text: "Second." }), "Enter");
    await panelShows(".queue .words", "Then that");
    await driver.clickInWebview(page, ".card.request button >> text=Allow Once");
    await turnsEnd(2);
    assert.deepEqual(await inPanel(".answer"), ["Waited.", "Second."]);
    assert.deepEqual(await inPanel(".queue"), []);
  });

  it("shows a failure with its ways out", async () => {
    await launch("Fail [[err401]]");
    await panelShows(".failure .message", "Incorrect API key");
    await eventually(
      () => inPanel(".state"),
      (states) => states.length === 0,
    );
    assert.equal((await inPanel(".failure")).length, 1);
    assert.match((await inPanel(".failure .actions")).join(" "), /Connect Provider…/);
    await driver.screenshot("panel-failed");
  });

  it("is renamed, in the tab, in the tree and in the panel", async () => {
    await launch(lineScript("A bad name", { text: "Named." }));
    await turnsEnd(1);
    await driver.runCommand("Open Agent: Rename…");
    await quickInputTitled("Rename Mission");
    await driver.answerQuickInput("A good name");
    await panelShows("h1", "A good name");
    await eventually(tabs, (titles) => titles.includes("A good name"));
    await eventually(missionRows, (rows) => rows.includes("A good name"));
  });

  it("goes into the archive and comes back", async () => {
    await launch(lineScript("Put away", { text: "Fine." }));
    await turnsEnd(1);
    await driver.runCommand("Open Agent: Archive");
    const away = await eventually(missionRows, (rows) => rows.includes("Archived"));
    assert.equal(
      away.some((row) => row.startsWith("Put away")),
      false,
    );
    await driver.click(`${missionTree} .monaco-list-row:has-text("Archived")`);
    await eventually(missionRows, (rows) => rows.slice(rows.indexOf("Archived")).some((row) => row.startsWith("Put")));
    await driver.screenshot("tree-archived");
    await driver.runCommand("Open Agent: Bring Back from Archive");
    await eventually(missionRows, (rows) => !rows.includes("Archived") && rows.some((row) => row.startsWith("Put")));
  });

  it("starts from a selection, whose lines the model gets", async () => {
    const file = vscode.Uri.file(join(workspaceFolder(), "README.md"));
    const editor = await vscode.window.showTextDocument(file);
    editor.selection = new vscode.Selection(0, 0, 0, 5);
    await launch("Explain this [[hello]]", "Open Agent: New Mission from Selection…");
    await turnsEnd(1);
    const [text = ""] = await inPanel(".user-text");
    assert.equal(text, "Explain this [[hello]]\n\nFrom README.md:1\n```markdown\nhello\n```");
  });

  it("starts in a folder of the Explorer and works there", async () => {
    const folder = join(workspaceFolder(), "inner");
    mkdirSync(folder, { recursive: true });
    await vscode.commands.executeCommand("workbench.view.explorer");
    const row = '.explorer-folders-view .monaco-list-row[aria-label^="inner"]';
    await eventually(
      () => driver.texts(row),
      (found) => found.length === 1,
    );
    await chooseInContextMenu(row, "New Mission Here…");
    await answerLaunch(lineScript("Work inside", bash("pwd > where.txt"), { text: "Done." }));
    await turnsEnd(1);
    assert.equal(readFileSync(join(folder, "where.txt"), "utf8").trim(), folder);
    await showMissions();
  });
});

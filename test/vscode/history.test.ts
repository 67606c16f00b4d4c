import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import { bash } from "../fake/scenarios.ts";
import { lineScript } from "../fake/script.ts";
import { driver } from "../host/driver.ts";
import { eventually } from "../host/eventually.ts";
import {
  chooseInContextMenu,
  closeTabs,
  inPanel,
  launch,
  missionRows,
  missionTree,
  noticed,
  page,
  panelShows,
  quickInputTitled,
  showMissions,
  tabs,
  turnsEnd,
  workspaceFolder,
} from "./steps.ts";

const row = (title: string) => `${missionTree} .monaco-list-row:has-text("${title}")`;
const found = ".quick-input-widget:visible .monaco-list-row";
const isMission = (label: string) => label.startsWith("History ");

/** The missions of these tests in the tree, top down. */
async function ours(): Promise<string[]> {
  return (await missionRows()).filter(isMission);
}

async function rename(title: string): Promise<void> {
  await driver.runCommand("Open Agent: Rename…");
  await quickInputTitled("Rename Mission");
  await driver.answerQuickInput(title);
  await panelShows("h1", title);
}

function look(theme: string): Thenable<void> {
  return vscode.workspace.getConfiguration("workbench").update("colorTheme", theme, vscode.ConfigurationTarget.Global);
}

describe("the history", () => {
  before(async () => {
    await showMissions();
    await closeTabs();
    const marked = [1, 2, 3, 4, 5, 6].map((step) => bash(`echo step ${String(step)} of the quokka`));
    await launch(lineScript("Steps", ...marked, { text: "All is counted." }));
    await turnsEnd(1);
    await rename("History of steps");
    await launch(lineScript("Failure", { fail: { status: 400, times: 99, body: {} } }));
    await panelShows(".failure", /./);
    await rename("History of failure");
    await launch(lineScript("Words", { text: "The quokka and the wombat." }));
    await turnsEnd(1);
    await rename("History of words");
    await closeTabs();
  });
  afterEach(closeTabs);

  it("is searched as a whole and shows where a hit is", async () => {
    await driver.runCommand("Open Agent: Search Missions…");
    await quickInputTitled("Search Missions");
    await driver.fillQuickInput("quokka wombat");
    const [hit = ""] = await eventually(
      () => driver.texts(found),
      (rows) => rows.length === 2,
    );
    assert.match(hit, /The quokka and the wombat\.\s+answer · .* · History of words/);
    await driver.fillQuickInput("no such words");
    await eventually(
      () => driver.texts(found),
      (rows) => rows.join("").includes("Nothing was found"),
    );
    await driver.fillQuickInput("step 5 of the quokka");
    await eventually(
      () => driver.texts(found),
      (rows) => rows.some((text) => text.includes("step 5 of the quokka")),
    );
    await driver.screenshot("search");
    await driver.press("Escape");
  });

  it("opens at a step within folded ones, which it unfolds and marks", async () => {
    await driver.click(row("History of steps"));
    await turnsEnd(1);
    await eventually(
      () => inPanel(".fold.steps .line"),
      (lines) => lines.join("").includes("6 steps"),
    );
    await driver.runCommand("Open Agent: Search in This Mission…");
    await quickInputTitled("Search in “History of steps”");
    await driver.fillQuickInput('"step 5 of the quokka"');
    const hits = await eventually(
      () => driver.texts(found),
      (rows) => rows.length > 0 && rows.every((text) => text.includes("step 5 of the quokka")),
    );
    const step = hits.findIndex((text) => text.includes("step · "));
    assert.ok(step >= 0, hits.join("\n"));
    for (let index = 0; index < step; index++) await driver.press("ArrowDown");
    await driver.press("Enter");
    await panelShows("[data-found] .body", "step 5 of the quokka");
    assert.equal(await driver.evaluateInWebview(page, "CSS.highlights.get('found').size > 0"), true);
    assert.equal(
      await driver.evaluateInWebview(page, "document.activeElement.closest('[data-found]') !== null"),
      true,
      "the focus is where the hit is",
    );
    await driver.screenshot("search-step");
    await eventually(
      () => driver.evaluateInWebview(page, "document.querySelector('[data-found]') === null && CSS.highlights.size"),
      (marks) => marks === 0,
    );
  });

  it("is narrowed by status, workspace, agent and words, one after another, and shown whole again", async () => {
    const all = await eventually(ours, (titles) => titles.length === 3);
    await choose("Failed");
    assert.deepEqual(await eventually(ours, (titles) => titles.length === 1), ["History of failure"]);
    await eventually(
      () => driver.texts(`${missionTree} .pane-header .description`),
      (texts) => texts.join("") === "failed",
    );
    await driver.screenshot("filtered");
    await choose("Open", "Change Filter of Missions…");
    await eventually(ours, (titles) => titles.length === 3);
    await driver.runCommand("Open Agent: Filter Missions…");
    await quickInputTitled("Filter Missions");
    await driver.answerQuickInput("STEPS");
    assert.deepEqual(await eventually(ours, (titles) => titles.length === 1), ["History of steps"]);
    await vscode.commands.executeCommand("openAgent.clearMissionFilter");
    await choose("project");
    await choose("build");
    await eventually(
      () => driver.texts(`${missionTree} .pane-header .description`),
      (texts) => texts.join("") === "project · agent build",
    );
    assert.deepEqual(await ours(), all);
    await vscode.commands.executeCommand("openAgent.clearMissionFilter");
    assert.deepEqual(await eventually(ours, (titles) => titles.length === 3), all);
  });

  it("says that nothing fits, with the way back", async () => {
    await driver.runCommand("Open Agent: Filter Missions…");
    await quickInputTitled("Filter Missions");
    await driver.answerQuickInput("no title has this");
    const welcome = `${missionTree} .welcome-view-content`;
    await eventually(
      () => driver.texts(welcome),
      (texts) => texts.join("").includes("No mission fits the filter."),
    );
    await driver.screenshot("filtered-out");
    await driver.click(`${welcome} a:has-text("Clear Filter")`);
    await eventually(ours, (titles) => titles.length === 3);
  });

  it("stands first where it is pinned", async () => {
    await chooseInContextMenu(row("History of steps"), "Pin");
    await eventually(missionRows, (rows) => rows[0] === "Pinned" && rows[1] === "History of steps");
    await driver.screenshot("pinned");
    await chooseInContextMenu(row("History of steps"), "Unpin");
    await eventually(missionRows, (rows) => !rows.includes("Pinned"));
  });

  it("is exported as a document and as a file, which brings nothing in that is there already", async () => {
    await chooseInContextMenu(row("History of steps"), "Export Mission…");
    await driver.pickQuickItem("Markdown in a New Document");
    const document = await eventually(
      () => vscode.window.activeTextEditor?.document,
      (shown) => shown?.languageId === "markdown",
    );
    assert.match(document?.getText() ?? "", /^# History of steps\n[^]*step 5 of the quokka[^]*All is counted\./);
    await vscode.commands.executeCommand("workbench.action.revertAndCloseActiveEditor");

    const file = join(workspaceFolder(), "steps.json");
    await chooseInContextMenu(row("History of steps"), "Export Mission…");
    await driver.pickQuickItem("JSON File…");
    await driver.choosePath("Export Mission", file);
    await eventually(() => existsSync(file), Boolean);

    await driver.runCommand("Open Agent: Import Missions…");
    await driver.choosePath("Import Missions", file);
    await noticed("0 missions came in, 1 was left out.");
    await driver.click('.notification-list-item .monaco-button:has-text("Show Report")');
    await eventually(tabs, (titles) => titles.some((title) => title.includes("Import of Missions")));
    await driver.screenshot("import-report");
  });

  async function choose(label: string, title = "Filter Missions…"): Promise<void> {
    if (title.startsWith("Change")) void vscode.commands.executeCommand("openAgent.changeMissionFilter");
    else await driver.runCommand(`Open Agent: ${title}`);
    await quickInputTitled("Filter Missions");
    await driver.pickQuickItem(label);
    await eventually(
      () => driver.texts(".quick-input-widget:visible .quick-input-title"),
      (titles) => titles.join("") === "",
    );
  }

  it("looks at home in a dark theme", async () => {
    const before = vscode.workspace.getConfiguration("workbench").get<string>("colorTheme") ?? "";
    await look("Default Dark Modern");
    await driver.runCommand("Open Agent: Search Missions…");
    await quickInputTitled("Search Missions");
    await driver.fillQuickInput("quokka and");
    await eventually(
      () => driver.texts(found),
      (rows) => /answer · .*History of words/.test(rows[0] ?? ""),
    );
    await driver.screenshot("search-dark");
    await driver.press("Enter");
    await panelShows("[data-found]", "quokka");
    await driver.screenshot("search-hit-dark");
    await look(before);
  });
});

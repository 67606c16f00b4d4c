import assert from "node:assert/strict";
import * as vscode from "vscode";
import { lineScript } from "../fake/script.ts";
import { driver } from "../host/driver.ts";
import { eventually } from "../host/eventually.ts";
import {
  answerLaunch,
  closeTabs,
  inPanel,
  launch,
  panelShows,
  quickInputTitled,
  showMissions,
  turnsEnd,
} from "./steps.ts";

const workspaces = '.pane:has(.pane-header[aria-label^="Workspaces"])';

describe("views and commands", () => {
  before(showMissions);
  beforeEach(closeTabs);

  it("lists the folders of the window, from which a mission starts", async () => {
    await vscode.commands.executeCommand("openAgent.workspaces.focus");
    // The missions of the suites before may run a moment longer.
    await eventually(
      () => driver.texts(`${workspaces} .monaco-list-row`),
      (texts) => texts.length === 1 && /^project\s*host$/.test(texts[0] ?? ""),
    );
    await driver.hover(`${workspaces} .monaco-list-row`);
    await driver.click(`${workspaces} .monaco-list-row [aria-label^="New Mission"]`);
    await answerLaunch(lineScript("From the view", { text: "Viewed." }));
    await turnsEnd(1);
    await vscode.commands.executeCommand("openAgent.missions.focus");
  });

  it("chooses the model for a mission, which its next message uses", async () => {
    await launch(lineScript("With the big model", { text: "Big." }));
    await turnsEnd(1);
    await driver.runCommand("Open Agent: Choose Model…");
    await quickInputTitled("Choose Model");
    await driver.screenshot("quick-pick-model");
    await driver.pickQuickItem("Scripted demo, small (no AI)");
    await panelShows("header .facts", "scripted-small");
    await driver.fillInWebview(
      "main[aria-label=Transcript]",
      ".composer textarea",
      lineScript("On", { text: "Small." }),
    );
    await driver.press("Enter");
    await turnsEnd(2);
    assert.match((await inPanel("header .facts")).join(" "), /scripted-small/);
  });

  it("chooses the agent for a mission", async () => {
    await launch(lineScript("With an agent", { text: "Agent." }));
    await turnsEnd(1);
    await driver.runCommand("Open Agent: Choose Agent…");
    await quickInputTitled("Choose Agent");
    await driver.pickQuickItem("plan");
    await panelShows("header .facts", "plan");
    await driver.runCommand("Open Agent: Choose Agent…");
    await quickInputTitled("Choose Agent");
    await driver.pickQuickItem("build");
    await panelShows("header .facts", "build");
  });

  it("shows the log of OpenCode", async () => {
    await driver.runCommand("Open Agent: Show OpenCode Log");
    await eventually(
      () => driver.texts('.part.panel select[aria-label="Output Channel"], .part.panel .monaco-select-box'),
      (texts) => texts.join("").includes("Open Agent"),
    );
    await vscode.commands.executeCommand("workbench.action.closePanel");
  });

  it("restarts OpenCode, after which missions go on", async () => {
    await launch(lineScript("Before", { text: "Before." }));
    await turnsEnd(1);
    await driver.runCommand("Open Agent: Restart OpenCode");
    await eventually(
      () => driver.texts(".notification-list-item"),
      (texts) => !texts.some((text) => text.includes("Restarting OpenCode")),
    );
    await driver.fillInWebview(
      "main[aria-label=Transcript]",
      ".composer textarea",
      lineScript("On", { text: "After." }),
    );
    await driver.press("Enter");
    await turnsEnd(2);
    assert.deepEqual(await inPanel(".answer"), ["Before.", "After."]);
  });
});

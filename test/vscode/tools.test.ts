import assert from "node:assert/strict";
import * as vscode from "vscode";
import { driver } from "../host/driver.ts";
import { eventually } from "../host/eventually.ts";
import { askTool, closeTabs, launch, launchUnseen, tabs, turnsEnd } from "./steps.ts";

describe("notifications", () => {
  const toasts = async () =>
    (await driver.texts(".notification-list-item-message")).filter((words) => /is done|failed/.test(words));

  before(async () => {
    await closeTabs();
    await vscode.commands.executeCommand("notifications.clearAll");
  });
  after(() => vscode.commands.executeCommand("notifications.clearAll"));

  it("tell of what is done and what failed where nobody looks", async () => {
    await launchUnseen("[[hello]]", "Unseen");
    const done = await eventually(toasts, (found) => found.length > 0);
    assert.deepEqual(done, ["“Unseen” is done: Hello from the scripted model. Nothing to do."]);
    await vscode.commands.executeCommand("notifications.clearAll");
    await launchUnseen("[[err400]]", "Broken");
    assert.match((await eventually(toasts, (found) => found.length > 0)).join(), /^“Broken” failed: /);
    await vscode.commands.executeCommand("notifications.clearAll");
  });

  it("say nothing of what the user looks at", async () => {
    await launch("[[hello]]");
    await turnsEnd(1);
    // The next one that is told of would come after it.
    await launchUnseen("[[bash]]", "Later");
    const told = await eventually(toasts, (found) => found.length > 0);
    assert.deepEqual(told, ["“Later” is done: The command ran."]);
  });
});

describe("tools for other agents", () => {
  it("are known to the editor", () => {
    const names = vscode.lm.tools.map(({ name }) => name).filter((name) => name.startsWith("openagent_"));
    assert.deepEqual(names.sort(), ["openagent_launchMission", "openagent_missionStatus", "openagent_readTranscript"]);
  });

  it("launch a mission, say what it does and read it", async () => {
    const missionId = await launchUnseen("[[hello]]", "By another agent");
    const status = await eventually(
      () => askTool("openagent_missionStatus", { missionId: missionId.slice(0, 8) }),
      (words) => words.includes("state: finished"),
    );
    assert.match(status, /^title: By another agent$/m);
    assert.match(await askTool("openagent_readTranscript", { missionId }), /## Agent\nHello from the scripted model/);
  });
});

describe("a link", () => {
  it("opens the mission that it names", async () => {
    const missionId = await launchUnseen("[[hello]]", "By its link");
    const link = vscode.Uri.from({
      scheme: vscode.env.uriScheme,
      authority: "open-agent.open-agent",
      path: `/mission/${missionId.slice(0, 8)}`,
    });
    // Where the operating system knows no links of the editor, a page of the editor takes them.
    await vscode.env.openExternal(await vscode.env.asExternalUri(link));
    await eventually(tabs, (labels) => labels.includes("By its link"));
  });
});

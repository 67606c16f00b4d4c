import assert from "node:assert/strict";
import { driver } from "../host/driver.ts";
import { eventually } from "../host/eventually.ts";
import { closeTabs, inPanel, launch, missionRows, missionTree, panelShows, showMissions, turnsEnd } from "./steps.ts";

const expand = `${missionTree} .monaco-list-row:has-text("subtask") .monaco-tl-twistie`;

describe("sub-agents", () => {
  before(async () => {
    await showMissions();
    await launch("[[subtask]]");
    await turnsEnd(1);
    // It moves once it runs no more.
    await eventually(missionRows, ([first]) => first === "[[subtask]]");
  });
  after(closeTabs);

  it("stand below their mission in the tree", async () => {
    await driver.click(expand);
    const rows = await eventually(missionRows, (found) => found.includes("Child work"));
    assert.equal(rows.filter((row) => row === "Child work").length, 1);
  });

  it("open in the panel, to be read, and lead back", async () => {
    await driver.click(`${missionTree} .monaco-list-row:has-text("Child work")`);
    await panelShows("header h1", "Child work");
    assert.deepEqual(
      [await inPanel(".answer"), await inPanel("textarea"), (await inPanel(".user h2"))[0]?.startsWith("Task")],
      [["I run a command.", "The command ran."], [], true],
    );
    await driver.screenshot("sub-agent");
    await driver.runCommand("Open Agent: Back from Sub-Agent to Mission");
    await panelShows(".answer", "The child has finished.");
  });

  it("are cards in the transcript that open as well", async () => {
    const [card = ""] = await inPanel(".sub-agent .line");
    assert.match(card, /general\s+Child work\s+finished/);
  });
});

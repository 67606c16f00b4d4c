import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
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
  page,
  panelShows,
  quickInputTitled,
  showMissions,
  turnsEnd,
  workspaceFolder,
} from "./steps.ts";

const toasts = ".notification-toast";
const waits = `${missionTree} .monaco-list-row:has(.codicon-bell-dot)`;

describe("requests", () => {
  before(showMissions);
  beforeEach(closeTabs);

  const made = (name: string) => existsSync(join(workspaceFolder(), name));

  it("are allowed by a rule of the card’s making, which is shown, listed and revoked", async () => {
    const [one, two] = [bash("touch rule-1.txt"), bash("touch rule-2.txt")];
    await launch(lineScript("Touch by a rule", one, two, { text: "Both." }));
    await panelShows(".card.request .always", "Always:");
    await panelShows(".fold.waiting .line", /^Waiting for you\s+touch rule-1\.txt/);
    await driver.evaluateInWebview(
      page,
      `(() => {
        const scope = document.querySelector(".always [aria-label='Where it is allowed']");
        scope.value = "workspace";
        scope.dispatchEvent(new Event("change", { bubbles: true }));
      })()`,
    );
    await driver.screenshot("panel-permission-scope");
    await driver.clickInWebview(page, ".card.request .always button");
    await turnsEnd(1);
    assert.deepEqual([made("rule-1.txt"), made("rule-2.txt")], [true, true]);
    await driver.clickInWebview(page, ".fold.completed .line >> text=rule-2");
    await panelShows(".fold .note", "Allowed by: touch * (this workspace)");
    await driver.screenshot("panel-allowed-by");

    await driver.runCommand("Open Agent: Permission Rules…");
    await quickInputTitled("Permission Rules");
    const rules = ".quick-input-list .monaco-list-row";
    await eventually(
      () => driver.texts(rules),
      (rows) => rows.length === 1 && (rows[0] ?? "").includes("touch *"),
    );
    await driver.screenshot("quick-pick-rules");
    await driver.hover(rules);
    await driver.click(`${rules} [aria-label="Revoke"]`);
    await eventually(
      () => driver.texts(rules),
      (rows) => (rows[0] ?? "").includes("There are no rules"),
    );
    await driver.press("Escape");
    await closeTabs();
    await launch(lineScript("Touch without a rule", bash("touch rule-3.txt"), { text: "Asked." }));
    await panelShows(".card.request .detail", "touch rule-3.txt");
    await driver.clickInWebview(page, ".card.request button >> text=Allow Once");
    await turnsEnd(1);
  });

  it("are told where the mission is not in view, and answered from the tree; the notice then is stale", async () => {
    // Only so many can be seen at once.
    await driver.runCommand("Notifications: Clear All Notifications");
    await launch(lineScript("Ask out of sight", bash("sleep 3"), bash("touch tree.txt"), { text: "Seen." }));
    await panelShows(".state", "running");
    await closeTabs();
    await eventually(
      () => driver.texts(toasts),
      (texts) => texts.some((text) => text.includes("wants to run touch tree.txt")),
    );
    await driver.screenshot("notification-permission");
    await chooseInContextMenu(waits, "Answer…");
    await quickInputTitled("Wants to run: touch tree.txt");
    await driver.screenshot("quick-pick-answer");
    await driver.pickQuickItem("Allow Once");
    await eventually(
      () => made("tree.txt"),
      (there) => there,
    );
    await eventually(missionRows, (rows) => !rows.includes("Waiting for You"));
    await driver.runCommand("Notifications: Show Notifications");
    await driver.click('.notification-list-item:has-text("touch tree.txt") .monaco-button:has-text("Deny")');
    await eventually(
      () => driver.texts(".notification-list-item"),
      (texts) => texts.some((text) => text.includes("answered already")),
    );
    await driver.runCommand("Notifications: Clear All Notifications");
  });

  it("need no answer in a mission that may do anything", async () => {
    await launch(lineScript("Ask me no more", bash("touch asked-once.txt"), bash("touch free.txt"), { text: "Free." }));
    await panelShows(".card.request .detail", "touch asked-once.txt");
    await driver.clickInWebview(page, "header .facts button >> text=permissions");
    await quickInputTitled("Permissions of This Mission");
    await driver.pickQuickItem("Allow all");
    await turnsEnd(1);
    assert.deepEqual([made("asked-once.txt"), made("free.txt")], [true, true]);
    assert.match((await inPanel("header .facts")).join(" "), /allow all/);
  });
});

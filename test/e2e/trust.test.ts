import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { runTurn } from "../fake/bed.ts";
import { isAlive } from "../../src/base/processes.ts";
import { lineScript } from "../fake/script.ts";
import { quickInput, runCommand, treeRow } from "../host/page.ts";
import { inPanel, makeScene, panelShows, send, turnsEnd, type Scene, pictureFailures } from "./scene.ts";

describe("a workspace that is not trusted", function () {
  this.timeout(180_000);
  let scene: Scene;
  let page: Page;

  before(async () => {
    scene = await makeScene({
      editor: { trust: false },
      prepare: async (bed) => {
        const core = bed.core();
        await runTurn(core, bed, lineScript("From trusted times", { text: "An old answer." }));
        await core.dispose();
      },
    });
    page = await scene.open();
  });
  after(() => scene.close());
  pictureFailures((name) => scene.picture(page, name));

  const opencodeRuns = () => {
    const pid = scene.bed.serverPid();
    return pid !== undefined && isAlive(pid);
  };

  it("lets the history be read", async () => {
    await runCommand(page, "Open Agent: Show Missions");
    await treeRow(page, "From trusted times").first().click();
    await turnsEnd(page, 1);
    assert.deepEqual(await inPanel(page, ".answer"), ["An old answer."]);
    await scene.picture(page, "untrusted");
  });

  it("runs nothing", async () => {
    await panelShows(page, ".status", (texts) => texts.some((text) => text.includes("not trusted")));
    assert.deepEqual(await inPanel(page, ".composer, .stop, button:enabled:not(.line)"), []);
    await page.keyboard.press("F1");
    await quickInput(page).locator("input.input").first().fill(">Open Agent: ");
    await quickInput(page).locator(".label-name").getByText("Open Agent: Show Missions").first().waitFor();
    const offered = await quickInput(page).locator(".monaco-list-row .label-name").allInnerTexts();
    assert.deepEqual(
      offered.filter((label) => /New Mission|Send|Resume|Restart|Connect|Stop|Delete|Files|as Default/.test(label)),
      [],
    );
    await page.keyboard.press("Escape");
    assert.equal(opencodeRuns(), false);
  });

  it("goes on in the panel once it is trusted", async () => {
    await runCommand(page, "Workspaces: Manage Workspace Trust");
    await page.locator(".workspace-trust-editor").getByText("Trust", { exact: true }).click();
    await page.keyboard.press("Escape");
    await panelShows(page, ".composer", (found) => found.length === 1);
    await send(page, lineScript("Now go on", { text: "Trusted words." }));
    await turnsEnd(page, 2);
    assert.deepEqual(await inPanel(page, ".answer"), ["An old answer.", "Trusted words."]);
  });
});
